"""`edgesteer vectors check`: is a vector file sound, and does it fit a model.

Does not open the model: its header says enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from edgesteer.cli import _options as shared
from edgesteer.cli._complete import files_or_vectors

if TYPE_CHECKING:
    from edgesteer.identity import ModelIdentity
    from edgesteer.library import Library


@click.command()
@click.argument("vector", shell_complete=files_or_vectors)
@shared.model_option
@shared.json_option
@shared.output_options
@click.pass_context
def check(ctx: click.Context, vector: str, model: str | None, as_json: bool) -> None:
    """Check that a vector file is sound and fits the model.

    Exit code 1 when a check fails.
    """
    from edgesteer.cli import _show
    from edgesteer.identity import read_model_identity
    from edgesteer.library import DEFAULT_MODEL, Library

    library = Library()
    name = model or DEFAULT_MODEL
    identity = read_model_identity(library.find_model(name).path)
    checks = _checks(library, vector, identity)
    passed = all(ok for _, ok, _ in checks)
    if as_json:
        found = [{"check": what, "ok": ok, "detail": detail} for what, ok, detail in checks]
        _show.print_json({"vector": vector, "model": name, "ok": passed, "checks": found})
    else:
        rows = [[what, "ok" if ok else "FAILED", detail] for what, ok, detail in checks]
        _show.table(["CHECK", "RESULT", "DETAIL"], rows)
    if not passed:
        ctx.exit(1)


def _checks(library: Library, name: str, identity: ModelIdentity) -> list[tuple[str, bool, str]]:
    """(what, passed, detail) for the file, its values, its layers and its model."""
    from edgesteer.errors import VectorFileError, VectorMismatchError
    from edgesteer.layers import LayerRange
    from edgesteer.vector import ControlVector

    path = library.find_vector(name)
    try:
        vector = ControlVector.load(path)
    except VectorFileError as error:
        return [("file", False, error.message)]
    layers, last = LayerRange.of(vector.layers), identity.n_layer - 1
    norms = vector.norms().values()
    checks = [
        ("file", True, str(path)),
        ("finite", True, f"norms {min(norms):.3g}..{max(norms):.3g}"),
        ("not zero", max(norms) > 0, "" if max(norms) > 0 else "every direction is zero"),
        ("width", vector.n_embd == identity.n_embd, f"{vector.n_embd}, model {identity.n_embd}"),
        ("layers", vector.layers[-1] <= last, f"{layers}, model 1-{last}"),
    ]
    if vector.model is None:
        return [*checks, ("model", True, "the file names none; width and layers decide")]
    try:
        identity.check_fits(vector.model)
    except VectorMismatchError as error:
        return [*checks, ("model", False, error.message)]
    return [*checks, ("model", True, str(vector.model))]
