"""Scores of given completions against a plain log-softmax of the model's logits."""

from __future__ import annotations

import numpy as np
import pytest

from edgesteer import ControlVector, InputError, Model
from edgesteer.measure.kl import log_softmax


@pytest.fixture
def vector(tiny_model: Model) -> ControlVector:
    rng = np.random.default_rng(5)
    return ControlVector({2: rng.standard_normal(tiny_model.n_embd)}, tiny_model.identity, name="v")


def test_scores_are_log_softmax_of_the_steered_logits(
    tiny_model: Model, vector: ControlVector
) -> None:
    steers = [None, vector * 1.0, vector * -1.0]
    scores = tiny_model.score(["once upon"] * 3, [" a time"] * 3, steer=steers, raw=True)
    head, tail = tiny_model.tokenize("once upon"), tiny_model.tokenize(" a time", special=False)
    for steer, score in zip(steers, scores, strict=True):
        rows = log_softmax(tiny_model.logits([*head, *tail], steer, n_prompt=len(head)))
        expected = [rows[len(head) - 1 + i, token] for i, token in enumerate(tail)]
        assert score.logprobs == pytest.approx(expected, abs=1e-4)
        assert score.total == pytest.approx(sum(expected), abs=1e-3)
        assert score.mean == pytest.approx(np.mean(expected), abs=1e-4)
    assert len({round(score.total, 4) for score in scores}) == 3


def test_greedy_answers_score_best_of_single_tokens(tiny_model: Model) -> None:
    reply = tiny_model.ask("abc", raw=True, temperature=0.0, max_tokens=1, logprobs=1)
    entry = reply.logprobs[0]
    head = tiny_model.tokenize("abc")
    best = log_softmax(tiny_model.logits(head, first=len(head) - 1))[0].argmax()
    assert entry.token == best


@pytest.mark.parametrize(
    ("prompts", "completions", "steer"),
    [(["a"], [""], None), (["a", "b"], ["c"], None), (["a"], ["b"], [None, None])],
)
def test_bad_lists_are_refused(
    tiny_model: Model, prompts: list[str], completions: list[str], steer: object
) -> None:
    with pytest.raises(InputError):
        tiny_model.score(prompts, completions, steer=steer, raw=True)
