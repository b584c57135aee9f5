"""Steering: names become vectors, vectors are held against a model, a mix is baked into one."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from edgesteer.calibration import Calibration
from edgesteer.errors import (
    EdgesteerWarning,
    FitWarning,
    LayerError,
    NotFoundError,
    SteeringError,
    StrengthWarning,
    VectorMismatchError,
)
from edgesteer.identity import ModelIdentity
from edgesteer.layers import LayerRange
from edgesteer.steering import Steering
from edgesteer.terms import Gate, Term
from edgesteer.vector import ControlVector

from .shelf import MODEL, N_LAYER, SHELF, WIDTH, bound, find, vector


def test_bind_looks_each_name_up_once() -> None:
    asked: list[str] = []

    def note(name: str) -> ControlVector:
        asked.append(name)
        return find(name)

    steering = Steering.parse(
        "calm=1@4-7?if=harmful>0.3 calm=2 rotate:happy=5?toward=sad formal=1?if=harmful<0"
    )
    assert not steering.bound
    done = steering.bind(note)
    assert done.bound
    assert sorted(asked) == ["calm", "formal", "happy", "harmful", "sad"]
    assert done.bind(note) is done
    assert len(asked) == 5
    assert done.terms[0].gate_vector is SHELF["harmful"]
    assert done.terms[2].toward_vector is SHELF["sad"]
    assert str(done) == str(steering)


def test_bind_keeps_vectors_that_are_attached_and_passes_errors_on() -> None:
    mine = vector("calm")
    steering = (mine * 1 + Steering.parse("formal=1")).bind(find)
    assert steering.terms[0].vector is mine
    with pytest.raises(NotFoundError):
        Steering.parse("clam").bind(find)


def test_split() -> None:
    static, rest = Steering.parse("calm=1 ablate:sad formal=0 happy=1?on=prompt").split()
    assert str(static) == "calm=1"
    assert str(rest) == "ablate:sad=1 happy=1?on=prompt"
    assert static.static
    assert not rest.static
    assert Steering.parse("calm=1 ablate:sad=0").static


def test_check_passes_what_fits() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Steering().check(MODEL)
        bound("calm=1.2@2-4 ablate:sad rotate:happy=20?toward=sad").check(MODEL)
        bound("calm=1@4-7?if=harmful>0.3@3").check(MODEL)
        (vector("free", model=None) * 1).check(MODEL)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("calm@9", LayerError, "layer 9 does not exist"),
        ("calm@4-7?if=harmful>0@4", LayerError, "below layer 4"),
        ("calm?if=harmful>0", LayerError, "below layer 1"),
        ("calm@4-7?if=harmful>0@9", LayerError, "at layer 9"),
    ],
)
def test_check_refuses_layers(text: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        bound(text).check(MODEL)
    assert getattr(caught.value, "hint", "")


def test_check_refuses_other_models() -> None:
    for other in (
        ModelIdentity("qwen2", N_LAYER, WIDTH),
        ModelIdentity("llama", N_LAYER + 1, WIDTH),
        ModelIdentity("llama", N_LAYER, WIDTH, "", "bb"),
        ModelIdentity("llama", N_LAYER, WIDTH + 1),
    ):
        for text in ("calm=1", "ablate:calm"):
            with pytest.raises(VectorMismatchError) as caught:
                bound(text).check(other)
            assert caught.value.hint
    strange = vector("strange", model=ModelIdentity("qwen2", N_LAYER, WIDTH))
    term = Term("calm", layers=LayerRange.parse("4-7"), gate=Gate("strange", 0.1))
    gated = Steering((term,)).bind(lambda name: strange if name == "strange" else find(name))
    with pytest.raises(VectorMismatchError):
        gated.check(MODEL)


def test_check_needs_vectors() -> None:
    with pytest.raises(SteeringError, match="no vector yet"):
        Steering.parse("calm=1").check(MODEL)


def test_check_warns_outside_the_calibrated_band() -> None:
    steady = vector("steady", calibration=Calibration(0.5, 1.5))
    for strength in (0.4, 1.6, -1.0):
        with pytest.warns(StrengthWarning, match=r"0.5 to 1.5"):
            (steady * strength).check(MODEL)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for strength in (0.0, 0.5, 1.5):
            (steady * strength).check(MODEL)
        Steering((Term("steady", 40.0, operation="clamp", vector=steady),)).check(MODEL)


def test_check_warns_of_the_sum_at_a_layer() -> None:
    steady = vector("steady", recommended="2-6", calibration=Calibration(-1.5, 1.5))

    def warned(text: str) -> list[str]:
        found: list[EdgesteerWarning] = []
        Steering.parse(text).bind(lambda _: steady).check(MODEL, found.append)
        return [str(warning) for warning in found]

    (text,) = warned("steady=1 steady=1")
    assert text.startswith("steady=2, the sum of 2 terms, lies outside its calibrated band -1.5")
    assert len(warned("steady=1@2-4 steady=1@4-6")) == 1
    assert warned("steady=3 steady=-2") == []
    assert warned("steady=1@2-4 steady=1@5-6") == []
    assert warned("steady=1?on=prompt steady=1?on=generated") == []
    assert len(warned("steady=2?on=prompt steady=3?on=generated")) == 2


def test_check_says_which_layers_are_not_used() -> None:
    short = vector("short", range(3, 5))
    with pytest.warns(FitWarning, match="1-2,5"):
        short.at("1-5").check(MODEL)
    with pytest.raises(LayerError, match="carries nothing"):
        short.at("6-7").check(MODEL)
    turn = Term("calm", 20.0, operation="rotate", toward="short")
    steering = Steering((turn,)).bind(lambda name: short if name == "short" else find(name))
    with pytest.raises(LayerError, match="short carries nothing"):
        steering.check(MODEL)


def test_check_warns_away_from_the_layers_that_were_calibrated() -> None:
    steady = vector("steady", recommended="2-4", calibration=Calibration(-1, 1.5))
    for layers in ("2-3", "2-5", "all"):
        with pytest.warns(StrengthWarning, match="calibrated on the layers 2-4"):
            steady.at(layers).check(MODEL)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (steady * 1).check(MODEL)
        steady.at("2-4").check(MODEL)
        (steady.at("2-3") * 0).check(MODEL)


@pytest.mark.parametrize(
    ("foreign", "words"),
    [
        ({}, "does not say which model .* vectors import FILE -m MODEL binds"),
        ({"model_hint": "llama", "layer_count_type": "u32"}, "does not say which model"),
        ({"model_hint": "qwen2"}, "names the model type 'qwen2'"),
        (
            {"model_hint": "llama", "layer_count_type": "i32"},
            "one layer too high; edgesteer vectors import FILE -m MODEL --layer-offset -1 ",
        ),
    ],
)
def test_check_warns_of_files_of_other_tools(foreign: dict[str, str], words: str) -> None:
    theirs = vector("theirs", model=None, meta={"foreign": foreign})
    with pytest.warns(FitWarning, match=words) as found:
        (theirs * 1).check(MODEL)
    assert len(found) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (theirs.with_(model=MODEL) * 1).check(MODEL)  # as an import binds it


# Baking


def test_a_baked_vector_does_what_the_mix_did() -> None:
    mix = bound("calm=1.2@2-4 formal=-0.5@6")
    baked = mix.vector("blend")
    assert (baked.name, baked.model, baked.layers) == ("blend", MODEL, (2, 3, 4, 6))
    assert baked.meta == {"mix": "calm=1.2@2-4 formal=-0.5@6"}
    assert (baked * 1).fingerprint(N_LAYER, WIDTH) == mix.fingerprint(N_LAYER, WIDTH)


def test_what_can_not_be_baked() -> None:
    other = vector("other", model=ModelIdentity("qwen2", N_LAYER, WIDTH))
    with pytest.raises(VectorMismatchError):
        (SHELF["calm"] + other).vector()
    narrow = ControlVector({1: [1.0]}, name="narrow")
    with pytest.raises(VectorMismatchError):
        (SHELF["calm"] + narrow).vector()
    for text, words in [("calm=0", "no term acts"), ("calm=1 calm=-1", "cancel"), ("", "nothing")]:
        with pytest.raises(SteeringError, match=words):
            bound(text).vector()
    with pytest.raises(SteeringError, match="no plain addition") as caught:
        bound("ablate:calm").vector()
    assert "split()" not in caught.value.hint


def test_baking_without_a_known_model() -> None:
    free = vector("free", range(2, 5), model=None)
    assert (free * 2).vector().model is None
    assert (free * 2 + SHELF["calm"]).vector().model is None
    np.testing.assert_allclose((free * 2).vector().matrix, 2 * free.matrix)
    assert free.at("all").vector().layers == free.layers
    for share in (free.at("40%-80%"), free.with_(recommended="40%-80%") * 1):
        with pytest.raises(SteeringError, match="how many layers"):
            share.vector()
