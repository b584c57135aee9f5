"""How readings look in a terminal: tokens shaded warm and cool, and a wave of small bars.

Does not know where the readings come from.

Single tokens read noisily, so a running mean over about the last five is shaded. Of scores 0
stays plain, above it is warm, below it cool, full at 1. Raw readings have no such scale: they are
shaded by how far they lie from the others of the same text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edgesteer.model import Reading
    from edgesteer.monitor.readout import Readout

__all__ = ["Gauge", "Levels", "Range", "shaded", "wave"]

_WARM = (224, 223, 216, 209, 203)
_COOL = (189, 153, 117, 111, 75)
_INK = 16
_BARS = "▁▂▃▄▅▆▇█"
_SHARE = 0.3  # of the newest token in the running mean
_WIDEST = 24
_EDGES = re.compile(r"(\s*)(.*?)(\s*)", re.DOTALL)


def shaded(text: str, level: float | None) -> str:
    """`text` on a ground that says how high `level` is, -1 to 1; None and 0 leave it plain.

    White space at its ends stays plain, and so do line breaks.
    """
    step = 0 if level is None else round(min(abs(level), 1.0) * len(_WARM))
    if not step or not text.strip():
        return text
    ground = (_WARM if (level or 0) > 0 else _COOL)[step - 1]
    match = _EDGES.fullmatch(text)
    before, core, after = match.groups() if match else ("", text, "")
    lines = [click.style(x, fg=_INK, bg=ground) if x else x for x in core.split("\n")]
    return before + "\n".join(lines) + after


class Range:
    """Readings of one read-out, token by token -> levels from -1 to 1."""

    def __init__(self, readout: Readout) -> None:
        self._fixed = readout.unit == "score"
        self._seen: list[float] = []
        self._smooth = 0.0

    def level(self, value: float | None) -> float | None:
        """The level of the next token; None for one that was not read."""
        if value is None:
            return None
        self._seen.append(value)
        n = len(self._seen)
        if n == 1 and not self._fixed:
            self._smooth = value
        self._smooth += _SHARE * (value - self._smooth)
        if self._fixed:
            return max(-1.0, min(1.0, self._smooth))
        mean = sum(self._seen) / n
        spread = (sum((x - mean) ** 2 for x in self._seen) / n) ** 0.5
        return max(-1.0, min(1.0, (self._smooth - mean) / spread)) if spread and n > 4 else 0.0


def wave(values: Sequence[float], *, fixed: bool, width: int = _WIDEST) -> str:
    """Readings in their order as small bars, at most `width` of them, neighbours averaged.

    `fixed` draws scores from -2 to 2; else the bars reach from the lowest to the highest.

    >>> wave([-2, 0, 2], fixed=True)
    '▁▅█'
    """
    if not values:
        return ""
    count = min(width, len(values))
    ends = [round(i * len(values) / count) for i in range(count + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(ends)]
    low, high = (-2.0, 2.0) if fixed else (min(means), max(means))
    span = (high - low) or 1.0
    steps = (int((x - low) / span * len(_BARS)) for x in means)
    return "".join(_BARS[max(0, min(step, len(_BARS) - 1))] for step in steps)


class Levels:
    """How each token of an answer is shaded: by the first read-out."""

    def __init__(self, readouts: Mapping[str, Readout]) -> None:
        self._name = next(iter(readouts), "")
        self._range = Range(readouts[self._name]) if readouts else None

    def of(self, reading: Reading) -> float | None:
        """The level of a token, None when it was not read."""
        if self._range is None:
            return None
        return self._range.level(reading.values.get(self._name))


class Gauge:
    """What the readings of one answer were, in a line for each read-out."""

    def __init__(self, readouts: Mapping[str, Readout]) -> None:
        self.readouts = dict(readouts)
        self.values: dict[str, list[float]] = {name: [] for name in readouts}

    def add(self, reading: Reading) -> None:
        """Take a reading of the answer."""
        for name, value in reading.values.items():
            if reading.generated and name in self.values:
                self.values[name].append(value)

    def line(self, name: str, width: int = _WIDEST) -> str:
        """Name, wave, mean: "calm ▂▃▅▇▆ +0.62"."""
        values, fixed = self.values[name], self.readouts[name].unit == "score"
        if not values:
            return f"{name} –"
        mean = sum(values) / len(values)
        return f"{name} {wave(values, fixed=fixed, width=width)} {mean:+.2f}"

    def about(self) -> list[str]:
        """What is watched: a line for each read-out."""
        return [
            f"watching {name} {readout}"
            + ("" if readout.point else f"; edgesteer monitor {name} --fit gives it a scale")
            for name, readout in self.readouts.items()
        ]

    def lines(self, added: Mapping[str, float] | None = None) -> list[str]:
        """For people, below an answer: what each read-out read, and what that means.

        `added` is what the steering itself puts into a reading.
        """
        return [
            self._told(name, (added or {}).get(name, 0.0))
            for name in self.readouts
            if self.values[name]
        ]

    def _told(self, name: str, added: float) -> str:
        readout, values = self.readouts[name], self.values[name]
        mean, text = sum(values) / len(values), f"{self.line(name)}"
        if readout.threshold is None:
            text += " in raw units"
        elif readout.positions != "answer":  # these are readings of an answer
            text += f"; its threshold {readout.threshold:.2f} is one for prompts"
        else:
            side = "above" if mean > readout.threshold else "below"
            text += f", {side} its threshold {readout.threshold:.2f}"
        if abs(added) >= 0.05 * max(abs(mean), 1e-9):
            text += f"; the steering itself adds {added:+.2f}"
        return text
