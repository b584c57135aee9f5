"""`edgesteer vectors mix`: several vectors baked into one.

Does not know how they were made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from edgesteer.cli import _options as shared
from edgesteer.cli._complete import files_or_vectors
from edgesteer.cli._complete import steering as complete_steering

if TYPE_CHECKING:
    from edgesteer.library import Library
    from edgesteer.vector import ControlVector


@click.command()
@click.argument(
    "steering", nargs=-1, required=True, metavar="STEERING...", shell_complete=complete_steering
)
@click.option(
    "--orthogonal-to",
    multiple=True,
    metavar="VECTOR",
    shell_complete=files_or_vectors,
    help="Take out of the mix what it shares with VECTOR, layer by layer; may be given several "
    "times.",
)
@click.option("--name", help="Its name in the library.")
@shared.out_option
@shared.force_option
@shared.json_option
@shared.output_options
def mix(
    steering: tuple[str, ...],
    orthogonal_to: tuple[str, ...],
    name: str | None,
    out: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Bake STEERING into one vector, whose strength 1 does the same.

    It is not calibrated, even where its parts are.

    \b
    edgesteer vectors mix "calm=1 formal=-0.5" --name polite
    edgesteer vectors mix calm --orthogonal-to formal --name just-calm
    """
    from edgesteer.cli import _show
    from edgesteer.cli.vectors._keep import keep, report
    from edgesteer.library import Library
    from edgesteer.steering import Steering

    if name is None and out is None:
        raise click.UsageError("give the mix a --name in the library, or a file with -o")
    library = Library()
    recipe = Steering.parse(" ".join(steering)).bind(library.load_vector)
    new = recipe.vector(name or "mix")
    if orthogonal_to:
        new = _without(new, orthogonal_to, library)
    if any(term.vector is not None and term.vector.calibration for term in recipe.terms):
        _show.note("its parts are calibrated, the mix is not: try strengths with care")
    path = keep(new, library, name=name, out=out, replace=force)
    report(path, new, as_json)


def _without(vector: ControlVector, names: tuple[str, ...], library: Library) -> ControlVector:
    """The vector without what it shares with those of that name, and how much that was."""
    from edgesteer.cli import _show
    from edgesteer.geometry import orthogonal_to
    from edgesteer.layers import LayerRange

    found = orthogonal_to(vector, [library.load_vector(name) for name in names])
    shares = found.removed.values()
    _show.note(
        f"taken out along {', '.join(names)}: {sum(shares) / len(shares):.1%} of the squared "
        f"length on average, {max(shares):.1%} at most"
    )
    if gone := set(vector.layers).difference(found.vector.layers):
        _show.note(f"nothing is left of it at the layers {LayerRange.of(gone)}")
    meta = {**vector.meta, "orthogonal_to": list(names)}
    return found.vector.with_(meta=meta)
