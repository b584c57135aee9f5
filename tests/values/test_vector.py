"""ControlVector: an immutable value, its arithmetic, and what it refuses."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesteer.calibration import Calibration
from edgesteer.errors import InputError, LayerError, VectorFileError, VectorMismatchError
from edgesteer.identity import ModelIdentity
from edgesteer.layers import LayerRange
from edgesteer.steering import Steering
from edgesteer.vector import ControlVector

from .strategies import MOST_LAYERS, vectors

LLAMA = ModelIdentity("llama", 6, 2, "tiny")
CALM = ControlVector(
    {1: [3.0, 4.0], 2: [0.0, 2.0], 4: [1.0, 0.0]},
    LLAMA,
    name="calm",
    recommended="1-2",
    calibration=Calibration(0.5, 1.5, {"kl": 1.0}),
    meta={"method": "mean difference", "texts": 40},
)


def test_what_it_tells() -> None:
    assert CALM.layers == (1, 2, 4)
    assert CALM.n_embd == 2
    assert CALM.norms() == {1: 5.0, 2: 2.0, 4: 1.0}
    assert str(CALM.recommended) == "1-2"
    assert CALM.matrix.dtype == np.float32
    assert CALM.matrix.flags.c_contiguous
    assert repr(CALM) == (
        "<ControlVector calm: layers 1-2,4, 2 wide, for tiny (llama, 6 layers, width 2)>"
    )
    dense = CALM.dense(6)
    assert dense.shape == (5, 2)
    np.testing.assert_array_equal(dense[3], [1.0, 0.0])
    assert not dense[2].any()


def test_it_does_not_change() -> None:
    with pytest.raises(AttributeError, match=r"with_"):
        CALM.name = "furious"
    with pytest.raises(AttributeError):
        del CALM.name
    with pytest.raises(ValueError, match="read-only"):
        CALM.directions[1][0] = 9.0
    with pytest.raises(ValueError, match="read-only"):
        CALM.matrix[0, 0] = 9.0
    with pytest.raises(TypeError):
        CALM.directions[7] = np.zeros(2)  # type: ignore[index]
    CALM.meta["method"] = "another"
    assert CALM.meta["method"] == "mean difference"


def test_later_changes_of_what_it_was_made_from_do_not_reach_it() -> None:
    row, meta = np.ones(2, np.float32), {"list": [1]}
    vector = ControlVector({1: row}, meta=meta)
    row[:] = 7
    meta["list"].append(2)
    np.testing.assert_array_equal(vector.directions[1], [1.0, 1.0])
    assert vector.meta == {"list": [1]}
    meta_of = vector.meta
    meta_of["list"].append(3)
    assert vector.meta == {"list": [1]}


@pytest.mark.parametrize(
    ("directions", "error", "words"),
    [
        ({}, VectorFileError, "no direction"),
        ({0: [1.0]}, LayerError, "layer 0"),
        ({-1: [1.0]}, LayerError, "layer -1"),
        ({True: [1.0]}, LayerError, "True"),
        ({1.0: [1.0]}, LayerError, "1.0"),
        ({"1": [1.0]}, LayerError, "'1'"),
        ({1: [1.0], 2: [1.0, 2.0]}, VectorFileError, "widths"),
        ({1: [[1.0]]}, VectorFileError, "shape"),
        ({1: []}, VectorFileError, "shape"),
        ({1: 1.0}, VectorFileError, "shape"),
        ({1: [np.nan]}, VectorFileError, "layer 1 holds NaN"),
        ({1: [0.0], 3: [np.inf]}, VectorFileError, "layer 3 holds NaN"),
        ({1: np.array([1e300])}, VectorFileError, "infinity"),
        ({1: ["a"]}, VectorFileError, "numbers"),
        ({1: [1j]}, VectorFileError, "numbers"),
        ({1: [True]}, VectorFileError, "numbers"),
        ({1: [[1.0], [1.0, 2.0]]}, VectorFileError, "no array"),
    ],
)
def test_unusable_directions_are_refused(
    directions: dict[int, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        ControlVector(directions)
    assert getattr(caught.value, "hint", "")


@pytest.mark.parametrize(
    ("facts", "error"),
    [
        ({"name": "a\nb"}, InputError),
        ({"name": " "}, InputError),
        ({"name": 3}, InputError),
        ({"name": "x" * 2000}, InputError),
        ({"recommended": "0-3"}, LayerError),
        ({"meta": {"a": float("nan")}}, InputError),
        ({"meta": {"a": object()}}, InputError),
        ({"meta": {3: "a"}}, InputError),
        ({"meta": [1]}, InputError),
        ({"meta": {"a": 2**65}}, InputError),
        ({"model": ModelIdentity("llama", 6, 3)}, VectorMismatchError),
        ({"model": ModelIdentity("llama", 2, 2)}, LayerError),
    ],
)
def test_unusable_facts_are_refused(facts: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        ControlVector({2: [1.0, 2.0]}, **facts)
    assert getattr(caught.value, "hint", "")


def test_endless_meta_is_refused() -> None:
    meta: dict[str, Any] = {}
    meta["self"] = meta
    with pytest.raises(InputError, match="nested"):
        ControlVector({1: [1.0]}, meta=meta)


def test_numpy_numbers_are_numbers() -> None:
    meta = {"a": np.float32(0.5), "b": np.int64(3), "c": (1, 2), "d": np.bool_(True)}
    assert ControlVector({np.int32(1): [1]}, meta=meta).meta == {
        "a": 0.5, "b": 3, "c": [1, 2], "d": True
    }  # fmt: skip


def test_scaled_keeps_the_effect_of_the_band() -> None:
    double = CALM.scaled(2.0)
    np.testing.assert_array_equal(double.directions[1], [6.0, 8.0])
    assert double.calibration == Calibration(0.25, 0.75)
    assert CALM.scaled(-1.0).calibration == Calibration(-1.5, -0.5)
    assert CALM.scaled(1.0) == CALM  # the evidence is in strengths: it holds at this scale only
    assert (double.name, double.model, double.meta) == (CALM.name, CALM.model, CALM.meta)
    for factor in (0.0, float("nan"), float("inf")):
        with pytest.raises(InputError):
            CALM.scaled(factor)
    with pytest.raises(VectorFileError, match="infinity"):
        CALM.scaled(1e38).scaled(1e38)


def test_a_vector_that_is_turned_around_loses_its_read_out() -> None:
    vector = CALM.with_(meta={"readout": {"layer": 2}, "method": "mean"})
    assert vector.scaled(2.0).meta == vector.meta
    assert vector.scaled(-1.0).meta == {"method": "mean"}


def test_restricted_renamed_and_with() -> None:
    assert CALM.restricted("2-5").layers == (2, 4)
    assert CALM.restricted([1]).layers == (1,)
    assert CALM.restricted("0%-45%").layers == (1, 2)
    assert CALM.restricted("1").recommended is None
    assert CALM.restricted("1").calibration is None
    with pytest.raises(LayerError, match="calm carries nothing at 3"):
        CALM.restricted("3")
    assert CALM.renamed("quiet").name == "quiet"
    assert CALM.with_(recommended=None).recommended is None
    with pytest.raises(TypeError, match="colour"):
        CALM.with_(colour="red")


def test_dense_refuses_a_model_that_is_too_shallow() -> None:
    with pytest.raises(LayerError, match="layer 4 does not exist"):
        CALM.dense(4)


def test_cosine() -> None:
    other = ControlVector({1: [-3.0, -4.0], 2: [1.0, 0.0], 3: [1.0, 1.0], 4: [0.0, 0.0]})
    assert CALM.cosine(other) == {1: -1.0, 2: 0.0, 4: 0.0}
    assert CALM.cosine(CALM) == {1: 1.0, 2: 1.0, 4: 1.0}
    with pytest.raises(VectorMismatchError):
        CALM.cosine(ControlVector({1: [1.0]}))


def test_arithmetic_gives_a_steering() -> None:
    formal = ControlVector({1: [1.0, 0.0]}, LLAMA, name="formal")
    mix = CALM.at("1-2") * 1.2 - formal * 0.5
    assert isinstance(mix, Steering)
    assert str(mix) == "calm=1.2@1-2 formal=-0.5"
    assert str(2 * CALM) == str(CALM * 2) == str(CALM / 0.5) == "calm=2"
    assert str(-CALM + formal) == "calm=-1 formal=1"
    assert str(CALM + CALM) == "calm=2"
    assert str(sum([CALM, formal])) == "calm=1 formal=1"
    assert str(ControlVector({1: [1.0]}) * 1) == "vector=1"
    assert mix.bound


def test_equal_vectors_are_equal_values() -> None:
    again = CALM.with_()
    assert again == CALM
    assert hash(again) == hash(CALM)
    assert again.digest == CALM.digest == CALM.renamed("x").digest
    assert CALM.renamed("x") != CALM
    assert CALM.with_(meta={}) != CALM
    assert CALM.restricted("1-2").digest != CALM.digest
    assert CALM != "calm"
    shifted = CALM.with_(directions={2: [3.0, 4.0], 3: [0.0, 2.0], 5: [1.0, 0.0]})
    assert shifted.digest != CALM.digest


def test_it_survives_copy_and_pickle() -> None:
    assert pickle.loads(pickle.dumps(CALM)) == CALM
    assert copy.deepcopy(CALM) == CALM


@given(vectors(st.floats(-100, 100, width=32)), st.floats(-8, 8), st.floats(-8, 8))
def test_steering_is_linear_in_strength(vector: ControlVector, a: float, b: float) -> None:
    plain = vector.with_(recommended=None, calibration=None)
    both = (plain * a + plain.renamed("twin") * b).compose(MOST_LAYERS, plain.n_embd)
    expected = plain.dense(MOST_LAYERS).astype(np.float64) * (a + b)
    np.testing.assert_allclose(both, expected, rtol=1e-5, atol=1e-4)


@given(vectors())
def test_value_laws(vector: ControlVector) -> None:
    assert pickle.loads(pickle.dumps(vector)) == vector
    assert vector.with_() == vector
    assert vector.restricted(LayerRange.of(vector.layers)).digest == vector.digest
    assert vector.scaled(1.0) == vector
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(-1 <= value <= 1 for value in vector.cosine(vector).values())


@pytest.mark.parametrize("ends", [(1.0, 0.5), (float("nan"), 1.0), (0.0, float("inf"))])
def test_a_band_that_is_none_is_refused(ends: tuple[float, float]) -> None:
    with pytest.raises(InputError):
        Calibration(*ends)


def test_a_band_holds_its_strengths_and_zero() -> None:
    band = Calibration(0.5, 1.5)
    assert [band.holds(x) for x in (0.0, 0.4, 0.5, 1.0, 1.5, 1.6, -1.0)] == [
        True, False, True, True, True, False, False
    ]  # fmt: skip
    assert hash(band) == hash(Calibration(0.5, 1.5))
