"""What needs real weights: SmolLM2, quantised, long prompts, flash attention on and off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgesteer import ControlVector, Library, Model

from .tools import in_callback, logits_by, plan_of, steering

pytestmark = pytest.mark.model

QUESTION = "How was your day?"
LAYERS = range(8, 17)


@pytest.fixture(scope="module")
def vectors(smollm2: Model) -> dict[str, ControlVector]:
    """Directions a fifth as long as the residual stream is at their layers."""
    rows = smollm2.capture([smollm2.render([{"role": "user", "content": QUESTION}])]).rows[0]
    rng = np.random.default_rng(1)

    def one(name: str) -> ControlVector:
        found = {}
        for layer in LAYERS:
            v = rng.standard_normal(smollm2.n_embd)
            length = 0.2 * np.linalg.norm(rows[layer - 1])
            found[layer] = (v * length / np.linalg.norm(v)).astype(np.float32)
        return ControlVector(found, smollm2.identity, name=name)

    return {name: one(name) for name in "vwg"}


@pytest.fixture(scope="module")
def tokens(smollm2: Model) -> list[int]:
    return smollm2.tokenize(smollm2.render([{"role": "user", "content": QUESTION}]))


def test_native_equals_callback(
    smollm2: Model, vectors: dict[str, ControlVector], tokens: list[int]
) -> None:
    plan = plan_of(smollm2, vectors["v"] * 1.3)
    plain = logits_by(smollm2, tokens, plan_of(smollm2, None), hooked=False)
    native = logits_by(smollm2, tokens, plan, hooked=False)
    assert np.abs(native - plain).max() > 1
    assert (logits_by(smollm2, tokens, plan, hooked=True) == native).all()
    by_term = logits_by(smollm2, tokens, in_callback(plan), hooked=True)
    np.testing.assert_allclose(by_term, native, atol=0.2)  # activations are quantised in between


def test_opposite_strengths_cancel(
    smollm2: Model, vectors: dict[str, ControlVector], tokens: list[int]
) -> None:
    mix = vectors["v"] * 1.3 + vectors["w"] - vectors["v"] * 1.3 - vectors["w"]
    plans = [plan_of(smollm2, s) for s in (None, mix)]
    plain, cancelled = (logits_by(smollm2, tokens, p, hooked=False) for p in plans)
    assert (plain == cancelled).all()


def test_steering_changes_the_text_and_its_absence_does_not(
    smollm2: Model, vectors: dict[str, ControlVector]
) -> None:
    options: dict[str, Any] = {"temperature": 0, "max_tokens": 16}
    plain = smollm2.ask(QUESTION, **options)
    steered = smollm2.ask(QUESTION, steer=vectors["v"] * 2, **options)
    assert plain.text != steered.text
    assert (plain.carrier, steered.carrier) == ("none", "native")
    assert smollm2.ask(QUESTION, steer=vectors["v"] * 0, **options).text == plain.text
    assert len(plain.text.split()) > 5


def test_answers_side_by_side_follow_each_alone(
    smollm2: Model, vectors: dict[str, ControlVector]
) -> None:
    """Greedy choices agree until rounding decides a near tie: the first words surely do."""
    texts = ["", "v=1.5", "ablate:v=1", "w=1?on=generated", "v=1@12-16?if=g>0@9"]
    steers = [steering(text, **vectors) if text else None for text in texts]
    options: dict[str, Any] = {"temperature": 0, "max_tokens": 12}
    together = smollm2.ask_many([QUESTION] * 5, steer=steers, **options)
    for steer, reply in zip(steers, together, strict=True):
        alone = smollm2.ask(QUESTION, steer=steer, **options).text
        assert reply.text[:12] == alone[:12]


def long_text(model: Model, n: int) -> list[int]:
    """Some text of ``n`` tokens."""
    story = "The password is swordfish. " + "The sea was calm and the ship went on. " * (n // 9)
    return model.tokenize(story)[:n]


@pytest.mark.slow
def test_a_long_prompt_is_steered_in_every_part(
    smollm2: Model, vectors: dict[str, ControlVector]
) -> None:
    """3,000 tokens take several decode calls: native and callback agree to the last of them."""
    tokens = long_text(smollm2, 3000)
    assert len(tokens) == 3000
    plan = plan_of(smollm2, vectors["v"] * 1.0)
    native, hooked = (logits_by(smollm2, tokens, plan, hooked=h) for h in (False, True))
    assert (native == hooked).all()
    assert np.isfinite(native).all()


@pytest.fixture(scope="module", params=[True, False], ids=["flash", "no flash"])
def attending(request: pytest.FixtureRequest, home: Path) -> Iterator[Model]:
    options = {"n_ctx": 1024, "flash_attention": request.param, "library": Library(home)}
    with Model.open("smollm2", **options) as model:
        yield model


def test_both_kinds_of_attention_carry_every_operation(
    attending: Model, vectors: dict[str, ControlVector]
) -> None:
    """Native equals callback, and an ablation in parts gives what it gives in one part."""
    tokens = long_text(attending, 200)
    plan = plan_of(attending, vectors["v"] * 1.0)
    native, hooked = (logits_by(attending, tokens, plan, hooked=h) for h in (False, True))
    assert (native == hooked).all()
    plan = plan_of(attending, steering("ablate:v=1", **vectors))
    whole, parts = (logits_by(attending, tokens, plan, hooked=True, chunk=n) for n in (512, 70))
    cosine = whole @ parts / np.linalg.norm(whole) / np.linalg.norm(parts)
    assert cosine > 0.999


def test_the_chat_template_is_the_models_own(smollm2: Model) -> None:
    text = smollm2.render(
        [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    )
    assert text == (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert (
        smollm2.detokenize(smollm2.tokenize("Grüße, 世界! 🙂", special=False)) == "Grüße, 世界! 🙂"
    )


def test_characters_of_several_tokens_stream_whole(smollm2: Model) -> None:
    stream = smollm2.stream(
        "Repeat: 🙂🙂🙂🙂", temperature=0, max_tokens=12, system="Answer with emojis only: 🙂"
    )
    assert "".join(stream) == stream.reply.text
