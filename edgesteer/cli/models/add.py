"""`edgesteer models add`: register a GGUF file where it lies.

Does not copy it, and downloads nothing.
"""

from __future__ import annotations

from pathlib import Path

import click

from edgesteer.cli import _options as shared


@click.command()
@click.argument("file", type=click.Path(dir_okay=False))
@click.option("--name", help="What to call it.  [default: the file's name]")
@click.option("--licence", default="", metavar="TEXT", help="Its licence, for your own notes.")
@shared.force_option
@shared.output_options
def add(file: str, name: str | None, licence: str, force: bool) -> None:
    """Register a GGUF model; the file stays where it is.

    \b
    edgesteer models add models/qwen2.5-0.5b-q8_0.gguf --name qwen
    """
    from edgesteer.cli import _show
    from edgesteer.errors import InputError
    from edgesteer.identity import read_model_identity
    from edgesteer.library import Library

    if "://" in file:
        raise InputError(
            f"{file}: nothing is downloaded here",
            "fetch the GGUF file first, then: edgesteer models add FILE",
        )
    library = Library()
    identity = read_model_identity(Path(file).expanduser())
    entry = library.add_model(file, name or "", licence, replace=force)
    _show.note(f"added {entry.name}: {identity}; use it with -m {entry.name}")
