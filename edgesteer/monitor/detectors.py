"""What scores a text in an audit: a direction, its length, or its words; trained on a family.

Does not know which detector is to be held against which.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesteer.monitor.baselines import BagOfWords, Length, folds
from edgesteer.monitor.examples import Examples
from edgesteer.monitor.fit import scale_of
from edgesteer.monitor.reading_rows import Rows

__all__ = ["ReadFamily", "bag_of", "direction_of", "left_out", "length_of_family"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Scorer = Callable[[Bools], Floats]


@dataclass(frozen=True, eq=False)
class ReadFamily:
    """One kind of text with its rows of the residual stream."""

    examples: Examples
    rows: Rows

    @property
    def name(self) -> str:
        """What it is called."""
        return self.examples.name

    @property
    def labels(self) -> Bools:
        """bool [n]."""
        return self.examples.labels

    @property
    def texts(self) -> list[str]:
        """The texts themselves."""
        return [item.text for item in self.examples.items]

    @property
    def everything(self) -> Bools:
        """All of them."""
        return np.ones(len(self.examples), bool)

    @property
    def fresh(self) -> Bools:
        """Those that the vector was not made of."""
        return np.array([not item.seen for item in self.examples.items], bool)

    def texts_of(self, chosen: Bools) -> list[str]:
        """The chosen texts."""
        return [text for text, keep in zip(self.texts, chosen, strict=True) if keep]

    def groups_of(self, chosen: Bools) -> list[str]:
        """Their groups."""
        return [g for g, keep in zip(self.examples.groups, chosen, strict=True) if keep]


def direction_of(family: ReadFamily, chosen: Bools, layer: int) -> Callable[[NDArray[Any]], Floats]:
    """Scores of rows along the mean difference of the chosen texts, on their own scale."""
    rows = family.rows.at(layer)[chosen].astype(np.float64)
    labels = family.labels[chosen]
    gap = rows[labels].mean(axis=0) - rows[~labels].mean(axis=0)
    gap /= np.linalg.norm(gap) or 1.0
    scale = scale_of(rows @ gap, labels)
    return lambda others: scale(others.astype(np.float64) @ gap)


def bag_of(family: ReadFamily, chosen: Bools) -> BagOfWords:
    """The bag of words of the chosen texts."""
    return BagOfWords.trained(
        family.texts_of(chosen), family.labels[chosen], family.groups_of(chosen)
    )


def length_of_family(family: ReadFamily, chosen: Bools) -> Length:
    """Which of the two sides is the longer one among the chosen texts."""
    return Length.trained(family.texts_of(chosen), family.labels[chosen])


def left_out(family: ReadFamily, train: Callable[[Bools], Scorer]) -> Floats:
    """Scores of all texts, each by a detector that was trained without it and its group.

    `train(chosen)` gives a function from the texts that are left out to their scores.
    """
    scores = np.zeros(len(family.examples))
    for out in folds(family.examples.groups):
        scores[out] = train(~out)(out)
    return scores
