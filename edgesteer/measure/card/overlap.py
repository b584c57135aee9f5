"""Overlap of steerings: their cosine at each layer and over all layers as they act.

Does not know what the vectors are for.
"""

from __future__ import annotations

import numpy as np

from edgesteer.model import Model
from edgesteer.steering import Steering

__all__ = ["cosines"]


def cosines(model: Model, one: Steering, other: Steering) -> dict[str, float]:
    """{layer: cosine} at the layers where both act, and "whole": of both as one long vector.

    "whole" weighs each layer by how much is added there; a layer where one of them does not act
    counts towards their lengths and not towards their product.
    """
    a, b = (s.compose(model.n_layer, model.n_embd).astype(np.float64) for s in (one, other))
    found = {}
    for layer, (x, y) in enumerate(zip(a, b, strict=True), 1):
        if x.any() and y.any():
            found[str(layer)] = float(x @ y / (np.linalg.norm(x) * np.linalg.norm(y)))
    scale = float(np.linalg.norm(a) * np.linalg.norm(b))
    found["whole"] = float((a * b).sum() / scale) if scale else 0.0
    return found
