"""Questions that make no sense are refused with what would."""

from __future__ import annotations

from typing import Any

import pytest

from edgesteer import InputError, Model


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
