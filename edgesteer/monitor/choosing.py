"""Thresholds and conditions: where to cut scores, and what a cut does on other scores.

Knows nothing of models, layers or texts: scores and labels only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgesteer.monitor.readout import OperatingPoint

__all__ = ["Condition", "best_condition", "best_threshold", "f1_score", "operating_point"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Condition:
    """Scores that lie above (or below) a threshold; `f1` is what it reached where it was chosen."""

    threshold: float
    above: bool
    f1: float

    def holds(self, scores: ArrayLike) -> NDArray[np.bool_]:
        """Which scores meet it."""
        values = np.asarray(scores, np.float64)
        return values > self.threshold if self.above else values < self.threshold


def best_threshold(
    scores: ArrayLike, labels: ArrayLike, *, false_alarms: float | None = None
) -> float:
    """The threshold above which the positive scores lie, as far as they do.

    Maximises recall less false alarms (Youden's J) or, with `false_alarms`, the recall among the
    thresholds that let at most that share of the negative scores pass. It lies halfway between two
    scores; of equally good ones the widest gap is taken.

    >>> best_threshold([0.0, 1.0, 3.0, 4.0], [False, False, True, True])
    2.0
    """
    cuts, gaps, recall, alarms = _cuts(scores, labels)
    worth = recall - alarms
    if false_alarms is not None:
        worth = np.where(alarms <= false_alarms, recall, -1.0)
    best = np.flatnonzero(worth >= worth.max() - 1e-12)
    return float(cuts[best[np.argmax(gaps[best])]])


def best_condition(scores: ArrayLike, labels: ArrayLike) -> Condition:
    """The threshold and the side of it with the highest F1 of the positive label."""
    values, truth = np.asarray(scores, np.float64), np.asarray(labels, bool)
    found: list[tuple[float, float, Condition]] = []
    for above in (True, False):
        cuts, gaps, recall, alarms = _cuts(values if above else -values, truth)
        n_positive, n_negative = truth.sum(), (~truth).sum()
        hits, wrong = recall * n_positive, alarms * n_negative
        f1 = 2 * hits / np.maximum(hits + wrong + n_positive, 1e-12)
        for cut, gap, figure in zip(cuts, gaps, f1, strict=True):
            threshold = float(cut if above else -cut)
            found.append((round(float(figure), 12), float(gap), Condition(threshold, above, 0.0)))
    figure, _, condition = max(found, key=lambda item: item[:2])
    return Condition(condition.threshold, condition.above, figure)


def operating_point(
    scores: ArrayLike, labels: ArrayLike, threshold: float, *, above: bool = True
) -> OperatingPoint:
    """What a threshold does on labelled scores that it was not chosen on."""
    truth = np.asarray(labels, bool)
    fires = Condition(threshold, above, 0.0).holds(scores)
    hits, alarms = int((fires & truth).sum()), int((fires & ~truth).sum())
    n_positive, n_negative = int(truth.sum()), int((~truth).sum())
    return OperatingPoint(
        threshold=float(threshold),
        precision=hits / (hits + alarms) if hits + alarms else 0.0,
        recall=hits / n_positive if n_positive else 0.0,
        false_alarms=alarms / n_negative if n_negative else 0.0,
        n_positive=n_positive,
        n_negative=n_negative,
    )


def f1_score(point: OperatingPoint) -> float:
    """The harmonic mean of precision and recall; 0 when nothing was found."""
    both = point.precision + point.recall
    return 2 * point.precision * point.recall / both if both else 0.0


def _cuts(scores: ArrayLike, labels: ArrayLike) -> tuple[Floats, Floats, Floats, Floats]:
    """Every useful threshold, the gap it lies in, its recall and its share of false alarms.

    The outermost ones, that let all or nothing pass, lie one spread beyond the scores.
    """
    values, truth = np.asarray(scores, np.float64), np.asarray(labels, bool)
    levels = np.unique(values)
    spread = float(levels[-1] - levels[0]) or 1.0
    edges = np.concatenate([[levels[0] - spread], levels, [levels[-1] + spread]])
    cuts = (edges[:-1] + edges[1:]) / 2
    gaps = np.diff(edges)
    gaps[[0, -1]] = 0.0
    passing = values[None, :] > cuts[:, None]
    recall = passing[:, truth].mean(axis=1) if truth.any() else np.zeros(len(cuts))
    alarms = passing[:, ~truth].mean(axis=1) if (~truth).any() else np.zeros(len(cuts))
    return cuts, gaps, recall, alarms
