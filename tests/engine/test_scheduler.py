"""Many answers at once: side by side, queued, closed, and faults that stay with one of them."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgesteer import Busy, EngineError, InputError, Job, Model, ModelError, NotFoundError
from edgesteer.engine import ops
from edgesteer.engine.context import Context

from .tools import PROMPT, Latch, greedy_text, steering, vector

OpenTiny = Callable[..., Model]
V = vector()
STEERS = [
    None,
    V,
    V * -1,
    steering("ablate:v=1"),
    steering("clamp:v=1?on=generated"),
    steering("v=1.5?decay=8"),
    steering("keepnorm:v=2@2"),
    steering("v=2@3?if=w>0@1", w=vector(1, seed=3)),
]


@pytest.mark.parametrize("n_seq", [1, 3, 8])
def test_answers_side_by_side_equal_each_alone(open_tiny: OpenTiny, n_seq: int) -> None:
    """Also when there are more of them than slots."""
    model = open_tiny(n_seq=n_seq)
    prompts = [f"{PROMPT} {i}" for i in range(len(STEERS))]
    replies = model.ask_many(prompts, steer=STEERS, temperature=0, max_tokens=15)
    for prompt, steer, reply in zip(prompts, STEERS, replies, strict=True):
        assert reply.text == greedy_text(model, prompt, 15, steer)
        assert reply.finish == "length"


def test_one_steering_and_one_seed_for_many(tiny_model: Model) -> None:
    """A batch of seeded answers is what each gives alone."""
    prompts = ["One.", "Two.", "Three.", "Four.", "Five."]
    options: dict[str, Any] = {"steer": V, "seed": 11, "max_tokens": 12, "temperature": 0.7}
    together = tiny_model.ask_many(prompts, **options)
    assert [r.text for r in together] == [tiny_model.ask(p, **options).text for p in prompts]
    assert {r.carrier for r in together} == {"native"}


def test_each_answer_keeps_its_own_length_and_stop(tiny_model: Model) -> None:
    jobs = [tiny_model.start(PROMPT, temperature=0, max_tokens=n) for n in (1, 30, 7, 2, 18)]
    whole = greedy_text(tiny_model, PROMPT, 30)
    assert [j.result().text for j in jobs] == [whole[:n] for n in (1, 30, 7, 2, 18)]


def test_nobody_waits_for_a_long_prompt_to_be_read(open_tiny: OpenTiny) -> None:
    """A stream goes on while another's prompt is read in parts."""
    model = open_tiny(n_ctx=4096)
    latch = Latch(2)
    writer = model.start(PROMPT, temperature=0, max_tokens=40, on_piece=latch)
    latch.wait()
    seen: list[int] = []
    reader = model.start(
        "y" * 3000,
        raw=True,
        temperature=0,
        max_tokens=2,
        on_piece=lambda _: seen.append(len(latch.pieces)),
    )
    latch.go()
    assert reader.result().usage.prompt_tokens == 3001
    assert seen[0] > 15
    assert writer.result().text == greedy_text(model, PROMPT, 40)


def test_calling_from_many_threads(tiny_model: Model) -> None:
    texts: dict[int, str] = {}
    expected = [greedy_text(tiny_model, PROMPT, 10, s) for s in STEERS]
    errors: list[BaseException] = []

    def work(i: int) -> None:
        try:
            for _ in range(3):
                reply = tiny_model.ask(PROMPT, steer=STEERS[i], temperature=0, max_tokens=10)
                tiny_model.next_logits(PROMPT, STEERS[i])
                tiny_model.capture([PROMPT], layers=2)
                texts[i] = reply.text
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(STEERS))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert errors == []
    assert [texts[i] for i in range(len(STEERS))] == expected


def test_readings_do_not_disturb_answers(tiny_model: Model) -> None:
    job = tiny_model.start(PROMPT, steer=V, temperature=0, max_tokens=200)
    while not job.done:
        tiny_model.logits([1, 300], V * 2)
        tiny_model.capture(["abc", "abd"], layers="all", positions="mean")
    assert job.result().text == greedy_text(tiny_model, PROMPT, 200, V)


def test_the_queue_is_bounded(open_tiny: OpenTiny) -> None:
    model = open_tiny(n_seq=1, queue=3)
    latch = Latch(1)
    jobs = [model.start(PROMPT, temperature=0, max_tokens=3, on_piece=latch)]
    latch.wait()
    jobs += [model.start(PROMPT, temperature=0, max_tokens=3) for _ in range(3)]
    with pytest.raises(Busy, match="3"):
        model.ask(PROMPT, max_tokens=1)
    with pytest.raises(Busy):
        model.ask_many([PROMPT] * 2, max_tokens=1)
    jobs[2].cancel()
    latch.go()
    assert [j.result(30).finish for j in jobs] == ["length", "length", "cancelled", "length"]
    assert model.ask(PROMPT, max_tokens=1).finish == "length"


