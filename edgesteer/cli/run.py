"""`edgesteer run`: one answer, written to stdout as it comes.

Does not know how an answer is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from edgesteer.cli import _options as shared
from edgesteer.cli._complete import models

if TYPE_CHECKING:
    from edgesteer.model import Reading
    from edgesteer.monitor.readout import Readout
    from edgesteer.steering import Steering


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="[MODEL] PROMPT|-", shell_complete=models)
@shared.model_option
@shared.steering_options
@shared.sampling_options
@click.option("--stop", multiple=True, metavar="TEXT", help="End the answer before this text.")
@click.option("--raw", is_flag=True, help="Continue the prompt as it is: no chat template.")
@shared.watch_option
@shared.engine_options
@shared.save_option
@shared.json_option
@shared.output_options
@click.pass_context
def run(ctx: click.Context, /, words: tuple[str, ...], **options: Any) -> None:
    """Answer one prompt; '-' reads it from stdin.

    The answer goes to stdout as it comes, the figures to stderr.

    \b
    edgesteer run -s calm=1 "I lost my keys!"
    edgesteer run smollm2 -s "calm=1.2@8-16 formal=-0.5" --seed 1 - < letter.txt
    edgesteer run --watch calm "I lost my keys!"
    """
    from edgesteer.cli import _make, _open, _request, _show
    from edgesteer.cli._stream import follow

    model_name, prompt = _request.prompt_words(words, options["model"])
    request = _request.Request.of(options, model_name)
    _request.check_new_recipe(options["save"], request.library, options["force"])
    as_json = options["as_json"]
    with _open.open_model(request.model, options, request.library) as model:
        _make.make_missing(model, request.model, request.steering, options)
        _make.make_readable(model, request.model, options["watch"], options)
        steering = model.bind(request.steering)
        watch = model.readouts(options["watch"]) if options["watch"] else None
        stream = model.stream(
            prompt,
            steer=steering,
            system=request.system,
            raw=options["raw"],
            stop=options["stop"],
            watch=watch,
            **request.settings,
        )
        shown = _Watched(watch or {}, as_json)
        write = _discard if as_json else _write
        finished = follow(stream, write, shown.read if watch else None)
        reply = stream.reply
        if as_json:
            _show.print_json(_show.reply_dict(reply, model))
        else:
            click.echo()
            _show.note(_show.figures(reply, model))
            for line in shown.lines(steering, model.n_layer):
                _show.note(line)
    if options["save"]:
        _show.note(_request.save_as_recipe(options["save"], request))
    if not finished:
        ctx.exit(130)


class _Watched:
    """Writes a watched answer, shaded by its first read-out where stdout is a terminal."""

    def __init__(self, readouts: Mapping[str, Readout], silent: bool) -> None:
        from edgesteer.cli._shade import Gauge, Levels

        self.gauge, self._levels, self._silent = Gauge(readouts), Levels(readouts), silent

    def lines(self, steering: Steering, n_layer: int) -> list[str]:
        """What was read, for below the answer."""
        from edgesteer.monitor.added import added_by

        added = {k: added_by(steering, r, n_layer) for k, r in self.gauge.readouts.items()}
        return self.gauge.lines(added)

    def read(self, reading: Reading) -> None:
        """Write what came with a token."""
        from edgesteer.cli._shade import shaded
        from edgesteer.cli._show import for_stdout

        self.gauge.add(reading)
        if reading.generated and not self._silent:
            click.echo(shaded(for_stdout(reading.text), self._levels.of(reading)), nl=False)


def _write(piece: str) -> None:
    from edgesteer.cli._show import for_stdout

    click.echo(for_stdout(piece), nl=False)


def _discard(_piece: str) -> None:
    """With --json the whole answer is printed at its end."""
