"""Mean-centring: the mean of the positive rows minus the mean of general text. No negatives needed.

Does not know the negative rows: what it leads away from is text of no particular kind.

Jorgensen et al. 2023 (arXiv 2312.03813). A step of 1 leads from neutral text to the positive mean:
about half as long as the mean difference, where the neutral text lies midway.
"""

from __future__ import annotations

import numpy as np

from convert.directions.contrast import Contrast, Found

__all__ = ["mean_centring"]


def mean_centring(contrast: Contrast) -> Found:
    """The positive mean minus the neutral mean. Raises InputError without neutral rows."""
    neutral = contrast.neutral_of_pair().mean(axis=0)
    gap = contrast.positive.mean(axis=0, dtype=np.float64) - neutral
    return Found(gap.astype(np.float32))
