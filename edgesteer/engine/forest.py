"""Many texts as a forest of shared beginnings: what has to be read once, and for which of them.

Knows nothing of llama.cpp, of plans or of rows; a text is a list of things that can be compared.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from edgesteer.engine.sequence import common_prefix

__all__ = ["Branch", "branches", "distinct", "even_starts", "longest_known"]

Text = Any  # a sequence whose items can be compared


@dataclass(frozen=True)
class Branch:
    """Items ``start..end``, which the texts ``low..high`` of a sorted list have in common."""

    low: int
    high: int
    start: int
    end: int


def distinct(texts: Iterable[Text]) -> int:
    """How many items sorted texts have, shared beginnings counted once.

    >>> distinct(["abc", "abd", "x"])
    5
    """
    listed = list(texts)
    return sum(map(len, listed)) - sum(common_prefix(a, b) for a, b in pairwise(listed))


def longest_known(text: Text, known: Sequence[Text]) -> tuple[int, int]:
    """Which of the sorted ``known`` begins most like ``text``, and how far (-1, 0 for none).

    >>> longest_known("abd", ["abc", "x"])
    (0, 2)
    """
    at = bisect_left(known, text)
    near = [(common_prefix(known[i], text), i) for i in (at - 1, at) if 0 <= i < len(known)]
    n, i = max(near, default=(0, -1))
    return (i, n) if n else (-1, 0)


def even_starts(texts: Sequence[Text], starts: Sequence[int]) -> list[int]:
    """``starts`` (how much of each is known), lowered to where texts can go on together.

    Sorted texts that share more than is known of one of them are known equally far.
    """
    level = list(starts)
    shared = [common_prefix(a, b) for a, b in pairwise(texts)]
    changed = True
    while changed:
        changed = False
        for i, n in enumerate(shared):
            low = min(level[i], level[i + 1])
            if n > low and level[i] != level[i + 1]:
                level[i] = level[i + 1] = low
                changed = True
    return level


def branches(
    texts: Sequence[Text], starts: Sequence[int], cuts: Sequence[Collection[int]]
) -> list[Branch]:
    """The branches of sorted texts, each before those that grow out of it.

    Args:
        texts: sorted; equal beginnings are then neighbours.
        starts: how many items of each text are known, as :func:`even_starts` leaves them.
        cuts: for each text, places that no branch of it may run across.

    >>> branches(["abc", "abd"], [0, 0], [(), ()])[0]
    Branch(low=0, high=2, start=0, end=2)
    """
    shared = [common_prefix(a, b) for a, b in pairwise(texts)]
    waiting = [(lo, hi, starts[lo]) for lo, hi in _runs(shared, 0, len(texts), starts)]
    found: list[Branch] = []
    while waiting:
        low, high, start = waiting.pop(0)
        end = min([len(texts[low]), *shared[low : high - 1]])
        inner = {at for i in range(low, high) for at in cuts[i] if start < at < end}
        places = [start, *sorted(inner), end]
        found += [Branch(low, high, a, b) for a, b in pairwise(places) if a < b]
        while low < high and len(texts[low]) <= end:  # it ends here; shorter ones sort first
            low += 1
        grown = _runs(shared, low, high, [end] * len(texts))
        waiting = [(lo, hi, end) for lo, hi in grown] + waiting
    return found


def _runs(
    shared: Sequence[int], low: int, high: int, depths: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """Ranges within ``low..high`` whose neighbours share more than their ``depths``."""
    start = low
    for i in range(low, high):
        if i + 1 == high or shared[i] <= depths[i]:
            yield start, i + 1
            start = i + 1
