"""Brevity: a short answer against a long one, by the number of words on a log scale.

Does not know whether anything was said. One word scores 1, twenty score 0, four hundred -1. A loop
is neither: repeated words make an answer longer, but only new runs of three words make it wordy.
"""

from __future__ import annotations

import math

from edgesteer.measure.scores.base import Score, words

_EVEN = 20.0
"""Words of an answer that is neither short nor long."""


def _measure(text: str) -> float:
    said = words(text)
    if len(said) <= _EVEN:
        return math.log(_EVEN / len(said)) / math.log(_EVEN)
    fresh = len(set(zip(said, said[1:], said[2:], strict=False)))
    return min(0.0, math.log(_EVEN / (fresh + 2)) / math.log(_EVEN))


SCORE = Score("brevity", "short", "long", _measure)
