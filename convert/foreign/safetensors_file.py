""".safetensors -> named arrays and what the file says of them, by the safetensors library.

Does not know what the arrays are.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from edgesteer.errors import MissingExtraError, VectorFileError
from edgesteer.gguf_header import clip

__all__ = ["read_safetensors"]

_TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1",
    "U8": "<u1",
}  # fmt: skip


def read_safetensors(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The arrays by name, and the texts of the file's metadata; of our own files their facts.

    Raises MissingExtraError and VectorFileError.
    """
    try:
        from safetensors import SafetensorError, deserialize
    except ImportError as error:
        raise MissingExtraError(
            "safetensors is not installed", "pip install 'edgesteer[convert]'"
        ) from error
    try:
        data = path.read_bytes()
        read: Any = deserialize
        found = read(data)
    except SafetensorError as error:
        _refuse(path, f"it is damaged ({clip(str(error), 80)})", error)
    except OSError as error:
        _refuse(path, str(error.strerror or error), error)
    arrays = {name: _array(path, name, info) for name, info in found}
    head = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])  # the library checked it
    texts = head.get("__metadata__") or {}
    facts: dict[str, Any] = {key: text for key, text in texts.items() if len(text) <= 1024}
    with contextlib.suppress(ValueError, RecursionError, KeyError):  # then it is text like any
        facts["edgesteer"] = json.loads(facts["edgesteer"])
    return arrays, facts


def _array(path: Path, name: str, info: dict[str, Any]) -> NDArray[Any]:
    kind, shape, data = info["dtype"], info["shape"], info["data"]
    if kind == "BF16":  # the upper half of a float32
        wide = np.frombuffer(data, "<u2").astype(np.uint32) << 16
        return wide.view(np.float32).reshape(shape)
    if kind not in _TYPES:
        _refuse(path, f"{clip(name)} is of the type {clip(kind)}")
    return np.frombuffer(data, _TYPES[kind]).reshape(shape)


def _refuse(path: Path, why: str, cause: Exception | None = None) -> NoReturn:
    raise VectorFileError(
        f"{path} is not a usable vector: {why}", "get the file again, or save it as float32"
    ) from cause
