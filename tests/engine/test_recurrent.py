"""A recurrent model can continue a memory but not cut it: wrong reuse would show in the text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgesteer import ControlVector, Library, Model, Steering

from ..tiny_mamba import write_mamba

GREEDY = {"raw": True, "temperature": 0.0, "max_tokens": 12, "ignore_eos": True}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mamba(tmp_path_factory.mktemp("mamba") / "mamba.gguf")


@pytest.fixture
def mamba(path: Path, home: Path) -> Iterator[Model]:
    with Model.open(path, threads=1, n_ctx=512, n_seq=4, library=Library(home)) as model:
        yield model


def _vector(model: Model, seed: int = 0) -> ControlVector:
    rng = np.random.default_rng(seed)
    directions = {layer: 3 * rng.standard_normal(model.n_embd) for layer in (1, 2, 3)}
    return ControlVector(directions, model.identity, name=f"v{seed}")


def _alone(path: Path, home: Path, prompt: str, steer: object) -> str:
    with Model.open(path, threads=1, n_ctx=512, n_seq=1, library=Library(home)) as model:
        return model.ask(prompt, steer=steer, **GREEDY).text


def test_steering_acts_and_zero_does_not(mamba: Model) -> None:
    vector = _vector(mamba)
    plain = mamba.next_logits("hello", raw=True)
    assert (mamba.next_logits("hello", vector * 0.0, raw=True) == plain).all()
    assert np.abs(mamba.next_logits("hello", vector * 1.0, raw=True) - plain).max() > 0.1


def test_a_shorter_prompt_is_read_anew(mamba: Model, path: Path, home: Path) -> None:
    long = mamba.ask("the quick brown fox jumps", **GREEDY)
    short = mamba.ask("the quick", **GREEDY)
    assert short.usage.cached_tokens == 0
    assert short.text == _alone(path, home, "the quick", None)
    assert long.text == _alone(path, home, "the quick brown fox jumps", None)


def test_a_conversation_continues_its_memory(mamba: Model) -> None:
    chat = mamba.chat(temperature=0.0, max_tokens=6)
    chat.ask("hello")
    chat.ask("again")
    texts = [m["content"] for m in chat.messages]
    fresh = mamba.chat(temperature=0.0, max_tokens=6)
    fresh.ask("hello")
    fresh.reread()
    fresh.ask("again")
    assert [m["content"] for m in fresh.messages] == texts


def test_different_steering_in_one_batch_equals_each_alone(
    mamba: Model, path: Path, home: Path
) -> None:
    vector = _vector(mamba)
    steers = [None, vector * 1.0, vector * -1.0, Steering.parse("v0=1?on=generated")]
    bound = [s if not isinstance(s, Steering) else s.bind(lambda _n: vector) for s in steers]
    prompts = ["one two", "one two three", "xyz", "one two"]
    together = [r.text for r in mamba.ask_many(prompts, steer=bound, **GREEDY)]
    alone = [_alone(path, home, p, s) for p, s in zip(prompts, bound, strict=True)]
    assert together == alone
    assert len(set(together)) == 4


def test_changed_steering_never_reuses_memory(mamba: Model, path: Path, home: Path) -> None:
    vector = _vector(mamba)
    mamba.ask("hello there", **GREEDY)
    steered = mamba.ask("hello there", steer=vector * 1.0, **GREEDY)
    assert steered.usage.cached_tokens == 0
    assert steered.text == _alone(path, home, "hello there", vector * 1.0)


def test_cancelling_leaves_the_others_right(mamba: Model, path: Path, home: Path) -> None:
    vector = _vector(mamba)
    options = {**GREEDY, "max_tokens": 60}
    jobs = mamba.start_many(["abc", "abd"], [None, vector * 1.0], **options)
    jobs[0].cancel()
    assert jobs[0].result().finish in ("cancelled", "length")
    assert jobs[1].result().text.startswith(_alone(path, home, "abd", vector * 1.0))


def test_activations_are_read_one_text_after_another(mamba: Model) -> None:
    texts = ["same start and more", "same start", "same start or less"]
    together = mamba.capture(texts).rows
    for text, row in zip(texts, together, strict=True):
        assert mamba.capture([text]).rows[0] == pytest.approx(row, abs=1e-5)
