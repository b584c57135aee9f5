"""A vector made better by optimisation: the same layers, other directions, and what was gained.

Does not know how the search works (preference.py), nor the command line.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convert.optimise.choices import Choice, choices_of
from convert.optimise.preference import Optimised, Settings, Told, optimise
from convert.optimise.steered import SteeredModel
from convert.pairs import ContrastPairs

if TYPE_CHECKING:
    from convert.capture.torch import TorchCapture
    from edgesteer.vector import ControlVector

__all__ = ["METHOD", "refine"]

METHOD = "bipo"
NO_GAIN = 1.02
"""A held-out effect that grew by less counts as nothing found."""


def refine(
    vector: ControlVector,
    pairs: ContrastPairs,
    capture: TorchCapture,
    *,
    settings: Settings | None = None,
    checkpoints: Path | None = None,
    progress: Told | None = None,
) -> ControlVector:
    """The vector with directions that move the model's preference further for the same KL.

    Only the layers that the vector recommends are searched, and carried afterwards. `meta` says
    what was gained on held-out pairs that chose nothing, and a warning when that is nothing. An
    interrupted search goes on from the folder `checkpoints`.

    Raises InputError when too few pairs are answers to one prompt, and what the capture raises.
    """
    from edgesteer.measure.texts import NEUTRAL_TO_LEARN

    settings = settings or Settings()
    choices = choices_of(pairs, capture.tokens)
    start = vector if vector.recommended is None else vector.restricted(vector.recommended)
    neutral = [Choice(tuple(capture.tokens.encode(text)), 1) for text in NEUTRAL_TO_LEARN]
    found = optimise(
        SteeredModel(capture.opened, start.layers),
        choices,
        neutral,
        start.matrix,
        settings,
        key=f"{capture.identity} {capture.name}",
        checkpoints=checkpoints,
        progress=progress,
    )
    directions = dict(zip(start.layers, found.directions, strict=True))
    meta = _meta(vector, found, settings, len(choices.train), len(choices.heldout))
    return vector.with_(
        directions=directions, recommended=start.layers, calibration=None, meta=meta
    )


def _meta(
    vector: ControlVector, found: Optimised, settings: Settings, n_train: int, n_heldout: int
) -> dict[str, Any]:
    meta, quality = vector.meta, vector.meta.get("quality", {})
    facts = {
        "start": meta.get("method", ""),
        "effect_of_start": round(found.before, 4),
        "effect": round(found.after, 4),
        "history": [round(x, 4) for x in found.history],
        "steps": found.steps,
        "n_pairs": n_train,
        "n_heldout": n_heldout,
        "settings": asdict(settings),
    }
    if found.best_step == 0:
        warning = f"optimising found nothing better than {facts['start']}: the vector is that one"
    elif found.after <= max(found.before * NO_GAIN, 0.0):
        warning = (
            f"what optimising found is no better than {facts['start']} on held-out pairs that "
            "chose nothing"
        )
    else:
        warning = ""
    if warning:
        quality["warnings"] = [*quality.get("warnings", []), warning]
    return {**meta, "method": METHOD, "optimised": facts, "quality": quality}
