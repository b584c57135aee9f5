"""Clusters of contrast pairs: whether their differences point one way, or several.

Does not know how the rows were captured, nor what the clusters mean: examples are for people.

k-means on the differences D_i = h_i(positive) - h_i(negative) at one layer, each of length 1, in
the space of their first principal components. Two figures judge each k:

silhouette  mean of (b - a) / max(a, b): a is a pair's mean distance to its own cluster, b to the
            nearest other one (Rousseeuw 1987)
stability   mean adjusted Rand index (Hubert and Arabie 1985) between the clusters of all pairs and
            those of resamples that leave out every fifth group

A silhouette alone says little: k-means cuts any cloud. So each is held against a null: as many
draws from one Gaussian with the mean and covariance of the differences, clustered in the same way
(the idea of SigClust, Liu et al. 2008). Several clusters are claimed only where the silhouette is
above all but 5 % of the null's and the stability is 0.75 or more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.directions import find_method
from convert.kmeans import adjusted_rand, kmeans, nearest, silhouette
from convert.quality import judge
from convert.reading import Reading
from edgesteer.errors import InputError, LayerError

__all__ = ["Clustering", "Clusters", "clusters_of", "find_clusters"]

Array = NDArray[np.float32]
Wide = NDArray[np.float64]
Labels = NDArray[np.int64]

SEED = 20240
MAX_COMPONENTS = 20
NULL_DRAWS, RESAMPLES = 39, 10
CHANCE, STABLE = 0.05, 0.75
#: A cluster of fewer pairs than this is no direction that one would steer by.
LEAST = 5


@dataclass(frozen=True, eq=False)
class Clustering:
    """The pairs in `k` clusters.

    labels      int64 [n]: the cluster of each pair, largest cluster first
    silhouette  -1..1, of the differences; `p_value` the share of null draws that reach it
    stability   adjusted Rand index over resamples: 1 is the same clusters every time, 0 is chance
    cosines     float64 [k, k]: between the mean differences of the clusters
    """

    k: int
    labels: Labels
    silhouette: float
    p_value: float
    stability: float
    cosines: Wide

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many pairs each cluster holds."""
        return tuple(int(n) for n in np.bincount(self.labels, minlength=self.k))

    @property
    def real(self) -> bool:
        """Whether it is more than a cut through one cloud."""
        return self.p_value <= CHANCE and self.stability >= STABLE and min(self.sizes) >= LEAST

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "k": self.k,
            "sizes": list(self.sizes),
            "silhouette": round(self.silhouette, 4),
            "p_value": round(self.p_value, 4),
            "stability": round(self.stability, 4),
            "cosines": np.round(self.cosines, 4).tolist(),
            "labels": self.labels.tolist(),
            "real": self.real,
        }


