"""`edgesteer calibrate`: rescale a vector so that strength 1 is the right one for a model.

Does not know what calibration measures (edgesteer.measure.calibrate does).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from edgesteer.cli import _options as shared
from edgesteer.cli._complete import files_or_vectors

if TYPE_CHECKING:
    from edgesteer.vector import ControlVector


@click.command()
@click.argument("vector", shell_complete=files_or_vectors)
@shared.model_option
@click.option(
    "-l",
    "--layers",
    metavar="LAYERS",
    help="Layers to steer, recommended from now on.  [default: those that it recommends]",
)
@click.option(
    "--own-p95",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    metavar="NATS",
    help="95th percentile of the KL of a token of the model's own steered answers, at most.",
)
@click.option(
    "--neutral-mean",
    type=click.FloatRange(min=0, min_open=True),
    default=0.1,
    show_default=True,
    metavar="NATS",
    help="Mean KL of a token of neutral text, at most.",
)
@click.option("--name", help="Its name in the library.  [default: that of VECTOR]")
@shared.out_option
@shared.force_option
@shared.engine_options
@shared.json_option
@shared.output_options
def calibrate(vector: str, **options: Any) -> None:
    """Rescale a vector so that strength 1 spends its budget of damage.

    For vectors that were imported, mixed, or cut to other layers; `extract` does it by itself. A
    vector of the library is replaced, unless --name or -o says where the new one goes.

    \b
    edgesteer calibrate theirs -m smollm2
    edgesteer calibrate calm -l 12-20 --name calm-late
    """
    from edgesteer.cli import _open
    from edgesteer.cli._progress import progress_bars
    from edgesteer.cli.vectors._keep import keep, report
    from edgesteer.library import DEFAULT_MODEL, Library
    from edgesteer.measure.calibrate import Budget
    from edgesteer.measure.calibrate import calibrate as find_strength
    from edgesteer.names import looks_like_path

    library, out = Library(), options["out"]
    with _open.open_to_measure(options["model"] or DEFAULT_MODEL, options, library) as model:
        old = library.load_vector(vector, model.identity)
        with progress_bars() as advance:
            new = find_strength(
                model,
                old,
                layers=options["layers"],
                budget=Budget(options["own_p95"], options["neutral_mean"]),
                progress=advance,
            )
        new = new.with_(model=old.model or model.identity)
    same = options["name"] is None and not looks_like_path(vector, ".gguf")
    path = keep(new, library, name=options["name"], out=out, replace=same or bool(options["force"]))
    report(path, new, options["as_json"])
    _tell(old, new)


def _tell(old: ControlVector, new: ControlVector) -> None:
    """What strength 1 is now, and why."""
    from edgesteer.cli import _show

    band, layer = new.calibration, new.layers[0]
    factors = [new.norms()[n] / length for n, length in old.norms().items() if length]
    if band is None or not factors:
        return
    limit = band.evidence.get("limited_by", "")
    _show.note(
        f"strength 1 is what {factors[0]:.3g} was; usable {band.low:.3g}..{band.high:.3g} on the "
        f"layers {new.recommended or f'{layer}-{new.layers[-1]}'}; the limit: {limit}"
    )
