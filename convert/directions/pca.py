"""Pair-centred PCA: the direction along which positives and their counterparts differ most.

Does not know which side is which until the end, when the mean difference gives the sign.

Each pair is centred on its own midpoint, and the differences D are not centred again: taking out
their mean would take out the very direction that is sought. After Zou et al. 2023 (arXiv
2310.01405), who centre the differences; see the planted-direction tests for what that costs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convert.directions.mean_difference import mean_difference

__all__ = ["pair_centred_pca"]

Array = NDArray[np.float32]


def pair_centred_pca(positive: Array, negative: Array) -> Array:
    """Directions float32 [L, d] from paired rows float32 [n, L, d].

    The top eigenvector u of D^T D, turned towards the mean difference m, with length u . m: the
    part of the natural step that lies along u. Zeros where the two sides do not differ.
    """
    mean = mean_difference(positive, negative).astype(np.float64)
    found = np.zeros_like(mean)
    for layer in range(mean.shape[0]):
        differences = positive[:, layer].astype(np.float64) - negative[:, layer]
        axis = _top_axis(differences)
        found[layer] = axis * float(axis @ mean[layer])
    return found.astype(np.float32)


def _top_axis(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit top right singular vector of [n, d], through the smaller of the two Gram matrices."""
    n, width = differences.shape
    if n < width:
        _, vectors = np.linalg.eigh(differences @ differences.T)
        axis = differences.T @ vectors[:, -1]
    else:
        _, vectors = np.linalg.eigh(differences.T @ differences)
        axis = vectors[:, -1]
    length = float(np.linalg.norm(axis))
    return axis / length if length > 0 else np.zeros(width)