@dataclass(frozen=True, eq=False)
class Clusters:
    """What was found at one layer.

    explained     share of the differences' squared length along their first axes, not centred: the
                  first is near 1 when all pairs share one direction
    agreement     mean cosine of a pair's difference to the mean of all
    coordinates   float64 [n, 2]: the pairs on the first two centred principal axes, for a picture
    tried         one clustering for each k from 2 on
    """

    layer: int
    n_pairs: int
    agreement: float
    explained: tuple[float, ...]
    coordinates: Wide
    tried: tuple[Clustering, ...]

    @property
    def best(self) -> Clustering | None:
        """The clustering with the highest silhouette of those that are real; None: one cloud."""
        real = [c for c in self.tried if c.real]
        return max(real, key=lambda c: c.silhouette) if real else None

    @property
    def verdict(self) -> str:
        """One sentence for people."""
        if self.best is None:
            return (
                f"one direction: no division of the {self.n_pairs} pairs at layer {self.layer} is "
                "both stable and cleaner than chance"
            )
        best, far = self.best, float(self.best.cosines.min())
        alike = "they point much the same way" if far > 0.5 else "they point apart"
        return (
            f"{best.k} clusters of {', '.join(map(str, best.sizes))} pairs at layer {self.layer}; "
            f"{alike} (least cosine of their means {far:.2f})"
        )

    def clustering(self, k: int) -> Clustering:
        """The clustering into `k`. Raises InputError when it was not tried."""
        for found in self.tried:
            if found.k == k:
                return found
        raise InputError(
            f"no clustering into {k} was tried", f"2 to {len(self.tried) + 1} were: see --max-k"
        )

    def examples(self, k: int, cluster: int, most: int) -> tuple[int, ...]:
        """The numbers of the pairs nearest to the middle of a cluster, on the first two axes."""
        mine = np.flatnonzero(self.clustering(k).labels == cluster)
        middle = self.coordinates[mine].mean(axis=0)
        far = np.linalg.norm(self.coordinates[mine] - middle, axis=1)
        return tuple(int(i) for i in mine[np.argsort(far, kind="stable")[:most]])

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: every figure that a picture or a table shows."""
        return {
            "layer": self.layer,
            "n_pairs": self.n_pairs,
            "agreement": round(self.agreement, 4),
            "explained": [round(share, 4) for share in self.explained],
            "coordinates": np.round(self.coordinates, 4).tolist(),
            "tried": [c.to_dict() for c in self.tried],
            "best_k": self.best.k if self.best is not None else 1,
            "verdict": self.verdict,
        }


def find_clusters(
    positive: Array,
    negative: Array,
    layer: int,
    *,
    groups: Sequence[int] | None = None,
    max_k: int = 5,
) -> Clusters:
    """Clusters of the differences of paired rows float32 [n, d] at `layer`.

    `groups` are kept together when pairs are left out (default: each pair alone). The same rows
    give the same clusters. Raises InputError for fewer than ten pairs, or `max_k` below 2.
    """
    n = len(positive)
    if n < 2 * LEAST:
        raise InputError(f"{n} pairs are too few to look for clusters", f"give {2 * LEAST} or more")
    if max_k < 2:
        raise InputError(f"max_k is {max_k}", "two clusters at least")
    D = positive.astype(np.float64) - negative
    lengths = np.linalg.norm(D, axis=1, keepdims=True)
    if not (lengths > 0).all():
        raise InputError(f"a pair does not differ at layer {layer}", "take another layer")
    unit = D / lengths
    group = np.arange(n) if groups is None else np.asarray(groups)
    points, shares = _components(unit)
    rng = np.random.default_rng(SEED)
    null = [_one_gaussian(points, rng) for _ in range(NULL_DRAWS)]
    tried = tuple(
        _clustering(points, null, unit, group, k) for k in range(2, min(max_k, n // LEAST) + 1)
    )
    mean = D.mean(axis=0)
    norm = float(np.linalg.norm(mean))
    squares = np.linalg.svd(unit, compute_uv=False) ** 2
    return Clusters(
        layer=layer,
        n_pairs=n,
        agreement=float((unit @ mean).mean() / norm) if norm else 0.0,
        explained=tuple((squares / squares.sum())[:8].tolist()),
        coordinates=points[:, :2] if shares > 1 else np.pad(points[:, :1], ((0, 0), (0, 1))),
        tried=tried,
    )


def clusters_of(reading: Reading, layer: int | None = None, *, max_k: int = 5) -> Clusters:
    """Clusters of pairs that were read, at `layer` or at the layer that looks best.

    Raises LayerError when the layer was not read, and what `find_clusters` raises.
    """
    contrast = reading.contrast()
    if layer is None:
        layer = judge(contrast, find_method("mean-difference")).best_layers[0]
    if layer not in contrast.layers:
        raise LayerError(
            f"there is no layer {layer} to look at", f"give one from 1 to {contrast.layers[-1]}"
        )
    at = contrast.layers.index(layer)
    sides = contrast.positive[:, at], contrast.negative[:, at]
    return find_clusters(*sides, layer, groups=reading.groups, max_k=max_k)


def _components(unit: Wide) -> tuple[Wide, int]:
    """The rows on their first centred principal axes, and how many axes there are."""
    centred = unit - unit.mean(axis=0)
    U, s, _ = np.linalg.svd(centred, full_matrices=False)
    kept = max(1, min(MAX_COMPONENTS, len(unit) // 4, int((s > 1e-9 * max(s[0], 1e-30)).sum())))
    axes = U[:, :kept] * s[:kept]
    # the sign of an axis is arbitrary: fix it, so that pictures do not flip
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(kept)])
    return axes * np.where(signs == 0, 1, signs), kept


def _one_gaussian(points: Wide, rng: np.random.Generator) -> Wide:
    """As many points of one cloud with the same variance along each principal axis."""
    drawn: Wide = rng.standard_normal(points.shape) * points.std(axis=0)
    return drawn


def _clustering(
    points: Wide, null: Sequence[Wide], unit: Wide, group: NDArray[np.int64], k: int
) -> Clustering:
    labels = _ordered(kmeans(points, k, np.random.default_rng(SEED))[0], k)
    found = silhouette(points, labels)
    chance = [silhouette(cloud, kmeans(cloud, k, np.random.default_rng(SEED))[0]) for cloud in null]
    reached = sum(one >= found for one in chance)
    means = np.stack([unit[labels == c].mean(axis=0) for c in range(k)])
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-30)
    return Clustering(
        k=k,
        labels=labels,
        silhouette=found,
        p_value=(reached + 1) / (len(chance) + 1),
        stability=_stability(points, labels, group, k),
        cosines=means @ means.T,
    )


def _ordered(labels: Labels, k: int) -> Labels:
    """The same clusters, numbered from the largest to the smallest."""
    order = np.argsort(-np.bincount(labels, minlength=k), kind="stable")
    rank = np.empty(k, np.int64)
    rank[order] = np.arange(k)
    ordered: Labels = rank[labels]
    return ordered


def _stability(points: Wide, labels: Labels, group: NDArray[np.int64], k: int) -> float:
    rng, names = np.random.default_rng(SEED), np.unique(group)
    found = []
    for _ in range(RESAMPLES):
        out = rng.permutation(names)[: max(1, len(names) // 5)]
        kept = ~np.isin(group, out)
        if kept.sum() < k:
            return 0.0
        _, centres = kmeans(points[kept], k, np.random.default_rng(SEED))
        found.append(adjusted_rand(labels, nearest(points, centres)))
    return float(np.mean(found))
