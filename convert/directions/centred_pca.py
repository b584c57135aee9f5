"""Centred PCA: the main axis of the pairs' differences around their own mean. For comparison.

Does not know that the mean is what steers: it takes it out first.

What repeng does unless told otherwise, after Zou et al. 2023 (arXiv 2310.01405). The top axis of
D - mean(D) is how pairs differ from each other, which can be at a right angle to how the two sides
differ. A note says so where it happened.
"""

from __future__ import annotations

import numpy as np

from convert.directions.axes import along, top_axis
from convert.directions.contrast import Contrast, Found, lost_mean

__all__ = ["centred_pca"]


def centred_pca(contrast: Contrast) -> Found:
    """The top axis u of D - mean(D), turned towards the mean difference m, with length u . m."""
    mean = contrast.mean_difference
    spread = contrast.differences - mean
    axes = np.stack([top_axis(spread[:, i]) for i in range(spread.shape[1])])
    directions = along(axes, mean)
    cure = "use mean-difference, or pca, which does not centre"
    return Found(directions, notes=lost_mean(contrast, directions, "centred PCA", cure))
