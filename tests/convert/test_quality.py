"""Quality: a good direction is called good, noise is called failed, and confounds are told."""

from __future__ import annotations

import json

import numpy as np
import pytest

from convert.confounds import Confounds
from convert.directions import METHODS, Contrast, Found
from convert.directions.mean_difference import mean_difference
from convert.layers_choice import default_window, recommend
from convert.quality import Quality, judge

from .pair_texts import planted, planted_contrast

LAYERS = (1, 2, 3)


def quality_of(noise: float, n: int = 40, **options: object) -> Quality:
    positive, negative, _ = planted(n=n, noise=noise)
    contrast = Contrast(positive, negative, LAYERS)
    return judge(contrast, mean_difference, **options)  # type: ignore[arg-type]


def test_a_strong_direction_is_good() -> None:
    quality = quality_of(noise=0.5)
    assert min(quality.agreement) > 0.95
    assert min(quality.stability) > 0.95
    assert quality.warnings == ()
    assert not quality.failed
    assert quality.verdict.startswith("good: at layer")
    assert quality.judged_on == "folds"


def test_noise_fails_although_it_would_separate_its_own_rows() -> None:
    random = np.random.default_rng(3)
    rows = random.normal(size=(2, 30, 3, 600)).astype(np.float32)
    contrast = Contrast(rows[0], rows[1], LAYERS)
    quality = judge(contrast, mean_difference)
    own = mean_difference(contrast).directions[0]
    assert (rows[0][:, 0] @ own).min() > (rows[1][:, 0] @ own).mean()
    assert max(map(abs, quality.discriminability)) < 1.0
    assert quality.failed
    assert quality.verdict.startswith("failed: the pairs do not share a direction")
    assert any("low agreement" in warning for warning in quality.warnings)


def test_figures_fall_as_noise_grows() -> None:
    found = [quality_of(noise=noise) for noise in (0.5, 4.0, 16.0)]
    for name in ("agreement", "stability"):
        means = [np.mean(getattr(quality, name)) for quality in found]
        assert means == sorted(means, reverse=True)


def test_discriminability_matches_its_formula() -> None:
    positive, negative, direction = planted(n=200, noise=0.1)
    contrast = Contrast(positive, negative, LAYERS)
    quality = judge(contrast, lambda _: Found(direction), heldout=contrast)
    unit = direction[0] / np.linalg.norm(direction[0])
    a, b = positive[:, 0] @ unit, negative[:, 0] @ unit
    expected = (a.mean() - b.mean()) / np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
    assert quality.discriminability[0] == pytest.approx(expected, rel=1e-4)
    assert quality.judged_on == "held-out pairs"


def test_pairs_of_one_stem_are_never_parted() -> None:
    """Six copies of seven stems of noise: parting them would make noise look like a trait."""
    random = np.random.default_rng(5)
    rows = np.repeat(random.normal(size=(2, 7, 3, 400)), 6, axis=1).astype(np.float32)
    groups = np.repeat(np.arange(7), 6)
    parted = judge(Contrast(rows[0], rows[1], LAYERS), mean_difference)
    kept = judge(Contrast(rows[0], rows[1], LAYERS, groups), mean_difference)
    assert min(parted.agreement) > 0.3
    assert max(map(abs, kept.agreement)) < 0.1
    assert "only 7 different stems" in kept.warnings[0]


def test_few_pairs_and_confounds_are_warned_of() -> None:
    quality = quality_of(0.5, n=5, confounds=Confounds(length_auroc=1.0), notes=["a note"])
    assert quality.warnings[0] == "a note"
    assert "positive texts are longer (AUROC 1.00)" in quality.warnings[1]
    assert "only 5 pairs" in quality.warnings[2]
    assert quality.verdict.startswith("usable")


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_judged(name: str) -> None:
    contrast, _ = planted_contrast(n=24)
    quality = judge(contrast, METHODS[name])
    lost = name == "centred-pca"
    assert (min(quality.agreement) > 0.8) != lost
    assert quality.score == pytest.approx(
        max(a * s for a, s in zip(quality.agreement, quality.stability, strict=True)), abs=0.05
    )
    assert bool(quality.warnings) == lost


def test_a_reading_direction_is_judged_by_what_it_reads() -> None:
    contrast, direction = planted_contrast(n=60, noise=1.0)
    off = Found(direction, reading=np.roll(direction, 1, axis=1))
    quality = judge(contrast, lambda _: off, heldout=contrast)
    assert min(quality.agreement) > 0.9
    assert max(map(abs, quality.discriminability)) < 0.5


def test_two_pairs_are_enough_for_figures() -> None:
    quality = quality_of(noise=0.1, n=2)
    assert np.isfinite([*quality.agreement, *quality.discriminability, *quality.stability]).all()


def test_equal_sides_give_zeros_and_not_a_crash() -> None:
    positive, _, _ = planted(n=8)
    quality = judge(Contrast(positive, positive, LAYERS), mean_difference)
    assert quality.agreement == (0.0, 0.0, 0.0)
    assert quality.failed


def test_quality_is_plain_data_and_deterministic() -> None:
    first, second = quality_of(noise=2.0), quality_of(noise=2.0)
    assert json.dumps(first.to_dict()) == json.dumps(second.to_dict())
    assert first.to_dict()["best_layers"] == list(first.best_layers)


@pytest.mark.parametrize(
    ("n_layer", "first", "last"),
    [(2, 1, 1), (3, 1, 2), (4, 2, 3), (18, 6, 14), (30, 10, 24), (32, 11, 25)],
)
def test_the_window_is_wide_and_late(n_layer: int, first: int, last: int) -> None:
    window = default_window(n_layer)
    assert (window[0], window[-1]) == (first, last)
    assert window == tuple(range(first, last + 1))


def with_agreement(agreement: dict[int, float]) -> Quality:
    figures = tuple(agreement.values())
    return Quality(tuple(agreement), figures, figures, figures, 40, "folds")


def test_weak_ends_of_the_window_are_cut() -> None:
    agreement = {layer: 0.05 if layer < 13 else 0.5 for layer in range(1, 30)}
    assert recommend(with_agreement(agreement), 30) == tuple(range(13, 25))
    lonely = {layer: 0.5 if layer == 17 else 0.0 for layer in range(1, 30)}
    assert len(recommend(with_agreement(lonely), 30)) == 3
    assert 17 in recommend(with_agreement(lonely), 30)


def test_only_layers_that_were_read_are_recommended() -> None:
    assert recommend(with_agreement({2: 0.5, 12: 0.5, 14: 0.5}), 30) == (12, 14)
    assert recommend(with_agreement({2: 0.5, 3: 0.5}), 30) == (2, 3)
