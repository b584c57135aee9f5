"""`edgesteer vectors import`: another tool's vector file, bound to a model.

Does not guess what the other tool meant: --layer-offset says it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgesteer.cli import _options as shared

if TYPE_CHECKING:
    from edgesteer.vector import ControlVector


@click.command("import")
@click.argument("file", type=click.Path(dir_okay=False))
@shared.model_option
@click.option(
    "--layer-offset",
    type=int,
    default=0,
    show_default=True,
    metavar="N",
    help="Added to every layer; -1 for files of llama.cpp's cvector-generator.",
)
@click.option("--name", help="Its name in the library.  [default: that of FILE]")
@shared.out_option
@shared.force_option
@shared.json_option
@shared.output_options
def import_vector(file: str, **options: Any) -> None:
    """Bind a vector file of another tool to a model and keep it.

    Layers that the offset moves out of the model are left out, and said so. A file that names
    another model is refused without --force.

    \b
    edgesteer vectors import theirs.gguf -m smollm2 --layer-offset -1 --name happy
    """
    from edgesteer.cli import _show
    from edgesteer.cli.vectors._keep import keep, report
    from edgesteer.errors import LayerError, VectorMismatchError
    from edgesteer.identity import read_model_identity
    from edgesteer.layers import LayerRange
    from edgesteer.library import DEFAULT_MODEL, Library

    library, offset = Library(), options["layer_offset"]
    model_name = options["model"] or DEFAULT_MODEL
    identity = read_model_identity(library.find_model(model_name).path)
    directions, old = _read(Path(file))
    if old.model is not None and not options["force"]:
        try:
            identity.check_fits(old.model)
        except VectorMismatchError as error:
            hint = "give the model it was made for with -m, or --force to bind it all the same"
            raise VectorMismatchError(error.message, hint) from error
    moved = {layer + offset: row for layer, row in directions.items()}
    kept = {layer: row for layer, row in moved.items() if 1 <= layer < identity.n_layer}
    if not kept:
        raise LayerError(
            f"no layer of {file} lies in the model after an offset of {offset:+d}",
            f"{model_name} can be steered at the layers 1-{identity.n_layer - 1}",
        )
    if len(kept) < len(moved):
        lost = LayerRange.of(layer for layer in directions if layer + offset not in kept)
        _show.note(f"left out, since the model can not be steered there: layers {lost} of {file}")
    name = options["name"] or Path(file).stem
    meta = {**old.meta, "imported_from": Path(file).name, "layer_offset": offset}
    new = old.with_(
        directions=kept, model=identity, name=name, recommended=None, calibration=None, meta=meta
    )
    path = keep(new, library, name=name, out=options["out"], replace=options["force"])
    report(path, new, options["as_json"])


def _read(path: Path) -> tuple[dict[int, Any], ControlVector]:
    """The directions by the file's own layer numbers, which may hold 0, and the other facts."""
    import re

    from edgesteer.gguf_header import read_header
    from edgesteer.vector import ControlVector

    header = read_header(path)
    if "direction.0" not in header.tensors:
        old = ControlVector.load(path)
        return dict(old.directions), old
    names = {name: re.fullmatch(r"direction\.(\d{1,6})", name) for name in header.tensors}
    directions = {int(m[1]): header.tensor_f32(name) for name, m in names.items() if m}
    hint = header.kv.get("controlvector.model_hint")
    meta = {"foreign": {"model_hint": hint}} if isinstance(hint, str) else {}
    ends = {layer + 1: row for layer, row in directions.items()}
    return directions, ControlVector(ends, name=path.stem, meta=meta)
