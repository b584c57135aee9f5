"""Parked sequences: KV states of idle sequences, kept outside the contexts: those stay small.

Knows nothing of contexts. Every token attends to all cells of a shared cache up to the last one in
use, its own or not: what nobody is writing in costs every answer time, and costs none here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgesteer.engine.sequence import common_prefix

__all__ = ["Parked", "ParkedSequence", "same_beginning"]

#: Bytes of one state: above it a copy would hold up the answers that are being written.
LARGEST = 64 << 20
#: Bytes of all states together; the one parked longest ago goes first.
BUDGET = 256 << 20
#: As many are kept at most, so that looking for one takes no time.
MOST = 256
#: Tokens that reading again would cost; a sequence is not parked for less.
WORTH_PARKING = 8


def same_beginning(
    tokens: Sequence[int], stamps: Sequence[str], of: Sequence[int], of_stamps: Sequence[str]
) -> int:
    """How many leading tokens two sequences have in common, each with its stamp."""
    n = common_prefix(tokens, of)
    return common_prefix(stamps[:n], of_stamps[:n])


@dataclass(frozen=True, eq=False)
class ParkedSequence:
    """Tokens, what acted on each of them, and their KV state (bytes of llama.cpp)."""

    tokens: list[int]
    stamps: list[str]
    state: Any


class Parked:
    """Parked sequences, the latest last."""

    def __init__(
        self, budget: int = BUDGET, largest: int = LARGEST, *, cuttable: bool = True
    ) -> None:
        """A recurrent memory is not ``cuttable``: it serves as a whole, or not at all."""
        self._budget, self.largest, self._cuttable = budget, min(budget, largest), cuttable
        self._kept: list[ParkedSequence] = []

    def add(self, tokens: Sequence[int], stamps: Sequence[str], state: Any) -> None:
        """Keep a sequence; what can be cut out of it needs no place of its own any more."""
        new = ParkedSequence(list(tokens), list(stamps), state)
        self._kept = [p for p in self._kept if self._match(new, p.tokens, p.stamps) < len(p.tokens)]
        self._kept.append(new)
        while len(self._kept) > MOST or sum(len(p.state) for p in self._kept) > self._budget:
            del self._kept[0]

    def best(
        self, tokens: Sequence[int], stamps: Sequence[str], limit: int
    ) -> tuple[ParkedSequence | None, int]:
        """The sequence that gives most of a beginning, and how many tokens, at most ``limit``."""
        found, most = None, 0
        for parked in self._kept:
            n = self._match(parked, tokens[:limit], stamps[:limit])
            if n > most:
                found, most = parked, n
        return found, most

    def drop(self, parked: ParkedSequence) -> None:
        """Forget one, if it is still there."""
        self._kept = [p for p in self._kept if p is not parked]

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()

    def _match(self, parked: ParkedSequence, tokens: Sequence[int], stamps: Sequence[str]) -> int:
        n = same_beginning(parked.tokens, parked.stamps, tokens, stamps)
        return n if self._cuttable or n == len(parked.tokens) else 0
