"""Steering: arithmetic, composition and fingerprints, stated as laws."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesteer.errors import (
    LayerError,
    SteeringError,
    VectorMismatchError,
)
from edgesteer.layers import LayerRange
from edgesteer.steering import PLAIN, Steering, as_steering
from edgesteer.terms import Term
from edgesteer.vector import ControlVector

from .shelf import N_LAYER, SHELF, WIDTH, bound, fingerprint, vector

# Composition


def test_compose_is_the_sum_of_strength_times_direction() -> None:
    buffer = bound("calm=1.5@2-3 formal=-0.5").compose(N_LAYER, WIDTH)
    expected = -0.5 * SHELF["formal"].dense(N_LAYER)
    for layer in (2, 3):
        expected[layer - 1] += 1.5 * SHELF["calm"].directions[layer]
    assert buffer.dtype == np.float32
    assert buffer.shape == (N_LAYER - 1, WIDTH)
    assert buffer.flags.c_contiguous
    np.testing.assert_allclose(buffer, expected, rtol=1e-6, atol=1e-7)
    with pytest.raises(ValueError, match="read-only"):
        buffer[0, 0] = 1.0


def test_layers_left_out_are_zero() -> None:
    sparse = ControlVector({2: np.ones(WIDTH), 5: np.ones(WIDTH)}, name="sparse")
    buffer = (sparse * 2.0).compose(N_LAYER, WIDTH)
    assert buffer.any(axis=1).nonzero()[0].tolist() == [1, 4]  # type: ignore[misc]


def test_the_recommended_layers_are_used_when_none_are_named() -> None:
    some = vector("some", recommended="3-4")
    assert Term("some", vector=some).resolved_layers(N_LAYER) == (3, 4)
    assert Term("some", layers=LayerRange.parse("all"), vector=some).resolved_layers(N_LAYER) == (
        tuple(range(1, N_LAYER))
    )


def test_zero_strength_changes_nothing() -> None:
    assert fingerprint("calm=0") == PLAIN
    assert not bound("calm=0")
    assert not bound("calm=0").compose(N_LAYER, WIDTH).any()
    assert not Steering()
    assert Steering().fingerprint(N_LAYER, WIDTH) == PLAIN


def test_opposite_strengths_cancel_exactly() -> None:
    assert fingerprint("calm=1.3 formal=0.1 calm=-1.3 formal=-0.1") == PLAIN
    steering = SHELF["calm"].at("1-5") * 0.7 - SHELF["calm"].at("3-7") * 0.7
    rows = steering.compose(N_LAYER, WIDTH).any(axis=1).tolist()
    assert rows == [True, True, False, False, False, True, True]


@given(st.permutations(["calm=0.1", "formal=0.7@2-5", "happy=-3", "calm=1@4", "sad=1e-3"]))
def test_the_order_of_terms_does_not_matter(items: list[str]) -> None:
    ordered = "calm=0.1 formal=0.7@2-5 happy=-3 calm=1@4 sad=1e-3"
    assert fingerprint(" ".join(items)) == fingerprint(ordered)


@given(
    st.lists(st.tuples(st.sampled_from(sorted(SHELF)), st.floats(-9, 9)), max_size=4),
    st.floats(-4, 4),
)
def test_composition_is_linear(pairs: list[tuple[str, float]], factor: float) -> None:
    steering = Steering(tuple(Term(n, s, vector=SHELF[n]) for n, s in pairs))
    np.testing.assert_allclose(
        (steering * factor).compose(N_LAYER, WIDTH),
        steering.compose(N_LAYER, WIDTH) * np.float32(factor),
        rtol=1e-4,
        atol=1e-5,
    )


def test_an_overflow_is_an_error() -> None:
    with pytest.raises(SteeringError, match="overflows"):
        bound("calm=3e38 formal=3e38 calm=1e308").compose(N_LAYER, WIDTH)


def test_what_can_not_be_composed() -> None:
    with pytest.raises(SteeringError, match="no vector yet"):
        Steering.parse("calm=1").compose(N_LAYER, WIDTH)
    with pytest.raises(VectorMismatchError, match="4 wide"):
        bound("calm=1").compose(N_LAYER, WIDTH + 1)
    with pytest.raises(LayerError, match="does not exist"):
        bound("calm=1").compose(N_LAYER - 2, WIDTH)
    for text in ("ablate:calm", "calm?on=prompt", "calm?decay=3", "calm?after=1", "clamp:calm=0"):
        with pytest.raises(SteeringError, match="no plain addition"):
            bound(text).compose(N_LAYER, WIDTH)
    assert not bound("ablate:calm=0 calm=0?on=prompt").compose(N_LAYER, WIDTH).any()


# Fingerprints


def test_equal_effect_has_an_equal_fingerprint() -> None:
    same = [
        "calm=1",
        "calm=1@all",
        "calm=1@1-7",
        "calm=1 formal=0",
        "calm=0.5 calm=0.5",
        "calm=1@1-3 calm=1@4-7",
        "calm=1 formal=2 formal=-2",
        "calm=1 ablate:formal=0",
    ]
    assert len({fingerprint(text) for text in same}) == 1
    renamed = Steering((Term("quiet", vector=SHELF["calm"].renamed("quiet")),))
    assert renamed.fingerprint(N_LAYER, WIDTH) == fingerprint("calm=1")


def test_different_effect_has_a_different_fingerprint() -> None:
    different = [
        "calm=0",
        "calm=1",
        "calm=1.0001",
        "calm=-1",
        "calm=1@1-6",
        "formal=1",
        "calm=1 formal=1",
        "keepnorm:calm=1",
        "ablate:calm=1",
        "ablate:calm=0.5",
        "clamp:calm=1",
        "clamp:calm=0",
        "calm=1?on=prompt",
        "calm=1?on=generated",
        "calm=1?on=last:4",
        "calm=1?on=0-4",
        "calm=1?decay=4",
        "calm=1?after=4",
        "calm=1@4-7?if=harmful>0.3@2",
        "calm=1@4-7?if=harmful>0.4@2",
        "calm=1@4-7?if=harmful<0.3@2",
        "calm=1@4-7?if=harmful>0.3@1",
        "calm=1@4-7?if=harmful>0.3@2&scope=mean",
        "calm=1@4-7?if=sad>0.3@2",
        "rotate:calm=10?toward=happy",
        "rotate:calm=10?toward=sad",
        "ablate:calm=1 clamp:sad=1",
        "clamp:sad=1 ablate:calm=1",
        "ablate:calm=1 sad=1",
    ]
    found = {text: fingerprint(text) for text in different}
    for one, two in itertools.combinations(different, 2):
        assert found[one] != found[two], (one, two)


def test_a_gate_layer_that_is_chosen_or_named_is_the_same() -> None:
    assert fingerprint("calm@4-7?if=harmful>1") == fingerprint("calm@4-7?if=harmful>1@3")


def test_fingerprints_need_vectors() -> None:
    with pytest.raises(SteeringError, match="no vector yet"):
        Steering.parse("ablate:calm").fingerprint(N_LAYER, WIDTH)
    with pytest.raises(VectorMismatchError):
        bound("ablate:calm").fingerprint(N_LAYER, WIDTH + 1)


# Values


def test_arithmetic_on_steerings() -> None:
    one, two = Steering.parse("calm=1"), Steering.parse("formal=2@8")
    assert str(one + two) == "calm=1 formal=2@8"
    assert str(one - two) == "calm=1 formal=-2@8"
    assert str((one + two) * 0.5) == str(0.5 * (one + two)) == "calm=0.5 formal=1@8"
    assert str((one + two) / 4) == "calm=0.25 formal=0.5@8"
    assert str(-one) == "calm=-1"
    assert str(one + one) == "calm=2"
    assert str(one + Steering.parse("calm=1@8")) == "calm=1 calm=1@8"
    assert str(sum([one, two, one])) == "calm=2 formal=2@8"
    assert str(one - one) == "calm=0"
    assert not one - one
    for bad in (float("nan"), float("inf"), True, "2", None):
        with pytest.raises((SteeringError, TypeError)):
            one * bad  # type: ignore[operator]
    with pytest.raises(SteeringError, match="divided by 0"):
        one / 0
    with pytest.raises(SteeringError, match="0 to 1"):
        Steering.parse("ablate:calm=0.7") * 2


def test_terms_that_do_not_add_are_kept_apart() -> None:
    twice = Steering.parse("ablate:calm=0.5") + Steering.parse("ablate:calm=0.5")
    assert str(twice) == "ablate:calm=0.5 ablate:calm=0.5"
    assert str(SHELF["calm"] + SHELF["calm"].scaled(2)) == "calm=1 calm=1"


def test_strengths_are_a_mapping_with_one_label_a_term() -> None:
    steering = Steering.parse("calm=1@1-3 formal=2 calm=3@5 calm#2=4")
    assert steering.strengths == {"calm": 1.0, "formal": 2.0, "calm#3": 3.0, "calm#2": 4.0}
    for label, strength in steering.strengths.items():
        assert steering.with_strength(label, strength) == steering
    assert str(steering.with_strength("calm#3", -1)) == ("calm=1@1-3 formal=2 calm=-1@5 calm#2=4")
    assert str(steering.without("calm")) == "formal=2 calm=3@5 calm#2=4"
    more = Steering.parse("calm=7 terse=1")
    assert str(steering.updated(more)) == "formal=2 calm#2=4 calm=7 terse=1"
    assert steering.updated(Steering()) == steering
    for change in (lambda: steering.with_strength("clam", 1), lambda: steering.without("clam")):
        with pytest.raises(SteeringError, match="no 'clam'") as caught:
            change()
        assert "calm" in caught.value.hint
    with pytest.raises(SteeringError, match="finite"):
        steering.with_strength("calm", float("nan"))


@pytest.mark.parametrize("strength", [[10**400], [10**5000], [np.zeros(3)], [[1.0]], [1j]])
def test_what_is_no_number_is_no_strength(strength: list[object]) -> None:
    with pytest.raises(SteeringError, match="the strength of calm must be a finite number"):
        Steering.from_dict({"calm": strength[0]})


def test_truth_iteration_and_length() -> None:
    assert Steering.parse("calm=1")
    assert Steering.parse("calm=0 formal=1")
    assert Steering.parse("clamp:calm=0"), "a clamp to 0 is an effect"
    assert not Steering.parse("calm=0 ablate:formal=0")
    assert len(Steering.parse("calm=0 formal=1")) == 2
    assert [term.name for term in Steering.parse("calm formal")] == ["calm", "formal"]


def test_steerings_are_values() -> None:
    steering = bound("calm=1 ablate:sad=0.5@3")
    steering.fingerprint(N_LAYER, WIDTH)
    assert pickle.loads(pickle.dumps(steering)) == steering
    assert hash(steering) == hash(bound("calm=1 ablate:sad=0.5@3"))
    assert steering != Steering.parse(str(steering)), "one is bound, the other is not"
    with pytest.raises(AttributeError):
        steering.terms = ()  # type: ignore[misc]
    with pytest.raises(SteeringError, match="made of terms"):
        Steering(("calm",))  # type: ignore[arg-type]


def test_as_steering_takes_what_people_have() -> None:
    calm = SHELF["calm"]
    text = "calm=1.2@8-16"
    assert as_steering(None) == as_steering("") == as_steering([]) == Steering()
    assert as_steering(text) == Steering.parse(text)
    assert as_steering({"calm": 1.2}) == Steering.parse("calm=1.2")
    assert as_steering(calm).terms[0].vector is calm
    assert as_steering(Term("calm")) == Steering.parse("calm")
    steering = Steering.parse(text)
    assert as_steering(steering) is steering
    assert str(as_steering([text, calm, {"sad": 2}, None])) == f"{text} calm=1 sad=2"
    for bad in (3, b"calm", {1, 2}, object()):
        with pytest.raises(SteeringError, match="is no steering") as caught:
            as_steering(bad)  # type: ignore[arg-type]
        assert caught.value.hint
