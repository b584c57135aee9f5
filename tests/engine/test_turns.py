"""Turns of the scheduler: what is read of the prompts between two tokens of a stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edgesteer import Model
from edgesteer.engine.batch import LEAST_CHUNK, SHARED_CHUNK
from edgesteer.engine.lane import Lane

from .tools import PROMPT, Latch

OpenTiny = Callable[..., Model]
Turns = list[list[int]]


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> Turns:
    """What was read of prompts, one list between two steps, one number a decode call."""
    seen: Turns = [[]]
    prefill, step = Lane.prefill, Lane.step

    def count(self: Lane, sequence: Any, chunk: int) -> bool:
        before = sequence.fed
        ready = prefill(self, sequence, chunk)
        seen[-1].append(sequence.fed - before)
        return ready

    def turn(self: Lane, sequences: Any) -> None:
        step(self, sequences)
        seen.append([])

    monkeypatch.setattr(Lane, "prefill", count)
    monkeypatch.setattr(Lane, "step", turn)
    return seen


def ask_beside_a_stream(model: Model, turns: Turns, texts: list[str]) -> Turns:
    """The turns in which prompts were read that came while another answer was written."""
    latch = Latch(2)
    writer = model.start(PROMPT, temperature=0, max_tokens=30, on_piece=latch)
    latch.wait()
    turns[:] = [[]]
    jobs = [model.start(text, raw=True, temperature=0, max_tokens=1) for text in texts]
    latch.go()
    for job in (*jobs, writer):
        job.result()
    return [calls for calls in turns if calls]


def test_short_prompts_are_read_in_one_turn(open_tiny: OpenTiny, turns: Turns) -> None:
    """The token of the beginning is the stream's."""
    found = ask_beside_a_stream(open_tiny(n_ctx=4096), turns, [c * 10 for c in "xyz"])
    assert found == [[10, 10, 10]]


def test_long_prompts_are_read_in_several(open_tiny: OpenTiny, turns: Turns) -> None:
    found = ask_beside_a_stream(open_tiny(n_ctx=4096), turns, ["x" * 100, "y" * 100])
    assert sum(map(sum, found)) == 200
    assert len(found) == 2
    assert max(map(sum, found)) <= SHARED_CHUNK


def test_no_turn_has_many_calls(open_tiny: OpenTiny, turns: Turns) -> None:
    """A call of one token is not for nothing."""
    model = open_tiny(n_ctx=4096, n_seq=32)
    found = ask_beside_a_stream(model, turns, [f"{n:03}" for n in range(30)])
    assert max(map(len, found)) <= SHARED_CHUNK // LEAST_CHUNK


def test_equal_prompts_wait_for_one_reading_and_then_go_on_together(
    open_tiny: OpenTiny, turns: Turns
) -> None:
    model = open_tiny(n_ctx=4096, n_seq=8)
    found = ask_beside_a_stream(model, turns, ["x" * 60] * 5)
    assert found == [[60], [1, 1, 1, 1]]


def test_whoever_has_a_token_does_not_wait_for_a_long_prompt(
    open_tiny: OpenTiny, turns: Turns
) -> None:
    """Also in the turn in which its own prompt was read, when nobody was writing before."""
    model = open_tiny(n_ctx=4096)
    prompts = ["y" * 20, "x" * 2000]
    model.ask_many(prompts, raw=True, temperature=0, max_tokens=40, ignore_eos=True)
    beside = [sum(calls) for calls in turns[1:] if calls]
    assert beside
    assert max(beside) <= SHARED_CHUNK
    first = turns[0]
    at = next(i for i, n in enumerate(first) if n < 512)
    assert sum(first[at + 1 :]) <= SHARED_CHUNK
