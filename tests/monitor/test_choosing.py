"""Thresholds and conditions: chosen as promised, judged by counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesteer.monitor.choosing import (
    best_condition,
    best_threshold,
    f1_score,
    operating_point,
)

SCORES = st.lists(
    st.tuples(st.integers(-20, 20).map(lambda x: x / 4), st.booleans()), min_size=2, max_size=24
).filter(lambda rows: len({label for _, label in rows}) == 2)


def f1_at(scores: np.ndarray, labels: np.ndarray, threshold: float, above: bool) -> float:
    fires = scores > threshold if above else scores < threshold
    hits = (fires & labels).sum()
    return float(2 * hits / (fires.sum() + labels.sum()))


@given(SCORES)
def test_no_condition_has_a_higher_f1(rows: list[tuple[float, bool]]) -> None:
    scores, labels = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    found = best_condition(scores, labels)
    assert found.f1 == pytest.approx(f1_at(scores, labels, found.threshold, found.above))
    everywhere = np.arange(-6, 6, 0.125)
    best = max(f1_at(scores, labels, t, above) for t in everywhere for above in (True, False))
    assert found.f1 >= best - 1e-9
    point = operating_point(scores, labels, found.threshold, above=found.above)
    assert f1_score(point) == pytest.approx(found.f1)


@given(SCORES)
def test_no_threshold_is_better_balanced(rows: list[tuple[float, bool]]) -> None:
    scores, labels = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])

    def balance(threshold: float) -> float:
        return float((scores[labels] > threshold).mean() - (scores[~labels] > threshold).mean())

    found = balance(best_threshold(scores, labels))
    assert found >= max(map(balance, np.arange(-6, 6, 0.125))) - 1e-9


@given(SCORES, st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_a_bound_on_false_alarms_holds_where_it_was_set(
    rows: list[tuple[float, bool]], most: float
) -> None:
    scores, labels = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    threshold = best_threshold(scores, labels, false_alarms=most)
    point = operating_point(scores, labels, threshold)
    assert point.false_alarms <= most
    if most == 1.0:
        assert point.recall == 1.0


def test_a_threshold_lies_in_the_widest_gap() -> None:
    labels = [False, False, True, True]
    assert best_threshold([0.0, 1.0, 5.0, 6.0], labels) == 3.0
    assert best_condition([5.0, 6.0, 0.0, 1.0], labels).above is False


def test_an_operating_point_counts() -> None:
    point = operating_point([3, 1, 2, 0, 0], [True, True, False, False, False], 1.5)
    assert (point.precision, point.recall, point.false_alarms) == (0.5, 0.5, 1 / 3)
    assert f1_score(point) == 0.5
    nothing = operating_point([0, 0], [True, False], 1.5)
    assert (nothing.precision, f1_score(nothing)) == (0.0, 0.0)
