"""`edgesteer vectors overlap`: how alike vectors are, as cosines.

Does not know what the vectors do to a model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from edgesteer.cli import _options as shared
from edgesteer.cli._complete import files_or_vectors

if TYPE_CHECKING:
    from edgesteer.geometry import Overlap


@click.command()
@click.argument("vectors", nargs=-1, metavar="VECTOR VECTOR...", shell_complete=files_or_vectors)
@click.option("-l", "--layers", metavar="LAYERS", help="Layers to compare.  [default: all shared]")
@click.option("--per-layer", is_flag=True, help="A row a layer, a column a pair.")
@shared.model_option
@shared.json_option
@shared.output_options
def overlap(
    vectors: tuple[str, ...], layers: str | None, per_layer: bool, model: str | None, as_json: bool
) -> None:
    """Show the cosines between VECTORs: 1 is the same direction, 0 none in common.

    A cell is the mean over the layers that all of them carry.

    \b
    edgesteer vectors overlap calm happy formal
    edgesteer vectors overlap calm happy --per-layer -l 10-20
    """
    from edgesteer.cli import _show
    from edgesteer.geometry import overlap as overlap_of
    from edgesteer.identity import read_model_identity
    from edgesteer.layers import LayerRange
    from edgesteer.library import Library

    library = Library()
    identity = read_model_identity(library.find_model(model).path) if model else None
    loaded = [library.load_vector(name, identity) for name in vectors]
    found = overlap_of(loaded, layers, vectors)
    if as_json:
        _show.print_json(_facts(found))
        return
    if per_layer:
        _show.table(*_by_layer(found))
    else:
        rows = zip(found.names, found.mean.tolist(), strict=True)
        _show.table(["", *found.names], [[name, *map(_cell, row)] for name, row in rows])
    _show.note(
        f"layers {LayerRange.of(found.layers)}; 95 % of random directions lie within "
        f"\u00b1{found.chance:.2f} at any one layer"
    )


def _cell(cosine: float) -> str:
    return f"{cosine:+.2f}"


def _by_layer(found: Overlap) -> tuple[list[str], list[list[str]]]:
    """Header and rows: the layer, then one cosine a pair."""
    count = len(found.names)
    pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
    header = ["LAYER", *(f"{found.names[i]} {found.names[j]}" for i, j in pairs)]
    rows = zip(found.layers, found.cosines.tolist(), strict=True)
    return header, [[str(n), *(_cell(matrix[i][j]) for i, j in pairs)] for n, matrix in rows]


def _facts(found: Overlap) -> dict[str, Any]:
    rounded = found.cosines.round(6).tolist()
    return {
        "vectors": list(found.names),
        "mean": found.mean.round(6).tolist(),
        "layers": {str(n): matrix for n, matrix in zip(found.layers, rounded, strict=True)},
        "chance": round(found.chance, 6),
    }
