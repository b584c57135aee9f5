"""What must hold of steering whatever the weights: named as laws, on real llama.cpp."""

from __future__ import annotations

import numpy as np
import pytest

from edgesteer import ControlVector, Model

from .tools import (
    PROMPT,
    clean_logits,
    greedy,
    greedy_text,
    in_callback,
    logits_by,
    plan_of,
    steering,
    vector,
)

TEXT = "One ship, two ships, three."


@pytest.fixture(scope="module")
def tokens(tiny_model: Model) -> list[int]:
    return tiny_model.tokenize(TEXT)


@pytest.mark.parametrize(
    "steer",
    [
        None,
        "",
        vector() * 0,
        vector() - vector(),
        vector() + vector(seed=1) - vector(seed=1) - vector(),
        ControlVector({1: np.zeros(64, np.float32)}, name="zero") * 3,
    ],
    ids=["none", "empty", "zero", "difference", "mixed", "zero vector"],
)
def test_zero_strength_changes_nothing(tiny_model: Model, tokens: list[int], steer: object) -> None:
    plain = clean_logits(tiny_model, tokens)
    assert (clean_logits(tiny_model, tokens, steer) == plain).all()
    reply = tiny_model.ask(PROMPT, steer=steer, temperature=0, max_tokens=4)
    assert reply.carrier == "none"


@pytest.mark.parametrize("operation", ["add", "keepnorm", "ablate", "rotate"])
def test_zero_strength_changes_nothing_in_the_callback(
    tiny_model: Model, tokens: list[int], operation: str
) -> None:
    """A hooked lane with nothing to do gives the very logits of a native one."""
    toward = "?toward=w" if operation == "rotate" else ""
    text = f"{'' if operation == 'add' else operation + ':'}v=0{toward}"
    plan = plan_of(tiny_model, steering(text))
    plain = logits_by(tiny_model, tokens, plan, hooked=False)
    assert (logits_by(tiny_model, tokens, plan, hooked=True) == plain).all()


def test_steering_changes_the_logits(tiny_model: Model, tokens: list[int]) -> None:
    plain = clean_logits(tiny_model, tokens)
    steered = clean_logits(tiny_model, tokens, vector())
    assert np.abs(steered - plain).max() > 0.1


def test_opposite_strengths_cancel(tiny_model: Model, tokens: list[int]) -> None:
    """Also when terms of several vectors and layers are mixed in another order."""
    v, w = vector(), vector(2, 3, seed=7)
    mix = v * 1.3 + w * -0.7 + v * -1.3 + w * 0.7
    assert not mix.compose(4, 64).any()
    assert (clean_logits(tiny_model, tokens, mix) == clean_logits(tiny_model, tokens)).all()


def test_strengths_add_up(tiny_model: Model, tokens: list[int]) -> None:
    v = vector()
    one = clean_logits(tiny_model, tokens, v * 1.5)
    assert (clean_logits(tiny_model, tokens, v * 0.5 + v * 1.0) == one).all()


def test_a_steered_model_is_plain_again_afterwards(tiny_model: Model, tokens: list[int]) -> None:
    plain = clean_logits(tiny_model, tokens)
    clean_logits(tiny_model, tokens, vector())
    assert (clean_logits(tiny_model, tokens) == plain).all()


@pytest.mark.parametrize("layers", [(1,), (2,), (3,), (1, 2, 3)])
def test_native_equals_callback(
    tiny_model: Model, tokens: list[int], layers: tuple[int, ...]
) -> None:
    """Three ways to carry one plan: native, stacked rows in the callback, term by term there."""
    plan = plan_of(tiny_model, vector(*layers) * 1.2)
    native = logits_by(tiny_model, tokens, plan, hooked=False)
    assert (logits_by(tiny_model, tokens, plan, hooked=True) == native).all()
    by_term = logits_by(tiny_model, tokens, in_callback(plan), hooked=True)
    np.testing.assert_allclose(by_term, native, rtol=0, atol=1e-4)


def test_native_equals_callback_for_a_mixture(tiny_model: Model, tokens: list[int]) -> None:
    steer = vector() * 0.8 + vector(2, seed=3) * -1.1
    plan = plan_of(tiny_model, steer)
    native = logits_by(tiny_model, tokens, plan, hooked=False)
    by_term = logits_by(tiny_model, tokens, in_callback(plan), hooked=True)
    np.testing.assert_allclose(by_term, native, rtol=0, atol=1e-4)


def test_native_equals_callback_token_by_token(tiny_model: Model, tokens: list[int]) -> None:
    plan = plan_of(tiny_model, vector() * 1.2)
    native = logits_by(tiny_model, tokens, plan, hooked=False, chunk=1)
    assert (logits_by(tiny_model, tokens, plan, hooked=True, chunk=1) == native).all()


def test_the_last_layer_can_be_steered_and_the_first_vector_layer_too(
    tiny_model: Model, tokens: list[int]
) -> None:
    plain = clean_logits(tiny_model, tokens)
    for layer in (1, tiny_model.n_layer - 1):
        assert np.abs(clean_logits(tiny_model, tokens, vector(layer)) - plain).max() > 0.1


def test_changed_steering_never_reuses_kv(tiny_model: Model) -> None:
    """A question asked again under another steering gives the text of a model that is fresh."""
    v = vector()
    for steer in (None, v, v * -1, v * 0.5, None, vector(1) * 2, v):
        text = tiny_model.ask(PROMPT, steer=steer, temperature=0, max_tokens=12).text
        assert text == greedy_text(tiny_model, PROMPT, 12, steer)


def test_equal_steering_reuses_kv_and_changes_nothing(tiny_model: Model) -> None:
    steer = vector(seed=5)
    first = tiny_model.ask(PROMPT, steer=steer, temperature=0, max_tokens=12)
    again = tiny_model.ask(PROMPT, steer=steer, temperature=0, max_tokens=12)
    other = tiny_model.ask(PROMPT, steer=steer * 1.01, temperature=0, max_tokens=12)
    assert first.text == again.text
    assert again.usage.cached_tokens == again.usage.prompt_tokens - 1
    assert other.usage.cached_tokens == 0


def test_greedy_is_the_argmax_of_the_logits(tiny_model: Model) -> None:
    tokens = tiny_model.tokenize(TEXT)
    reply = tiny_model.ask(TEXT, raw=True, temperature=0, max_tokens=20)
    assert reply.text == tiny_model.detokenize(greedy(tiny_model, tokens, 20))
