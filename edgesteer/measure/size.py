"""How large a push is against the residual stream it is added to: a first guess of a strength.

Knows nothing of effects or damage: it only spares the searches their first, blind steps.

    size = sqrt(sum_l (||v_l|| / s_l)^2)        s_l = median ||h_l(t)|| over tokens of neutral text

A single layer bears about 0.1 before text suffers; several share it about so.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgesteer.measure.texts import NEUTRAL
from edgesteer.model import Model
from edgesteer.vector import ControlVector

__all__ = ["push_size", "residual_norms"]


def residual_norms(model: Model, text: str = NEUTRAL[0]) -> dict[int, float]:
    """Median length of the residual stream at each steerable layer, the first token left aside."""
    read = model.capture([text], positions="all")
    lengths = np.linalg.norm(read.rows.astype(np.float64), axis=-1)  # [n_tokens, layers]
    medians = np.median(lengths[1:] if len(lengths) > 1 else lengths, axis=0)
    return dict(zip(read.layers, medians.tolist(), strict=True))


def push_size(vector: ControlVector, layers: tuple[int, ...], norms: Mapping[int, float]) -> float:
    """The size of strength 1 on these layers; 0.0 where the vector carries nothing there."""
    lengths = vector.norms()
    shares = [lengths[n] / norms[n] for n in layers if n in lengths and norms.get(n)]
    return float(np.sqrt(np.sum(np.square(shares)))) if shares else 0.0
