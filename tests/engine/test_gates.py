"""Gates: a read-out opens terms at later layers inside the same forward pass, or does not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from edgesteer import ControlVector, LayerError, Model, NotFoundError, SteeringError
from edgesteer.engine.plan import Reader
from edgesteer.engine.rows import GateState

from .tools import activations, direction, fresh_logits, greedy_text, steering, vector

Floats = NDArray[np.float32]
N_PROMPT, N = 12, 20
GATE = ControlVector({1: direction(50, scale=3.0)}, name="g")
V = vector(2)
R = GATE.directions[1].astype(np.float64) / 3


@pytest.fixture(scope="module")
def tokens(tiny_model: Model) -> list[int]:
    return tiny_model.tokenize("abc def ghi jkl mno")[:N]


@pytest.fixture(scope="module")
def plain(tiny_model: Model, tokens: list[int]) -> Floats:
    return activations(tiny_model, tokens, None, N_PROMPT)


@pytest.fixture(scope="module")
def reading(plain: Floats) -> NDArray[np.float64]:
    """What the gate reads at each token."""
    return plain[1].astype(np.float64) @ R


def moved(model: Model, tokens: Sequence[int], text: str, chunk: int = 64) -> set[int]:
    """The tokens that a gated term at layer 2 acted on."""
    plain = activations(model, tokens, None, N_PROMPT, chunk)
    rows = activations(model, tokens, steering(text, v=V, g=GATE), N_PROMPT, chunk)
    assert (rows[:2] == plain[:2]).all()
    return set(np.flatnonzero(np.abs(rows[2] - plain[2]).max(axis=1) > 1e-4))


@pytest.mark.parametrize("chunk", [64, 5, 1])
@pytest.mark.parametrize("sign", ["<", ">"])
@pytest.mark.parametrize("scope", ["last", "mean"])
def test_a_gate_on_the_prompt_opens_from_its_last_token_on(
    tiny_model: Model,
    tokens: list[int],
    reading: NDArray[np.float64],
    scope: str,
    sign: str,
    chunk: int,
) -> None:
    value = reading[N_PROMPT - 1] if scope == "last" else reading[:N_PROMPT].mean()
    opening = set(range(N_PROMPT - 1, N))
    for shift, is_open in ((-0.05, sign == ">"), (0.05, sign == "<")):
        text = f"v=1?if=g{sign}{value + shift:.6f}&scope={scope}"
        assert moved(tiny_model, tokens, text, chunk) == (opening if is_open else set())


@pytest.mark.parametrize("sign", ["<", ">"])
def test_a_token_gate_decides_for_each_token(
    tiny_model: Model, tokens: list[int], reading: NDArray[np.float64], sign: str
) -> None:
    threshold = float(np.median(reading)) + 1e-4
    passes = reading > threshold if sign == ">" else reading < threshold
    assert 5 < passes.sum() < 15
    text = f"v=1?if=g{sign}{threshold:.6f}&scope=token"
    assert moved(tiny_model, tokens, text) == set(np.flatnonzero(passes))


def test_a_gate_combines_with_positions(
    tiny_model: Model, tokens: list[int], reading: NDArray[np.float64]
) -> None:
    threshold = float(np.median(reading)) + 1e-4
    passes = set(np.flatnonzero(reading > threshold))
    gate = f"if=g>{threshold:.6f}&scope=token"
    on_answer = moved(tiny_model, tokens, f"v=1?{gate}&on=generated")
    assert on_answer == passes & set(range(N_PROMPT, N))
    assert moved(tiny_model, tokens, "v=1?if=g>-99&on=prompt") == {N_PROMPT - 1}


@pytest.mark.parametrize("operation", ["", "ablate:", "clamp:", "keepnorm:", "rotate:"])
@pytest.mark.parametrize("scope", ["last", "mean", "token"])
def test_a_closed_gate_changes_nothing(
    tiny_model: Model, tokens: list[int], operation: str, scope: str
) -> None:
    toward = "&toward=w" if operation == "rotate:" else ""
    text = f"{operation}v=1?if=g>999&scope={scope}{toward}"
    steer = steering(text, v=V, g=GATE, w=vector(2, seed=1))
    plain = fresh_logits(tiny_model, tokens)
    assert (fresh_logits(tiny_model, tokens, steer) == plain).all()


def test_gates_of_one_steering_are_read_apart(
    tiny_model: Model, tokens: list[int], reading: NDArray[np.float64]
) -> None:
    value = reading[N_PROMPT - 1]
    shut, opened = f"v=1?if=g>{value + 0.1:.6f}", f"v=1?if=g>{value - 0.1:.6f}&on=generated"
    assert moved(tiny_model, tokens, f"{shut} {opened}") == set(range(N_PROMPT, N))


def test_a_gate_reads_what_lower_terms_have_changed(
    tiny_model: Model, tokens: list[int], reading: NDArray[np.float64]
) -> None:
    """A term at the gate's own layer acts after it is read, one below it before."""
    threshold = reading[N_PROMPT - 1] + 5
    gated = f"v=1@2?if=g>{threshold:.6f}@2"
    shift = ControlVector({1: GATE.directions[1] * 20}, name="s")
    everywhere = ControlVector({2: GATE.directions[1]}, name="g")
    plain = activations(tiny_model, tokens, None, N_PROMPT)
    with pytest.raises(LayerError):
        steering(gated, v=V, g=GATE).check(tiny_model.identity)
    third = vector(3)
    text = f"s=1 v=1@3?if=g>{threshold:.6f}@2"
    rows = activations(tiny_model, tokens, steering(text, s=shift, v=third, g=everywhere), N_PROMPT)
    without = activations(tiny_model, tokens, steering("s=1", s=shift), N_PROMPT)
    assert np.abs(rows[1] - plain[1]).max() > 1
    np.testing.assert_allclose(rows[2], without[2], atol=1e-4)
    opened = (without[2][N_PROMPT - 1] @ R) > threshold
    assert (np.abs(rows[3] - without[3]).max() > 1e-3) == opened


