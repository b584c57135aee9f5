"""Whitened read-out: read with the shrunk inverse covariance times the mean difference.

Does not know how it is read: the direction that steers is the mean difference itself.

Mass-mean probing (Marks and Tegmark 2023, arXiv 2310.06824): S^-1 m, with S the pooled covariance
within the two classes. There are fewer rows than dimensions, so that S is shrunk towards a multiple
of the identity by the amount of Ledoit and Wolf 2004 (J. Multivariate Anal. 88, 365).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convert.directions.contrast import Contrast, Found

__all__ = ["shrunk_solve", "whitened"]

Figures = NDArray[np.float64]


def whitened(contrast: Contrast) -> Found:
    """Steers with the mean difference m; reads with S^-1 m, by which the means lie 1 apart."""
    mean = contrast.mean_difference
    positive = contrast.positive - contrast.positive.mean(axis=0, dtype=np.float64)
    negative = contrast.negative - contrast.negative.mean(axis=0, dtype=np.float64)
    within = np.concatenate([positive, negative])
    reading = np.zeros_like(mean)
    shares = []
    for i, gap in enumerate(mean):
        reading[i], share = shrunk_solve(within[:, i], gap)
        shares.append(round(share, 4))
        between = float(reading[i] @ gap)
        reading[i] /= between if between > 0 else 1.0
    return Found(mean.astype(np.float32), reading.astype(np.float32), facts={"shrinkage": shares})


def shrunk_solve(rows: Figures, target: Figures) -> tuple[Figures, float]:
    """S^-1 target and the share of shrinkage, for centred rows [n, d] and a target [d].

    S = (1 - share) rows^T rows / n + share mu I with mu the mean variance of a coordinate. Where
    the rows do not vary, the target comes back.
    """
    n, width = rows.shape
    gram = rows @ rows.T
    square = float(np.sum(gram**2)) / n**2  # |S|^2
    mu = float(np.trace(gram)) / n / width
    apart = square - width * mu**2  # |S - mu I|^2
    if mu <= 0:
        return target.copy(), 1.0
    noise = (float(np.sum(np.diag(gram) ** 2)) / n - square) / n
    share = min(max(noise / apart, 1e-3), 1.0) if apart > 0 else 1.0
    ridge, weight = share * mu, (1 - share) / n
    if weight == 0:
        return target / ridge, share
    # Woodbury: (ridge I + weight R^T R)^-1 through the n x n Gram matrix
    inner = np.linalg.solve(gram + np.eye(n) * (ridge / weight), rows @ target)
    return (target - rows.T @ inner) / ridge, share
