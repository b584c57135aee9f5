"""Gates read at each token that remember, and gates whose threshold is a read-out's score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgesteer import ControlVector, InputError, LayerError, Model, SteeringError
from edgesteer.engine.plan import Reader
from edgesteer.engine.rows import GateState
from edgesteer.monitor.readout import OperatingPoint, Readout

from .tools import (
    activations,
    clean_logits,
    direction,
    empty_caches,
    greedy_text,
    plan_of,
    steering,
    vector,
)

N_PROMPT, N = 12, 40
V = vector(2)
GATE = ControlVector({1: direction(50, scale=3.0)}, name="g")
POINT = OperatingPoint(0.5, 1.0, 1.0, 0.0, 9, 9)
U = direction(50)
FITTED = {
    scope: Readout("g", 1, U, 0.4, 0.3, positions, POINT).kept_with(GATE)
    for scope, positions in (("last", "last"), ("mean", "mean"), ("token", "answer"))
}
KEPT = FITTED["last"]
TURNED = KEPT.with_(directions={n: -row for n, row in KEPT.directions.items()})


@pytest.fixture(scope="module")
def tokens(tiny_model: Model) -> list[int]:
    return tiny_model.tokenize("abc def ghi jkl mno pqr stu vwx yz abc def ghi")[:N]


@pytest.fixture(scope="module")
def reading(tiny_model: Model, tokens: list[int]) -> NDArray[np.float64]:
    rows = activations(tiny_model, tokens, None, N_PROMPT)
    return rows[1].astype(np.float64) @ U.astype(np.float64)


def moved(model: Model, tokens: Sequence[int], steer: Any, chunk: int = 64) -> set[int]:
    """The tokens that a term at layer 2 acted on."""
    plain = activations(model, tokens, None, N_PROMPT, chunk)
    rows = activations(model, tokens, steer, N_PROMPT, chunk)
    return set(np.flatnonzero(np.abs(rows[2] - plain[2]).max(axis=1) > 1e-4))


def held(reading: Sequence[float], opens: float, closes: float, hold: int) -> set[int]:
    """By the book: open above `opens`; then until not above `closes`, and `hold` tokens more."""
    found, is_open, left = set(), False, 0
    for position, value in enumerate(reading):
        if value > opens or (is_open and value > closes):
            is_open, left = True, hold
        elif is_open and left > 0:
            left -= 1
        else:
            is_open = False
        if is_open:
            found.add(position)
    return found


@pytest.mark.parametrize("chunk", [64, 7, 1])
@pytest.mark.parametrize(("band", "hold"), [(0.0, 3), (0.4, 0), (0.4, 2)])
def test_a_gate_with_a_memory_opens_and_closes_by_the_book(
    tiny_model: Model,
    tokens: list[int],
    reading: NDArray[np.float64],
    chunk: int,
    band: float,
    hold: int,
) -> None:
    opens = float(np.quantile(reading, 0.8))
    closes = opens - band * float(np.ptp(reading))
    text = f"v=1?if=g>{opens:.6f}&scope=token&close={closes:.6f}&hold={hold}"
    expected = held(reading.tolist(), opens, closes, hold)
    bare = {i for i, value in enumerate(reading) if value > opens}
    assert bare < expected < set(range(len(tokens)))
    assert moved(tiny_model, tokens, steering(text, v=V, g=GATE), chunk) == expected
    below = f"v=1?if=g<{-opens:.6f}&scope=token&close={-closes:.6f}&hold={hold}"
    turned = ControlVector({1: -GATE.directions[1]}, name="g")
    assert moved(tiny_model, tokens, steering(below, v=V, g=turned), chunk) == expected


def test_what_a_gate_remembers_is_not_shared_with_other_answers(tiny_model: Model) -> None:
    """Its effect rests on what this very answer has read: no cache of another one will do."""
    steer = steering("v=1?if=g>0&scope=token&hold=5", v=V, g=GATE)
    assert plan_of(tiny_model, steer).prompt_key != plan_of(tiny_model, steer).prompt_key
    once = steering("v=1?if=g>0&scope=token", v=V, g=GATE)
    assert plan_of(tiny_model, once).prompt_key == plan_of(tiny_model, once).prompt_key


def test_text_under_a_gate_with_a_memory_equals_reading_by_hand(tiny_model: Model) -> None:
    """Also when the prompt lies in a cache by then."""
    text = "v=1?if=g>0.2&scope=token&close=-0.1&hold=2"
    steer = steering(text, v=vector(2, scale=9.0), g=GATE)
    for question in ("Tell me.", "Tell me of it.", "Tell me of it."):
        reply = tiny_model.ask(question, steer=steer, temperature=0, max_tokens=8)
        assert reply.text == greedy_text(tiny_model, question, 8, steer)


def test_a_chat_goes_on_with_what_its_gates_hold(tiny_model: Model) -> None:
    steer = steering("v=1?if=g>0.2&scope=token&hold=9", v=vector(2, scale=9.0), g=GATE)
    options: dict[str, Any] = {"temperature": 0.0, "max_tokens": 6, "ignore_eos": True}
    chat = tiny_model.chat(steer=steer, **options)
    first, second = chat.ask("One."), chat.ask("Two.")
    empty_caches(tiny_model)
    again = tiny_model.chat(steer=steer, **options)
    assert again.ask("One.").text == first.text
    empty_caches(tiny_model)  # its history is read anew, and its gates walk the same way
    assert again.ask("Two.").text == second.text


def test_reading_a_token_twice_changes_no_gate() -> None:
    reader = Reader("g@1", 1, U, 1.0, True, "token", hold=1)
    state, readings = GateState(), np.array([2, 0, 0, 0], np.float32)
    whole = state.walk(reader, np.arange(4), readings)
    assert whole.tolist() == [True, True, False, False]
    assert (state.walk(reader, np.arange(4), readings) == whole).all()
    assert state.walk(reader, np.arange(1, 4), readings[1:]).tolist() == whole[1:].tolist()
    other = state.copy()
    other.walk(reader, np.arange(4), readings * 0)
    assert state.walk(reader, np.array([1]), readings[1:2]).tolist() == [True]


@pytest.mark.parametrize("unit", ["", "&unit=score"])
@pytest.mark.parametrize("scope", ["last", "token"])
def test_a_threshold_is_a_score_where_a_read_out_is_kept(
    tiny_model: Model, tokens: list[int], reading: NDArray[np.float64], scope: str, unit: str
) -> None:
    score = (reading - 0.4) / 0.3
    value = float(score[N_PROMPT - 1] if scope == "last" else np.median(score) + 1e-4)
    after = set(range(N_PROMPT - 1, N)) & set(range(len(tokens)))
    for shift in (-0.01, 0.01):
        text = f"v=1?if=g>{value + shift:.6f}&scope={scope}{unit}"
        passes = {i for i, x in enumerate(score) if x > value + shift}
        expected = passes if scope == "token" else after if shift < 0 else set()
        assert moved(tiny_model, tokens, steering(text, v=V, g=FITTED[scope])) == expected


def test_raw_units_stay_what_they_are(
    tiny_model: Model, tokens: list[int], reading: NDArray[np.float64]
) -> None:
    value = reading[N_PROMPT - 1]
    for shift, is_open in ((-0.05, True), (0.05, False)):
        text = f"v=1?if=g>{value + shift:.6f}&unit=raw"
        assert bool(moved(tiny_model, tokens, steering(text, v=V, g=KEPT))) == is_open


def test_a_score_and_a_raw_threshold_share_no_cache(tiny_model: Model) -> None:
    prints = {
        steering(text, v=V, g=gate).fingerprint(4, 64)
        for gate in (GATE, KEPT)
        for text in ("v=1?if=g>0.2&scope=token", "v=1?if=g>0.2&scope=token&hold=1")
    }
    assert len(prints) == 4


def test_a_closed_gate_of_each_kind_is_plain_bit_for_bit(
    tiny_model: Model, tokens: list[int]
) -> None:
    plain = clean_logits(tiny_model, tokens, steering("v=1?if=g>999&unit=raw", v=V, g=KEPT))
    bare = clean_logits(tiny_model, tokens)
    assert (plain == bare).all()
    for scope, rest in (
        ("token", "&hold=4"), ("token", "&close=998"), ("last", "&unit=score"), ("mean", ""),
    ):  # fmt: skip
        text = f"v=1?if=g>999&scope={scope}{rest}"
        gated = clean_logits(tiny_model, tokens, steering(text, v=V, g=FITTED[scope]))
        assert (gated == bare).all()


def test_several_rules_act_each_on_its_own(
    tiny_model: Model, tokens: list[int], reading: NDArray[np.float64]
) -> None:
    other = ControlVector({1: direction(51)}, name="h")
    rows = activations(tiny_model, tokens, None, N_PROMPT)
    second = rows[1].astype(np.float64) @ direction(51).astype(np.float64)
    low, high = np.quantile(reading, 0.6), np.quantile(second, 0.6)
    text = f"v=1?if=g>{low:.6f}&scope=token w=1?if=h>{high:.6f}&scope=token"
    both = steering(text, v=V, w=vector(2, seed=1, name="w"), g=GATE, h=other)
    expected = {i for i in range(len(tokens)) if reading[i] > low or second[i] > high}
    assert moved(tiny_model, tokens, both) == expected


@pytest.mark.parametrize(
    ("text", "gate", "error", "says"),
    [
        ("v=1?if=g>0&unit=score", GATE, SteeringError, "no read-out is kept"),
        ("v=1?if=g>0@2", KEPT, LayerError, "was fitted at layer 1"),
        ("v=1@1?if=g>0", KEPT, LayerError, "not below layer 1"),
        ("v=1?if=g>0", TURNED, InputError, "another direction"),
    ],
)
def test_a_score_that_can_not_be_read_is_refused(
    tiny_model: Model, text: str, gate: ControlVector, error: type[Exception], says: str
) -> None:
    everywhere = vector(1, 2)
    with pytest.raises(error, match=says) as caught:
        tiny_model.bind(steering(text, v=everywhere, g=gate))
    assert caught.value.hint  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        ("1-2", "steer later layers, such as @3-3"),
        (
            "2-3",
            "steer later layers, such as @3-3; or fit the read-out below, in place of the one that "
            "is kept: edgesteer monitor g --fit --layers 1-1",
        ),
    ],
)
def test_a_score_above_its_term_says_which_layers_would_do(
    tiny_model: Model, layers: str, says: str
) -> None:
    """The layers that the hint names are taken."""
    carried = vector(2, name="g")
    gate = Readout("g", 2, U, 0.4, 0.3, "last", POINT).kept_with(carried.with_(directions={2: U}))
    with pytest.raises(LayerError) as caught:
        tiny_model.bind(steering(f"v=1@{layers}?if=g>0", v=vector(1, 2, 3), g=gate))
    assert caught.value.hint == says
    tiny_model.bind(steering("v=1@3-3?if=g>0", v=vector(3), g=gate))


@pytest.mark.parametrize(
    ("positions", "scope", "fits"),
    [
        ("last", "last", True), ("mean", "mean", True), ("answer", "token", True),
        ("answer", "last", False), ("last", "mean", False), ("mean", "token", False),
    ],
)  # fmt: skip
def test_a_gate_that_reads_other_tokens_than_were_fitted_is_warned_of(
    tiny_model: Model, positions: str, scope: str, fits: bool
) -> None:
    gate = Readout("g", 1, U, positions=positions, point=POINT).kept_with(GATE)
    steer = steering(f"v=1?if=g>0.3&scope={scope}", v=V, g=gate)
    told: list[Warning] = []
    tiny_model.bind(steer, told.append)
    assert not told if fits else "was fitted on" in str(told[0])
    tiny_model.bind(steering(f"v=1?if=g>0.3&scope={scope}&unit=raw", v=V, g=gate))


def test_a_read_out_of_other_weights_is_refused(tiny_model: Model) -> None:
    from edgesteer import VectorMismatchError

    foreign = KEPT.with_(model=replace(tiny_model.identity, weights_id="0" * 64))
    with pytest.raises(VectorMismatchError):
        tiny_model.bind(steering("v=1?if=g>0", v=V, g=foreign))