@pytest.mark.parametrize("where", ["@2", "@3", ""])
def test_a_gate_at_or_above_its_term_is_refused(tiny_model: Model, where: str) -> None:
    high = ControlVector({2: direction(1), 3: direction(2)}, name="g")
    with pytest.raises(LayerError, match="gate"):
        tiny_model.ask("hi", steer=steering(f"v=1@2?if=g>0{where}", v=V, g=high), max_tokens=1)


@pytest.mark.parametrize("threshold", ["nan", "inf", "", "x"])
def test_a_threshold_that_is_no_number_is_refused(tiny_model: Model, threshold: str) -> None:
    with pytest.raises(SteeringError):
        tiny_model.ask("hi", steer=f"v=1?if=g>{threshold}", max_tokens=1)


def test_a_gate_of_an_unknown_vector_is_refused(tiny_model: Model) -> None:
    steer = [V, {"vector": "v", "if": "nobody>0.3"}]
    with pytest.raises(NotFoundError):
        tiny_model.ask("hi", steer=steer, max_tokens=1)


@pytest.mark.parametrize("scope", ["last", "mean", "token"])
def test_text_under_a_gate_equals_reading_by_hand(tiny_model: Model, scope: str) -> None:
    """Through the scheduler, where the prompt may come in parts and out of a cache."""
    for question in ("Tell me.", "Tell me of it.", "Tell me of it."):
        steer = steering(f"v=1?if=g>0&scope={scope}", v=vector(2, scale=9.0), g=GATE)
        reply = tiny_model.ask(question, steer=steer, temperature=0, max_tokens=8)
        assert reply.text == greedy_text(tiny_model, question, 8, steer)
        assert reply.carrier == "callback"


def test_reading_a_token_twice_changes_no_mean() -> None:
    """A chunk that failed, or a prompt that was set back, is read again."""
    reader = Reader("g@1", 1, direction(0), 1.5, True, "mean")
    state = GateState()
    first, rest = np.arange(2), np.arange(2, 4)
    state.note(reader, 4, first, np.array([9.0, 9.0], np.float32))
    state.note(reader, 4, first, np.array([0.0, 1.0], np.float32))
    assert not state.is_open(reader, 4)
    state.note(reader, 4, rest, np.array([2.0, 4.0], np.float32))
    state.note(reader, 4, rest, np.array([2.0, 4.0], np.float32))
    assert state.is_open(reader, 4)
    assert not state.is_open(Reader("g@1", 1, direction(0), 1.8, True, "mean"), 4)
    assert not state.is_open(Reader("other@1", 1, direction(0), 0.0, True, "mean"), 4)
