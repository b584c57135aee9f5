"""`edgesteer serve`: an OpenAI-compatible API on this machine, and the page with sliders.

Does not know HTTP.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from edgesteer.cli import _options as shared
from edgesteer.cli._complete import models

if TYPE_CHECKING:
    from edgesteer.server.settings import Settings


@click.command()
@click.argument("model_name", required=False, metavar="[MODEL]", shell_complete=models)
@shared.model_option
@shared.steering_options
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8808,
    show_default=True,
    help="The port to listen on; 0 takes any that is free.",
)
@click.option(
    "--slots",
    type=click.IntRange(1, 64),
    default=8,
    show_default=True,
    metavar="N",
    help="How many answers are written at once.",
)
@click.option(
    "--queue",
    type=click.IntRange(1, 10_000),
    default=64,
    show_default=True,
    metavar="N",
    help="How many more may wait; beyond that a request is refused with 503.",
)
@click.option(
    "--time-limit",
    type=click.FloatRange(min=1),
    default=600,
    show_default=True,
    metavar="SECONDS",
    help="When an answer is cut short, from the request on.",
)
@click.option(
    "--api-key",
    envvar="EDGESTEER_API_KEY",
    default="",
    metavar="KEY",
    help="Ask every request for this key; better set as EDGESTEER_API_KEY.",
)
@click.option(
    "--cors",
    multiple=True,
    metavar="ORIGIN",
    help="Let pages of this origin ask too, such as http://localhost:3000; may be given several "
    "times.",
)
@click.option("--no-page", is_flag=True, help="Serve the API alone.")
@shared.engine_options
@shared.json_option
@shared.output_options
def serve(model_name: str | None, **options: Any) -> None:
    """Serve the model on this machine: an OpenAI-compatible API, and a page with sliders.

    Every request may carry its own steering, and all are written in one batch.

    \b
    edgesteer serve -s calm=1
    curl http://127.0.0.1:8808/v1/chat/completions -H "Content-Type: application/json" \\
      -d '{"messages": [{"role": "user", "content": "Hi!"}], "steering": "calm=1.2"}'
    """
    import warnings

    from edgesteer.cli import _open, _request, _show
    from edgesteer.errors import EdgesteerWarning, MissingExtraError

    if model_name and options["model"]:
        raise click.UsageError("give the model once: as an argument or with -m")
    try:
        from edgesteer.server.app import create_app
        from edgesteer.server.run import bind, run
    except ImportError as error:
        raise MissingExtraError(
            f"the server needs {error.name}", f"{sys.executable} -m pip install 'edgesteer[serve]'"
        ) from error
    settings = _settings(options)
    request = _request.Request.of(options, model_name)
    listening = bind(settings)
    settings = _bound(settings, listening.getsockname()[1])
    sizes = {"n_seq": options["slots"], "queue": options["queue"]}
    with listening, _open.open_model(request.model, options, request.library, **sizes) as model:
        app = create_app(
            model,
            settings,
            steer=model.bind(request.steering),
            system=request.system,
            sampling=request.settings,
        )
        if not (settings.loopback or settings.api_key):
            text = "anyone who can reach this machine can use it: --api-key asks for a key"
            warnings.warn(EdgesteerWarning(text), stacklevel=1)
        _show.note(f"{model.name} on {model.device}, {model.n_seq} slots; Ctrl-C ends it")
        if options["as_json"]:
            _show.print_json({"url": settings.url, "model": model.name, "slots": model.n_seq})
        else:
            click.echo(settings.url)
        run(app, listening)


def _settings(options: dict[str, Any]) -> Settings:
    from edgesteer.server.settings import Limits, Settings

    return Settings(
        host=options["host"],
        port=options["port"],
        api_key=options["api_key"],
        cors=options["cors"],
        page=not options["no_page"],
        limits=Limits(seconds=options["time_limit"]),
    )


def _bound(settings: Settings, port: int) -> Settings:
    from dataclasses import replace

    return replace(settings, port=port)
