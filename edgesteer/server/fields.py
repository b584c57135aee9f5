"""Strict reading of JSON objects: each field by name and type, and nothing left over unnoticed.

Does not know any endpoint. JSON's null counts as a field that is not there, as OpenAI's clients
mean it. Wrong types are refused with the field named; nothing is converted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from typing import Any

from edgesteer.names import did_you_mean
from edgesteer.plain import shown
from edgesteer.server.errors import FieldError, RequestError

__all__ = ["Fields", "parse_json"]

_DEEPEST = 100


def parse_json(raw: bytes) -> Fields:
    """The object in a request's body.

    Raises RequestError: 400 for what is no JSON, 422 for JSON that is no object.
    """
    try:
        data = json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant)
        if b"\\u" in raw:  # half a surrogate pair is a character in no encoding
            json.dumps(data, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        why = "it nests too deep" if isinstance(error, RecursionError) else str(error)[:200]
        raise RequestError(
            400, f"the body can not be read as JSON: {why}", "send UTF-8 JSON", code="bad_json"
        ) from error
    if not isinstance(data, dict):
        raise RequestError(422, f"the body must be a JSON object, not {kind_of(data)}")
    if _depth(data) > _DEEPEST:
        raise RequestError(422, f"the body nests deeper than {_DEEPEST} levels", "make it flatter")
    return Fields(data)


def kind_of(value: object) -> str:
    """What JSON calls the type of a value."""
    if value is None:
        return "null"
    names = ((bool, "a boolean"), (str, "text"), (int, "a number"), (float, "a number"))
    return next((name for kind, name in names if isinstance(value, kind)), "") or (
        "a list" if isinstance(value, list) else "an object"
    )


class Fields:
    """One JSON object that is being read; `path` is its place in the body."""

    def __init__(self, data: Mapping[str, Any], path: str = "") -> None:
        self._data, self.path = data, path
        self._seen: set[str] = set()

    def place(self, name: str) -> str:
        """The full name of a field, for messages."""
        return f"{self.path}.{name}" if self.path else name

    def wrong(self, name: str, message: str, hint: str = "") -> FieldError:
        """The error that blames a field."""
        return FieldError(self.place(name), f"{self.place(name)} {message}", hint)

    def value(self, name: str) -> Any:
        """A field as it is, of any type; None when it is not there."""
        self._seen.add(name)
        return self._data.get(name)

    def _typed(self, name: str, kinds: tuple[type, ...], what: str) -> Any:
        value = self.value(name)
        if value is None:
            return None
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise self.wrong(name, f"must be {what}, not {shown(value)}")
        return value

    def text(self, name: str, most: int | None = None) -> str | None:
        """A text of at most `most` characters."""
        value: str | None = self._typed(name, (str,), "text")
        if value is not None and most is not None and len(value) > most:
            raise self.wrong(name, f"has {len(value)} characters, {most} may be")
        return value

    def flag(self, name: str) -> bool | None:
        """True or false."""
        value: bool | None = self._typed(name, (bool,), "true or false")
        return value

    def whole(self, name: str, low: int, high: int) -> int | None:
        """A whole number from `low` to `high`; 3.0 is one too."""
        value = self._typed(name, (int, float), "a whole number")
        if value is None:
            return None
        if isinstance(value, float) and not value.is_integer():
            raise self.wrong(name, f"must be a whole number, not {shown(value)}")
        return int(self._within(name, value, low, high))

    def number(self, name: str, low: float, high: float) -> float | None:
        """A number from `low` to `high`."""
        value = self._typed(name, (int, float), "a number")
        return None if value is None else float(self._within(name, value, low, high))

    def _within(self, name: str, value: float, low: float, high: float) -> float:
        if not low <= value <= high:
            bounds = f"within {low:g} and {high:g}" if math.isfinite(high) else f"{low:g} or more"
            raise self.wrong(name, f"must be {bounds}, not {shown(value)}")
        return value

    def choice(self, name: str, *known: str) -> str | None:
        """One of some words."""
        value = self.text(name)
        if value is not None and value not in known:
            raise self.wrong(
                name, f"must be one of {', '.join(known)}, not {shown(value)}",
                did_you_mean(value, known),
            )  # fmt: skip
        return value

    def texts(self, name: str, most: int, longest: int | None = None) -> tuple[str, ...] | None:
        """A text, or a list of up to `most` texts of up to `longest` characters."""
        value = self.value(name)
        if value is None:
            return None
        found = [value] if isinstance(value, str) else value
        if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
            raise self.wrong(name, f"must be text or a list of texts, not {shown(value)}")
        if len(found) > most:
            raise self.wrong(name, f"has {len(found)} texts, {most} may be")
        if longest is not None and any(len(item) > longest for item in found):
            raise self.wrong(name, f"has a text of more than {longest} characters")
        return tuple(found)

    def steering(self, name: str) -> str | dict[str, Any] | None:
        """A steering: text, or an object."""
        value: str | dict[str, Any] | None = self.value(name)
        if value is not None and not isinstance(value, (str, dict)):
            raise self.wrong(name, "must be text or an object", 'such as "calm=1.2@8-16"')
        return value

    def object(self, name: str) -> dict[str, Any] | None:
        """An object, with whatever is in it."""
        value: dict[str, Any] | None = self._typed(name, (dict,), "an object")
        return value

    def inner(self, name: str) -> Fields | None:
        """An object that is to be read field by field."""
        value = self.object(name)
        return None if value is None else Fields(value, self.place(name))

    def rows(self, name: str, most: int) -> list[Fields] | None:
        """A list of up to `most` objects."""
        value = self._typed(name, (list,), "a list")
        if value is None:
            return None
        if len(value) > most:
            raise self.wrong(name, f"has {len(value)} entries, {most} may be")
        for number, item in enumerate(value):
            if not isinstance(item, dict):
                raise self.wrong(f"{name}[{number}]", f"must be an object, not {shown(item)}")
        return [Fields(item, self.place(f"{name}[{i}]")) for i, item in enumerate(value)]

    def need(self, name: str) -> None:
        """Refuse a request without this field."""
        if self._data.get(name) is None:
            raise self.wrong(name, "is missing")

    def close(self, harmless: Collection[str] = ()) -> tuple[str, ...]:
        """The fields of `harmless` that were sent, null aside; any other field left is refused."""
        left = [name for name in self._data if name not in self._seen]
        for name in left:
            if name not in harmless and self._data[name] is not None:
                near = did_you_mean(name, [*self._seen, *harmless])
                raise FieldError(
                    self.place(name)[:200],
                    f"{self.path or 'this request'} has no field {shown(name)}",
                    near or "docs/server.md lists the fields",
                    code="unknown_field",
                )
        return tuple(name for name in left if self._data[name] is not None)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _depth(value: Any) -> int:
    """How deep lists and objects nest; stops past the limit."""
    level, depth = [value], 0
    while level and depth <= _DEEPEST:
        level = [
            inner
            for item in level
            if isinstance(item, (dict, list))
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
        depth += 1
    return depth
