"""Plain data: what fits in JSON, copied and checked.

Does not know what the data mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from edgesteer.errors import InputError

__all__ = ["plain_dict"]


def plain_dict(data: Mapping[str, Any], what: str) -> dict[str, Any]:
    """A deep copy of plain JSON data. Raises InputError for anything else."""
    if not isinstance(data, Mapping):
        raise InputError(f"{what} must be a mapping, not {type(data).__name__}", "use a dict")
    return {_text_key(key, what): _plain(value, what) for key, value in data.items()}


def _plain(value: Any, what: str) -> Any:
    if value is None or isinstance(value, (str, bool)):
        return value
    if hasattr(value, "dtype") and getattr(value, "ndim", None) == 0:  # one number of numpy
        value = value.item()
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, Mapping):
        return plain_dict(value, what)
    if isinstance(value, (list, tuple)):
        return [_plain(item, what) for item in value]
    raise InputError(
        f"{what} can not hold {str(value)[:40]!r} ({type(value).__name__})",
        "use text, finite numbers, true or false, lists and dicts",
    )


def _text_key(key: object, what: str) -> str:
    if not isinstance(key, str):
        raise InputError(f"a key of {what} must be text, not {key!r}", "quote it")
    return key
