"""What a chat request asks for: read strictly into one frozen value, then into the model's terms.

Does not know answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from edgesteer.server.asked import HARMLESS, Asked, read_asked
from edgesteer.server.fields import Fields
from edgesteer.server.messages import need_template, read_messages
from edgesteer.server.schema import read_response_format
from edgesteer.server.tools import Tools, read_tools

if TYPE_CHECKING:
    from edgesteer.server.answers import Ask
    from edgesteer.server.state import Served
    from edgesteer.server.steering import Applied

__all__ = ["ChatRequest", "asks_of", "read_chat"]

_TOP_LOGPROBS = 20


@dataclass(frozen=True)
class ChatRequest:
    """A checked request: what is asked, of whom, and which figures come back."""

    asked: Asked
    messages: Sequence[Mapping[str, Any]]
    logprobs: int | None
    schema: Mapping[str, Any] | None
    tools: Tools | None


def read_chat(fields: Fields, served: Served) -> ChatRequest:
    """A request's body as a value. Raises FieldError, and RequestError (422) for a base model."""
    need_template(served.model)
    limits = served.limits
    asked = read_asked(fields, limits, served.model.n_vocab)
    messages = read_messages(fields, limits)
    schema = read_response_format(fields, limits)
    logprobs = _logprobs(fields)
    most = fields.whole("max_completion_tokens", 1, 2**31 - 1)
    most = fields.whole("max_tokens", 1, 2**31 - 1) if most is None else most
    fields.value("max_tokens")
    tools = read_tools(fields, limits, allowed=served.model.calls_tools)
    if tools and tools.grammar and schema is not None:
        raise fields.wrong("tool_choice", "forces a call, and response_format another answer")
    if fields.texts("modalities", 2) not in (None, ("text",)):
        raise fields.wrong("modalities", "can be text alone")
    ignored = fields.close((*HARMLESS, "parallel_tool_calls"))
    options = dict(asked.options)
    if most is not None:
        options["max_tokens"] = most
    return ChatRequest(
        replace(asked, options=options, ignored=ignored), messages, logprobs, schema, tools
    )


def _logprobs(fields: Fields) -> int | None:
    wanted = fields.flag("logprobs") or False
    top = fields.whole("top_logprobs", 0, _TOP_LOGPROBS)
    if top is not None and not wanted:
        raise fields.wrong("top_logprobs", "needs logprobs", 'add "logprobs": true')
    return (top or 0) if wanted else None


def asks_of(request: ChatRequest, applied: Applied, served: Served) -> list[Ask]:
    """What the model is asked: n times the conversation, each time by the next seed."""
    messages = list(request.messages)
    if applied.system is not None and messages[0]["role"] != "system":
        messages.insert(0, {"role": "system", "content": applied.system})
    options: dict[str, Any] = {"max_tokens": served.limits.tokens, **applied.settings}
    options |= request.asked.options
    options |= {"logprobs": request.logprobs, "json_schema": request.schema}
    prompt: str | list[Mapping[str, Any]] = messages
    if request.tools:
        prompt = served.model.render(messages, tools=request.tools.described)
        options |= {"raw": True, "grammar": request.tools.grammar or None}
    return [(prompt, one) for one in served.seeded(options, request.asked)]
