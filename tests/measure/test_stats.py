"""Statistics held against what is known exactly: coverage, planted effects, textbook values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesteer.errors import InputError
from edgesteer.measure import stats

numbers = st.lists(st.floats(-50, 50, width=32), min_size=2, max_size=30)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(300):
        found = stats.mean_interval(rng.exponential(1.0, 40), seed=trial, resamples=400)
        hits += found.low <= 1.0 <= found.high
    assert 0.90 <= hits / 300 <= 0.98


def test_the_quick_mean_and_the_general_bootstrap_agree() -> None:
    rows = np.random.default_rng(1).normal(size=25)
    quick = stats.mean_interval(rows, seed=7)
    general = stats.bootstrap(rows, lambda x: float(x.mean()), seed=7)
    assert quick.low == pytest.approx(general.low)
    assert quick.high == pytest.approx(general.high)


def test_same_seed_same_interval_and_another_seed_another() -> None:
    rows = np.random.default_rng(2).normal(size=20)
    assert stats.mean_interval(rows, seed=1) == stats.mean_interval(rows, seed=1)
    assert stats.mean_interval(rows, seed=1) != stats.mean_interval(rows, seed=2)


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=30), st.integers(-20, 20))
def test_a_shift_of_all_items_shifts_the_interval(rows: list[int], by: int) -> None:
    here = stats.mean_interval(rows, seed=3, resamples=200)  # sums of whole numbers are exact
    there = stats.mean_interval(np.array(rows) + by, seed=3, resamples=200)
    for end in ("low", "value", "high"):
        assert getattr(there, end) == pytest.approx(getattr(here, end) + by, abs=1e-6)


def test_one_item_says_that_it_is_one() -> None:
    found = stats.mean_interval([2.5], seed=0)
    assert (found.low, found.value, found.high, found.n) == (2.5, 2.5, 2.5, 1)


def test_items_are_drawn_whole() -> None:
    rows = np.stack([np.arange(30.0), -np.arange(30.0)], axis=1)  # both halves of an item cancel
    found = stats.bootstrap(rows, lambda x: float(x.sum(axis=1).mean()), seed=0)
    assert (found.low, found.high) == (0.0, 0.0)


def test_sign_flips_are_exact_for_few_items() -> None:
    assert stats.sign_flip([1.0, 2.0, 3.0, 4.0], seed=0) == pytest.approx(2 / 16)
    assert stats.sign_flip([1.0, -1.0], seed=0) == 1.0
    many = np.random.default_rng(0).normal(1.0, 1.0, 60)
    assert stats.sign_flip(many, seed=0) < 0.001


def test_sign_flips_are_fair_when_nothing_is_there() -> None:
    rng = np.random.default_rng(4)
    low = [stats.sign_flip(rng.normal(size=20), seed=i, draws=500) < 0.1 for i in range(200)]
    assert 0.04 < np.mean(low) < 0.17


def test_holm_matches_the_step_down_rule() -> None:
    assert stats.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert stats.holm([]) == []


@pytest.mark.parametrize(("hits", "n"), [(0, 13), (13, 13), (3, 20), (10, 20)])
def test_the_interval_of_a_share_covers_as_often_as_it_says(hits: int, n: int) -> None:
    """Also where all items agree: Wilson's score interval inverts this test."""
    found = stats.share_interval([i < hits for i in range(n)])
    assert found.value == hits / n
    for end in (found.low, found.high):
        if 1e-9 < end < 1 - 1e-9:
            assert abs(hits / n - end) == pytest.approx(
                1.959964 * np.sqrt(end * (1 - end) / n), rel=1e-4
            )
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.high - found.low > 0.1


@given(numbers, numbers)
def test_auroc_is_the_share_of_ordered_pairs(high: list[float], low: list[float]) -> None:
    pairs = [(a > b) + 0.5 * (a == b) for a in high for b in low]
    assert stats.auroc(high, low) == pytest.approx(np.mean(pairs))
    assert stats.auroc(high, low) + stats.auroc(low, high) == pytest.approx(1.0)


def test_a_line_is_found_with_what_it_leaves() -> None:
    line = stats.slope([-1, 0, 1], [-2, 0.3, 2])
    assert line.slope == pytest.approx(2.0)
    assert line.intercept == pytest.approx(0.1)
    assert line.residual == pytest.approx(np.sqrt(np.mean(np.square([-0.1, 0.2, -0.1]))))
    assert stats.slope([0, 1, 2], [3, 3, 3]).r2 == 1.0


def test_spearman_sees_order_only() -> None:
    x = np.arange(1.0, 10)
    assert stats.spearman(x, np.exp(x)) == pytest.approx(1.0)
    assert stats.spearman(x, -(x**3)) == pytest.approx(-1.0)
    assert stats.spearman(x, np.ones(9)) == 0.0


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: stats.mean_interval([], seed=0),
        lambda: stats.mean_interval([1.0, float("nan")], seed=0),
        lambda: stats.slope([1, 1], [2, 3]),
        lambda: stats.slope([1, 2, 3], [2, 3]),
    ],
)
def test_wrong_input_is_refused(wrong: object) -> None:
    with pytest.raises(InputError):
        wrong()  # type: ignore[operator]
