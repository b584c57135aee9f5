"""A recurrent memory (mamba) can be continued and forked but not cut: what is cut is read again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgesteer import Model
from edgesteer.engine import ops

from ..tiny_recurrent import write_recurrent_model
from .tools import (
    PROMPT,
    Latch,
    activations,
    greedy,
    greedy_text,
    in_callback,
    logits_by,
    plan_of,
    replayed,
    steering,
    vector,
)

OpenTiny = Callable[..., Model]
V = vector()
OPTIONS: dict[str, Any] = {"temperature": 0, "max_tokens": 10}
STEERS = [None, V, V * -1, steering("ablate:v=1"), steering("v=1?on=generated"), V * 0.5]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recurrent_model(tmp_path_factory.mktemp("mamba") / "mamba.gguf")


@pytest.fixture
def model(open_tiny: OpenTiny, path: Path) -> Model:
    return open_tiny(path)


@pytest.mark.parametrize("steer", STEERS)
def test_answers_equal_reading_by_hand(model: Model, steer: Any) -> None:
    reply = model.ask(PROMPT, steer=steer, **OPTIONS)
    assert reply.text == greedy_text(model, PROMPT, 10, steer)


@pytest.mark.parametrize("chunk", [512, 1])
def test_native_equals_callback(model: Model, chunk: int) -> None:
    tokens, plan = model.tokenize("abc def"), plan_of(model, V)
    native = logits_by(model, tokens, plan, hooked=False, chunk=chunk)
    assert (logits_by(model, tokens, plan, hooked=True, chunk=chunk) == native).all()
    by_term = logits_by(model, tokens, in_callback(plan), hooked=True, chunk=chunk)
    np.testing.assert_allclose(by_term, native, atol=1e-3)


@pytest.mark.parametrize("n_seq", [2, 6])
def test_side_by_side_equals_alone(open_tiny: OpenTiny, path: Path, n_seq: int) -> None:
    model = open_tiny(path, n_seq=n_seq)
    prompts = [f"{PROMPT[: 5 + 2 * i]}" for i in range(len(STEERS))]
    replies = model.ask_many(prompts, steer=STEERS, **OPTIONS)
    for prompt, steer, reply in zip(prompts, STEERS, replies, strict=True):
        assert reply.text == greedy_text(model, prompt, 10, steer)


def test_a_conversation_goes_on_where_it_was(model: Model) -> None:
    chat = model.chat(steer=V, **OPTIONS)
    first = chat.ask("One.")
    second = chat.ask("Two.")
    assert second.usage.cached_tokens == first.usage.prompt_tokens + 9
    tokens = model.tokenize(model.render(chat.messages[:3]))
    assert second.text == model.detokenize(greedy(model, tokens, 10, V))


def test_what_is_cut_is_read_again(model: Model) -> None:
    """As it was read then: under the strengths of its time."""
    chat = model.chat(steer=V, **OPTIONS)
    chat.ask("One.")
    chat.steer["v"] = -1
    second = chat.ask("Two.")
    again = chat.again()
    assert "".join(again) == second.text
    repeated = model.ask(PROMPT, **OPTIONS)
    assert model.ask(PROMPT, **OPTIONS).text == repeated.text


def test_a_live_change_and_a_move_between_lanes(model: Model) -> None:
    latch = Latch(4)
    job = model.start(PROMPT, steer=V, on_piece=latch, temperature=0, max_tokens=16)
    latch.wait()
    job.set_steering(steering("clamp:v=1"))
    other = model.start(PROMPT, **OPTIONS)
    latch.go()
    assert job.result().text == replayed(model, {0: V, 4: steering("clamp:v=1")}, 16)
    assert other.result().text == greedy_text(model, PROMPT, 10)


def test_a_fault_of_one_costs_the_others_a_second_reading(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_direction: Any) -> ops.Operation:
        def apply(_rows: Any, _dose: Any) -> None:
            raise ZeroDivisionError

        return apply

    with monkeypatch.context() as patch:
        patch.setattr(ops, "keepnorm", broken)
        bad = model.bind(steering("keepnorm:v=1?on=generated"))
        good = [None, steering("clamp:v=1")]
        jobs = model.start_many([PROMPT] * 3, [*good, bad], **OPTIONS)
        with pytest.raises(ZeroDivisionError):
            jobs[2].result(30)
    for job, steer in zip(jobs[:2], good, strict=True):
        assert job.result(30).text == greedy_text(model, PROMPT, 10, steer)


def test_aborted_calls_are_read_again(model: Model) -> None:
    text = greedy_text(model, PROMPT, 30)
    latch = Latch(3)
    job = model.start(PROMPT, temperature=0, max_tokens=30, on_piece=latch)
    latch.wait()
    begin = model._scheduler._one_turn

    def abort_once() -> None:
        model._scheduler._lanes[False].context.clear_abort = lambda: None  # type: ignore[method-assign]
        model._scheduler._lanes[False].context.abort()
        model._scheduler._one_turn = begin  # type: ignore[method-assign]
        begin()
        del model._scheduler._lanes[False].context.clear_abort
        model._scheduler._lanes[False].context.clear_abort()

    model._scheduler._one_turn = abort_once  # type: ignore[method-assign]
    latch.go()
    assert job.result().text == text


def test_activations_are_read(model: Model) -> None:
    texts = ["abc def", "abc dex", "abc"]
    rows = model.capture(texts, positions="mean").rows
    for text, row in zip(texts, rows, strict=True):
        stream = activations(model, model.tokenize(text))[1:]
        np.testing.assert_allclose(row, stream.mean(axis=1), atol=1e-3)


def test_a_conversation_is_taken_back_whole(model: Model) -> None:
    """Two that begin alike, and another between: the first goes on where it was."""
    shared = "the same beginning of all " * 4
    first = model.ask(shared + "one", raw=True, **OPTIONS)
    model.ask(shared + "two", raw=True, **OPTIONS)
    model.ask("x" * 50, raw=True, **OPTIONS)
    longer = model.ask(shared + "one" + first.text + " more", raw=True, **OPTIONS)
    known = first.usage.prompt_tokens + first.usage.completion_tokens - 1
    assert longer.usage.cached_tokens == known
