"""Tool calls: which tools a request offers, how a call is forced, and calls read out of an answer.

Does not know the chat template, but for the form in which it has calls written, which is that of
Hermes and Qwen and the only one known here:

    <tool_call>
    {"name": "weather", "arguments": {"place": "Oslo"}}
    </tool_call>
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgesteer.constraints import read_constraints
from edgesteer.server.errors import FieldError
from edgesteer.server.fields import Fields
from edgesteer.server.schema import check_schema
from edgesteer.server.settings import Limits

__all__ = ["CallReader", "Tools", "read_tools"]

OPEN, CLOSE = "<tool_call>", "</tool_call>"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ROOT = re.compile(r"^root ::=", re.MULTILINE)


@dataclass(frozen=True)
class Tools:
    """The tools of a request; `grammar` forces a call of one of them, "" leaves the model free."""

    described: Sequence[Mapping[str, Any]]
    grammar: str = ""


def read_tools(fields: Fields, limits: Limits, *, allowed: bool) -> Tools | None:
    """The tools of a request; None when it offers none, or wants none called. Raises FieldError."""
    if fields.value("functions"):
        raise fields.wrong("functions", "is no longer OpenAI's", "use tools")
    rows = fields.rows("tools", limits.tools) or []
    choice = fields.value("tool_choice")
    fields.choice("function_call", "none", "auto")
    if not rows:
        if choice not in (None, "none", "auto"):
            raise fields.wrong("tool_choice", "names a tool, and there are none")
        return None
    if not allowed:
        raise FieldError(
            fields.place("tools"),
            "this model's chat template has no place for tools, or writes calls in an unknown form",
            "ask for JSON by response_format, or serve a model that was trained on <tool_call>",
            code="tools_not_supported",
        )
    described = [_tool(row) for row in rows]
    names = [tool["function"]["name"] for tool in described]
    if len(set(names)) < len(names):
        raise fields.wrong("tools", "has two tools of one name")
    forced = _forced(fields, choice, names)
    if choice == "none":
        return None
    place = fields.place("tools")
    return Tools(described, _grammar(described, forced, place, limits) if forced else "")


def _tool(row: Fields) -> dict[str, Any]:
    row.need("type")
    row.choice("type", "function")
    function = row.inner("function")
    if function is None:
        raise row.wrong("function", "is missing")
    function.need("name")
    name = function.text("name") or ""
    if not _NAME.fullmatch(name):
        raise function.wrong("name", "must have 1 to 64 letters, digits, '_' and '-'")
    found: dict[str, Any] = {"name": name}
    if (text := function.text("description")) is not None:
        found["description"] = text
    found["parameters"] = function.object("parameters") or {"type": "object", "properties": {}}
    function.flag("strict")
    function.close()
    row.close()
    return {"type": "function", "function": found}


def _forced(fields: Fields, choice: Any, names: Sequence[str]) -> list[str]:
    """The names of which one must be called; none when the model may choose."""
    if choice in (None, "none", "auto"):
        return []
    if choice == "required":
        return list(names)
    wanted = choice.get("function") if isinstance(choice, dict) else None
    name = wanted.get("name") if isinstance(wanted, dict) else None
    if not isinstance(name, str) or name not in names:
        raise fields.wrong(
            "tool_choice", "must be none, auto, required or one of the tools",
            'such as {"type": "function", "function": {"name": "weather"}}',
        )  # fmt: skip
    return [name]


def _grammar(
    described: Sequence[Mapping[str, Any]], names: Sequence[str], place: str, limits: Limits
) -> str:
    """GBNF for one call of one of the named tools."""
    calls: list[dict[str, Any]] = []
    defs: dict[str, Any] = {}
    for tool in described:
        function = tool["function"]
        if function["name"] not in names:
            continue
        check_schema(function["parameters"], f"{place}: {function['name']}.parameters", limits)
        parameters = dict(function["parameters"])
        for name, found in _defs(parameters.pop("$defs", {}), place):
            if defs.setdefault(name, found) != found:  # a $ref counts from the top
                raise FieldError(
                    place,
                    f"{place} have two different $defs called {name[:80]!r}",
                    "give them different names",
                    code="schema_refused",
                )
        calls.append(
            {
                "type": "object",
                "properties": {"name": {"const": function["name"]}, "arguments": parameters},
                "required": ["name", "arguments"],
            }
        )
    schema = {"anyOf": calls, "$defs": defs}
    check_schema(schema, place, limits)
    rules = read_constraints(lambda _text: [], 0, json_schema=schema).grammar
    call = _ROOT.sub("tool-call-json ::=", rules)
    return f'root ::= "{OPEN}\\n" tool-call-json "\\n{CLOSE}"\n{call}'


def _defs(found: Any, place: str) -> Iterable[tuple[str, Any]]:
    if not isinstance(found, dict):
        raise FieldError(place, f"{place} have $defs that are no object", code="schema_refused")
    return found.items()


class CallReader:
    """Takes calls out of a text that comes piece by piece.

    >>> reader = CallReader()
    >>> reader.feed("Let me see. <tool_"), reader.feed('call>{"name": "f", "arguments": {}}')
    ('Let me see. ', '')
    >>> rest, calls = reader.finish()
    >>> rest, calls[0]["function"]
    ('', {'name': 'f', 'arguments': '{}'})
    """

    def __init__(self) -> None:
        self._held = ""
        self._inside = False

    def feed(self, text: str) -> str:
        """Add a piece; returns what of the text is surely no call."""
        self._held += text
        if self._inside:
            return ""
        at = self._held.find(OPEN)
        if at >= 0:
            self._inside = True
            shown, self._held = self._held[:at], self._held[at:]
            return shown.rstrip()
        keep = max((n for n in range(1, len(OPEN)) if self._held.endswith(OPEN[:n])), default=0)
        cut = len(self._held) - keep
        shown, self._held = self._held[:cut], self._held[cut:]
        return shown

    def finish(self) -> tuple[str, list[dict[str, Any]]]:
        """(the rest of the text, the calls); what can not be read as a call stays text."""
        calls = []
        for part in self._held.split(OPEN)[1:] if self._inside else []:
            call = _call(part.partition(CLOSE)[0])
            if call is None:
                return self._held, []
            calls.append(call)
        return ("" if calls else self._held), calls


def _call(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("name"), str):
        return None
    arguments = found.get("arguments", {})
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    function = {"name": found["name"], "arguments": arguments}
    return {"id": f"call_{secrets.token_hex(12)}", "type": "function", "function": function}
