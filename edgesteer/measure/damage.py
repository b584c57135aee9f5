"""Damage: what a steering does to text that has nothing to do with its trait.

Knows nothing of effects, nor how much damage is too much.

On neutral text: the mean and the 95th percentile of the per-token KL(steered || plain), and how
much the cross-entropy of the text itself rises. On the model's own steered answers: their
perplexity under the unsteered model, always with the share of repeated n-grams beside it, since a
loop has a low perplexity.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgesteer.measure.asking import question_text
from edgesteer.measure.kl import FloatArray, Reference, Wide
from edgesteer.measure.texts import NEUTRAL, PROMPTS
from edgesteer.model import Model

__all__ = ["AnswerDamage", "NeutralText", "TextDamage", "answer_damage", "repetition"]

#: Bytes of plain log-probabilities that are kept: 650 tokens of a vocabulary of 49,152.
MOST_KEPT = 128_000_000


@dataclass(frozen=True)
class TextDamage:
    """What steering does to neutral text, in nats a token; infinite where the numbers overflow.

    kl_mean, kl_p95  mean and 95th percentile of KL(steered || plain)
    cross_entropy    cross-entropy of the text, steered minus plain
    """

    kl_mean: float
    kl_p95: float
    cross_entropy: float


@dataclass(frozen=True)
class AnswerDamage:
    """What becomes of the model's own greedy answers.

    perplexity                   of the steered answers under the unsteered model
    repetition_3, repetition_4   1 - unique n-grams / n-grams, mean over the answers
    answers                      the texts, one a prompt
    """

    perplexity: float
    repetition_3: float
    repetition_4: float
    answers: tuple[str, ...] = ()


class NeutralText:
    """Neutral text, read plain once, against which any number of steerings are measured.

    Of many texts so many are kept as fit into 128 MB of plain log-probabilities.
    """

    def __init__(self, model: Model, texts: Sequence[str] = NEUTRAL) -> None:
        self.model = model
        self.tokens = _affordable([model.tokenize(text) for text in texts], model.n_vocab)
        self._plain: list[Reference] = []

    def measure(self, steers: Sequence[Any]) -> list[TextDamage]:
        """The damage of each steering; all are rows of one batch."""
        n = len(self.tokens)
        if not self._plain:
            self._plain = self._read(lambda _, logits: Reference.of(logits), [None])

        def compare(i: int, logits: FloatArray) -> tuple[Wide, Wide]:
            return self._plain[i % n].compare(logits, self.tokens[i % n][2:])

        rows = self._read(compare, steers)
        return [_text_damage(rows[i * n : i * n + n]) for i in range(len(steers))]

    def _read(self, reduce: Any, steers: Sequence[Any]) -> list[Any]:
        """One row for each text and steering, without the first token: it says little."""
        return self.model.logits_many(
            self.tokens * len(steers),
            [steer for steer in steers for _ in self.tokens],
            first=1,
            reduce=reduce,
        )


def _text_damage(rows: Sequence[tuple[Wide, Wide]]) -> TextDamage:
    costs = np.concatenate([cost for cost, _ in rows])
    rises = np.concatenate([rise for _, rise in rows])
    if not np.isfinite(costs).all():
        return TextDamage(math.inf, math.inf, math.inf)
    return TextDamage(float(costs.mean()), float(np.percentile(costs, 95)), float(rises.mean()))


def _affordable(texts: Sequence[list[int]], n_vocab: int) -> list[list[int]]:
    kept, room = list[list[int]](), MOST_KEPT // (4 * n_vocab)
    for tokens in texts:
        room -= len(tokens)
        if kept and room < 0:
            break
        kept.append(tokens)
    return kept


def answer_damage(
    model: Model,
    steers: Sequence[Any],
    prompts: Sequence[str] = PROMPTS,
    *,
    n_tokens: int = 40,
    raw: bool = False,
) -> list[AnswerDamage]:
    """Greedy answers of ``n_tokens`` under each steering, and what they look like to the model.

    Args:
        model: the model.
        steers: steerings; None is the plain model, whose figures the others are compared with.
        prompts: questions; with ``raw`` texts that are rendered already.
        n_tokens: length of an answer. It does not end before, so that lengths are alike.
        raw: do not render the prompts.
    """
    heads = list(prompts) if raw else [question_text(model, prompt) for prompt in prompts]
    rows = [(steer, head) for steer in steers for head in heads]
    replies = model.ask_many(
        [head for _, head in rows],
        steer=[steer for steer, _ in rows],
        raw=True,
        temperature=0.0,
        max_tokens=n_tokens,
        ignore_eos=True,
    )
    texts = [reply.text for reply in replies]
    scores = model.score([head for _, head in rows], [text or " " for text in texts], raw=True)
    found, n = [], len(heads)
    for i in range(len(steers)):
        part = slice(i * n, i * n + n)
        surprise = -np.concatenate([score.logprobs for score in scores[part]]).mean()
        loops = [np.mean([repetition(s.tokens, k) for s in scores[part]]) for k in (3, 4)]
        found.append(
            AnswerDamage(
                math.exp(min(float(surprise), 700.0)),
                float(loops[0]),
                float(loops[1]),
                tuple(texts[part]),
            )
        )
    return found


def repetition(tokens: Sequence[Hashable], n: int) -> float:
    """1 - unique n-grams / n-grams: 0 for a text without repeats, towards 1 for a loop.

    >>> repetition("abcabc", 3), repetition("abcdef", 3), repetition("ab", 3)
    (0.25, 0.0, 0.0)
    """
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0
