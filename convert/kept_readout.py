"""The read-out that a method finds beside the vector, kept with it for `edgesteer monitor`.

Does not know methods: it takes a direction to read with and the rows that it was made of.

It reads at the layer with the highest d'. A score of 1 is the mean of the positive rows, -1 that of
the negative ones, and the threshold is 0, halfway. What that does is told from held-out pairs;
without any, the read-out has no operating point and counts as raw. `edgesteer monitor --fit` fits
one with more care, on texts of your own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from convert.directions.contrast import Contrast, Found
from convert.quality import Quality

if TYPE_CHECKING:
    from edgesteer.vector import ControlVector

__all__ = ["with_readout"]

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
    column = int(np.argmax(quality.discriminability))
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
    scores = [readout.score(side[:, column]) for side in (heldout.positive, heldout.negative)]
    labels = np.repeat([True, False], len(heldout))
    point = operating_point(np.concatenate(scores), labels, 0.0)
    figure = auroc(*scores)
    return Readout(**{**vars(readout), "point": point, "auroc": figure}).kept_with(vector)
