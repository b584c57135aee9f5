"""How far steering moves the model's next-token distributions: KL divergence in nats.

Knows nothing of what strength to choose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgesteer.measure.texts import NEUTRAL, PROMPTS
from edgesteer.model import Model
from edgesteer.steering import Steering

FloatArray = npt.NDArray[np.float32]


def log_softmax(logits: FloatArray) -> npt.NDArray[np.float64]:
    """Log-probabilities ``[n, n_vocab]`` of logits ``[n, n_vocab]``."""
    x = logits.astype(np.float64)
    x -= x.max(axis=-1, keepdims=True)
    logs: npt.NDArray[np.float64] = x - np.log(np.exp(x).sum(axis=-1, keepdims=True))
    return logs


def kl(p_logits: FloatArray, q_logits: FloatArray) -> npt.NDArray[np.float64]:
    """``KL(p || q)`` in nats of each row: float64 ``[n]``."""
    p, q = log_softmax(p_logits), log_softmax(q_logits)
    rows: npt.NDArray[np.float64] = np.maximum((np.exp(p) * (p - q)).sum(axis=-1), 0.0)
    return rows


@dataclass(frozen=True)
class Divergence:
    """What a steering costs.

    Attributes:
        own_p95: 95th percentile of the per-token KL(steered || plain) over steered greedy answers.
        own_mean: its mean.
        neutral_mean: mean per-token KL on neutral text.
    """

    own_p95: float
    own_mean: float
    neutral_mean: float


class DivergenceMeter:
    """Measures steerings on one model; what does not depend on the steering is computed once."""

    def __init__(
        self,
        model: Model,
        *,
        prompts: Sequence[str] = PROMPTS,
        neutral: Sequence[str] = NEUTRAL,
        n_tokens: int = 16,
    ) -> None:
        self.model, self.n_tokens = model, n_tokens
        self.prompts = [self._render(p) for p in prompts]
        self.neutral = [model.tokenize(text) for text in neutral]
        self._plain = [model.logits(tokens, first=1) for tokens in self.neutral]

    def _render(self, prompt: str) -> str:
        if not self.model.has_chat_template:
            return prompt
        return self.model.render([{"role": "user", "content": prompt}])

    def measure(self, steering: Steering) -> Divergence:
        """Answer, rescore the answers with and without steering, and read the neutral text."""
        replies = self.model.ask_many(
            self.prompts,
            steer=steering,
            raw=True,
            temperature=0.0,
            max_tokens=self.n_tokens,
            ignore_eos=True,
        )
        own = np.concatenate(
            [self._own(p, r.text, steering) for p, r in zip(self.prompts, replies, strict=True)]
        )
        neutral = np.concatenate(
            [
                kl(self.model.logits(tokens, steering, first=1), plain)
                for tokens, plain in zip(self.neutral, self._plain, strict=True)
            ]
        )
        return Divergence(float(np.percentile(own, 95)), float(own.mean()), float(neutral.mean()))

    def _own(self, prompt: str, answer: str, steering: Steering) -> npt.NDArray[np.float64]:
        head = self.model.tokenize(prompt)
        tokens = head + self.model.tokenize(answer, special=False)
        first = len(head) - 1
        steered = self.model.logits(tokens, steering, first=first, n_prompt=len(head))
        return kl(steered, self.model.logits(tokens, first=first))
