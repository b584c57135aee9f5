"""Reading a model: logits and activations, against decoding by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgesteer import InputError, Model

from .tools import PROMPT, activations, fresh_logits, greedy_text, steering, vector

OpenTiny = Callable[..., Model]
TEXTS = ["abc def", "abc dex", "a", "abc def", "zz top of the morning to you"]
V = vector()


@pytest.mark.parametrize("steer", [None, V, steering("ablate:v=1"), steering("v=1?on=last:3")])
@pytest.mark.parametrize("first", [0, 1, 99, 149])
def test_logits_row_by_row(open_tiny: OpenTiny, steer: Any, first: int) -> None:
    """However many are wanted, and whatever the cache holds already."""
    model = open_tiny()
    tokens = model.tokenize("y" * 149)
    for _ in range(2):
        rows = model.logits(tokens, steer, first=first)
        assert rows.shape == (150 - first, model.n_vocab)
        for at in {first, (first + 149) // 2, 149}:
            alone = fresh_logits(model, tokens[: at + 1], steer, n_prompt=150)
            np.testing.assert_allclose(rows[at - first], alone, atol=1e-3)


def test_next_logits_are_those_of_the_answer(tiny_model: Model) -> None:
    logits = tiny_model.next_logits(PROMPT, V)
    assert tiny_model.detokenize([int(logits.argmax())]) == greedy_text(tiny_model, PROMPT, 1, V)
    raw = tiny_model.next_logits("abc", raw=True)
    np.testing.assert_allclose(raw, tiny_model.logits(tiny_model.tokenize("abc"))[-1], atol=1e-4)


@pytest.mark.parametrize("layers", [None, 1, 3, "1-2", [1, 3]])
@pytest.mark.parametrize("positions", ["last", "mean", 0, 1, -1, -2])
def test_activations_are_the_rows_of_the_stream(
    tiny_model: Model, layers: Any, positions: Any
) -> None:
    texts = TEXTS if positions not in (-2, 1) else TEXTS[:2]
    found = tiny_model.capture(texts, layers, positions)
    assert found.rows.shape == (len(texts), len(found.layers), 64)
    assert found.rows.dtype == np.float32
    for text, row in zip(texts, found.rows, strict=True):
        stream = activations(tiny_model, tiny_model.tokenize(text))[list(found.layers)]
        if positions == "mean":
            expected = stream.mean(axis=1)
        else:
            expected = stream[:, -1 if positions == "last" else positions]
        np.testing.assert_allclose(row, expected, atol=1e-3)


def test_all_positions_of_one_text(tiny_model: Model) -> None:
    text = "q" * 700  # several decode calls
    found = tiny_model.capture([text], layers="2-3", positions="all")
    assert found.rows.shape == (701, 2, 64)
    ends = tiny_model.capture([text], layers="2-3", positions="last")
    np.testing.assert_allclose(found.rows[-1], ends.rows[0], atol=1e-3)
    part = activations(tiny_model, tiny_model.tokenize("q" * 40))[2:]
    np.testing.assert_allclose(found.rows[:41].transpose(1, 0, 2), part, atol=1e-3)


def test_means_over_a_part(tiny_model: Model) -> None:
    found = tiny_model.capture(["abc def", "abd xyz"], layers=2, positions="mean", spans=[4, 2])
    for text, start, row in (("abc def", 4, found.rows[0, 0]), ("abd xyz", 2, found.rows[1, 0])):
        stream = activations(tiny_model, tiny_model.tokenize(text))[2]
        np.testing.assert_allclose(row, stream[start:].mean(axis=0), atol=1e-3)


def test_the_order_of_texts_makes_no_difference(tiny_model: Model) -> None:
    """Shared beginnings are read once, in an order of the engine's own."""
    one = tiny_model.capture(TEXTS, positions="mean").rows
    back = tiny_model.capture(TEXTS[::-1], positions="mean").rows[::-1]
    np.testing.assert_allclose(one, back, atol=1e-3)
    assert (one[0] == one[3]).all()


def test_capture_is_unsteered_whatever_ran_before(tiny_model: Model) -> None:
    plain = tiny_model.capture(TEXTS).rows
    tiny_model.ask(PROMPT, steer=steering("ablate:v=1"), max_tokens=3)
    tiny_model.logits([1, 300], steering("clamp:v=9"))
    np.testing.assert_allclose(tiny_model.capture(TEXTS).rows, plain, atol=1e-3)


def test_progress_is_told(tiny_model: Model) -> None:
    seen: list[tuple[int, int]] = []
    tiny_model.capture(TEXTS, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(n, 5) for n in range(1, 6)]
    with pytest.raises(ZeroDivisionError):
        tiny_model.capture(TEXTS, progress=lambda *_: 1 / 0)  # type: ignore[arg-type,return-value]
    assert tiny_model.capture(["a"]).rows.shape == (1, 3, 64)


@pytest.mark.parametrize("bad", ["middle", 99, -99, None, 1.5])
def test_unknown_positions_are_refused(tiny_model: Model, bad: Any) -> None:
    with pytest.raises(InputError):
        tiny_model.capture(["abc"], positions=bad)


def test_nothing_to_read_is_refused(tiny_model: Model) -> None:
    for use in (
        lambda: tiny_model.capture([]),
        lambda: tiny_model.capture([[]]),
        lambda: tiny_model.capture(["abc"], positions="mean", spans=[9]),
        lambda: tiny_model.capture(["abc", "def"], positions="mean", spans=[1]),
        lambda: tiny_model.logits([]),
        lambda: tiny_model.logits([1, 99999]),
        lambda: tiny_model.logits([-1]),
        lambda: tiny_model.capture([[1, 99999]]),
        lambda: tiny_model.detokenize([99999]),
    ):
        with pytest.raises(InputError):
            use()
    assert np.isfinite(tiny_model.logits([1])).all()


def test_what_a_model_says_of_itself(tiny_model: Model) -> None:
    assert (tiny_model.n_layer, tiny_model.n_embd, tiny_model.n_ctx) == (4, 64, 2048)
    assert (tiny_model.architecture, tiny_model.name) == ("llama", "tiny")
    assert tiny_model.identity.n_layer == 4
    assert tiny_model.has_chat_template
    assert tiny_model.device == "CPU (1 thread)"
    assert "tiny" in repr(tiny_model)
    text = tiny_model.render([{"role": "user", "content": "hi"}])
    assert text == "<|user|>hi<|end|><|assistant|>"
    assert tiny_model.tokenize(text)[:2] == [1, 4]
    assert tiny_model.detokenize(tiny_model.tokenize("Hi, you.")) == "Hi, you."
