"""The search over layers on landscapes that are known: it must find the top and ask for little."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgesteer.errors import LayerError
from edgesteer.measure.search import coarse_to_fine
from edgesteer.measure.weights import LayerWeights, flat, gaussian, plateau

Landscape = Callable[[LayerWeights], float]


def explore(landscape: Landscape, n_layer: int = 30, carried: range | None = None) -> dict:
    scores: dict[LayerWeights, float] = {}
    default = flat(range(-(-n_layer // 3), max(2, n_layer * 4 // 5 + 1)))
    search = coarse_to_fine(carried or range(1, n_layer), default, n_layer)
    stage, candidates = next(search)
    while True:
        assert not set(candidates) & set(scores), f"{stage} asks twice"
        scores |= {w: landscape(w) for w in candidates}
        try:
            stage, candidates = search.send(scores)
        except StopIteration:
            return scores


def peaked(at: float, width: float) -> Landscape:
    """A candidate is as good as its weights are like a bell of this peak and width."""

    def score(w: LayerWeights) -> float:
        spread = sum(x * (n - w.centre) ** 2 for n, x in w.weights) / sum(x for _, x in w.weights)
        return -((w.centre - at) ** 2) - 4 * (spread**0.5 - width) ** 2

    return score


@pytest.mark.parametrize(("at", "width"), [(18, 0.0), (9, 1.5), (20, 3.0), (15, 7.0), (25, 2.0)])
def test_the_search_ends_near_the_top(at: float, width: float) -> None:
    scores = explore(peaked(at, width))
    best = max(scores, key=scores.__getitem__)
    assert abs(best.centre - at) <= 2.0
    assert scores[best] > -8
    assert len(scores) <= 45


def test_a_fine_search_looks_beside_the_best_single_layer() -> None:
    scores = explore(lambda w: 10.0 - abs(w.centre - 16) - len(w.layers))
    assert max(scores, key=scores.__getitem__) == flat([16])


def test_the_very_wide_and_the_present_are_always_among_them() -> None:
    scores = explore(lambda w: 0.0)
    assert flat(range(1, 30)) in scores
    assert flat(range(10, 25)) in scores
    widths = {len(w.layers) for w in scores if w.is_flat}
    assert {1, 3, 8, 16} <= widths


@pytest.mark.parametrize("n_layer", [2, 3, 4, 6, 12, 80])
def test_models_of_any_depth_are_searched(n_layer: int) -> None:
    scores = explore(peaked(n_layer / 2, 1.0), n_layer)
    assert all(1 <= n < n_layer for w in scores for n in w.layers)
    assert len(scores) <= 50


def test_only_layers_that_are_carried_are_asked_for() -> None:
    scores = explore(peaked(12, 2.0), 30, range(8, 17))
    asked = {n for w in scores if w != flat(range(10, 25)) for n in w.layers}
    assert asked <= set(range(8, 17))


def test_weights_are_shares_of_the_largest_and_tiny_ones_are_dropped() -> None:
    assert LayerWeights.of({3: 2.0, 4: 1.0, 5: 0.01}).to_dict() == {"3": 1.0, "4": 0.5}
    assert LayerWeights.from_dict(gaussian(4, 2, range(1, 8)).to_dict()).centre == pytest.approx(4)
    assert plateau(3, 5, 1, range(1, 9)).to_dict()["6"] == pytest.approx(0.607)
    with pytest.raises(LayerError):
        LayerWeights.of({3: 0.0})
