"""Contrast and Found: what a method is given, and what it gives back.

Does not know any method, nor where the activations came from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from convert.directions.axes import cosines
from edgesteer.errors import InputError
from edgesteer.layers import LayerRange

__all__ = ["LOST", "Contrast", "Find", "Found", "lost_mean"]

Array = NDArray[np.float32]
Whole = NDArray[np.int64]
Figures = NDArray[np.float64]

LOST = 0.5
"""Below this cosine to the mean difference, an axis has lost it."""


@dataclass(frozen=True, eq=False)
class Contrast:
    """Activations of one trait: row i of one side is the counterpart of row i of the other.

    positive   float32 [n, L, d]
    negative   float32 [n, L, d]
    layers     the L layer numbers, for messages; when left out, counted from 1
    groups     int [n]: pairs of one stem share a number, and folds never part them; None: all apart
    neutral    float32 [m, L, d]: texts without the trait; None: there are none
    baseline   int [n]: the neutral row that belongs to each pair; None: their mean belongs to all

    Raises InputError when the shapes disagree.
    """

    positive: Array
    negative: Array
    layers: tuple[int, ...] = ()
    groups: Whole | None = None
    neutral: Array | None = None
    baseline: Whole | None = None

    def __post_init__(self) -> None:
        shape = self.positive.shape
        if len(shape) != 3 or self.negative.shape != shape or not shape[0]:
            raise InputError(
                f"rows of {list(shape)} and {list(self.negative.shape)} are no contrast",
                "give as many positive as negative rows [n, L, d]",
            )
        if not self.layers:
            object.__setattr__(self, "layers", tuple(range(1, 1 + shape[1])))
        if self.neutral is not None and self.neutral.shape[1:] != shape[1:]:
            raise InputError(
                f"neutral rows of {list(self.neutral.shape)} beside rows of {list(shape)}",
                "read them at the same layers of the same model",
            )
        for indices in (self.groups, self.baseline):
            if indices is not None and len(indices) != shape[0]:
                raise InputError(f"{len(indices)} numbers for {shape[0]} pairs", "give one a pair")

    def __len__(self) -> int:
        return len(self.positive)

    @property
    def differences(self) -> Figures:
        """float64 [n, L, d]: positive minus negative, pair by pair."""
        return self.positive.astype(np.float64) - self.negative

    @property
    def mean_difference(self) -> Figures:
        """float64 [L, d]: mean of the positive rows minus mean of the negative rows."""
        gap: Figures = self.positive.mean(axis=0, dtype=np.float64) - self.negative.mean(
            axis=0, dtype=np.float64
        )
        return gap

    @property
    def group_of_pair(self) -> Whole:
        """int [n]: the group of each pair; when all share one, each pair counts as its own."""
        if self.groups is None or len(np.unique(self.groups)) < 2:
            return np.arange(len(self))
        return self.groups

    def neutral_of_pair(self) -> Figures:
        """float64 [n, L, d]: the neutral point of each pair. Raises InputError without neutral."""
        if self.neutral is None:
            raise InputError(
                "this method needs neutral texts, and none were read", "use mean-difference"
            )
        if self.baseline is not None:
            return self.neutral[self.baseline].astype(np.float64)
        mean: Figures = self.neutral.mean(axis=0, dtype=np.float64)
        return np.broadcast_to(mean, self.positive.shape)

    def select(self, keep: NDArray[np.bool_]) -> Contrast:
        """The same contrast with some of the pairs only; `keep` is bool [n]."""
        return replace(
            self,
            positive=self.positive[keep],
            negative=self.negative[keep],
            groups=None if self.groups is None else self.groups[keep],
            baseline=None if self.baseline is None else self.baseline[keep],
        )

    def exchanged(self) -> Contrast:
        """The same pairs with their sides exchanged."""
        return replace(self, positive=self.negative, negative=self.positive)


@dataclass(frozen=True, eq=False)
class Found:
    """What a method found.

    directions  float32 [L, d] to steer with, in the natural unit: a step of 1 leads from the
                negative rows to the positive ones, on average, as far as the direction goes
    reading     float32 [L, d] to read with, where that is another one: the two sides lie 1 apart
    again       the same method with what it chose for itself held fast, for judging by folds
    notes       warnings for people
    facts       what it chose, plain JSON data
    """

    directions: Array
    reading: Array | None = None
    again: Find | None = None
    notes: tuple[str, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)

    @property
    def read_with(self) -> Array:
        """The direction to read with."""
        return self.directions if self.reading is None else self.reading


Find = Callable[[Contrast], Found]


def lost_mean(contrast: Contrast, directions: Array, method: str, cure: str) -> tuple[str, ...]:
    """A note when directions [L, d] have lost the mean difference at some layers, else nothing."""
    kept = cosines(directions, contrast.mean_difference)
    lost = [layer for layer, cosine in zip(contrast.layers, kept, strict=True) if cosine < LOST]
    if not lost:
        return ()
    return (
        f"{method} has lost the mean difference at {len(lost)} of {len(kept)} layers "
        f"({LayerRange.of(lost)}; cosine {min(kept):.2f} to {max(kept):.2f} over all): {cure}",
    )
