"""Renders conversations with the model's own chat template.

Knows nothing of tokens, steering or windows. The template is untrusted text from a model file: it
runs in llama_cpp's sandboxed Jinja environment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2

from edgesteer.engine.llama import Jinja2ChatFormatter
from edgesteer.errors import InputError, ModelError

Message = Mapping[str, Any]


class ChatTemplate:
    """One model's template, or none."""

    def __init__(self, source: str | None, bos: str, eos: str, *, strip_bos: bool) -> None:
        """Compile ``source``; a template that Jinja can not read counts as none, and says so.

        ``strip_bos``: tokenising adds the start-of-sequence token, so a rendered one is removed.
        """
        self.source, self._strip = source, bos if strip_bos else ""
        self.broken = ""
        self._formatter: Any = None
        if source:
            try:
                self._formatter = Jinja2ChatFormatter(source, eos, bos, True)
            except jinja2.TemplateError as error:
                self.broken = str(error)

    @property
    def usable(self) -> bool:
        """Whether conversations can be rendered."""
        return self._formatter is not None

    @property
    def calls_tools(self) -> bool:
        """Whether it takes tools, and has their calls written as <tool_call>JSON</tool_call>."""
        source = self.source or ""
        return self.usable and bool(re.search(r"\btools\b", source)) and "<tool_call>" in source

    def render(
        self,
        messages: Sequence[Message],
        *,
        add_generation_prompt: bool = True,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> str:
        """The conversation as text, ready to be tokenised; ``tools`` as OpenAI describes them.

        Raises:
            ModelError: the model has no usable template.
            InputError: the template refuses these messages (roles, order).
        """
        if self._formatter is None:
            why = f" ({self.broken})" if self.broken else ""
            raise ModelError(
                f"this model has no usable chat template{why}",
                "It is a base model: use --raw (raw=True) and give it text to continue.",
            )
        self._formatter.add_generation_prompt = add_generation_prompt
        try:
            plain = [dict(message) for message in messages]
            described = [dict(tool) for tool in tools] or None
            text = str(self._formatter(messages=plain, tools=described).prompt)
        except Exception as error:
            raise InputError(
                f"the model's chat template refuses this conversation: {error}",
                "Some models know no system message, or want user and assistant to alternate.",
            ) from error
        return text.removeprefix(self._strip)
