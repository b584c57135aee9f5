"""What the sections of a report card share: how intervals and units are written, keys, tones.

Does not know any section.
"""

from __future__ import annotations

from edgesteer.measure.card.summary import VectorFigures
from edgesteer.measure.stats import Interval
from edgesteer.report.html import Block, Tone

__all__ = ["Part", "between", "key_of", "toned"]

#: A lead sentence and the blocks under it; no blocks, no section.
Part = tuple[str, list[Block]]


def between(interval: Interval) -> str:
    """An interval as text."""
    return f"[{interval.low:.2f}, {interval.high:.2f}]".replace("-", "−")


def key_of(figures: VectorFigures, what: str) -> str:
    """A key for the ids of a picture."""
    return "".join(c if c.isalnum() else "-" for c in f"{what}-{figures.name}")


def toned(interval: Interval) -> Tone:
    """Good above zero, bad below, dim where that can not be told."""
    return "good" if interval.low > 0 else "bad" if interval.high < 0 else "dim"
