"""Cosines between vectors, and vectors made orthogonal to others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesteer.errors import InputError, LayerError, SteeringError, VectorMismatchError
from edgesteer.geometry import orthogonal_to, overlap
from edgesteer.identity import ModelIdentity
from edgesteer.vector import Calibration, ControlVector

RNG = np.random.default_rng(11)
seeds = st.integers(0, 2**32 - 1)


def vector(*layers: int, seed: int = 0, scale: float = 1.0, width: int = 16) -> ControlVector:
    rng = np.random.default_rng(seed)
    return ControlVector({n: rng.normal(size=width) * scale for n in layers}, name=f"v{seed}")


@given(seeds, st.integers(1, 3))
def test_what_is_orthogonal_has_no_cosine(seed: int, count: int) -> None:
    v = vector(1, 2, 3, seed=seed)
    others = [vector(1, 2, 3, seed=seed + 1 + n) for n in range(count)]
    found = orthogonal_to(v, others)
    for other in others:
        for cosine in found.vector.cosine(other).values():
            assert abs(cosine) < 1e-6
    for layer, share in found.removed.items():
        left = np.linalg.norm(found.vector.directions[layer]) / np.linalg.norm(v.directions[layer])
        assert 1 - share == pytest.approx(float(left) ** 2, abs=1e-5)


@given(seeds, st.floats(0.01, 1e4))
def test_the_length_of_the_other_does_not_matter(seed: int, scale: float) -> None:
    v, other = vector(1, 2, seed=seed), vector(1, 2, seed=seed + 1)
    one = orthogonal_to(v, [other]).vector
    two = orthogonal_to(v, [other.scaled(-scale)]).vector
    np.testing.assert_allclose(one.matrix, two.matrix, atol=1e-5)


def test_it_is_the_formula() -> None:
    v, r = ControlVector({1: [3.0, 4.0, 5.0]}), ControlVector({1: [0.0, 0.0, 2.0]})
    found = orthogonal_to(v, [r])
    assert found.vector.directions[1].tolist() == [3.0, 4.0, 0.0]
    assert found.removed[1] == pytest.approx(0.5)


def test_twice_is_once_and_the_same_other_twice_changes_nothing() -> None:
    v, other = vector(1, 2), vector(1, 2, seed=1)
    once = orthogonal_to(v, [other]).vector
    np.testing.assert_allclose(orthogonal_to(once, [other]).vector.matrix, once.matrix, atol=1e-6)
    both = orthogonal_to(v, [other, other.scaled(3.0)]).vector
    np.testing.assert_allclose(both.matrix, once.matrix, atol=1e-6)


def test_layers_that_the_other_lacks_stay() -> None:
    v, other = vector(1, 2, 3), vector(2, seed=1)
    found = orthogonal_to(v, [other])
    assert found.removed[1] == found.removed[3] == 0.0
    np.testing.assert_array_equal(found.vector.directions[3], v.directions[3])


def test_the_calibration_goes_and_the_rest_stays() -> None:
    v = vector(1, 2).with_(calibration=Calibration(-1, 1), recommended="2")
    found = orthogonal_to(v, [vector(1, 2, seed=1)]).vector
    assert found.calibration is None
    assert (str(found.recommended), found.name) == ("2", "v0")


def test_nothing_left_is_an_error_and_one_layer_less_is_not() -> None:
    v = vector(1, 2)
    with pytest.raises(SteeringError, match="nothing is left"):
        orthogonal_to(v, [v.scaled(-2.0)])
    found = orthogonal_to(v, [v.restricted(1)])
    assert found.vector.layers == (2,)
    assert found.removed[1] == pytest.approx(1.0)


def test_overlap_is_the_cosine_per_layer_and_its_mean() -> None:
    a, b, c = vector(1, 2, 3), vector(2, 3, 4, seed=1, scale=50.0), vector(2, 3, seed=2)
    found = overlap([a, b, c])
    assert found.layers == (2, 3)
    assert found.names == ("v0", "v1", "v2")
    for at, layer in enumerate(found.layers):
        assert found.cosines[at, 0, 1] == pytest.approx(a.cosine(b)[layer])
    np.testing.assert_allclose(found.cosines, found.cosines.transpose(0, 2, 1))
    np.testing.assert_allclose(found.mean.diagonal(), 1.0)
    assert found.mean[0, 2] == pytest.approx(np.mean([a.cosine(c)[n] for n in (2, 3)]))
    assert overlap([a, b], "3").layers == (3,)


def test_chance_is_what_random_directions_show() -> None:
    a = ControlVector({n: RNG.normal(size=64) for n in range(1, 2001)})
    b = ControlVector({n: RNG.normal(size=64) for n in range(1, 2001)})
    found = overlap([a, b])
    assert 0.93 < float((np.abs(found.cosines[:, 0, 1]) < found.chance).mean()) < 0.97


def test_a_zero_direction_has_no_cosine() -> None:
    found = overlap([ControlVector({1: [0.0, 0.0]}), ControlVector({1: [1.0, 0.0]})])
    assert found.mean.tolist() == [[0.0, 0.0], [0.0, 1.0]]


def test_vectors_that_can_not_be_compared_are_refused() -> None:
    with pytest.raises(InputError, match="two vectors"):
        overlap([vector(1)])
    with pytest.raises(LayerError, match="share no"):
        overlap([vector(1), vector(2, seed=1)])
    with pytest.raises(VectorMismatchError, match="widths"):
        overlap([vector(1), vector(1, width=8)])
    a = vector(1).with_(model=ModelIdentity("llama", 4, 16))
    b = vector(1).with_(model=ModelIdentity("qwen2", 4, 16))
    for call in (lambda: overlap([a, b]), lambda: orthogonal_to(a, [b])):
        with pytest.raises(VectorMismatchError, match="architectures"):
            call()
