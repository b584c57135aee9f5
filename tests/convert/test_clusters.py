"""Clusters: planted ones are found, one cloud is called one, and the figures are the textbook's."""

from __future__ import annotations

import numpy as np
import pytest

from convert.clusters import find_clusters
from convert.kmeans import adjusted_rand, kmeans, silhouette
from edgesteer.errors import InputError


def pairs(
    axes: list[int], n: int = 60, d: int = 96, noise: float = 0.1, seed: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """`n` pairs whose differences point along the given axes in turn, with noise."""
    rng = np.random.default_rng(seed)
    base = rng.standard_normal((n, d)).astype(np.float32)
    truth = np.zeros((n, d), np.float32)
    truth[np.arange(n), np.array(axes)[np.arange(n) % len(axes)]] = 1.0
    return base + truth + noise * rng.standard_normal((n, d)).astype(np.float32), base


def test_two_planted_directions_are_two_clusters() -> None:
    found = find_clusters(*pairs([3, 40]), layer=7)
    assert found.best is not None
    assert found.best.k == 2
    assert adjusted_rand(found.best.labels, np.arange(60) % 2) == 1.0
    assert "2 clusters of 30, 30" in found.verdict
    assert "layer 7" in found.verdict


def test_three_planted_directions_are_three() -> None:
    found = find_clusters(*pairs([3, 40, 70], n=90), layer=1)
    assert found.best is not None
    assert found.best.k == 3


@pytest.mark.parametrize("seed", range(4))
def test_one_planted_direction_is_one_cloud(seed: int) -> None:
    found = find_clusters(*pairs([3], seed=seed, noise=0.3), layer=1)
    assert found.best is None
    assert "one direction" in found.verdict


def test_the_same_rows_give_the_same_clusters() -> None:
    one, other = (find_clusters(*pairs([3, 40]), layer=2) for _ in range(2))
    assert one.to_dict() == other.to_dict()


def test_what_is_too_little_is_said() -> None:
    positive, negative = pairs([3], n=8)
    with pytest.raises(InputError, match="too few"):
        find_clusters(positive, negative, 1)
    positive, negative = pairs([3], n=20)
    with pytest.raises(InputError, match="does not differ"):
        find_clusters(positive, positive, 1)
    with pytest.raises(InputError, match="no clustering into 9"):
        find_clusters(positive, negative, 1).clustering(9)


def test_silhouette_by_hand() -> None:
    points = np.array([[0.0], [1.0], [4.0]])
    # first: a = 1, b = 4; second: a = 1, b = 3; the third is alone
    assert silhouette(points, np.array([0, 0, 1])) == pytest.approx((0.75 + 2 / 3 + 0) / 3)


def test_adjusted_rand_is_zero_by_chance() -> None:
    rng = np.random.default_rng(0)
    values = [adjusted_rand(rng.integers(0, 3, 60), rng.integers(0, 3, 60)) for _ in range(200)]
    assert abs(np.mean(values)) < 0.02


def test_kmeans_leaves_no_cluster_empty() -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate([np.zeros((30, 2)), rng.standard_normal((3, 2))])
    labels, _ = kmeans(points, 4, rng)
    assert set(labels) == {0, 1, 2, 3}
