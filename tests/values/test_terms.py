"""Term: where it acts, when, and how much."""

from __future__ import annotations

import numpy as np
import pytest

from edgesteer.errors import LayerError, SteeringError
from edgesteer.layers import LayerRange
from edgesteer.terms import Gate, Term
from edgesteer.vector import ControlVector


@pytest.mark.parametrize(
    ("positions", "span"),
    [
        ("all", (0, None)),
        ("prompt", (0, 10)),
        ("generated", (10, None)),
        ("last:1", (9, None)),
        ("last:4", (6, None)),
        ("last:40", (0, None)),
        ("0-0", (0, 1)),
        ("3-12", (3, 13)),
    ],
)
def test_span(positions: str, span: tuple[int, int | None]) -> None:
    assert Term("x", positions=positions).span(10) == span


@pytest.mark.parametrize(
    ("decay", "after", "factors"),
    [
        (None, 0, {-5: 1.0, 0: 1.0, 99: 1.0}),
        (None, 3, {-5: 0.0, 0: 0.0, 2: 0.0, 3: 1.0, 99: 1.0}),
        (4, 0, {-5: 1.0, 0: 1.0, 1: 0.75, 3: 0.25, 4: 0.0, 99: 0.0}),
        (4, 2, {-5: 0.0, 1: 0.0, 2: 1.0, 3: 0.75, 6: 0.0, 7: 0.0}),
    ],
)
def test_factor(decay: int | None, after: int, factors: dict[int, float]) -> None:
    term = Term("x", decay=decay, after=after)
    assert {token: term.factor(token) for token in factors} == factors


def test_layers_need_a_vector_or_a_name() -> None:
    assert Term("x", layers=LayerRange.parse("2-3")).resolved_layers(5) == (2, 3)
    with pytest.raises(SteeringError, match="not known"):
        Term("x").resolved_layers(5)


def test_layers_of_a_bound_term_are_those_that_its_vector_carries() -> None:
    vector = ControlVector({2: [1.0], 3: [1.0], 6: [1.0]}, recommended="3-5")
    assert Term("x", vector=vector).resolved_layers(8) == (3,)
    assert Term("x", layers=LayerRange.parse("all"), vector=vector).resolved_layers(8) == (2, 3, 6)
    with pytest.raises(LayerError, match="layer 6 does not exist"):
        Term("x", vector=vector).resolved_layers(6)
    with pytest.raises(LayerError, match="carries nothing"):
        Term("x", layers=LayerRange.parse("4-5"), vector=vector).resolved_layers(8)


def test_static_terms_are_those_that_a_control_vector_can_carry() -> None:
    assert Term("x").static
    assert Term("x", -3.0, LayerRange.parse("4")).static
    for term in (
        Term("x", operation="ablate"),
        Term("x", positions="prompt"),
        Term("x", decay=3),
        Term("x", after=3),
        Term("x", gate=Gate("y", 0.0)),
    ):
        assert not term.static


def test_a_term_is_bound_when_nothing_is_missing() -> None:
    vector = ControlVector({1: [1.0]})
    assert not Term("x").bound
    assert Term("x", vector=vector).bound
    assert not Term("x", vector=vector, gate=Gate("y", 0.0)).bound
    assert Term("x", vector=vector, gate=Gate("y", 0.0), gate_vector=vector).bound
    turn = Term("x", operation="rotate", toward="y", vector=vector)
    assert not turn.bound
    assert turn.bind(lambda name: vector).toward_vector is vector


def test_gate_layer_is_the_nearest_below_the_term() -> None:
    target = ControlVector({n: [1.0] for n in range(1, 10)}, recommended="5-8")
    reader = ControlVector({n: [1.0] for n in (2, 3, 4, 6)}, recommended="2-3")
    gated = Term("x", vector=target, gate=Gate("y", 0.0), gate_vector=reader)
    assert gated.gate_layer(10) == 3
    free = Term("x", vector=target, gate=Gate("y", 0.0), gate_vector=reader.with_(recommended=None))
    assert free.gate_layer(10) == 4
    named = Term("x", vector=target, gate=Gate("y", 0.0, 4), gate_vector=reader)
    assert named.gate_layer(10) == 4
    late = Term("x", vector=target, gate=Gate("y", 0.0), gate_vector=reader.with_(recommended="6"))
    assert late.gate_layer(10) == 4, "what is recommended lies too high"
    with pytest.raises(LayerError, match="at layer 5"):
        Term("x", vector=target, gate=Gate("y", 0.0, 5), gate_vector=reader).gate_layer(10)
    with pytest.raises(SteeringError, match="no gate"):
        Term("x", vector=target).gate_layer(10)
    with pytest.raises(SteeringError, match="no vector yet"):
        Term("x", vector=target, gate=Gate("y", 0.0)).gate_layer(10)


def test_values_are_made_plain() -> None:
    term = Term("x", np.float32(0.5), "3-4", after=2)  # type: ignore[arg-type]
    assert type(term.strength) is float
    assert term.layers == LayerRange.parse("3-4")
    assert str(Term("x", -0.0).strength) == "0.0"
