"""KL divergence between the next-token distributions of two readings, in nats.

Knows nothing of steering, nor of what the readings are compared for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgesteer.errors import InputError

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
        with np.errstate(invalid="ignore", over="ignore"):
            x = logits - logits.max(axis=-1, keepdims=True)
            total = np.exp(x).sum(axis=-1, dtype=np.float64, keepdims=True)
            x -= np.log(total).astype(np.float32)
        return cls(x)

    def kl(self, logits: FloatArray) -> Wide:
        """``KL(steered || plain)`` of each steered row; infinite where numbers overflowed."""
        return self.compare(logits)[0]

    def compare(self, logits: FloatArray, following: Sequence[int] = ()) -> tuple[Wide, Wide]:
        """Both costs of steered logits ``[n, n_vocab]``, infinite where they overflowed.

        Returns:
            ``KL(steered || plain)`` of each row, float64 ``[n]``; and the nats by which steered
            logits find each following token more surprising than plain, float64
            ``[len(following)]``: one token a row, or fewer (more raise InputError).

        sum_i w_i (x_i - b_i) / Z - log Z, with x the shifted steered logits, w their exponentials,
        Z the sum of w and b the plain log-probabilities. Row by row, so that a row of a large
        vocabulary stays in the processor's cache from one pass to the next.
        """
        if len(following) > len(logits):
            raise InputError(f"{len(following)} following tokens for {len(logits)} rows of logits")
        costs, rises = np.empty(len(logits)), np.empty(len(following))
        with np.errstate(invalid="ignore", over="ignore"):
            for i, (row, plain) in enumerate(zip(logits, self.logs, strict=True)):
                x = row - row.max()
                weights = np.exp(x)
                total = weights.sum(dtype=np.float64)
                if i < len(following):
                    token = following[i]
                    rises[i] = np.float64(plain[token]) - np.float64(x[token]) + np.log(total)
                x -= plain
                mean = np.dot(weights, x)
                if not np.isfinite(mean):  # tokens that neither reading ever gives
                    some = weights > 0
                    mean = np.dot(weights[some], x[some])
                costs[i] = np.float64(mean) / total - np.log(total)
        return (
            np.where(np.isfinite(costs), np.maximum(costs, 0.0), np.inf),
            np.where(np.isfinite(rises), rises, np.inf),
        )
