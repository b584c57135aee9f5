"""Many texts read side by side: each as if it were read alone, what they share only once."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgesteer import ContextFullError, EngineError, InputError, Model
from edgesteer.engine import ops

from ..tiny_recurrent import write_recurrent_model
from .tools import (
    PROMPT,
    Latch,
    activations,
    decoded_rows,
    fresh_logits,
    greedy_text,
    steering,
    vector,
)

OpenTiny = Callable[..., Model]
V = vector()
STEERS = [
    None,
    V,
    V * -2,
    steering("v=1?on=generated"),
    steering("v=2?on=prompt"),
    steering("ablate:v=1"),
    steering("v=1?on=last:3"),
    steering("v=3?if=g>0&scope=token", v=vector(2, scale=9.0), g=vector(1)),
    steering("v=3?if=g>0&scope=mean", v=vector(2, scale=9.0), g=vector(1)),
    steering("clamp:v=1?on=generated"),
]


def texts_of(model: Model, seed: int, n: int) -> list[list[int]]:
    """Random texts, many of which share a beginning, some of which are equal."""
    rng = np.random.default_rng(seed)
    stems = [model.tokenize("".join(rng.choice(list("abcdef"), 12))) for _ in range(3)]
    found = []
    for _ in range(n):
        stem = stems[rng.integers(3)][: rng.integers(2, 14)]
        tail = model.tokenize("".join(rng.choice(list("xy"), rng.integers(1, 9))), special=False)
        found.append([*stem, *tail])
    return found


@pytest.mark.parametrize("seed", range(3))
def test_each_text_reads_as_it_does_alone(tiny_model: Model, seed: int) -> None:
    """Whatever steers its neighbours, and whatever they share."""
    rng = np.random.default_rng(seed)
    texts = texts_of(tiny_model, seed, 40)
    steers = [STEERS[i] for i in rng.integers(len(STEERS), size=40)]
    firsts = [int(rng.integers(len(t))) for t in texts]
    prompts = [int(rng.integers(1, len(t) + 1)) for t in texts]
    for _ in range(2):  # the second time much of it lies in the cache
        many = tiny_model.logits_many(texts, steers, first=firsts, n_prompt=prompts)
        for text, steer, first, n, rows in zip(texts, steers, firsts, prompts, many, strict=True):
            assert rows.shape == (len(text) - first, tiny_model.n_vocab)
            for at in {first, len(text) - 1}:
                # a prompt's last tokens are counted from its end, which must then be known
                alone = fresh_logits(tiny_model, text[: at + 1], steer, n_prompt=n)
                if at + 1 >= n or steer not in STEERS[6:9]:
                    np.testing.assert_allclose(rows[at - first], alone, atol=1e-3)


@pytest.mark.parametrize("steer", STEERS)
def test_one_steering_for_all(tiny_model: Model, steer: Any) -> None:
    texts = texts_of(tiny_model, 7, 20)
    prompts = [max(1, len(t) - 3) for t in texts]
    many = tiny_model.logits_many(texts, steer, n_prompt=prompts)
    for text, n, rows in zip(texts, prompts, many, strict=True):
        alone = fresh_logits(tiny_model, text, steer, n_prompt=n)
        np.testing.assert_allclose(rows[-1], alone, atol=1e-3)


def test_shared_beginnings_are_read_once(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = tiny_model.tokenize("k" * 60)
    tails = [tiny_model.tokenize(f"{c}{c}", special=False) for c in "abcdefgh"]
    texts = [[*head, *tail] for tail in tails]
    firsts = [len(head)] * 8
    rows = decoded_rows(monkeypatch)
    tiny_model.logits_many(texts, first=firsts)
    assert sum(rows) == len(head) + 2 * 8
    rows.clear()
    tiny_model.logits_many(texts, first=firsts)  # the heads lie in the cache now
    assert sum(rows) == 2 * 8
    rows.clear()
    steers = [steering(f"v={i}?on=generated") for i in range(1, 9)]
    tiny_model.logits_many(texts, steers, first=firsts, n_prompt=firsts)
    assert sum(rows) == 2 * 8  # nor does their steering act on the heads
    rows.clear()
    tiny_model.logits_many(texts, [V * i for i in range(1, 9)], first=firsts)
    assert sum(rows) == 8 * (len(head) + 2)
    rows.clear()
    tiny_model.capture(texts, layers=2)
    assert sum(rows) == len(head) + 2 * 8


def test_rows_that_nobody_wants_shift_no_steering_in_the_last_block(tiny_model: Model) -> None:
    """Texts of two tokens of which the second is asked for: the last block computes that alone."""
    texts = [[305, 306], [307, 308], [309, 310]]
    steers = [vector(3, seed=seed, scale=9.0) for seed in range(3)]
    many = tiny_model.logits_many(texts, steers, first=1)
    for text, steer, rows in zip(texts, steers, many, strict=True):
        np.testing.assert_allclose(rows[0], fresh_logits(tiny_model, text, steer), atol=1e-3)


@pytest.mark.parametrize("steer", [None, V, steering("v=1?on=generated")])
def test_texts_that_are_steered_alike_need_no_callback(open_tiny: OpenTiny, steer: Any) -> None:
    model = open_tiny()
    texts = texts_of(model, 5, 20)
    prompts = [max(1, len(t) - 3) for t in texts]
    many = model.logits_many(texts, steer, n_prompt=prompts)
    forward = model._scheduler._forward
    assert forward is not None
    assert forward.context.hook is None
    for text, n, rows in zip(texts, prompts, many, strict=True):
        alone = fresh_logits(model, text, steer, n_prompt=n)
        np.testing.assert_allclose(rows[-1], alone, atol=1e-3)


def test_equal_texts_are_one(tiny_model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    text = tiny_model.tokenize("equal texts")
    rows = decoded_rows(monkeypatch)
    many = tiny_model.logits_many([text] * 5, V * 3.25, first=[0, 1, 2, 3, 4])
    assert sum(rows) == len(text)
    for first, found in enumerate(many):
        np.testing.assert_array_equal(found, many[0][first:])


def test_more_texts_than_sequences(tiny_model: Model) -> None:
    letters = "abcdefghijklm"
    texts = [tiny_model.tokenize(f"to {a}{b}") for a, b in itertools.product(letters, letters)]
    many = tiny_model.logits_many(texts, V, first=[len(t) - 1 for t in texts])
    for i in (0, 63, 64, 65, 168):
        np.testing.assert_allclose(many[i][0], fresh_logits(tiny_model, texts[i], V), atol=1e-3)


def test_long_texts_beside_short_ones(open_tiny: OpenTiny) -> None:
    model = open_tiny(n_ctx=2048)
    sizes = [1100, 3, 300, 700, 5, 1101]
    texts = [[1, *[300 + (i * k) % 40 for i in range(n)]] for k, n in enumerate(sizes, 1)]
    many = model.logits_many(texts, [None, V] * 3, first=[len(t) - 1 for t in texts])
    for text, steer, rows in zip(texts, [None, V] * 3, many, strict=True):
        np.testing.assert_allclose(rows[0], fresh_logits(model, text, steer), atol=1e-3)
    means = model.capture(texts, layers="1-3", positions="mean").rows
    for i in (1, 3):
        stream = activations(model, texts[i])[1:]
        np.testing.assert_allclose(means[i], stream.mean(axis=1), atol=1e-3)


@pytest.mark.parametrize("n_ctx", [2, 16, 300])
def test_small_contexts(open_tiny: OpenTiny, n_ctx: int) -> None:
    model = open_tiny(n_ctx=n_ctx, n_seq=1)
    rows = model.logits_many([[1]] * 3, [V, None, -V])
    for steer, found in zip([V, None, -V], rows, strict=True):
        np.testing.assert_allclose(found[0], fresh_logits(model, [1], steer), atol=1e-3)


@pytest.mark.model
def test_a_language_model_scores_many_as_one(smollm2: Model) -> None:
    prompts, ends = ["How are you?", "Is it raining?"] * 4, [" Fine.", " Yes, a lot."] * 4
    steers = [None, None, *[steering("ablate:v=1", v=vector(15, width=576))] * 6]
    many = smollm2.score(prompts, ends, steer=steers)
    for i in (0, 1, 2, 7):
        alone = smollm2.score(prompts[i : i + 1], ends[i : i + 1], steer=steers[i])
        # products of rounded activations: what follows a last bit that differs
        np.testing.assert_allclose(many[i].logprobs, alone[0].logprobs, atol=0.5)


def test_a_reduction_sees_each_text_once(tiny_model: Model) -> None:
    texts = texts_of(tiny_model, 3, 30)
    seen: list[int] = []

    def reduce(i: int, logits: Any) -> tuple[int, int]:
        seen.append(i)
        return len(logits), int(logits[-1].argmax())

    found = tiny_model.logits_many(texts, STEERS * 3, reduce=reduce)
    assert sorted(seen) == list(range(30))
    assert [n for n, _ in found] == [len(t) for t in texts]
    rows = tiny_model.logits_many(texts, STEERS * 3)
    assert [best for _, best in found] == [int(r[-1].argmax()) for r in rows]


def test_a_failing_reduction_reaches_the_caller(tiny_model: Model) -> None:
    texts = texts_of(tiny_model, 4, 12)

    def reduce(i: int, logits: Any) -> None:
        if i == 7:
            raise ZeroDivisionError("text 7")

    with pytest.raises(ZeroDivisionError, match="text 7"):
        tiny_model.logits_many(texts, V, reduce=reduce)
    with pytest.raises(EngineError, match="callback"):
        tiny_model.logits_many(texts, reduce=lambda *_: tiny_model.logits([1]))
    np.testing.assert_allclose(
        tiny_model.logits_many(texts, V)[3][-1], fresh_logits(tiny_model, texts[3], V), atol=1e-3
    )


def test_a_fault_in_an_operation_spoils_no_later_reading(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_direction: Any) -> ops.Operation:
        def apply(_rows: Any, _dose: Any) -> None:
            raise ZeroDivisionError("in the callback")

        return apply

    texts = texts_of(tiny_model, 5, 9)
    with monkeypatch.context() as patch:
        patch.setattr(ops, "keepnorm", broken)
        with pytest.raises(ZeroDivisionError, match="in the callback"):
            tiny_model.logits_many(texts, [*[V] * 8, steering("keepnorm:v=1")])
    rows = tiny_model.logits_many(texts, V)
    np.testing.assert_allclose(rows[8][-1], fresh_logits(tiny_model, texts[8], V), atol=1e-3)


def test_what_does_not_fit_is_refused_before_anything_is_read(tiny_model: Model) -> None:
    calls: list[int] = []
    good = [1, 300]
    for bad, error in (
        (([good, [1] * 2048],), ContextFullError),
        (([good, [99999]],), InputError),
        (([good, []],), InputError),
        (([good, good], [None]), InputError),
    ):
        with pytest.raises(error):
            tiny_model.logits_many(*bad, reduce=lambda i, _: calls.append(i))
    with pytest.raises(InputError):
        tiny_model.logits_many([good], first=2)
    with pytest.raises(InputError):
        tiny_model.logits_many([good], n_prompt=[1, 1])
    with pytest.raises(ContextFullError):
        tiny_model.capture(["abc", "d" * 2048])
    assert calls == []
    assert tiny_model.logits_many([]) == []


def test_scores_are_those_of_each_alone(tiny_model: Model) -> None:
    prompts = [f"{'abc' * (i % 4)} {i % 3}" for i in range(24)]
    ends = [" yes", " no", " maybe so"] * 8
    steers = [STEERS[i % len(STEERS)] for i in range(24)]
    many = tiny_model.score(prompts, ends, steer=steers, raw=True)
    for i, score in enumerate(many):
        (alone,) = tiny_model.score(prompts[i : i + 1], ends[i : i + 1], steer=steers[i], raw=True)
        assert score.tokens == alone.tokens
        np.testing.assert_allclose(score.logprobs, alone.logprobs, atol=1e-3)


@pytest.mark.parametrize("positions", ["last", "mean", "all", 0, -2])
@pytest.mark.parametrize("layers", ["1-2", "all", 3])
def test_activations_are_those_of_each_alone(
    tiny_model: Model, positions: str | int, layers: Any
) -> None:
    texts: Sequence[Sequence[int]] = texts_of(tiny_model, 11, 25)
    spans = [i % len(t) for i, t in enumerate(texts)] if positions == "mean" else None
    many = tiny_model.capture(texts, layers, positions, spans=spans)
    for i, text in enumerate(texts):
        span = [spans[i]] if spans else None
        alone = tiny_model.capture([text], layers, positions, spans=span)
        np.testing.assert_allclose(many.rows[many.owners == i], alone.rows, atol=1e-3)
        assert (alone.owners == 0).all()


def test_a_recurrent_model_reads_texts_one_by_one(open_tiny: OpenTiny, tmp_path: Path) -> None:
    model = open_tiny(write_recurrent_model(tmp_path / "mamba.gguf"))
    texts = texts_of(model, 2, 10)
    rows = model.logits_many(texts, STEERS)
    for text, steer, found in zip(texts, STEERS, rows, strict=True):
        np.testing.assert_allclose(found[-1], fresh_logits(model, text, steer), atol=1e-3)


def test_answers_go_on_while_a_long_reading_runs(open_tiny: OpenTiny) -> None:
    """Every slot is taken, and still both come to their end; the reading in small steps."""
    model = open_tiny(n_seq=1)
    expected = greedy_text(model, PROMPT, 60, V)
    latch = Latch(2)
    job = model.start(PROMPT, steer=V, temperature=0, max_tokens=60, on_piece=latch)
    latch.wait()
    seen: list[int] = []

    def progress(done: int, total: int) -> None:
        seen.append(len(latch.pieces))

    texts = [[1, *[300 + i % 40] * 60] for i in range(60)]
    reader = threading.Thread(target=lambda: model.capture(texts, progress=progress))
    reader.start()
    latch.go()
    reader.join(60)
    assert job.result().text == expected
    assert len(seen) == 60
    assert len(set(seen)) > 10, "the answer stood still meanwhile"


def test_an_interrupted_reading_is_broken_off(
    open_tiny: OpenTiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = open_tiny()
    told: list[int] = []
    wait = model._scheduler._errands

    class Interrupted:
        """A queue whose reader is interrupted once something is told."""

        def put(self, _: Any) -> None:
            return

        def get(self) -> Any:
            while len(told) < 3:
                threading.Event().wait(0.01)
            raise KeyboardInterrupt

    assert not wait
    with monkeypatch.context() as patch:
        patch.setattr("edgesteer.engine.errands.queue.SimpleQueue", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            model.capture(
                ["abc" + "d" * i for i in range(1900)], progress=lambda done, _: told.append(done)
            )
    rows = model.capture(["abc"]).rows
    assert np.isfinite(rows).all()
    assert len(told) < 1900
