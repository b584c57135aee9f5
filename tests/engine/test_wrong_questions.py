"""Questions that make no sense are refused with what would."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgesteer import InputError, Model

from ..tiny import write_model

OpenTiny = Callable[..., Model]


@pytest.mark.parametrize("prompt", [5, None, b"abc", [5], {"role": "user", "content": "a"}])
def test_a_prompt_is_text_or_messages(tiny_model: Model, prompt: Any) -> None:
    for raw in (False, True):
        with pytest.raises(InputError, match="prompt"):
            tiny_model.ask(prompt, raw=raw)


def test_an_unknown_option_lists_all(tiny_model: Model) -> None:
    with pytest.raises(InputError, match="maxtokens") as caught:
        tiny_model.ask("abc", raw=True, maxtokens=3)
    for name in ("steer", "max_tokens", "temperature", "json_schema"):
        assert name in caught.value.hint


def test_more_sequences_than_the_model_was_trained_on_tokens(
    open_tiny: OpenTiny, tmp_path: Path
) -> None:
    """The context is cut to the trained one; llama.cpp would end the process."""
    short = write_model(tmp_path / "short.gguf", n_ctx=32)
    with pytest.raises(InputError, match="32 tokens is too small for 33"):
        open_tiny(short, n_ctx=4096, n_seq=33)
    model = open_tiny(short, n_ctx=4096, n_seq=32)
    replies = model.ask_many(["a"] * 32, raw=True, max_tokens=2, ignore_eos=True)
    assert {reply.finish for reply in replies} <= {"length", "context"}


def test_a_look_back_is_as_long_as_the_context_at_most(tiny_model: Model) -> None:
    """llama.cpp takes -1 for none, and memory for as many tokens as it is told."""

    def write(look_back: int) -> str:
        options: dict[str, Any] = {"temperature": 0, "ignore_eos": True, "raw": True}
        return tiny_model.ask(
            "ab", repeat_penalty=1.5, repeat_last_n=look_back, max_tokens=40, **options
        ).text

    assert write(-1) == write(2**31 - 1) == write(64) != write(0)
