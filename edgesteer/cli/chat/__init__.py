"""`edgesteer chat`: talk, and turn the steering while talking.

Does not know the terminal (terminal.py) nor what is said and done (session.py).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from edgesteer.cli import _options as shared
from edgesteer.cli._complete import models

if TYPE_CHECKING:
    from edgesteer.steering import Steering


@click.command()
@click.argument("name", required=False, metavar="[MODEL]", shell_complete=models)
@shared.model_option
@shared.steering_options
@shared.sampling_options
@shared.watch_option
@shared.engine_options
@shared.save_option
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON for each answer.")
@shared.output_options
@click.pass_context
def chat(ctx: click.Context, /, name: str | None, **options: Any) -> None:
    """Talk to a model and turn its steering while you do.

    \b
    edgesteer chat -s calm=1
    edgesteer chat --watch calm
    /steer calm +0.2    /off    /on    /watch calm    /compare TEXT    /again    /save NAME    /help

    Without a terminal each line of stdin is one message or command.
    """
    from edgesteer.cli import _make, _open, _request, _show
    from edgesteer.cli.chat.session import ChatSession
    from edgesteer.cli.chat.writers import JsonWriter, PlainWriter, TerminalWriter

    if name and options["model"]:
        raise click.UsageError("give the model once: as an argument or with -m")
    request = _request.Request.of(options, name)
    _request.check_new_recipe(options["save"], request.library, options["force"])
    at_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    with _open.open_model(request.model, options, request.library) as model:

        def make(steering: Steering) -> None:
            _make.make_missing(model, request.model, steering, options)

        make(request.steering)
        talk = model.chat(
            system=request.system,
            steer=request.steering,
            **request.settings,
        )
        if options["as_json"]:
            writer: PlainWriter = JsonWriter(model)
        else:
            writer = TerminalWriter() if at_terminal else PlainWriter()
        session = ChatSession(talk, model, request.library, writer, name=request.model, make=make)
        session.make_readable = lambda watch: _make.make_readable(
            model, request.model, watch, options
        )
        if options["watch"]:
            session.watch(*options["watch"])
        if at_terminal:
            from edgesteer.cli.chat.terminal import converse

            converse(session)
        else:
            for line in sys.stdin:
                if not session.handle(line.rstrip("\r\n")):
                    break
        if options["save"]:
            _show.note(session.save(options["save"]))
    if writer.failed and not at_terminal:
        ctx.exit(1)
