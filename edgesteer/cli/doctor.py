"""`edgesteer doctor`: what is installed, what runs where, and proof that steering has an effect.

Does not know how the proof is made (edgesteer.proof).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from edgesteer.cli import _options as shared
from edgesteer.cli._complete import models

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgesteer.library import Library


@click.command()
@click.argument("name", required=False, metavar="[MODEL]", shell_complete=models)
@shared.model_option
@shared.engine_options
@shared.json_option
@shared.output_options
@click.pass_context
def doctor(ctx: click.Context, /, name: str | None, **options: Any) -> None:
    """Show versions and devices, and prove on a model that steering changes its output.

    Exit code 1 when the model can not be opened or steering does nothing.
    """
    from edgesteer.cli import _show
    from edgesteer.cli._group import show_error
    from edgesteer.errors import EdgesteerError
    from edgesteer.library import DEFAULT_MODEL, Library

    if name and options["model"]:
        raise click.UsageError("give the model once: as an argument or with -m")
    as_json = options["as_json"]
    found: dict[str, Any] = {"versions": _versions()}
    if not as_json:
        _print(found["versions"])
    failure = None
    try:
        found |= _examine(name or options["model"] or DEFAULT_MODEL, options, Library(), as_json)
    except EdgesteerError as error:
        failure = error
        found |= {"error": error.message, "hint": error.hint}
    found["ok"] = failure is None and found["proof"]["steering_works"]
    if as_json:
        _show.print_json(found)
    if failure is not None:
        show_error(failure)
    if not found["ok"]:
        ctx.exit(1)


def _versions() -> dict[str, str]:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    import edgesteer

    facts = {
        "edgesteer": edgesteer.__version__,
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "machine": platform.machine(),
    }
    for package in ("llama-cpp-python", "numpy", "gguf", "torch", "transformers"):
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            optional = package in ("torch", "transformers")
            facts[package] = "not installed (optional)" if optional else "NOT INSTALLED"
    return facts


def _examine(name: str, options: dict[str, Any], library: Library, as_json: bool) -> dict[str, Any]:
    """Backend, model and proof; printed as they come unless it will all be JSON."""
    from edgesteer.cli import _open
    from edgesteer.proof import prove

    with _open.open_model(name, options, library) as model:
        backend = {"device": model.device, **_backend()}
        identity = model.identity
        facts = {
            "model": model.name,
            "path": str(model.path),
            "architecture": identity.architecture,
            "n_layer": model.n_layer,
            "steerable_layers": [1, model.n_layer - 1],
            "n_embd": model.n_embd,
            "n_ctx": model.n_ctx,
            "chat_template": model.has_chat_template,
        }
        if not as_json:
            _print(_told(backend))
            _print(_told(facts))
        proof = prove(model)
    if not as_json:
        verdict = "STEERING WORKS" if proof.works else "STEERING DOES NOT WORK"
        colour = "green" if proof.works else "red"
        for what, ok, detail in proof.checks:
            click.echo(f"{'ok    ' if ok else 'FAILED'} {what}: {detail}")
        click.secho(verdict, fg=colour, bold=True)
    checks = [{"check": what, "ok": ok, "detail": detail} for what, ok, detail in proof.checks]
    return {
        "backend": backend,
        "model": {**facts, "identity": identity.to_dict()},
        "proof": {"steering_works": proof.works, "layer": proof.layer, "checks": checks},
    }


def _backend() -> dict[str, Any]:
    """llama.cpp's build: what CPU features it uses, and whether it can use a GPU."""
    import re

    from edgesteer.engine import llama

    used = re.findall(r"(\w+) = 1\b", llama.system_info())
    return {
        "gpu": llama.gpu_available(),
        "cpu_features": used,
    }


def _told(facts: dict[str, Any]) -> dict[str, Any]:
    """The same for people."""
    words: dict[str, tuple[str, Callable[[Any], object]]] = {
        "gpu": ("gpu", lambda can: "can be used" if can else "none in this build of llama.cpp"),
        "cpu_features": ("cpu features", lambda used: ", ".join(used) or "none reported"),
        "n_layer": ("layers", str),
        "steerable_layers": ("can be steered", lambda ends: f"layers {ends[0]}-{ends[1]}"),
        "n_embd": ("width", str),
        "n_ctx": ("context", str),
        "chat_template": ("chat template", lambda has: "yes" if has else "none: use --raw"),
    }
    known = {key: words.get(key, (key, str)) for key in facts}
    return {label: say(facts[key]) for key, (label, say) in known.items()}


def _print(facts: dict[str, Any]) -> None:
    for label, value in facts.items():
        click.echo(f"{click.style(label.ljust(18), bold=True)}{value}")
    click.echo()
