"""Directions: each method finds a planted direction back, with its natural length."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from convert.directions import DEFAULT_METHOD, METHODS, Contrast, find_method
from convert.directions.mean_difference import mean_difference
from convert.directions.whitened import shrunk_solve
from edgesteer.errors import InputError

from .pair_texts import Array, cosines, planted, planted_contrast

FINDS = sorted(set(METHODS) - {"centred-pca"})
"""Centred PCA is the one that loses a planted direction, by design."""
SIDED = sorted(set(METHODS) - {"mean-centring"})
"""Mean-centring never looks at the negative side."""
WANTED = {"probe": 0.9, "mean-centring": 0.98}
LENGTHS = {"mean-centring": 0.5}


@pytest.mark.parametrize("name", FINDS)
@pytest.mark.parametrize("n", [16, 200])
def test_a_planted_direction_is_found_back(name: str, n: int) -> None:
    contrast, direction = planted_contrast(n=n, noise=1.0)
    found = find_method(name)(contrast).directions
    assert found.shape == direction.shape
    assert found.dtype == np.float32
    assert cosines(found, direction).min() > WANTED.get(name, 0.99)
    lengths = np.linalg.norm(found, axis=1) / np.linalg.norm(direction, axis=1)
    assert lengths == pytest.approx(LENGTHS.get(name, 1.0), abs=0.1)


def test_centred_pca_loses_the_mean_and_says_so() -> None:
    contrast, direction = planted_contrast(n=60, noise=2.0)
    found = METHODS["centred-pca"](contrast)
    assert abs(cosines(found.directions, direction)).max() < 0.5
    assert "lost the mean difference at 3 of 3 layers (1-3" in found.notes[0]
    assert METHODS["pca"](contrast).notes == ()


def test_centred_pca_is_right_where_pairs_differ_in_strength_alone() -> None:
    contrast, direction = planted_contrast(n=60, noise=0.1)
    strengths = np.linspace(0.2, 1.8, 60)[:, None, None].astype(np.float32)
    middle = (contrast.positive + contrast.negative) / 2
    graded = replace(
        contrast,
        positive=(middle + strengths * direction / 2).astype(np.float32),
        negative=(middle - strengths * direction / 2).astype(np.float32),
    )
    found = METHODS["centred-pca"](graded)
    assert cosines(found.directions, direction).min() > 0.99
    assert found.notes == ()


@pytest.mark.parametrize("name", SIDED)
def test_exchanged_sides_turn_the_direction_round(name: str) -> None:
    contrast, _ = planted_contrast(n=20)
    method = find_method(name)
    turned = method(contrast.exchanged()).directions
    assert turned == pytest.approx(-method(contrast).directions, abs=1e-4)


@pytest.mark.parametrize("name", METHODS)
def test_the_same_rows_give_the_same_bytes(name: str) -> None:
    contrast, _ = planted_contrast(n=20)
    copied = replace(contrast, positive=contrast.positive.copy())
    first, second = (find_method(name)(rows) for rows in (contrast, copied))
    assert first.directions.tobytes() == second.directions.tobytes()
    assert first.read_with.tobytes() == second.read_with.tobytes()


@pytest.mark.parametrize("name", METHODS)
def test_no_pairs_are_changed(name: str) -> None:
    contrast, _ = planted_contrast(n=20)
    for rows in (contrast.positive, contrast.negative, contrast.neutral):
        assert rows is not None
        rows.setflags(write=False)
    find_method(name)(contrast)


@pytest.mark.parametrize("name", SIDED)
def test_equal_sides_give_no_direction(name: str) -> None:
    positive, _, _ = planted(n=6)
    contrast = Contrast(positive, positive, neutral=np.zeros_like(positive))
    assert not find_method(name)(contrast).directions.any()


def test_mean_difference_is_exact() -> None:
    positive, negative, _ = planted(n=9)
    expected = positive.astype(np.float64).mean(axis=0) - negative.astype(np.float64).mean(axis=0)
    found = mean_difference(Contrast(positive, negative)).directions
    assert found == pytest.approx(expected, abs=1e-6)


def wild_pairs(contrast: Contrast) -> Contrast:
    """A quarter of the pairs is replaced by huge noise that leans one way."""
    random = np.random.default_rng(4)
    positive = contrast.positive.copy()
    n = len(positive) // 4
    positive[:n] += (40 + 40 * random.normal(size=positive[:n].shape)).astype(np.float32)
    return replace(contrast, positive=positive)


def wild_coordinate(contrast: Contrast) -> Contrast:
    """In some of the pairs, others for each, single coordinates run wild."""
    order = np.random.default_rng(4).random(contrast.positive.shape).argsort(axis=0)
    wild = order < len(contrast) // 16
    return replace(contrast, positive=np.where(wild, np.float32(90), contrast.positive))


@pytest.mark.parametrize(
    ("name", "spoil"), [("geometric-median", wild_pairs), ("winsorised", wild_coordinate)]
)
def test_what_runs_wild_does_not_drag_the_robust_ones(
    name: str, spoil: Callable[[Contrast], Contrast]
) -> None:
    contrast, direction = planted_contrast(n=80, noise=1.0)
    spoilt = spoil(contrast)
    assert cosines(find_method(name)(spoilt).directions, direction).min() > 0.9
    assert cosines(mean_difference(spoilt).directions, direction).max() < 0.5


def test_the_geometric_median_has_the_least_sum_of_distances() -> None:
    contrast, _ = planted_contrast(n=15, noise=4.0)
    found = METHODS["geometric-median"](contrast).directions

    def total(point: Array) -> float:
        return float(np.linalg.norm(contrast.differences[:, 0] - point, axis=1).sum())

    random = np.random.default_rng(0)
    for _ in range(50):
        step = random.normal(size=found[0].shape) * 0.05
        assert total(found[0]) <= total(found[0] + step)


def test_the_median_may_be_one_of_the_pairs() -> None:
    rows = np.array([[[0.0, 0.0]], [[1.0, 0.0]], [[-1.0, 0.0]], [[0.0, 1.0]], [[0.0, -1.0]]])
    contrast = Contrast(rows.astype(np.float32), np.zeros((5, 1, 2), np.float32))
    assert METHODS["geometric-median"](contrast).directions == pytest.approx(0.0, abs=1e-5)


def test_the_shrunk_inverse_solves_its_equations() -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(30, 80)) * np.linspace(0.1, 3, 80)
    target = random.normal(size=80)
    solution, share = shrunk_solve(rows, target)
    assert 0 < share < 1
    covariance = rows.T @ rows / 30
    shrunk = (1 - share) * covariance + share * np.trace(covariance) / 80 * np.eye(80)
    assert shrunk @ solution == pytest.approx(target, abs=1e-8)


def test_shrinkage_falls_as_rows_are_added() -> None:
    random = np.random.default_rng(0)
    scales = np.linspace(0.1, 3, 40)
    shares = [
        shrunk_solve(random.normal(size=(n, 40)) * scales, scales)[1] for n in (20, 200, 4000)
    ]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] < 0.05


def test_the_whitened_direction_reads_better_than_it_would_steer() -> None:
    """Noise along one axis hides the step: the read-out turns away from it."""
    random = np.random.default_rng(1)
    noise = random.normal(size=(2, 300, 1, 32)).astype(np.float32)
    noise[..., 0] *= 30
    step = np.zeros((1, 32), np.float32)
    step[0, :2] = 2.0
    contrast = Contrast(noise[0] + step / 2, noise[1] - step / 2)
    found = METHODS["whitened"](contrast)
    assert found.reading is not None
    assert np.array_equal(found.directions, mean_difference(contrast).directions)
    apart = [
        float((rows.positive - rows.negative)[:, 0].mean(axis=0) @ found.reading[0])
        for rows in (contrast,)
    ]
    assert apart == pytest.approx([1.0], abs=1e-3)
    fresh = random.normal(size=(2, 300, 32)).astype(np.float32)
    fresh[..., 0] *= 30

    def separation(direction: Array) -> float:
        reads = [(fresh[i] + sign * step[0] / 2) @ direction for i, sign in enumerate((1, -1))]
        return float(
            (reads[0].mean() - reads[1].mean()) / np.sqrt((reads[0].var() + reads[1].var()) / 2)
        )

    assert separation(found.reading[0]) > 3 * separation(found.directions[0])


def test_the_probe_chooses_its_penalty_once() -> None:
    contrast, _ = planted_contrast(n=24)
    found = METHODS["probe"](contrast)
    assert len(found.facts["l2"]) == 3  # type: ignore[arg-type]
    assert found.again is not None
    assert found.again(contrast).directions.tobytes() == found.directions.tobytes()


def test_the_probe_is_a_logistic_regression() -> None:
    """Its gradient vanishes: what maximum likelihood means."""
    from convert.directions.axes import row_space
    from convert.directions.probe import fit_logistic

    random = np.random.default_rng(0)
    labels = np.repeat([1.0, 0.0], 40)
    rows = random.normal(size=(80, 12)) + labels[:, None] * 0.7
    rows -= rows.mean(axis=0)
    rows, _ = row_space(rows)
    w, b = fit_logistic(
        rows, labels, np.array([0.05, 1.0]), np.ones((80, 2)), np.sum(rows**2, axis=0)
    )
    for i, penalty in enumerate((0.05, 1.0)):
        p = 1 / (1 + np.exp(-(rows @ w[:, i] + b[i])))
        assert rows.T @ (p - labels) / 80 + penalty * w[:, i] == pytest.approx(0.0, abs=1e-3)
        assert np.mean(p - labels) == pytest.approx(0.0, abs=1e-3)
    assert np.linalg.norm(w[:, 0]) > np.linalg.norm(w[:, 1])


def test_what_both_sides_share_against_neutral_stays_out_of_the_cross_covariance() -> None:
    """A persona as such moves both sides the same way, further than the trait parts them."""
    contrast, direction = planted_contrast(n=40, noise=0.5)
    shared = np.random.default_rng(7).normal(size=direction.shape).astype(np.float32)
    both = replace(
        contrast, positive=contrast.positive + shared, negative=contrast.negative + shared
    )
    found = METHODS["cross-covariance"](both)
    assert cosines(found.directions, direction).min() > 0.95
    assert cosines(METHODS["mean-centring"](both).directions, direction).max() < 0.5
    assert found.notes == ()


def test_sides_that_do_not_straddle_neutral_are_told() -> None:
    contrast, direction = planted_contrast(n=40, noise=0.5)
    aside = replace(contrast, neutral=(contrast.negative - 3 * direction).astype(np.float32))
    found = METHODS["cross-covariance"](aside)
    assert "cross-covariance has lost the mean difference at 3 of 3" in found.notes[0]
    assert "the same side of neutral" in found.notes[0]


@pytest.mark.parametrize("name", [m.name for m in METHODS.values() if m.needs_neutral])
def test_a_method_that_needs_neutral_texts_says_so(name: str) -> None:
    positive, negative, _ = planted(n=6)
    with pytest.raises(InputError, match="needs neutral texts"):
        METHODS[name](Contrast(positive, negative))


def test_neutral_rows_without_a_pair_of_their_own_count_as_their_mean() -> None:
    contrast, direction = planted_contrast(n=40)
    pooled = replace(contrast, baseline=None)
    both = [METHODS["mean-centring"](rows).directions for rows in (contrast, pooled)]
    assert both[0] == pytest.approx(both[1], abs=1e-5)
    assert cosines(METHODS["cross-covariance"](pooled).directions, direction).min() > 0.6


@pytest.mark.parametrize(
    "change",
    [
        {"negative": np.zeros((4, 3, 64), np.float32)},
        {"positive": np.zeros((40, 64), np.float32)},
        {"neutral": np.zeros((5, 3, 63), np.float32)},
        {"groups": np.zeros(3, np.int64)},
        {"baseline": np.zeros(3, np.int64)},
    ],
)
def test_rows_that_disagree_are_refused(change: dict[str, Array]) -> None:
    contrast, _ = planted_contrast()
    with pytest.raises(InputError):
        replace(contrast, **change)


def test_an_unknown_method_suggests_a_near_name() -> None:
    assert DEFAULT_METHOD in METHODS
    with pytest.raises(InputError) as caught:
        find_method("mean_difference")
    assert caught.value.hint == "Did you mean mean-difference?"
