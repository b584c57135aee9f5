"""Directions: each method finds a planted direction back, with its natural length."""

from __future__ import annotations

import numpy as np
import pytest

from convert.directions import DEFAULT_METHOD, METHODS, find_method
from convert.directions.mean_difference import mean_difference
from convert.directions.pca import pair_centred_pca
from edgesteer.errors import InputError

from .pair_texts import cosines, planted


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("n", [16, 400])
def test_a_planted_direction_is_found_back(name: str, n: int) -> None:
    positive, negative, direction = planted(n=n, noise=1.0)
    found = find_method(name)(positive, negative)
    assert found.shape == direction.shape
    assert found.dtype == np.float32
    assert cosines(found, direction).min() > 0.99
    lengths = np.linalg.norm(found, axis=1) / np.linalg.norm(direction, axis=1)
    assert lengths == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("name", METHODS)
def test_exchanged_sides_turn_the_direction_round(name: str) -> None:
    positive, negative, _ = planted(n=20)
    method = find_method(name)
    assert method(negative, positive) == pytest.approx(-method(positive, negative), abs=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_the_same_rows_give_the_same_bytes(name: str) -> None:
    positive, negative, _ = planted(n=20)
    method = find_method(name)
    assert method(positive, negative).tobytes() == method(positive.copy(), negative).tobytes()


@pytest.mark.parametrize("name", METHODS)
def test_equal_sides_give_no_direction(name: str) -> None:
    positive, _, _ = planted(n=6)
    assert not find_method(name)(positive, positive).any()


def test_pca_centres_each_pair_and_not_the_differences() -> None:
    positive, negative, direction = planted(n=60, noise=2.0)
    assert cosines(pair_centred_pca(positive, negative), direction).min() > 0.95
    differences = positive - negative
    centred = differences - differences.mean(axis=0)
    lost = np.linalg.svd(centred[:, 0])[2][0]
    assert abs(cosines(lost, direction[0])) < 0.5


def test_mean_difference_is_exact() -> None:
    positive, negative, _ = planted(n=9)
    expected = positive.astype(np.float64).mean(axis=0) - negative.astype(np.float64).mean(axis=0)
    assert mean_difference(positive, negative) == pytest.approx(expected, abs=1e-6)


def test_an_unknown_method_suggests_a_near_name() -> None:
    assert DEFAULT_METHOD in METHODS
    with pytest.raises(InputError) as caught:
        find_method("mean_difference")
    assert caught.value.hint == "Did you mean mean-difference?"
