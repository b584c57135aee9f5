"""One running answer: steered live, cancelled at any time, and what its owner may break."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgesteer import (
    EngineError,
    Job,
    Model,
    NotFoundError,
    SteeringError,
    VectorMismatchError,
)
from edgesteer.engine.context import Context

from .tools import PROMPT, Latch, greedy_text, replayed, steering, vector

OpenTiny = Callable[..., Model]
V, W = vector(), vector(seed=4, name="w")


def start(model: Model, latch: Latch | None = None, n: int = 20, **options: Any) -> Job:
    return model.start(PROMPT, temperature=0, max_tokens=n, on_piece=latch, **options)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, V),
        (V, None),
        (V, V * -1),
        (V, steering("ablate:w=1", w=W)),
        (steering("clamp:v=1"), V),
        (steering("clamp:v=1"), steering("clamp:v=-2")),
    ],
    ids=["on", "off", "turned", "to callback", "to native", "within callback"],
)
@pytest.mark.parametrize("at", [1, 7])
def test_a_live_change_acts_from_the_next_token_on(
    tiny_model: Model, before: Any, after: Any, at: int
) -> None:
    latch = Latch(at)
    job = start(tiny_model, latch, steer=before)
    latch.wait()
    job.set_steering(after)
    latch.go()
    assert job.result().text == replayed(tiny_model, {0: before, at: after}, 20)


def test_strengths_turn_like_a_dial(tiny_model: Model) -> None:
    latch = Latch(5)
    job = start(tiny_model, latch, steer=V * 0.5 + W)
    latch.wait()
    assert dict(job.steer) == {"v": 0.5, "w": 1.0}
    job.steer["v"] = -1.5
    del job.steer["w"]
    latch.go()
    reply = job.result()
    assert reply.steering == "v=-1.5"
    assert reply.text == replayed(tiny_model, {0: V * 0.5 + W, 5: V * -1.5}, 20)


def test_many_changes_before_a_token_are_one(tiny_model: Model) -> None:
    latch = Latch(4)
    job = start(tiny_model, latch, steer=V)
    latch.wait()
    for strength in (9, -9, 0.25):
        job.steer["v"] = strength
    latch.go()
    reply = job.result()
    assert reply.text == replayed(tiny_model, {0: V, 4: V * 0.25}, 20)
    ends = [(s.end, s.plan.text) for s in reply.trace.segments] if reply.trace else []
    n = reply.usage.prompt_tokens
    assert ends == [(n + 3, "v=1"), (n + 19, "v=0.25")]


def test_a_change_survives_a_lost_cache(open_tiny: OpenTiny) -> None:
    """What was read under the old strength is read again under it, when a move finds no room."""
    model = open_tiny()
    latch = Latch(6)
    job = start(model, latch, steer=V)
    latch.wait()
    job.set_steering(steering("clamp:v=1"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Context, "load_sequence", lambda *_: False)
        latch.go()
        text = job.result().text
    assert text == replayed(model, {0: V, 6: steering("clamp:v=1")}, 20)


def test_turning_a_gated_term_keeps_its_gate(tiny_model: Model) -> None:
    opened = steering("v=1@2?if=g>-999", v=vector(2), g=vector(1))
    latch = Latch(3)
    job = start(tiny_model, latch, steer=opened)
    latch.wait()
    job.steer["v"] = 3
    latch.go()
    loud = steering("v=3@2?on=last:1", v=vector(2))
    soft = steering("v=1@2?on=last:1", v=vector(2))
    assert job.result().text == replayed(tiny_model, {0: soft, 3: loud}, 20)


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ("nobody=1", NotFoundError),
        ("v=x", SteeringError),
        (vector(1, width=32), VectorMismatchError),
        (3.5, SteeringError),
    ],
)
def test_a_refused_change_leaves_the_answer_as_it_was(
    tiny_model: Model, bad: Any, error: type[Exception]
) -> None:
    latch = Latch(3)
    job = start(tiny_model, latch, steer=V)
    latch.wait()
    with pytest.raises(error):
        job.set_steering(bad)
    with pytest.raises(SteeringError):
        job.steer["v"] = float("nan")
    latch.go()
    reply = job.result()
    assert (reply.text, reply.steering) == (greedy_text(tiny_model, PROMPT, 20, V), "v=1")


def test_cancel_keeps_what_is_there(tiny_model: Model) -> None:
    latch = Latch(4)
    job = start(tiny_model, latch, n=900)
    latch.wait()
    job.cancel()
    latch.go()
    reply = job.result(30)
    assert (reply.finish, reply.text) == ("cancelled", greedy_text(tiny_model, PROMPT, 4))
    assert start(tiny_model).result().text == greedy_text(tiny_model, PROMPT, 20)
    job.cancel()  # no effect any more


def test_cancel_stops_a_long_prompt(open_tiny: OpenTiny) -> None:
    """Within a decode call: the prompt is one, and it would take a while."""
    model = open_tiny(n_ctx=4096)
    for _ in range(3):
        job = model.start("x" * 4000, raw=True, temperature=0, max_tokens=5)
        while job.sequence is None or job.sequence.slot is None:
            time.sleep(0.001)
        job.cancel()
        reply = job.result(30)
        assert (reply.finish, reply.text, reply.usage.completion_tokens) == ("cancelled", "", 0)
    assert start(model).result().text == greedy_text(model, PROMPT, 20)


def test_a_cancelled_answer_disturbs_no_reading(tiny_model: Model) -> None:
    """The signal that stops a decode call must not reach the one after it."""
    tokens = tiny_model.tokenize("abc")
    plain = tiny_model.logits(tokens)
    for i in range(20):
        latch = Latch(1 + i % 3)
        job = start(tiny_model, latch, n=50)
        latch.wait()
        job.cancel()
        latch.go()
        np.testing.assert_allclose(tiny_model.logits(tokens), plain, atol=1e-3)
        assert np.isfinite(tiny_model.capture(["abc"]).rows).all()
        assert job.result().finish == "cancelled"


def test_an_aborted_call_is_taken_back(tiny_model: Model) -> None:
    """Whenever the signal comes: the answer of another goes on unharmed."""
    text = greedy_text(tiny_model, PROMPT, 60)
    for delay in (0, 0.001, 0.003):
        job = start(tiny_model, n=60)
        time.sleep(delay)
        tiny_model._scheduler._lanes[False].context.abort()
        assert job.result().text == text


def test_a_waiting_answer_can_be_cancelled(open_tiny: OpenTiny) -> None:
    model = open_tiny(n_seq=1)
    latch = Latch(2)
    first = start(model, latch)
    latch.wait()
    second, third = start(model, steer=V), start(model, steer=W)
    second.cancel()
    latch.go()
    assert second.result().finish == "cancelled"
    assert first.result().text == greedy_text(model, PROMPT, 20)
    assert third.result().text == greedy_text(model, PROMPT, 20, W)


def test_leaving_a_stream_cancels_it(tiny_model: Model) -> None:
    stream = tiny_model.stream(PROMPT, temperature=0, max_tokens=900)
    for piece in stream:
        assert piece
        break
    stream.close()
    assert stream.reply.finish == "cancelled"
    unread = tiny_model.stream(PROMPT, temperature=0, max_tokens=900)
    unread.close()
    assert unread.job.done


def test_a_raising_callback_ends_its_own_job(tiny_model: Model) -> None:
    def fail(piece: str) -> None:
        if len(pieces) == 3:
            raise ZeroDivisionError("mine")
        pieces.append(piece)

    pieces: list[str] = []
    other = start(tiny_model)
    job = tiny_model.start(PROMPT, temperature=0, max_tokens=900, on_piece=fail)
    with pytest.raises(ZeroDivisionError, match="mine"):
        job.result(30)
    with pytest.raises(ZeroDivisionError, match="mine"):
        list(job.pieces())
    assert other.result().text == greedy_text(tiny_model, PROMPT, 20)


def test_a_callback_that_fails_at_the_end_is_logged(
    tiny_model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    job = start(tiny_model, on_done=lambda _: 1 / 0)
    assert job.result().finish == "length"
    assert start(tiny_model).result().finish == "length"  # the callback has run by now
    assert [r for r in caplog.records if "at the end of an answer" in r.message]


def test_a_dispatch_that_fails_ends_its_own_job(tiny_model: Model) -> None:
    """Such as an event loop that is gone: nobody listens any more."""

    def gone(_call: object) -> None:
        raise RuntimeError("the loop is closed")

    job = start(tiny_model, n=900, on_done=print, dispatch=gone)
    assert job.result().finish == "length"
    heard = tiny_model.start(PROMPT, max_tokens=900, on_piece=print, dispatch=gone)
    with pytest.raises(RuntimeError, match="loop"):
        heard.result(30)


def test_callbacks_come_in_order_and_can_be_sent_elsewhere(tiny_model: Model) -> None:
    calls: list[Callable[[], None]] = []
    heard: list[str] = []
    job = tiny_model.start(
        PROMPT,
        temperature=0,
        max_tokens=5,
        on_piece=heard.append,
        on_done=lambda j: heard.append(j.result().finish),
        dispatch=calls.append,
    )
    text = job.result().text
    while len(calls) < 6:
        time.sleep(0.001)
    assert heard == []
    for call in calls:
        call()
    assert heard == [*text, "length"]


def test_waiting_in_a_callback_is_an_error_not_a_deadlock(tiny_model: Model) -> None:
    def waits(_piece: str) -> None:
        try:
            tiny_model.ask("hi", max_tokens=1)
        except EngineError as error:
            caught.append(error)
        for attempt in (lambda: tiny_model.next_logits("hi"), tiny_model.close, job.result):
            try:
                attempt()
            except EngineError as error:
                caught.append(error)

    caught: list[EngineError] = []
    gate = threading.Event()
    job = tiny_model.start(
        PROMPT, temperature=0, max_tokens=1, on_piece=lambda p: (gate.wait(10), waits(p))
    )
    gate.set()
    assert job.result(30).finish == "length"
    assert len(caught) == 4


def test_results_can_be_waited_for_with_a_limit(tiny_model: Model) -> None:
    latch = Latch(1)
    job = start(tiny_model, latch)
    latch.wait()
    with pytest.raises(TimeoutError):
        job.result(0.01)
    assert not job.done
    latch.go()
    assert job.result(30).finish == "length"
    assert job.done


@pytest.mark.parametrize(
    ("steer", "carrier"), [(None, "none"), (V, "native"), (steering("ablate:v=0.5"), "callback")]
)
def test_the_reply_says_what_carried_it(tiny_model: Model, steer: Any, carrier: str) -> None:
    reply = start(tiny_model, steer=steer).result()
    assert reply.carrier == carrier
    assert reply.steering == ("" if steer is None else str(steer * 1))


def test_what_is_said_to_be_in_force_is_what_was_sent_last() -> None:
    """Two threads steer one answer, the second while the first one's plan is on its way."""
    sent: list[Any] = []
    late: list[threading.Thread] = []

    class Slow:
        def steer(self, _sequence: Any, plan: Any) -> None:
            if not late:
                late.append(threading.Thread(target=job.set_steering, args=("second",)))
                late[0].start()
                late[0].join(0.2)  # it waits for its turn, or it has overtaken this one
            sent.append(plan)

    def plan_for(one: Any) -> Any:
        return one, f"plan of {one}"

    job = Job(Slow(), "none", plan_for, (), None, None, None)  # type: ignore[arg-type]
    job.sequence = object()  # type: ignore[assignment]
    job.set_steering("first")
    late[0].join()
    assert sent[-1] == f"plan of {job.steering}" == "plan of second"
