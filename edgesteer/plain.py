"""Plain data: what fits in JSON, copied and checked.

Does not know what the data mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from operator import index
from typing import Any

from edgesteer.errors import InputError

__all__ = ["is_whole", "plain_dict", "shown"]

_DEEPEST = 32


def plain_dict(data: Mapping[str, Any], what: str) -> dict[str, Any]:
    """A deep copy of plain data; `what` names it in errors. Tuples become lists.

    Raises InputError for what JSON has no word for: NaN, infinity, other keys than text, other
    types, whole numbers past 64 bits, nesting past 32 levels.
    """
    return _mapping(data, what, 1)


def is_whole(value: object) -> bool:
    """True for a whole number, of numpy too; True and False are none."""
    try:
        return not isinstance(value, bool) and index(value) is not None  # type: ignore[arg-type]
    except TypeError:
        return False


def shown(value: object) -> str:
    """A value as a message shows it: short, whatever it is."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer too long to write out, a nest of lists
        text = f"such a long {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."


def _mapping(data: object, what: str, depth: int) -> dict[str, Any]:
    if not isinstance(data, Mapping):
        raise InputError(f"{what} must be a mapping, not {type(data).__name__}", "use a dict")
    return {_key(key, what): _value(value, what, depth + 1) for key, value in data.items()}


def _value(value: Any, what: str, depth: int) -> Any:
    if depth > _DEEPEST:
        raise InputError(f"{what} is nested deeper than {_DEEPEST} levels", "make it flatter")
    if hasattr(value, "dtype") and getattr(value, "ndim", None) == 0:  # one number of numpy
        value = value.item()
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, int) and value.bit_length() <= 64:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, Mapping):
        return _mapping(value, what, depth)
    if isinstance(value, (list, tuple)):
        return [_value(item, what, depth + 1) for item in value]
    raise InputError(
        f"{what} can not hold {str(value)[:40]!r} ({type(value).__name__})",
        "use text, finite numbers, true or false, lists and dicts",
    )


def _key(key: object, what: str) -> str:
    if not isinstance(key, str):
        raise InputError(f"a key of {what} must be text, not {key!r}", "quote it")
    return key