def test_close_ends_what_runs_and_what_waits(open_tiny: OpenTiny) -> None:
    model = open_tiny(n_seq=2)
    latch = Latch(3)
    jobs: list[Job] = [model.start(PROMPT, temperature=0, max_tokens=900, on_piece=latch)]
    latch.wait()
    jobs += [model.start(PROMPT, max_tokens=900) for _ in range(4)]
    closer = threading.Thread(target=model.close)
    closer.start()
    latch.go()
    closer.join(30)
    assert not closer.is_alive()
    assert {job.result(30).finish for job in jobs} == {"cancelled"}
    model.close()


def test_close_during_a_reading_ends_it(open_tiny: OpenTiny) -> None:
    model = open_tiny()
    begun = threading.Event()
    caught: list[BaseException] = []

    def read() -> None:
        try:
            model.capture(["abc" + "d" * i for i in range(1900)], progress=lambda *_: begun.set())
        except BaseException as error:  # noqa: BLE001
            caught.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    assert begun.wait(30)
    model.close()
    reader.join(30)
    assert [type(e) for e in caught] == [ModelError]


def test_a_closed_model_says_so(open_tiny: OpenTiny) -> None:
    model = open_tiny()
    chat = model.chat()
    model.close()
    for use in (
        lambda: model.ask("hi"),
        lambda: model.stream("hi"),
        lambda: model.next_logits("hi"),
        lambda: model.capture(["hi"]),
        lambda: model.tokenize("hi"),
        lambda: model.detokenize([300]),
        lambda: chat.ask("hi"),
    ):
        with pytest.raises(ModelError, match="closed"):
            use()


@pytest.mark.parametrize("failing", ["prompt", "answer"])
def test_a_fault_in_an_operation_reaches_its_caller_as_itself(
    open_tiny: OpenTiny, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """Raised inside the eval callback; the other sequences of the batch are unharmed."""

    def broken(_direction: Any) -> ops.Operation:
        def apply(_rows: Any, _dose: Any) -> None:
            raise ZeroDivisionError("in the callback")

        return apply

    model = open_tiny()
    good = [None, steering("clamp:v=1"), V]
    with monkeypatch.context() as patch:
        patch.setattr(ops, "keepnorm", broken)
        where = "generated" if failing == "answer" else "prompt"
        bad = model.bind(steering(f"keepnorm:v=1?on={where}"))
        jobs = model.start_many([PROMPT] * 4, [*good, bad], temperature=0, max_tokens=12)
        with pytest.raises(ZeroDivisionError, match="in the callback"):
            jobs[3].result(30)
    for job, steer in zip(jobs[:3], good, strict=True):
        assert job.result(30).text == greedy_text(model, PROMPT, 12, steer)
    with pytest.raises(NotFoundError):
        model.ask(PROMPT, steer="nobody", max_tokens=1)


def test_a_context_that_can_not_be_made_fails_only_those_who_need_it(
    open_tiny: OpenTiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = open_tiny()
    make = model._scheduler._make_context

    def refuse_hooked(hooked: bool) -> Context:
        if hooked:
            raise EngineError("no memory for a second context")
        return make(hooked)

    monkeypatch.setattr(model._scheduler, "_make_context", refuse_hooked)
    latch = Latch(3)
    plain = model.start(PROMPT, temperature=0, max_tokens=12, on_piece=latch)
    latch.wait()
    steered = model.start(PROMPT, steer=V, temperature=0, max_tokens=12)
    latch.go()
    with pytest.raises(EngineError, match="second context"):
        steered.result(30)
    assert plain.result(30).text == greedy_text(model, PROMPT, 12)

    def refuse(*_: Any) -> Context:
        raise EngineError("no memory for reading")

    monkeypatch.setattr(model._scheduler, "_make_reading", refuse)
    with pytest.raises(EngineError, match="no memory for reading"):
        model.capture(["abc"])
    assert model.ask(PROMPT, steer=V, temperature=0, max_tokens=3).carrier == "native"


def test_an_engine_that_broke_down_says_so(
    open_tiny: OpenTiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = open_tiny()

    def fail(*_: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(model._scheduler, "_admit", fail)
    with pytest.raises(EngineError, match="a bug"):
        model.ask(PROMPT)
    with pytest.raises(EngineError, match="a bug"):
        model.ask(PROMPT)
    model.close()


@pytest.mark.parametrize(
    "options",
    [{"n_seq": 0}, {"n_ctx": 0}, {"threads": -1}, {"n_seq": 257}, {"n_ctx": 8, "n_seq": 9}],
)
def test_sizes_that_make_no_sense_are_refused(open_tiny: OpenTiny, options: dict[str, int]) -> None:
    with pytest.raises(InputError):
        open_tiny(**options)


def test_a_program_may_end_without_closing(tiny_path: Path) -> None:
    """In the middle of an answer, too: it neither hangs nor crashes."""
    code = (
        "import sys; from edgesteer import Model; m = Model.open(sys.argv[1], threads=1)\n"
        "job = m.start('hi', max_tokens=4000, ignore_eos=True)\nnext(job.pieces())"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tiny_path)], timeout=120, check=False)
    assert done.returncode == 0
