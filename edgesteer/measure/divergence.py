"""How much of a KL budget a steering spends: on the model's own answers and on neutral text.

Knows nothing of what strength to choose.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgesteer.errors import EngineError
from edgesteer.measure.asking import question_text
from edgesteer.measure.damage import NeutralText
from edgesteer.measure.kl import FloatArray, Wide, kl
from edgesteer.measure.texts import NEUTRAL, PROMPTS
from edgesteer.model import Model
from edgesteer.steering import Steering

__all__ = ["Divergence", "DivergenceMeter"]

#: Bytes of logits that wait for the other reading of their text: those of 30 answers of SmolLM2.
MOST_WAITING = 128 << 20


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
        n_tokens: int = 20,
    ) -> None:
        self.model, self.n_tokens = model, n_tokens
        self.prompts = [question_text(model, prompt) for prompt in prompts]
        self.neutral = NeutralText(model, neutral)

    def measure(self, steering: Steering) -> Divergence:
        """As `measure_many`, of one."""
        return self.measure_many([steering])[0]

    def measure_many(self, steers: Sequence[Steering]) -> list[Divergence]:
        """Answer, rescore the answers with and without steering, and read the neutral text.

        All steerings are rows of one batch. Where the numbers overflow the cost is infinite.
        """
        neutral = [damage.kl_mean for damage in self.neutral.measure(steers)]
        sound = [i for i, cost in enumerate(neutral) if np.isfinite(cost)]
        own = dict.fromkeys(range(len(steers)), np.array([np.inf]))
        own.update(zip(sound, self._own([steers[i] for i in sound]), strict=True))
        return [
            Divergence(_percentile(own[i]), float(own[i].mean()), cost)
            for i, cost in enumerate(neutral)
        ]

    def _own(self, steers: Sequence[Steering]) -> list[Wide]:
        """KL of each token of the steered greedy answers, for each steering."""
        rows = [(steer, prompt) for steer in steers for prompt in self.prompts]
        if not rows:
            return []
        try:
            replies = self.model.ask_many(
                [prompt for _, prompt in rows],
                steer=[steer for steer, _ in rows],
                raw=True,
                temperature=0.0,
                max_tokens=self.n_tokens,
                ignore_eos=True,
            )
        except EngineError:  # overflowed while answering: find out which
            if len(steers) == 1:
                return [np.array([np.inf])]
            return [self._own([steer])[0] for steer in steers]
        tokenize = self.model.tokenize
        heads = [tokenize(prompt) for _, prompt in rows]
        tails = [tokenize(reply.text, special=False) for reply in replies]
        costs = self._compare(heads, tails, [steer for steer, _ in rows])
        n = len(self.prompts)
        return [np.concatenate(costs[i * n : i * n + n]) for i in range(len(steers))]

    def _compare(
        self, heads: list[list[int]], tails: list[list[int]], steers: list[Steering]
    ) -> list[Wide]:
        """KL(steered || plain) behind each token of the answers; each text is read both ways."""
        costs: list[Wide] = []
        row = 4 * self.model.n_vocab
        for part in _parts([row * (len(tail) + 1) for tail in tails]):
            costs += self._compare_part(heads[part], tails[part], steers[part])
        return costs

    def _compare_part(
        self, heads: list[list[int]], tails: list[list[int]], steers: list[Steering]
    ) -> list[Wide]:
        """As `_compare`, with one side of every text in memory until the other has been read."""
        waiting: dict[int, FloatArray] = {}
        costs: list[Wide] = [np.empty(0)] * len(heads)

        def compare(i: int, logits: FloatArray) -> None:
            pair = i // 2
            other = waiting.pop(pair, None)
            if other is None:
                waiting[pair] = logits
            else:
                costs[pair] = kl(logits, other) if i % 2 else kl(other, logits)

        texts = [[*head, *tail] for head, tail in zip(heads, tails, strict=True)]
        self.model.logits_many(
            [text for text in texts for _ in range(2)],
            [one for steer in steers for one in (None, steer)],
            first=[len(head) - 1 for head in heads for _ in range(2)],
            n_prompt=[len(head) for head in heads for _ in range(2)],
            reduce=compare,
        )
        return costs


def _parts(sizes: Sequence[int]) -> Iterator[slice]:
    """Runs of neighbours of at most `MOST_WAITING` bytes together, or of one."""
    start = total = 0
    for i, size in enumerate(sizes):
        if i > start and total + size > MOST_WAITING:
            yield slice(start, i)
            start, total = i, 0
        total += size
    yield slice(start, len(sizes))


def _percentile(costs: Wide) -> float:
    return float(np.percentile(costs, 95)) if np.isfinite(costs).all() else float("inf")
