"""Rendered text to token ids by a transformers tokenizer, as llama.cpp would do it.

Does not know models. The start-of-sequence token is what differs between programs: llama.cpp adds
it when the file says so (or, where the file is silent, by the kind of vocabulary), and a chat
template often writes it too. The rule here: the template's own is taken off the text, and the token
is added once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convert.capture.positions import shared_prefix
from convert.rendering import Passage
from edgesteer.errors import InputError, ModelError

__all__ = ["Tokens", "gguf_adds_bos", "hf_adds_bos"]

_BOS_PRE_TOKENIZERS = (
    "llama3",
    "llama-v3",
    "llama-bpe",
    "falcon3",
    "falcon-h1",
    "pixtral",
    "midm-2.0",
    "lfm2",
    "jina-v5-nano",
    "tekken",
    "chameleon",
)
"""Byte-pair vocabularies that get a start token although their file does not say so."""


class Tokens:
    """A transformers tokenizer with llama.cpp's rule for the start-of-sequence token."""

    def __init__(self, tokenizer: Any, *, adds_bos: bool) -> None:
        self._tokenizer = tokenizer
        self.adds_bos = adds_bos and tokenizer.bos_token_id is not None
        self._bos = str(tokenizer.bos_token) if self.adds_bos else ""

    @property
    def has_chat_template(self) -> bool:
        """Whether `render` can be used."""
        return bool(self._tokenizer.chat_template)

    def render(self, messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """The chat template's text, without the start token when `encode` adds it.

        Raises ModelError when there is no template, InputError when it refuses the messages.
        """
        if not self.has_chat_template:
            raise ModelError("this model has no chat template", "give plain texts to read")
        from jinja2 import TemplateError

        try:
            text = self._tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=add_generation_prompt
            )
        except (TemplateError, TypeError, ValueError) as error:
            raise InputError(
                f"the model's chat template refuses these messages: {error}",
                "some models know no system message",
            ) from error
        return str(text).removeprefix(self._bos)

    def encode(self, text: str) -> list[int]:
        """Token ids of a rendered text; special tokens that it spells out become tokens."""
        ids = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return [self._tokenizer.bos_token_id, *ids] if self.adds_bos else list(ids)

    def answer_at(self, passage: Passage, ids: list[int]) -> int | None:
        """The number of the answer's first token in `ids`; None for a text without a prompt."""
        if not passage.answer_at:
            return None
        return shared_prefix(self.encode(passage.text[: passage.answer_at]), ids)


def gguf_adds_bos(kv: Mapping[str, object]) -> bool:
    """Whether llama.cpp adds the start token, from the key-values of a GGUF model file.

    >>> gguf_adds_bos({"tokenizer.ggml.model": "llama"})
    True
    """
    said = kv.get("tokenizer.ggml.add_bos_token")
    if isinstance(said, bool):
        return said
    kind = kv.get("tokenizer.ggml.model")
    return kind == "llama" or (
        kind == "gpt2" and kv.get("tokenizer.ggml.pre") in _BOS_PRE_TOKENIZERS
    )


def hf_adds_bos(tokenizer: Any) -> bool:
    """Whether this tokenizer starts a text with the start token, which a conversion keeps."""
    ids = tokenizer("a")["input_ids"]
    return bool(ids) and tokenizer.bos_token_id is not None and ids[0] == tokenizer.bos_token_id
