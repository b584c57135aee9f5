"""`edgesteer models add`: register a GGUF file where it lies, or fetch one from the hub.

Does not copy files; how one is fetched is edgesteer.hub's business.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgesteer.cli import _options as shared

if TYPE_CHECKING:
    from edgesteer.hub import Fetched


@click.command()
@click.argument("file", metavar="FILE|hf://OWNER/REPO/FILE")
@click.option("--name", help="What to call it.  [default: the file's name]")
@click.option("--licence", default="", metavar="TEXT", help="Its licence, for your own notes.")
@shared.force_option
@shared.output_options
def add(file: str, name: str | None, licence: str, force: bool) -> None:
    """Register a GGUF model; the file stays where it is.

    hf://OWNER/REPO/FILE is fetched from the Hugging Face hub into its own cache first. This is the
    only command that uses the network.

    \b
    edgesteer models add models/qwen2.5-0.5b-q8_0.gguf --name qwen
    edgesteer models add hf://Qwen/Qwen2.5-0.5B-Instruct-GGUF/qwen2.5-0.5b-instruct-q8_0.gguf
    """
    from edgesteer.cli import _show
    from edgesteer.errors import InputError
    from edgesteer.identity import read_model_identity
    from edgesteer.library import Library

    library, source, sha256 = Library(), "", ""
    if file.lower().startswith("hf://"):
        fetched = _fetched(file)
        file, source, sha256 = str(fetched.path), str(fetched.source), fetched.sha256
    elif "://" in file:
        raise InputError(
            f"{file}: only hf:// is fetched from here",
            "fetch the GGUF file first, then: edgesteer models add FILE",
        )
    identity = read_model_identity(Path(file).expanduser())
    entry = library.add_model(
        file, name or "", licence, replace=force, source=source, sha256=sha256
    )
    if sha256:
        _show.note(f"fetched {source}, sha256 {sha256}")
    _show.note(f"added {entry.name}: {identity}; use it with -m {entry.name}")


def _fetched(uri: str) -> Fetched:
    """The file on the hub. Raises InputError with --offline."""
    from edgesteer.cli import _show
    from edgesteer.cli._group import OFFLINE, recall
    from edgesteer.errors import InputError
    from edgesteer.hub import HubFile, fetch

    source = HubFile.parse(uri)
    if recall(OFFLINE):
        raise InputError(f"{source} is not fetched: --offline was given", "leave out --offline")
    _show.note(f"asking the hub for {source}")
    return fetch(source)
