"""Pairs whose sides are exchanged are named, and no others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from convert.directions import Contrast
from convert.directions.mean_difference import mean_difference
from convert.quality import judge
from convert.turned import turned_pairs

from .pair_texts import planted_contrast


def exchanged(contrast: Contrast, *numbers: int) -> Contrast:
    positive, negative = contrast.positive.copy(), contrast.negative.copy()
    rows = list(numbers)
    positive[rows], negative[rows] = contrast.negative[rows], contrast.positive[rows]
    return replace(contrast, positive=positive, negative=negative)


@pytest.mark.parametrize("noise", [0.5, 2.0, 4.0])
def test_exchanged_pairs_are_found(noise: float) -> None:
    contrast, _ = planted_contrast(n=40, noise=noise)
    assert turned_pairs(contrast, contrast.layers) == ()
    assert turned_pairs(exchanged(contrast, 3, 7, 22), contrast.layers) == (3, 7, 22)


def test_a_stem_is_not_judged_by_itself() -> None:
    """Six pairs of one stem agree with each other, and all of them are turned."""
    contrast, _ = planted_contrast(n=40, noise=0.5)
    groups = np.array([0] * 6 + list(range(1, 35)))
    turned = exchanged(replace(contrast, groups=groups), *range(6))
    assert turned_pairs(turned, contrast.layers) == tuple(range(6))


def test_where_pairs_share_nothing_none_is_turned() -> None:
    rows = np.random.default_rng(0).normal(size=(2, 40, 3, 64)).astype(np.float32)
    assert turned_pairs(Contrast(rows[0], rows[1]), (1, 2, 3)) == ()


def test_the_warning_names_the_places() -> None:
    contrast, _ = planted_contrast(n=40)
    places = [f"line {i + 1}" for i in range(40)]
    turned = exchanged(contrast, 0, 5, 6, 9, 11, 12)
    warning = judge(turned, mean_difference, places=places).warnings[0]
    assert warning.startswith("6 pair(s) point the other way (line 1, line 6, line 7, line 10 and")
    assert "are their sides exchanged?" in warning
    assert "(pair 3)" in judge(exchanged(contrast, 2), mean_difference).warnings[0]
