"""Score: one number for one answer, and how evidence for and against a trait becomes one.

Does not know any word list.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Phrases", "Score", "balance", "sentences", "words"]

_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")
_DENIAL = re.compile(r"(?:\b(?:not|never|no|nothing|without|hardly|neither|nor)|n't)(?:\s\w+)?\s$")
_LOOK_BACK = 20
_FEWEST = 4


@dataclass(frozen=True)
class Score:
    """A judge-free score: call it with a text, get -1..1; higher is more of the positive pole.

    Attributes:
        name: what trait files and commands call it.
        positive: what a high value means, in a word.
        negative: what a low value means.
        measure: the function behind it; clipped to -1..1, and not asked about a text without words.
    """

    name: str
    positive: str
    negative: str
    measure: Callable[[str], float] = field(repr=False, compare=False)

    def __call__(self, text: str) -> float:
        """The score of a text."""
        plain = text.replace("\u2019", "'")
        if not words(plain):
            return 0.0
        return min(1.0, max(-1.0, float(self.measure(plain))))


def words(text: str) -> list[str]:
    """The words and numbers of a text, in small letters.

    >>> words("Don't, he said: 2 well-known birds!")
    ["don't", 'he', 'said', '2', 'well-known', 'birds']
    """
    return _WORD.findall(text.casefold())


def sentences(text: str) -> list[str]:
    """The sentences and lines of a text, each once, in order.

    >>> sentences("Wait. Wait! No. Wait.")
    ['Wait.', 'Wait!', 'No.']
    """
    found = (part.strip() for part in _SENTENCE.findall(text))
    return [part for part in dict.fromkeys(found) if words(part)]


class Phrases:
    """A list of phrases, separated by commas; `*` stands for the rest of a word.

    >>> Phrases("afraid, tremb*, no hope").found("I tremble, and I see no  hope; I tremble.")
    {'tremble', 'no hope'}
    """

    def __init__(self, text: str) -> None:
        parts = sorted({" ".join(p.split()) for p in text.split(",")} - {""}, key=len, reverse=True)
        forms = (re.escape(p).replace(r"\*", r"[\w'-]*").replace(r"\ ", r"\s+") for p in parts)
        self._pattern = re.compile(rf"(?<![\w'])(?:{'|'.join(forms)})(?![\w'])")

    def found(self, text: str) -> set[str]:
        """The different phrases in a text."""
        return {" ".join(m.group().split()) for m in self._pattern.finditer(text.casefold())}

    def split(self, text: str) -> tuple[set[str], set[str]]:
        """The different phrases in a text: those that stand, and those that are denied.

        >>> Phrases("afraid, alone").split("I am not afraid, though I am alone.")
        ({'alone'}, {'afraid'})
        """
        folded = text.casefold()
        stand, denied = set[str](), set[str]()
        for match in self._pattern.finditer(folded):
            before = folded[max(0, match.start() - _LOOK_BACK) : match.start()]
            (denied if _DENIAL.search(before) else stand).add(" ".join(match.group().split()))
        return stand, denied - stand


def balance(text: str, evidence: float, gain: float = 1.6) -> float:
    """Evidence (phrases for less phrases against) as -1..1, against the root of the length.

    The root, because a longer answer has room for more different phrases, though not in proportion;
    whatever is only repeated adds length and no evidence.
    """
    return math.tanh(gain * evidence / math.sqrt(max(len(words(text)), _FEWEST)))
