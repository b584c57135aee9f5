"""Cross-covariance axis: the axis along which the two sides leave neutral in opposite directions.

Does not know lengths: the mean difference gives the axis its sign and its step.

A and B are the positive and the negative rows minus their neutral point. Where the two sides part
along u, A u and B u have opposite signs, so that u is the axis of the most negative eigenvalue of
(A^T B + B^T A) / 2. What both sides have in common against neutral (that there is a persona at all)
gives positive eigenvalues and stays out. The idea is that of the control-vectors project of
jukofyork, which tries all eigenvectors and takes the most discriminating ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convert.directions.axes import along, row_space
from convert.directions.contrast import Contrast, Found, lost_mean

__all__ = ["cross_covariance"]

Figures = NDArray[np.float64]


def cross_covariance(contrast: Contrast) -> Found:
    """The axis u as a direction of length u . m along the mean difference m.

    Raises InputError without neutral rows.
    """
    neutral = contrast.neutral_of_pair()
    positive, negative = contrast.positive - neutral, contrast.negative - neutral
    axes = np.stack([_axis(positive[:, i], negative[:, i]) for i in range(positive.shape[1])])
    directions = along(axes, contrast.mean_difference)
    cure = "where both sides lie on the same side of neutral, use mean-difference"
    return Found(directions, notes=lost_mean(contrast, directions, "cross-covariance", cure))


def _axis(a: Figures, b: Figures) -> Figures:
    """Unit eigenvector of the least eigenvalue of (a^T b + b^T a) / 2, for rows [n, d].

    Zeros when no eigenvalue is negative.
    """
    # all eigenvectors with an eigenvalue other than 0 lie in the space of the rows
    coordinates, basis = row_space(np.concatenate([a, b]))
    product = coordinates[: len(a)].T @ coordinates[len(a) :]
    if not len(basis):
        return np.zeros(a.shape[1])
    values, vectors = np.linalg.eigh((product + product.T) / 2)
    axis: Figures = vectors[:, 0] @ basis if values[0] < 0 else np.zeros(a.shape[1])
    return axis
