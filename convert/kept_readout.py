"""The read-out that a method finds beside the vector, kept with it for `edgesteer monitor`.

Does not know methods: it takes a direction to read with and the rows that it was made of.

It reads at the layer with the highest d' on every other held-out pair. A score of 1 is the mean of
the positive rows, -1 that of the negative ones, and the threshold is 0, halfway. What that does is
told from the rest of the held-out pairs; with fewer than four, the read-out has no operating point
and counts as raw. `edgesteer monitor --fit` fits one with more care, on texts of your own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from convert.directions.contrast import Contrast, Found
from convert.quality import Quality, discriminability

if TYPE_CHECKING:
    from edgesteer.vector import ControlVector

__all__ = ["with_readout"]

Array = NDArray[np.float32]
LEAST = 4
"""Held-out pairs of which half choose the layer and half tell how well it reads."""

_POSITIONS = {"last": "last", "prompt": "last", "answer": "answer", "mean": "mean"}


def with_readout(
    vector: ControlVector,
    found: Found,
    contrast: Contrast,
    heldout: Contrast | None,
    quality: Quality,
) -> ControlVector:
    """The vector with `found.reading` kept as its read-out; unchanged where there is none."""
    from edgesteer.measure.stats import auroc
    from edgesteer.monitor.choosing import operating_point
    from edgesteer.monitor.readout import Readout

    if found.reading is None:
        return vector
    if heldout is not None and len(heldout) < LEAST:
        heldout = None
    column = (
        int(np.argmax(quality.discriminability)) if heldout is None
        else _layer(found.reading, heldout)
    )  # fmt: skip
    direction = found.reading[column]
    if not direction.any():
        return vector
    means = [
        float((side[:, column] @ direction).mean(dtype=np.float64))
        for side in (contrast.positive, contrast.negative)
    ]
    readout = Readout(
        name=vector.name or "vector",
        layer=contrast.layers[column],
        direction=direction,
        centre=(means[0] + means[1]) / 2,
        scale=max((means[0] - means[1]) / 2, 1e-12),
        positions=_POSITIONS.get(str(vector.meta["token_position"]), ""),
        model=vector.model,
        evidence={"method": vector.meta["method"], "made_by": "extract", "n_pairs": len(contrast)},
    )
    if heldout is None:
        return readout.kept_with(vector)
    rest = (heldout.positive[1::2, column], heldout.negative[1::2, column])
    scores = [readout.score(side) for side in rest]
    labels = np.repeat([True, False], len(rest[0]))
    point = operating_point(np.concatenate(scores), labels, 0.0)
    figure = auroc(*scores)
    return Readout(**{**vars(readout), "point": point, "auroc": figure}).kept_with(vector)


def _layer(reading: Array, heldout: Contrast) -> int:
    """The column with the highest d' of the scores of every other held-out pair."""
    sides = [
        np.einsum("nld,ld->nl", side[::2].astype(np.float64), reading)
        for side in (heldout.positive, heldout.negative)
    ]
    return int(np.argmax(discriminability(sides[0], sides[1])))
