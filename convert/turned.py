"""Pairs that point the other way: their two sides may be exchanged, as when columns are mixed up.

Does not know texts: a pair is judged by its difference and by those of all pairs of other stems.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convert.directions.axes import cosines
from convert.directions.contrast import Contrast

__all__ = ["turned_pairs"]

LEAST_AGREEMENT = 0.15
SHARE = 0.5


def turned_pairs(contrast: Contrast, layers: Sequence[int]) -> tuple[int, ...]:
    """Numbers of the pairs that stand against the mean of the others at most of `layers`.

    A pair counts when its cosine to that mean is below -1/2 of what pairs have on the whole. There
    are none where the pairs share no direction, so that none can stand against it.
    """
    differences, group = contrast.differences, contrast.group_of_pair
    columns = [contrast.layers.index(layer) for layer in layers]
    kept = differences[:, columns]
    _, number = np.unique(group, return_inverse=True)
    sums = np.zeros((number.max() + 1, *kept.shape[1:]))
    np.add.at(sums, number, kept)
    others = kept.sum(axis=0) - sums[number]
    agreed = cosines(kept, others)
    overall = agreed.mean(axis=0)
    against = (agreed < -SHARE * overall) & (overall > LEAST_AGREEMENT)
    most = against.sum(axis=1) * 2 > len(columns)
    return tuple(int(i) for i in np.flatnonzero(most))
