"""Which JSON schemas a request may send: none that could hang or exhaust the engine.

Does not know how a schema becomes a grammar. While an answer is written, llama.cpp keeps every way
in which the text so far may go on; a schema with alternatives that begin alike, nested, multiplies
them, and nothing can stop it within a token. So the ways are bounded before the answer begins.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from edgesteer.server.errors import FieldError
from edgesteer.server.fields import Fields
from edgesteer.server.settings import Limits

__all__ = ["check_schema", "read_response_format"]

ANY_OBJECT = {"type": "object"}
_WAYS = 256
_LONGEST_TEXT, _MOST_ITEMS = 1000, 1000
_NUMBERS = ("minLength", "maxLength", "minItems", "maxItems")


def read_response_format(fields: Fields, limits: Limits) -> dict[str, Any] | None:
    """The schema that an answer must fit; None when any text will do. Raises FieldError."""
    wanted = fields.inner("response_format")
    if wanted is None:
        return None
    wanted.need("type")
    kind = wanted.choice("type", "text", "json_object", "json_schema")
    schema: dict[str, Any] | None = None
    if kind == "json_object":
        schema = ANY_OBJECT
    elif kind == "json_schema":
        given = wanted.inner("json_schema")
        if given is None:
            raise wanted.wrong("json_schema", "is missing")
        given.text("name", 128)
        given.text("description")
        given.flag("strict")
        given.need("schema")
        schema = given.object("schema")
        given.close()
        if schema is not None:
            check_schema(schema, given.place("schema"), limits)
    wanted.close()
    return schema


def check_schema(schema: Mapping[str, Any], place: str, limits: Limits) -> None:
    """Refuse a schema that is too large, or has too many ways to go on. Raises FieldError."""
    _Checker(schema, place, limits.schema_nodes).check()


class _Checker:
    """Walks one schema."""

    def __init__(self, schema: Mapping[str, Any], place: str, most: int) -> None:
        self._root, self._place, self._most = schema, place, most
        self._nodes = 0
        self._ways: dict[int, int] = {}
        self._kinds: dict[int, frozenset[str]] = {}
        self._open: set[int] = set()

    def check(self) -> None:
        """Raises FieldError when the schema will not do."""
        self._count(self._root)
        try:
            ways = self._ways_of(self._root)
        except RecursionError as error:
            raise self._refused("refers on and on", "make it flatter") from error
        if ways > _WAYS:
            raise self._refused(
                f"has more than {_WAYS} ways to go on after the same text",
                "give alternatives different types, or fewer of them",
            )

    def _refused(self, why: str, hint: str = "") -> FieldError:
        return FieldError(self._place, f"{self._place} {why}", hint, code="schema_refused")

    def _count(self, value: Any) -> None:
        """Sizes, and words that the bound on the ways does not cover."""
        self._nodes += 1
        if self._nodes > self._most:
            raise self._refused(f"has more than {self._most} parts", "send a smaller one")
        if isinstance(value, list):
            for item in value:
                self._count(item)
        elif isinstance(value, dict):
            if isinstance(value.get("pattern"), str):
                raise self._refused("has a pattern", "leave patterns out, or use enum or format")
            for key in _NUMBERS:
                most = _LONGEST_TEXT if key.endswith("Length") else _MOST_ITEMS
                number = value.get(key)
                if isinstance(number, (int, float)) and not 0 <= number <= most:
                    raise self._refused(f"has {key} {str(number)[:20]}, {most} may be")
            for item in value.values():
                self._count(item)
        elif isinstance(value, str) and len(value) > _LONGEST_TEXT:
            raise self._refused(f"has a text of more than {_LONGEST_TEXT} characters")

    def _ways_of(self, schema: Any) -> int:
        """In how many ways a text may be the beginning of this, at most."""
        if not isinstance(schema, dict):
            return 1
        key = id(schema)
        if key in self._ways:
            return self._ways[key]
        if key in self._open:
            return 1  # a loop: whoever closes it looks at what is inside
        self._open.add(key)
        ways = self._inside(schema)
        self._open.discard(key)
        self._ways[key] = ways
        return ways

    def _inside(self, schema: dict[str, Any]) -> int:
        if "$ref" in schema:
            return self._ways_of(self._target(schema["$ref"]))
        alternatives = schema.get("anyOf") or schema.get("oneOf")
        ways = 1
        if isinstance(alternatives, list):
            by_start: dict[str, int] = {}
            for one in alternatives:
                for start in self._starts(one):
                    by_start[start] = by_start.get(start, 0) + self._ways_of(one)
            ways = max(by_start.values(), default=1)
            alike = len(alternatives) > 1 and ways > 1
            if alike and any(self._loops(one, schema) for one in alternatives):
                raise self._refused(
                    "refers to itself within alternatives that begin alike",
                    "give the alternatives different types",
                )
        parts = [schema.get("items"), schema.get("additionalProperties")]
        for name in ("properties", "$defs", "definitions"):
            inner = schema.get(name)
            parts += inner.values() if isinstance(inner, dict) else []
        for name in ("allOf", "prefixItems"):
            inner = schema.get(name)
            parts += inner if isinstance(inner, list) else []
        if isinstance(schema.get("items"), list):
            parts += schema["items"]
        inside = max((self._ways_of(part) for part in parts), default=1)
        # A free key may also be one of those that are named.
        free = 2 if schema.get("properties") and schema.get("additionalProperties") else 1
        return min(ways * inside * free, _WAYS * _WAYS)

    def _target(self, ref: Any) -> Any:
        if not isinstance(ref, str) or not ref.startswith("#"):
            raise self._refused(
                f"refers to {json.dumps(ref)[:80]}", "refer to its own $defs: #/$defs/..."
            )
        found: Any = self._root
        for part in ref.removeprefix("#").strip("/").split("/"):
            if part:
                found = found.get(part) if isinstance(found, dict) else None
        if found is None:
            raise self._refused(f"refers to {ref[:80]!r}, which is not there")
        return found

    def _loops(self, start: Any, goal: dict[str, Any]) -> bool:
        """Whether following a schema leads back to another."""
        seen: set[int] = set()
        todo = [start]
        while todo:
            item = todo.pop()
            if item is goal:
                return True
            if isinstance(item, (dict, list)) and id(item) not in seen:
                seen.add(id(item))
                if isinstance(item, dict):
                    todo += item.values()
                    todo += [self._target(item["$ref"])] if "$ref" in item else []
                else:
                    todo += item
        return False

    def _starts(self, schema: Any) -> frozenset[str]:
        """The kinds of JSON values that fit: alternatives of different kinds begin differently."""
        if not isinstance(schema, dict):
            return _KINDS
        found = self._kinds.get(id(schema))
        if found is None:
            self._kinds[id(schema)] = _KINDS  # for a loop
            found = self._kinds[id(schema)] = self._read_kinds(schema)
        return found

    def _read_kinds(self, schema: dict[str, Any]) -> frozenset[str]:
        if "$ref" in schema:
            return self._starts(self._target(schema["$ref"]))
        for name in ("anyOf", "oneOf"):
            if isinstance(schema.get(name), list):
                return frozenset().union(*map(self._starts, schema[name]))
        values = [schema["const"]] if "const" in schema else schema.get("enum")
        if isinstance(values, list):
            return frozenset(map(_kind, values))
        kinds = schema.get("type")
        if isinstance(kinds, (str, list)):
            named = [kinds] if isinstance(kinds, str) else kinds
            return frozenset("number" if kind == "integer" else str(kind) for kind in named)
        if "properties" in schema:
            return frozenset(("object",))
        return frozenset(("array",)) if "items" in schema else _KINDS


_KINDS = frozenset(("object", "array", "string", "number", "boolean", "null"))


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    table = ((bool, "boolean"), (str, "string"), ((int, float), "number"), (list, "array"))
    return next((name for kind, name in table if isinstance(value, kind)), "object")
