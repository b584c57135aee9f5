"""How large a push is against the residual stream it is added to: a first guess of a strength.

Knows nothing of effects or damage: it only spares the searches their first, blind steps.

    size = sum_l ||v_l|| / s_l        s_l = median ||h_l(t)|| over tokens of neutral text

Pushes along one direction add up over the layers, so their sizes do. On SmolLM2-135M a vector costs
0.15 nats a token of neutral text at a size of about 0.2, one layer or twenty of them, and KL grows
with the square of the size. On another model the searches start less near, and end as right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from edgesteer.measure.texts import NEUTRAL
from edgesteer.model import Model
from edgesteer.vector import ControlVector

__all__ = ["first_guess", "push_size", "residual_norms"]

_SIZE, _AT_KL = 0.21, 0.15


def residual_norms(model: Model, text: str = NEUTRAL[0]) -> dict[int, float]:
    """Median length of the residual stream at each steerable layer, the first token left aside."""
    read = model.capture([text], positions="all")
    lengths = np.linalg.norm(read.rows.astype(np.float64), axis=-1)  # [n_tokens, layers]
    medians = np.median(lengths[1:] if len(lengths) > 1 else lengths, axis=0)
    return dict(zip(read.layers, medians.tolist(), strict=True))


def push_size(vector: ControlVector, layers: tuple[int, ...], norms: Mapping[int, float]) -> float:
    """The size of strength 1 on these layers; 0.0 where the vector carries nothing there."""
    lengths = vector.norms()
    return sum(lengths[n] / norms[n] for n in layers if n in lengths and norms.get(n))


def first_guess(size: float, kl: float) -> float:
    """The strength of a push of that size that may cost `kl` nats a token of neutral text."""
    return _SIZE * math.sqrt(kl / _AT_KL) / size if size > 0 else 1.0
