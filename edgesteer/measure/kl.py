"""KL divergence between the next-token distributions of two readings, in nats.

Knows nothing of steering, nor of what the readings are compared for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["FloatArray", "Reference", "Wide", "kl", "log_softmax"]

FloatArray = npt.NDArray[np.float32]
Wide = npt.NDArray[np.float64]


def log_softmax(logits: FloatArray) -> Wide:
    """Log-probabilities ``[n, n_vocab]`` of logits ``[n, n_vocab]``."""
    x = logits.astype(np.float64)
    x -= x.max(axis=-1, keepdims=True)
    logs: Wide = x - np.log(np.exp(x).sum(axis=-1, keepdims=True))
    return logs


def kl(p_logits: FloatArray, q_logits: FloatArray) -> Wide:
    """``KL(p || q)`` in nats of each row: float64 ``[n]``; infinite where numbers overflowed."""
    return Reference.of(q_logits).kl(p_logits)


@dataclass(frozen=True, eq=False)
class Reference:
    """What the plain model says behind some tokens: log-probabilities float32 ``[n, n_vocab]``."""

    logs: FloatArray

    @classmethod
    def of(cls, logits: FloatArray) -> Reference:
        """The reference of plain logits ``[n, n_vocab]``."""
        x = logits - logits.max(axis=-1, keepdims=True)
        total = np.exp(x).sum(axis=-1, dtype=np.float64, keepdims=True)
        x -= np.log(total).astype(np.float32)
        return cls(x)

    def kl(self, logits: FloatArray) -> Wide:
        """``KL(steered || plain)`` of each row of steered logits; infinite where they overflowed.

        sum_i w_i (x_i - b_i) / Z - log Z, with x the shifted steered logits, w their exponentials,
        Z the sum of w and b the plain log-probabilities: few passes over a large vocabulary.
        """
        x = logits - logits.max(axis=-1, keepdims=True)
        weights = np.exp(x)
        total = weights.sum(axis=-1, dtype=np.float64)
        x -= self.logs
        with np.errstate(invalid="ignore"):
            mean = np.einsum("ij,ij->i", weights, x).astype(np.float64) / total
            rows = mean - np.log(total)
        return np.where(np.isfinite(rows), np.maximum(rows, 0.0), np.inf)

    def rise(self, logits: FloatArray, following: Sequence[int]) -> Wide:
        """Nats by which steered logits find each following token more surprising than plain.

        ``following`` has one token a row, or fewer: rows without one are left out.
        """
        n, rows = len(following), np.arange(len(following))
        x = logits[:n] - logits[:n].max(axis=-1, keepdims=True)
        steered = x[rows, following] - np.log(np.exp(x).sum(axis=-1, dtype=np.float64))
        rise = self.logs[rows, following].astype(np.float64) - steered
        return np.where(np.isfinite(rise), rise, np.inf)
