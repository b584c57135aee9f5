"""Geometric median of the pairs' differences: a mean that a few wild pairs can not drag away.

Does not know which pairs are wild: each counts by one over its distance.

Up to half of the pairs may be arbitrarily wrong (Lopuhaä and Rousseeuw 1991, Ann. Statist. 19,
229). Weiszfeld's iteration, on the Gram matrix of the differences, so that a step's cost does not
grow with the width of the model.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convert.directions.contrast import Contrast, Found

__all__ = ["geometric_median"]

Figures = NDArray[np.float64]

STEPS, TOLERANCE = 500, 1e-10


def geometric_median(contrast: Contrast) -> Found:
    """The point with the least sum of distances to the differences, at each layer."""
    differences = contrast.differences
    rows = [_weights(differences[:, i]) @ differences[:, i] for i in range(differences.shape[1])]
    return Found(np.stack(rows).astype(np.float32))


def _weights(rows: Figures) -> Figures:
    """float64 [n], adding up to 1: the median as a mixture of the rows [n, d]."""
    gram = rows @ rows.T
    squares = np.diag(gram)
    near = 1e-12 * float(squares.mean())  # a pair that is the median itself gets no endless weight
    weights = np.full(len(rows), 1 / len(rows))
    for _ in range(STEPS):
        mixed = gram @ weights
        distances = np.sqrt(np.maximum(squares - 2 * mixed + weights @ mixed, near))
        if not distances.all():
            break
        following = 1 / distances
        following /= following.sum()
        moved = float(np.abs(following - weights).max())
        weights = following
        if moved < TOLERANCE:
            break
    return weights
