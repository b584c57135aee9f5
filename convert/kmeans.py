"""k-means, silhouette and the adjusted Rand index, for a few hundred points.

Does not know what the points are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["adjusted_rand", "kmeans", "nearest", "silhouette"]

Wide = NDArray[np.float64]
Labels = NDArray[np.int64]

STARTS, STEPS = 8, 100


def kmeans(points: Wide, k: int, rng: np.random.Generator) -> tuple[Labels, Wide]:
    """Labels int64 [n] and centres float64 [k, d]: Lloyd's steps from k-means++ starts.

    The best of several starts (Arthur and Vassilvitskii 2007). No cluster is empty, given k
    distinct points.

    >>> points = np.array([[0.0], [0.1], [5.0], [5.1]])
    >>> labels, _ = kmeans(points, 2, np.random.default_rng(0))
    >>> bool(labels[0] == labels[1] != labels[2] == labels[3])
    True
    """
    best: tuple[float, Labels, Wide] | None = None
    for _ in range(STARTS):
        centres = _start(points, k, rng)
        labels = nearest(points, centres)
        for _ in range(STEPS):
            centres = _centres(points, labels, centres)
            moved = nearest(points, centres)
            if (moved == labels).all():
                break
            labels = moved
        spread = float(((points - centres[labels]) ** 2).sum())
        if best is None or spread < best[0] - 1e-12:
            best = spread, labels, centres
    if best is None:
        raise ValueError("k-means without a start")
    return best[1], best[2]


def nearest(points: Wide, centres: Wide) -> Labels:
    """int64 [n]: the centre nearest to each point."""
    labels: Labels = _squared(points, centres).argmin(axis=1)
    return labels


def silhouette(points: Wide, labels: Labels) -> float:
    """The mean silhouette (Rousseeuw 1987), 0 for a point that is alone in its cluster.

    >>> points = np.array([[0.0], [0.1], [5.0], [5.1]])
    >>> round(silhouette(points, np.array([0, 0, 1, 1])), 2)
    0.98
    """
    apart = np.sqrt(_squared(points, points))
    names = np.unique(labels)
    if len(names) < 2:
        return 0.0
    member = labels[:, None] == names[None, :]
    sizes = member.sum(axis=0)
    total = apart @ member
    own = member.argmax(axis=1)
    row = np.arange(len(points))
    a = total[row, own] / np.maximum(sizes[own] - 1, 1)
    others = total / sizes
    others[row, own] = np.inf
    b = others.min(axis=1)
    values = np.where(sizes[own] > 1, (b - a) / np.maximum(np.maximum(a, b), 1e-30), 0.0)
    return float(values.mean())


def adjusted_rand(one: Labels, other: Labels) -> float:
    """How far two clusterings agree, 1 for the same and about 0 by chance (Hubert, Arabie 1985).

    >>> adjusted_rand(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0]))
    1.0
    """
    table = np.zeros((one.max() + 1, other.max() + 1), np.int64)
    np.add.at(table, (one, other), 1)
    both = _pairs(table).sum()
    rows, columns = _pairs(table.sum(axis=1)).sum(), _pairs(table.sum(axis=0)).sum()
    expected = rows * columns / max(float(_pairs(np.array(len(one)))), 1.0)
    most = (rows + columns) / 2
    return float((both - expected) / (most - expected)) if most != expected else 1.0


def _pairs(counts: NDArray[np.int64]) -> Wide:
    pairs: Wide = counts * (counts - 1) / 2
    return pairs


def _squared(points: Wide, centres: Wide) -> Wide:
    squares = (points**2).sum(1)[:, None] + (centres**2).sum(1)[None, :] - 2 * points @ centres.T
    apart: Wide = np.maximum(squares, 0)
    return apart


def _start(points: Wide, k: int, rng: np.random.Generator) -> Wide:
    chosen = [int(rng.integers(len(points)))]
    while len(chosen) < k:
        weights = _squared(points, points[chosen]).min(axis=1)
        total = weights.sum()
        if total <= 0:  # fewer distinct points than clusters
            chosen.append(int(rng.integers(len(points))))
        else:
            chosen.append(int(rng.choice(len(points), p=weights / total)))
    return points[chosen]


def _centres(points: Wide, labels: Labels, before: Wide) -> Wide:
    centres = before.copy()
    for cluster in range(len(before)):
        mine = labels == cluster
        if mine.any():
            centres[cluster] = points[mine].mean(axis=0)
        else:  # take the point that is furthest from its centre
            far = ((points - before[labels]) ** 2).sum(axis=1).argmax()
            centres[cluster] = points[far]
    return centres
