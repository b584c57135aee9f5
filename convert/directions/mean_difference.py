"""Mean difference: the mean of the positive rows minus the mean of the negative rows.

Does not know pairs: only the two means matter.

The best closed-form additive method in AxBench (Wu et al. 2025, arXiv 2501.17148); first used for
steering by Turner et al. 2023 (arXiv 2308.10248) and Rimsky et al. 2023 (arXiv 2312.06681). Its
natural length is kept: a step of 1 is the whole way from the negative to the positive mean.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["mean_difference"]

Array = NDArray[np.float32]


def mean_difference(positive: Array, negative: Array) -> Array:
    """Directions float32 [L, d] from rows float32 [n, L, d].

    >>> mean_difference(np.ones((2, 1, 3), np.float32), np.zeros((2, 1, 3), np.float32)).tolist()
    [[1.0, 1.0, 1.0]]
    """
    gap = positive.mean(axis=0, dtype=np.float64) - negative.mean(axis=0, dtype=np.float64)
    return np.asarray(gap, np.float32)
