"""`edgesteer compare`: the same question, plain and steered, side by side from one seed.

Does not know how an answer is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from edgesteer.cli import _options as shared
from edgesteer.cli._complete import models

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgesteer.steering import Steering


def _strengths(_ctx: click.Context, _param: click.Parameter, value: str | None) -> list[float]:
    try:
        found = [float(part) for part in value.split(",")] if value else []
    except ValueError:
        raise click.BadParameter("give numbers with commas between them, such as -1,0,1") from None
    if len(found) > 16:
        raise click.BadParameter("at most 16 strengths fit side by side")
    return found


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="[MODEL] PROMPT|-", shell_complete=models)
@click.option(
    "--strengths",
    metavar="X,X,...",
    callback=_strengths,
    help="One column for each factor on all strengths, such as -1,0,1.",
)
@shared.model_option
@shared.steering_options
@shared.sampling_options
@click.option("--raw", is_flag=True, help="Continue the prompt as it is: no chat template.")
@shared.engine_options
@shared.save_option
@shared.json_option
@shared.output_options
@click.pass_context
def compare(ctx: click.Context, /, words: tuple[str, ...], **options: Any) -> None:
    """Show the plain and the steered answer side by side, from the same seed.

    \b
    edgesteer compare -s calm=1 "I lost my keys!"
    edgesteer compare -s calm=1 --strengths -1,0,1 "I lost my keys!"
    """
    import secrets
    from functools import partial

    from edgesteer.cli import _make, _open, _request, _show
    from edgesteer.cli._columns import Column, finish, show_columns
    from edgesteer.errors import InputError

    model_name, prompt = _request.prompt_words(words, options["model"])
    request = _request.Request.of(options, model_name)
    if not request.steering.terms:
        raise InputError("there is nothing to compare with", "name a vector: -s calm=1")
    settings = {"seed": secrets.randbelow(2**31), **request.settings}
    with _open.open_model(request.model, options, request.library) as model:
        _make.make_missing(model, request.model, request.steering, options)
        titles = _titles(model.bind(request.steering, _pass), options["strengths"])
        for _, steer in titles:
            model.bind(steer)  # warns of what is really used
        asked = {"system": request.system, "raw": options["raw"], **settings}
        columns = [
            Column.start(title, partial(model.start, prompt, steer=steer, **asked))
            for title, steer in titles
        ]
        replies = finish(columns) if options["as_json"] else show_columns(columns)
        if options["as_json"]:
            answers = [
                {"title": column.title, **_show.reply_dict(reply, model)}
                for column, reply in zip(columns, replies, strict=True)
            ]
            _show.print_json({"prompt": prompt, "seed": settings["seed"], "answers": answers})
        else:
            for column, reply in zip(columns, replies, strict=True):
                _show.note(f"{column.title}: {_show.figures(reply, model)}")
    if options["save"]:
        _show.note(_request.save_as_recipe(options["save"], request))
    if any(reply.finish == "cancelled" for reply in replies):
        ctx.exit(130)


def _pass(_warning: object) -> None:
    """Takes no notice."""


def _titles(steering: Steering, strengths: Sequence[float]) -> list[tuple[str, Steering | None]]:
    """What stands at the top of each column, and what steers it."""
    if not strengths:
        return [("plain", None), (str(steering), steering)]
    return [(f"{steering * x}" if x else "plain", steering * x or None) for x in strengths]
