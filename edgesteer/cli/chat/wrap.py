"""Breaks lines between words while a text comes piece by piece.

Does not know where the text goes.
"""

from __future__ import annotations

import re
from collections import deque
from itertools import groupby

from edgesteer.cli._shade import shaded

__all__ = ["ShadedWrap", "WordWrap"]


class WordWrap:
    """Wraps one text at `width` characters; its own line breaks stay.

    >>> wrap = WordWrap(10)
    >>> "".join([*map(wrap.feed, ["a quick", " bro", "wn fox"]), wrap.rest()]).splitlines()
    ['a quick', 'brown fox']
    """

    def __init__(self, width: int) -> None:
        self._width, self._column, self._held = width, 0, ""

    def feed(self, text: str) -> str:
        """What can be shown by now; the last word is held until it is complete."""
        words = re.findall(r"\s*\S+|\s+", self._held + text) or [""]
        self._held = words.pop()
        return "".join(map(self._place, words))

    def rest(self) -> str:
        """What is still held, at the end of the text."""
        held, self._held = self._held, ""
        return self._place(held)

    def _place(self, word: str) -> str:
        """A word with the blanks before it, on this line or on the next."""
        if "\n" in word:
            self._column = len(word.rpartition("\n")[2])
        elif self._column > 0 and self._column + len(word.rstrip()) > self._width:
            word = "\n" + word.lstrip()
            self._column = len(word) - 1
        else:
            self._column += len(word)
        return word


class ShadedWrap:
    """Wraps one text like WordWrap, and shades each piece of it by a level of its own."""

    def __init__(self, width: int) -> None:
        self._wrap = WordWrap(width)
        self._pending: deque[tuple[str, float | None]] = deque()

    def feed(self, text: str, level: float | None = None) -> str:
        """What can be shown by now, shaded."""
        self._pending.extend((character, level) for character in text)
        return self._shade(self._wrap.feed(text))

    def rest(self) -> str:
        """What is still held, at the end of the text."""
        return self._shade(self._wrap.rest())

    def _shade(self, placed: str) -> str:
        """The placed characters with their levels; a new line break takes the place of blanks."""
        cells: list[tuple[str, float | None]] = []
        for character in placed:
            level = None
            if self._pending and self._pending[0][0] == character:
                level = self._pending.popleft()[1]
            else:
                while self._pending and self._pending[0][0].isspace():
                    self._pending.popleft()
            cells.append((character, level))
        runs = groupby(cells, key=lambda cell: cell[1])
        return "".join(shaded("".join(c for c, _ in run), level) for level, run in runs)
