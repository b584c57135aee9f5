"""`edgesteer models show`: one model file, by its header.

Does not load the model.
"""

from __future__ import annotations

from typing import Any

import click

from edgesteer.cli import _options as shared
from edgesteer.cli._complete import models


@click.command()
@click.argument("name", required=False, metavar="[MODEL]", shell_complete=models)
@shared.json_option
@shared.output_options
def show(name: str | None, as_json: bool) -> None:
    """Show a model's file, architecture and checksum.

    MODEL is a name or a GGUF file; the default model when it is left out.
    """
    import warnings

    from edgesteer.cli import _show
    from edgesteer.errors import EdgesteerWarning
    from edgesteer.identity import read_model_identity
    from edgesteer.library import DEFAULT_MODEL, Library
    from edgesteer.working_copy import CopyShelf

    library = Library()
    entry = library.find_model(name or DEFAULT_MODEL)
    identity = read_model_identity(entry.path)
    facts: dict[str, Any] = {
        **entry.to_dict(),
        "size": entry.path.stat().st_size,
        "sha256": library.sha256(entry.path),
        "title": identity.name,
        "architecture": identity.architecture,
        "n_layer": identity.n_layer,
        "n_embd": identity.n_embd,
        "weights_id": identity.weights_id,
        "working_copies": [copy.to_dict() for copy in CopyShelf(library).all_of(entry.path)],
    }
    if entry.sha256 and entry.sha256 != facts["sha256"]:
        text = f"the file has changed since it was fetched: its sha256 was {entry.sha256}"
        warnings.warn(EdgesteerWarning(text), stacklevel=2)
    if as_json:
        _show.print_json(facts)
        return
    facts["size"] = _show.size(facts["size"])
    copies = facts.pop("working_copies")
    facts |= {f"{name or DEFAULT_MODEL}@{copy['format']}": _told(copy) for copy in copies}
    facts["layers that can be steered"] = f"1-{identity.n_layer - 1}"
    _show.facts(facts.items(), max(map(len, facts)) + 2)


def _told(copy: dict[str, Any]) -> str:
    from edgesteer.cli import _show

    return f"working copy, {_show.size(copy['size'])}, KL {copy['kl']:.4f}: {copy['path']}"
