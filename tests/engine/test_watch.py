"""Watching: directions are read while an answer is written, in the same pass, changing nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgesteer import ControlVector, InputError, LayerError, Model, VectorMismatchError
from edgesteer.engine.watch import Probe, Reading, Watch
from edgesteer.monitor.readout import OperatingPoint, Readout

from ..conftest import OpenTiny
from .tools import PROMPT, Latch, direction, empty_caches, steering, vector

CALM = ControlVector({1: direction(7), 2: direction(8), 3: direction(9)}, name="calm")
ASK: dict[str, Any] = {"temperature": 0.0, "max_tokens": 12, "ignore_eos": True, "logprobs": 2}
STEERINGS = {
    "plain": None,
    "native": vector() * 0.5,
    "phases": steering("v=0.5?on=generated"),
    "callback": steering("clamp:v=0.2@2 v=0.5"),
    "gated": steering("v=1@3?if=w>0@1"),
}


def generated(readings: tuple[Reading, ...]) -> list[Reading]:
    return [reading for reading in readings if reading.generated]


@pytest.mark.parametrize("watch", [CALM, [Readout.raw(CALM, 1), Readout.raw(CALM, 2)]])
@pytest.mark.parametrize("name", STEERINGS)
def test_watching_changes_nothing(tiny_model: Model, name: str, watch: Any) -> None:
    empty_caches(tiny_model)
    plain = tiny_model.ask(PROMPT, steer=STEERINGS[name], **ASK)
    empty_caches(tiny_model)
    watched = tiny_model.ask(PROMPT, steer=STEERINGS[name], watch=watch, **ASK)
    assert watched.text == plain.text
    assert watched.logprobs == plain.logprobs  # bit for bit
    assert plain.readings == ()


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_a_reading_is_the_score_of_the_row(tiny_model: Model, layer: int) -> None:
    empty_caches(tiny_model)
    readout = Readout(
        "calm",
        layer,
        CALM.directions[layer],
        centre=0.25,
        scale=2.0,
        positions="answer",
        point=OperatingPoint(0.5, 1.0, 1.0, 0.0, 4, 4),
    )
    reply = tiny_model.ask(PROMPT, watch=readout, **ASK)
    text = tiny_model.render([{"role": "user", "content": PROMPT}])
    tokens = [*tiny_model.tokenize(text), *(r.token for r in generated(reply.readings))]
    rows = tiny_model.capture([tokens], [layer], "all").rows[:, 0]
    expected = readout.score(rows)
    read = {r.position: r.values["calm"] for r in reply.readings if r.values}
    last = reply.usage.prompt_tokens - 1
    # of the last block only rows that logits are wanted of are computed, then those of the answer
    first = last if layer == tiny_model.n_layer - 1 else 0
    assert sorted(read) == list(range(first, len(tokens) - 1))
    for position, value in read.items():
        assert value == pytest.approx(expected[position], abs=2e-4)


def test_texts_of_readings_make_up_the_answer(tiny_model: Model) -> None:
    for options in ({}, {"stop": "e"}, {"stop": ["zz", "ab"]}, {"max_tokens": 1}):
        stream = tiny_model.stream(PROMPT, watch=CALM, **{**ASK, **options, "logprobs": None})
        readings = list(stream.readings())
        assert "".join(r.text for r in readings if r.generated) == stream.reply.text
        assert tuple(readings) == stream.reply.readings
        assert [r.position for r in readings] == sorted({r.position for r in readings})


def test_the_last_token_of_a_cut_answer_was_never_read(tiny_model: Model) -> None:
    reply = tiny_model.ask(PROMPT, watch=CALM, **ASK)
    values = [bool(r.values) for r in generated(reply.readings)]
    assert reply.finish == "length"
    assert values == [True] * 11 + [False]


def test_prompt_tokens_that_lie_in_the_cache_are_not_read_again(tiny_model: Model) -> None:
    empty_caches(tiny_model)
    first = tiny_model.ask(PROMPT, watch=CALM, **ASK)
    again = tiny_model.ask(PROMPT, watch=CALM, **ASK)
    n = first.usage.prompt_tokens
    assert [r.position for r in first.readings if not r.generated] == list(range(n))
    assert [r.position for r in again.readings if not r.generated] == [n - 1]
    assert again.usage.cached_tokens == n - 1
    assert again.text == first.text


def test_answers_side_by_side_are_read_each_for_itself(tiny_model: Model) -> None:
    other = ControlVector({2: direction(30)}, name="other")
    alone = [tiny_model.ask(p, watch=w, **ASK) for p, w in (("one", CALM), ("two", other))]
    empty_caches(tiny_model)
    latch = Latch()
    jobs = [
        tiny_model.start("one", watch=CALM, on_piece=latch, **ASK),
        tiny_model.start("two", watch=other, **ASK),
        tiny_model.start("three", **ASK),
    ]
    latch.wait()
    latch.go()
    replies = [job.result(30) for job in jobs]
    assert replies[2].readings == ()
    for reply, single, name in zip(replies, alone, ("calm", "other"), strict=False):
        assert reply.text == single.text
        read = [r.values.get(name) for r in generated(reply.readings)][:-1]
        expected = [r.values.get(name) for r in generated(single.readings)][:-1]
        assert read == pytest.approx(expected, abs=1e-3)


def test_a_reading_holds_what_steering_adds(tiny_model: Model) -> None:
    at_2 = Readout.raw(CALM, 2)
    empty_caches(tiny_model)
    plain = tiny_model.ask(PROMPT, watch=at_2, **ASK)
    empty_caches(tiny_model)
    steered = tiny_model.ask(PROMPT, steer=CALM.at("2") * 3.0, watch=at_2, **ASK)
    moved = [
        b.values["calm"] - a.values["calm"]
        for a, b in zip(plain.readings, steered.readings, strict=True)
        if not a.generated
    ]
    assert moved == pytest.approx([3.0] * len(moved), abs=1e-3)


def test_readings_come_one_by_one_while_the_answer_is_written(tiny_model: Model) -> None:
    order: list[str] = []
    job = tiny_model.start(
        PROMPT,
        watch=CALM,
        on_piece=lambda _text: order.append("piece"),
        on_reading=lambda reading: order.append("read" if reading.generated else "prompt"),
        **ASK,
    )
    job.result(30)
    assert order[-4:] == ["piece", "read", "piece", "read"]
    assert order.index("prompt") < order.index("piece") < order.index("read")


def test_a_failing_callback_ends_its_answer_alone(tiny_model: Model) -> None:
    def fail(_reading: Reading) -> None:
        raise ValueError("mine")

    job = tiny_model.start(PROMPT, watch=CALM, on_reading=fail, **ASK)
    with pytest.raises(ValueError, match="mine"):
        job.result(30)
    assert tiny_model.ask(PROMPT, **ASK).text


def test_leaving_the_readings_early_cancels_the_answer(tiny_model: Model) -> None:
    stream = tiny_model.stream(PROMPT, watch=CALM, **{**ASK, "max_tokens": 500})
    for reading in stream.readings():
        if reading.generated:
            break
    assert stream.reply.finish == "cancelled"


def test_a_chat_is_watched_turn_by_turn(tiny_model: Model) -> None:
    chat = tiny_model.chat(watch=CALM, **{**ASK, "logprobs": None})
    first, second = chat.ask("One?"), chat.ask("Two?")
    assert len(generated(first.readings)) == len(generated(second.readings)) == 12
    assert second.usage.cached_tokens > 0


def test_what_can_not_be_watched_is_refused(tiny_model: Model) -> None:
    wide = ControlVector({1: direction(1, 32)}, name="wide")
    for watch, error in (
        (wide, VectorMismatchError),
        ("", InputError),
        ("calm@", InputError),
        (3, InputError),
        ([CALM, CALM], InputError),
        (Readout("high", 9, direction(1)), LayerError),
    ):
        with pytest.raises(error) as caught:
            tiny_model.ask(PROMPT, watch=watch, **ASK)
        assert caught.value.hint


def test_a_slow_cache_is_read_again_without_telling_twice(open_tiny: OpenTiny) -> None:
    with open_tiny(n_ctx=96, n_seq=4) as model:  # too small for all: some are set back
        prompts = [f"{i} {PROMPT}" for i in range(4)]
        jobs = model.start_many(prompts, [None] * 4, watch=CALM, **{**ASK, "logprobs": None})
        for job in jobs:
            positions = [r.position for r in job.result(60).readings]
            assert positions == sorted(set(positions))


def test_values_of_cropped_rows_are_those_of_the_last_tokens() -> None:
    watch = Watch([Probe("a", 1, np.ones(4, np.float32), 1.0)], str)
    rows = np.arange(8, dtype=np.float32).reshape(2, 4)
    assert watch.values({1: rows}, 3) == [{}, {"a": 5.0}, {"a": 21.0}]


@pytest.mark.model
def test_watching_changes_nothing_on_real_weights(smollm2: Model) -> None:
    rows = np.random.default_rng(1).standard_normal((29, smollm2.n_embd)).astype(np.float32)
    some = ControlVector(dict(enumerate(rows, 1)), name="some")
    options: dict[str, Any] = {"max_tokens": 24, "seed": 3, "temperature": 0.9, "logprobs": 1}
    for steer in (None, some.at("10-20") * 0.1):
        empty_caches(smollm2)
        plain = smollm2.ask(PROMPT, steer=steer, **options)
        empty_caches(smollm2)
        watched = smollm2.ask(PROMPT, steer=steer, watch=[Readout.raw(some, 15)], **options)
        assert (watched.text, watched.logprobs) == (plain.text, plain.logprobs)
        assert len([r for r in watched.readings if r.generated]) >= 20
