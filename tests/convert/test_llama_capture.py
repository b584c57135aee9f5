"""The llama capture on real llama.cpp: every position is the row, or the mean, that it says."""

from __future__ import annotations

import numpy as np
import pytest

from convert.capture.llama import LlamaCapture
from convert.extract import extract
from convert.pairs import ContrastPairs, Pair, Side
from convert.reading import read_pairs
from convert.rendering import Passage
from edgesteer import Model
from edgesteer.errors import ContextFullError, InputError

LAYERS = [1, 3]


@pytest.fixture(scope="module")
def capture(tiny_model: Model) -> LlamaCapture:
    return LlamaCapture(tiny_model)


@pytest.fixture(scope="module")
def passages(capture: LlamaCapture) -> list[Passage]:
    prompts = [
        capture.render([{"role": "user", "content": text}]) for text in ("Rain?", "How are you?")
    ]
    answers = ("yes", "quite well")
    return [Passage(p + a, len(p)) for p, a in zip(prompts, answers, strict=True)]


def test_positions_are_rows_of_all(capture: LlamaCapture, passages: list[Passage]) -> None:
    every = capture.capture(passages, LAYERS, "all")
    found = capture.capture(passages, LAYERS, "last,prompt,prompt-2,answer,mean,3,-2")
    assert found.owners.tolist() == [0] * 7 + [1] * 7
    for i, passage in enumerate(passages):
        rows = every.rows[every.owners == i]
        answer = len(rows) - len(passage.text[passage.answer_at :])
        expected = [
            rows[-1],
            rows[answer - 1],
            rows[answer - 3],
            rows[answer:].mean(axis=0),
            rows.mean(axis=0),
            rows[3],
            rows[-2],
        ]
        assert found.rows[found.owners == i] == pytest.approx(np.stack(expected), abs=1e-4)
        assert set(found.n_tokens[found.owners == i]) == {len(rows)}
    for place, word in enumerate(found.places):
        alone = capture.capture(passages, LAYERS, word)
        assert alone.positions == found.at(place).positions == word
        assert alone.rows == pytest.approx(found.at(place).rows, abs=1e-4)


def test_the_template_is_what_follows_the_user(
    capture: LlamaCapture, passages: list[Passage]
) -> None:
    found = capture.capture(passages, LAYERS, "template")
    assert found.places == ("prompt-1", "prompt")  # <|end|> and <|assistant|>
    behind = capture._encode("<|end|><|assistant|>")[1:]
    for passage, length in zip(passages, (3, 10), strict=True):
        ids = capture._encode(passage.text)
        assert ids[-len(behind) - length : -length] == behind


def test_the_best_of_the_templates_tokens_is_used(capture: LlamaCapture) -> None:
    pairs = ContrastPairs(
        "mood",
        tuple(
            Pair(Side("so", f"How is {a}?", "be calm"), Side("so", f"How is {a}?", "be wild"), i)
            for i, a in enumerate("abcdefgh")
        ),
    )
    vector = extract(pairs, capture, positions="template")
    tried = vector.meta["positions_tried"]
    assert set(tried) == {"prompt-1", "prompt"}
    assert tried[vector.meta["token_position"]] == max(tried.values())


def test_a_plain_text_has_no_prompt_to_read(capture: LlamaCapture) -> None:
    plain = ContrastPairs.of([("good day", "bad day"), ("good sea", "bad sea")])
    with pytest.raises(InputError, match="a plain text, which has no prompt"):
        read_pairs(plain, capture, positions="prompt")


def test_texts_that_can_not_be_read_are_named(capture: LlamaCapture) -> None:
    n_ctx = capture._model.n_ctx
    pairs = ContrastPairs(
        "long",
        (
            Pair(Side("a"), Side("b"), 1, "line 1"),
            Pair(Side("x" * n_ctx), Side("y"), 2, "line 2"),
        ),
        source="mine.jsonl",
    )
    with pytest.raises(ContextFullError, match=r"mine\.jsonl, line 2, positive \('xxx") as caught:
        read_pairs(pairs, capture)
    assert "--ctx" in caught.value.hint
    with pytest.raises(InputError, match="no text to read"):
        capture.capture([])
