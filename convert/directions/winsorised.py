"""Winsorised mean difference: each coordinate of the differences is clipped to inner quantiles.

Does not know pairs as wholes: every coordinate has extremes of its own.

Against single coordinates that run wild, which transformers have (massive activations: Sun et al.
2024, arXiv 2402.17762). Tukey 1962 (Ann. Math. Statist. 33, 1) for the name and the estimate.
"""

from __future__ import annotations

import numpy as np

from convert.directions.contrast import Contrast, Found

__all__ = ["SHARE", "winsorised"]

SHARE = 0.1
"""How much of each tail is drawn in."""


def winsorised(contrast: Contrast) -> Found:
    """The mean of the differences, each coordinate clipped to its 10th and 90th percentile."""
    differences = contrast.differences
    low, high = np.quantile(differences, [SHARE, 1 - SHARE], axis=0)
    return Found(np.clip(differences, low, high).mean(axis=0).astype(np.float32))
