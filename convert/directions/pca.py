"""Pair-centred PCA: the direction along which positives and their counterparts differ most.

Does not know which side is which until the end, when the mean difference gives the sign.

Each pair is centred on its own midpoint, and the differences D are not centred again: taking out
their mean would take out the very direction that is sought. After Zou et al. 2023 (arXiv
2310.01405), who centre the differences: centred_pca.py does, and shows what that costs.
"""

from __future__ import annotations

import numpy as np

from convert.directions.axes import along, top_axis
from convert.directions.contrast import Contrast, Found

__all__ = ["pair_centred_pca"]


def pair_centred_pca(contrast: Contrast) -> Found:
    """The top eigenvector u of D^T D, turned towards the mean difference m, with length u . m.

    Zeros where the two sides do not differ.
    """
    differences = contrast.differences
    axes = np.stack([top_axis(differences[:, i]) for i in range(differences.shape[1])])
    return Found(along(axes, contrast.mean_difference))
