"""Mean difference: the mean of the positive rows minus the mean of the negative rows.

Does not know pairs: only the two means matter.

The best closed-form additive method in AxBench (Wu et al. 2025, arXiv 2501.17148); first used for
steering by Turner et al. 2023 (arXiv 2308.10248) and Rimsky et al. 2023 (arXiv 2312.06681). Its
natural length is kept: a step of 1 is the whole way from the negative to the positive mean.
"""

from __future__ import annotations

import numpy as np

from convert.directions.contrast import Contrast, Found

__all__ = ["mean_difference"]


def mean_difference(contrast: Contrast) -> Found:
    """The two means' difference.

    >>> rows = np.ones((2, 1, 3), np.float32)
    >>> mean_difference(Contrast(rows, 0 * rows)).directions.tolist()
    [[1.0, 1.0, 1.0]]
    """
    return Found(contrast.mean_difference.astype(np.float32))
