"""Which JSON schemas a request may send: none that could hang or exhaust the engine.

Does not know how a schema becomes a grammar, nor which of several words beside each other the
converter goes by: all of them are looked at, in the schema as it is handed to the converter.

While an answer is written, llama.cpp keeps every way in which the text so far may go on; a schema
with alternatives that begin alike, nested, multiplies them, and nothing can stop it within a token.
So the ways are bounded before the answer begins.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from edgesteer.constraints import simplified
from edgesteer.server.errors import FieldError
from edgesteer.server.fields import Fields
from edgesteer.server.settings import Limits

__all__ = ["check_schema", "read_response_format"]

ANY_OBJECT = {"type": "object"}
_WAYS = 256
_ROUNDS = 20  # after which the number of ways still grows: it always will
_LONGEST, _LONGEST_KEY, _MOST_ITEMS, _MOST_CHARACTERS = 1 << 16, 256, 2000, 1000
_KINDS = frozenset(("object", "array", "string", "number", "boolean", "null"))
_ALTERNATIVES = ("anyOf", "oneOf", "allOf")
_OBJECTS = frozenset(("properties", "additionalProperties", "allOf"))
_ARRAYS = frozenset(("items", "prefixItems"))
_TYPES = ((bool, "boolean"), (str, "string"), ((int, float), "number"), (list, "array"))


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
    _Checker(schema, place).check(limits.schema_nodes)


class _Checker:
    """Looks at one schema, which is called `place` in messages."""

    def __init__(self, schema: Mapping[str, Any], place: str) -> None:
        self._root, self._place = schema, place
        self._nodes = self._items = 0

    def check(self, most: int) -> None:
        """Raises FieldError when the schema will not do."""
        if len(json.dumps(self._root)) > _LONGEST:
            raise self._refused(f"is longer than {_LONGEST} characters", "send a smaller one")
        self._count(self._root, most)
        self._root = simplified(self._root)  # that is what the grammar is made of
        self._check_ways(list(self._ordered()))

    def _refused(self, why: str, hint: str = "") -> FieldError:
        return FieldError(self._place, f"{self._place} {why}", hint, code="schema_refused")

    # -- sizes

    def _count(self, value: Any, most: int) -> None:
        self._nodes += 1
        if self._nodes > most:
            raise self._refused(f"has more than {most} parts", "send a smaller one")
        if isinstance(value, list):
            for item in value:
                self._count(item, most)
        elif isinstance(value, dict):
            self._check_words(value)
            for item in value.values():
                self._count(item, most)

    def _check_words(self, value: dict[str, Any]) -> None:
        ref = value.get("$ref")
        if isinstance(ref, str) and not ref.startswith("#/"):
            raise self._refused(f"refers to {ref[:80]!r}", "refer to its own: #/$defs/...")
        if isinstance(value.get("pattern"), str):
            raise self._refused("has a pattern", "leave patterns out, or use enum or format")
        if isinstance(value.get("allOf"), list) and len(value["allOf"]) > 1:
            raise self._refused("has an allOf of several", "write their properties into one object")
        if any(len(key) > _LONGEST_KEY for key in value):
            raise self._refused(f"has a name of more than {_LONGEST_KEY} characters")
        for key in ("minItems", "maxItems", "minLength", "maxLength"):
            number = value.get(key)
            if number is None or isinstance(number, dict):  # a dict: a property of that name
                continue
            if not isinstance(number, int) or not 0 <= number <= _MOST_CHARACTERS:
                raise self._refused(
                    f"has {key} {str(number)[:20]}",
                    f"whole numbers up to {_MOST_CHARACTERS} are taken",
                )
            self._items += number if key.endswith("Items") else 0
        if self._items > _MOST_ITEMS:
            raise self._refused(f"asks for more than {_MOST_ITEMS} items", "lower its maxItems")

    # -- ways to go on

    def _ordered(self) -> Iterator[Any]:
        """All schemas inside this one, each after those inside it, but for loops."""
        seen: set[int] = set()
        todo: list[tuple[Any, bool]] = [(self._root, False)]
        while todo:
            schema, done = todo.pop()
            if done:
                yield schema
            elif id(schema) not in seen:
                seen.add(id(schema))
                todo.append((schema, True))
                todo += [(inner, False) for inner in self._inside(schema)]

    def _inside(self, schema: Any) -> list[Any]:
        """The schemas that a value's parts, or the value itself, must fit; only objects count.

        All that are there, beside each other too: which of them the grammar goes by is not known.
        """
        if not isinstance(schema, dict):
            return []
        if "$ref" in schema:
            return [self._target(schema["$ref"])]
        names = (*_ALTERNATIVES, "items", "prefixItems")
        found: list[Any] = [one for name in names for one in _list(schema, name)]
        found += [schema.get("items"), schema.get("additionalProperties")]
        found += _properties(schema).values()
        return [one for one in found if isinstance(one, dict)]

    def _target(self, ref: Any) -> Any:
        found: Any = self._root
        if not isinstance(ref, str) or not ref.startswith("#/"):
            raise self._refused(
                f"refers to {json.dumps(ref)[:80]}", "refer to its own: #/$defs/..."
            )
        for part in ref[2:].split("/"):
            found = found.get(part) if isinstance(found, dict) else None
        if not isinstance(found, dict):
            raise self._refused(f"refers to {ref[:80]!r}, where it has no schema")
        return found

    def _check_ways(self, schemas: list[Any]) -> None:
        """Count, until the numbers settle, in how many ways a text may be the start of each."""
        kinds = dict.fromkeys(map(id, schemas), frozenset[str]())
        ways = dict.fromkeys(map(id, schemas), 1)
        for _ in range(_ROUNDS):
            settled = True
            for schema in schemas:
                now = self._kinds(schema, kinds), self._ways(schema, kinds, ways)
                if now != (kinds[id(schema)], ways[id(schema)]):
                    kinds[id(schema)], ways[id(schema)] = now
                    settled = False
            if max(ways.values()) > _WAYS:
                break
            if settled:
                return
        raise self._refused(
            f"has more than {_WAYS} ways to go on after the same text",
            "give alternatives different types, and fewer of them where they nest",
        )

    def _kinds(self, schema: dict[str, Any], kinds: Mapping[int, frozenset[str]]) -> frozenset[str]:
        """The kinds of values that may fit: values of different kinds begin differently."""
        if "$ref" in schema:
            return kinds[id(self._inside(schema)[0])]
        found: set[str] = set()
        for name in _ALTERNATIVES:
            found |= frozenset().union(*(kinds[id(one)] for one in _listed(schema, name)))
        found |= {_kind(schema["const"])} if "const" in schema else set()
        found |= set(map(_kind, _list(schema, "enum"))) | set(map(_as_kind, _types(schema)))
        found |= {"object"} if _OBJECTS & schema.keys() else set()
        found |= {"array"} if _ARRAYS & schema.keys() else set()
        known = found or any(name in schema for name in _ALTERNATIVES)
        return frozenset(found) if known else _KINDS

    def _ways(
        self,
        schema: dict[str, Any],
        kinds: Mapping[int, frozenset[str]],
        ways: Mapping[int, int],
    ) -> int:
        """The most that any of its words may give, whichever of them the grammar goes by."""
        deepest = max((ways[id(one)] for one in self._inside(schema)), default=1)
        if "$ref" in schema:
            return deepest
        found = [deepest]
        for name in _ALTERNATIVES:
            alike: Counter[str] = Counter()
            for one in _listed(schema, name):
                alike.update(dict.fromkeys(kinds[id(one)], ways[id(one)]))
            found += alike.values()
        found += Counter(map(_kind, _list(schema, "enum"))).values()
        found += Counter(map(_as_kind, _types(schema))).values()
        properties, required = _properties(schema), _list(schema, "required")
        found.append(sum(name not in required for name in properties) + 1)
        if properties and schema.get("additionalProperties") not in (None, False):
            found.append(deepest * 2)  # a free name may also be one of those that are there
        return max(found)


def _list(schema: Mapping[str, Any], name: str) -> list[Any]:
    found = schema.get(name)
    return found if isinstance(found, list) else []


def _listed(schema: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    return [one for one in _list(schema, name) if isinstance(one, dict)]


def _types(schema: Mapping[str, Any]) -> list[Any]:
    named = schema.get("type")
    return [named] if isinstance(named, str) else _list(schema, "type")


def _properties(schema: Mapping[str, Any]) -> dict[str, Any]:
    found = schema.get("properties")
    return found if isinstance(found, dict) else {}


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    return next((name for kind, name in _TYPES if isinstance(value, kind)), "object")


def _as_kind(name: Any) -> str:
    return "number" if name == "integer" else str(name)
