"""The messages of a chat request, read strictly into what a chat template takes.

Does not know the template, nor the other fields of a request.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from edgesteer.server.errors import RequestError
from edgesteer.server.fields import Fields
from edgesteer.server.settings import Limits

if TYPE_CHECKING:
    from edgesteer.model import Model

__all__ = ["need_template", "read_messages"]

_ROLES = ("system", "developer", "user", "assistant", "tool")
#: What clients send back from an answer, and what says nothing to a template.
_HARMLESS = ("annotations", "audio", "function_call", "name", "reasoning_content", "refusal")


def need_template(model: Model) -> None:
    """Refuse a conversation with a base model. Raises RequestError (422)."""
    if not model.has_chat_template:
        raise RequestError(
            422,
            "this model has no chat template: it continues texts, and can not converse",
            "POST /v1/completions continues a prompt",
            code="no_chat_template",
        )


def read_messages(fields: Fields, limits: Limits) -> list[dict[str, Any]]:
    """The conversation: at least one message, each with a role and text. Raises FieldError."""
    fields.need("messages")
    rows = fields.rows("messages", limits.messages) or []
    if not rows:
        raise fields.wrong("messages", "is empty", "send one message of the user at least")
    return [_message(row) for row in rows]


def _message(row: Fields) -> dict[str, Any]:
    row.need("role")
    role = row.choice("role", *_ROLES)
    message: dict[str, Any] = {"role": "system" if role == "developer" else role}
    calls = _tool_calls(row) if role == "assistant" else None
    content = _content(row)
    if content is None and not calls:
        raise row.wrong("content", "is missing")
    message["content"] = content or ""
    if calls:
        message["tool_calls"] = calls
    if role == "tool" and (call := row.text("tool_call_id", 256)) is not None:
        message["tool_call_id"] = call
    row.close(_HARMLESS)
    return message


def _content(row: Fields) -> str | None:
    value = row.value("content")
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise row.wrong("content", "must be text or a list of parts")
    parts = []
    for part in row.rows("content", 1024) or []:
        kind = part.text("type")
        if kind not in ("text", "input_text"):
            raise part.wrong("type", f"is {kind!r}"[:80], "this server reads text and nothing else")
        part.need("text")
        parts.append(part.text("text") or "")
        part.close()
    return "".join(parts)


def _tool_calls(row: Fields) -> list[dict[str, Any]] | None:
    calls = []
    for call in row.rows("tool_calls", 128) or []:
        call.choice("type", "function")
        function = call.inner("function")
        if function is None:
            raise call.wrong("function", "is missing")
        function.need("name")
        arguments = function.text("arguments") or "{}"
        called = {"name": function.text("name", 128), "arguments": _object_in(arguments)}
        function.close()
        calls.append({"id": call.text("id", 256), "type": "function", "function": called})
        call.close(("index",))
    return calls or None


def _object_in(text: str) -> Any:
    """The object that a text writes out, which is what templates expect; else the text."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return found if isinstance(found, dict) else text
