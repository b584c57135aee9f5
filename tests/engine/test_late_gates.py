"""A gate on the prompt that comes when the answer is being written: the prompt is read for it."""

from __future__ import annotations

import pytest

from edgesteer import ControlVector, Model

from .tools import PROMPT, Latch, activations, direction, greedy_text, replayed, steering, vector

GATE = ControlVector({1: direction(50, scale=3.0)}, name="g")
V = vector(2, scale=9.0)
N, AT = 16, 4


@pytest.fixture(scope="module")
def readings(tiny_model: Model) -> dict[str, float]:
    """What the gate reads of the plain prompt, by scope."""
    tokens = tiny_model.tokenize(tiny_model.render([{"role": "user", "content": PROMPT}]))
    rows = activations(tiny_model, tokens)[1].astype(float) @ (GATE.directions[1] / 3)
    return {"last": float(rows[-1]), "mean": float(rows.mean())}


@pytest.mark.parametrize("scope", ["last", "mean"])
@pytest.mark.parametrize("is_open", [True, False])
def test_a_gate_added_to_a_running_answer_reads_the_prompt(
    tiny_model: Model, readings: dict[str, float], scope: str, is_open: bool
) -> None:
    threshold = readings[scope] + (-0.1 if is_open else 0.1)
    gated = steering(f"v=1?if=g>{threshold:.6f}&scope={scope}", v=V, g=GATE)
    expected = replayed(tiny_model, {0: None, AT: V if is_open else None}, N)
    latch = Latch(AT)
    job = tiny_model.start(PROMPT, temperature=0, max_tokens=N, on_piece=latch)
    latch.wait()
    job.set_steering(gated)
    latch.go()
    assert job.result(30).text == expected
    assert (expected == greedy_text(tiny_model, PROMPT, N)) != is_open
