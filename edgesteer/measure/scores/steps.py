"""Steps: an answer that shows its way, step by step, against one that only gives the result.

Does not know whether the steps are right. Ordinals, numbered lines and words that link one thought
to the next are counted, each once: a list that runs on gains nothing after its fifth number.
"""

from __future__ import annotations

import math
import re

from edgesteer.measure.scores.base import Phrases, Score

_STEPS = Phrases("""
    first, firstly, first of all, to begin, to start, we start, start with, second, secondly, third,
    thirdly, fourth, next, then, after that, afterwards, now, finally, lastly, in the end, at last,
    step, step by step, one by one, one step at a time, let us, let's, let me, so, therefore, thus,
    hence, because, since, if, which means, that means, this means, this gives, that gives,
    that makes, that leaves, gives us, leaves us, we get, we have, we know, we need, we see,
    we find, we can, it follows, as a result, in total, altogether, together, add, subtract,
    multiply, divide, times, plus, minus, equals, half of, left over, compare, check,
    in other words, suppose, remember that
""")
_BARE = Phrases("""
    the answer is, answer:, simply, just, that's all, that is all, that is it, no need to explain,
    in short, obviously, as everybody knows, period, trust me
""")
_NUMBERED = re.compile(r"(?m)^\W*(?:step\s*)?(\d{1,2})[.):]\s", re.IGNORECASE)
_MOST_NUMBERS = 5
_HALF = 3.0


def _measure(text: str) -> float:
    numbered = min(len(set(_NUMBERED.findall(text))), _MOST_NUMBERS)
    shown = len(_STEPS.found(text)) + numbered - 0.5 * len(_BARE.found(text))
    return 1.0 - 2.0 * math.exp(-max(shown, 0.0) / _HALF)


SCORE = Score("steps", "step by step", "result only", _measure)
