"""Interleaved rounds: every contender once a round, so that a slow minute hits all alike.

Knows nothing of what is measured.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping

Contender = Callable[[], float]


def interleave(contenders: Mapping[str, Contender], rounds: int) -> dict[str, list[float]]:
    """Call every contender once a round; returns its figures, round by round."""
    figures: dict[str, list[float]] = {name: [] for name in contenders}
    for contender in contenders.values():
        contender()  # warm-up: weights in the page cache, contexts made
    for number in range(rounds):
        names = list(contenders)
        if number % 2:
            names.reverse()
        for name in names:
            figures[name].append(contenders[name]())
    return figures


def ratio(figures: Mapping[str, list[float]], over: str, under: str) -> dict[str, float]:
    """The median over rounds of ``over / under``, with its lowest and highest."""
    each = [a / b for a, b in zip(figures[over], figures[under], strict=True)]
    return {
        "median": round(statistics.median(each), 4),
        "low": round(min(each), 4),
        "high": round(max(each), 4),
    }


def median(values: list[float]) -> float:
    """The median, rounded for people."""
    return round(statistics.median(values), 4)
