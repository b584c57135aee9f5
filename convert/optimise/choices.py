"""Choices: two answers to one prompt, as token ids, out of contrast pairs.

Does not know models: a tokenizer and a chat template are given to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from convert.pairs import ContrastPairs, Pair
from convert.rendering import Passage, render_pairs
from edgesteer.errors import InputError

__all__ = ["Choice", "Choices", "Reads", "choices_of"]

LEAST = 8
HELD_OUT = 5
SEED = 20240


class Reads(Protocol):
    """What turns texts into tokens: `convert.capture.tokens.Tokens`."""

    @property
    def has_chat_template(self) -> bool:
        """Whether `render` can be used."""
        ...

    def render(self, messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """The chat template's text."""
        ...

    def encode(self, text: str) -> list[int]:
        """Token ids of a rendered text."""
        ...

    def answer_at(self, passage: Passage, ids: list[int]) -> int | None:
        """The number of the answer's first token; None for a text without a prompt."""
        ...


@dataclass(frozen=True)
class Choice:
    """One text: its token ids, and the number of the first one whose probability counts."""

    ids: tuple[int, ...]
    start: int


@dataclass(frozen=True)
class Choices:
    """Pairs of texts (positive, negative): those to learn from, and those to judge on."""

    train: tuple[tuple[Choice, Choice], ...]
    heldout: tuple[tuple[Choice, Choice], ...]


def choices_of(pairs: ContrastPairs, reads: Reads) -> Choices:
    """The pairs whose two sides answer one prompt differently; personas are left aside.

    Without held-out pairs of that kind every fifth group of pairs is held out.
    Raises InputError when fewer than eight are left to learn from.
    """
    train, heldout = ([p for p in part if _is_choice(p)] for part in (pairs.pairs, pairs.heldout))
    if len(heldout) < LEAST // 2:
        train, heldout = _split(train)
    if len(train) < LEAST:
        raise InputError(
            f"{len(train)} pairs of {pairs.name} are two answers to one prompt, and an optimised "
            f"vector needs {LEAST} to learn from, besides those that it is judged on",
            "write more pairs with a prompt and two answers; personas can not be learned from",
        )
    template = reads.render if reads.has_chat_template else None
    parts = [render_pairs(part, template, pairs.source) for part in (train, heldout)]
    made = [
        tuple(
            (_choice(one.positive_passage, reads), _choice(one.negative_passage, reads))
            for one in part
        )
        for part in parts
    ]
    return Choices(made[0], made[1])


def _is_choice(pair: Pair) -> bool:
    one, other = pair.positive, pair.negative
    same_prompt = (one.user, one.system) == (other.user, other.system)
    return same_prompt and bool(one.answer) and bool(other.answer)


def _split(pairs: Sequence[Pair]) -> tuple[list[Pair], list[Pair]]:
    groups = np.unique([pair.group for pair in pairs])
    order = np.random.default_rng(SEED).permutation(groups)
    out = set(order[: max(len(order) // HELD_OUT, 1)].tolist())
    return [p for p in pairs if p.group not in out], [p for p in pairs if p.group in out]


def _choice(passage: Passage, reads: Reads) -> Choice:
    ids = reads.encode(passage.text)
    start = reads.answer_at(passage, ids)
    first = 1 if start is None else max(start, 1)  # nothing comes before the first token
    if first >= len(ids):
        raise InputError(f"{passage.where or 'a text'} has no answer to prefer", "write one")
    return Choice(tuple(ids), first)
