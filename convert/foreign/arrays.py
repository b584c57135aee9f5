"""Named arrays -> numbered directions: which number a name holds, and what a shape means.

Does not know which file the arrays come from, nor how many layers the model has.

    "12", "layers.12", "direction.12", "model.layers.12"     one direction each, [width]
    one array [n, width]                                      a stack, one row a layer
    one array [width] whose name holds no number              a single direction
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from convert.foreign import Foreign
from edgesteer.errors import VectorFileError
from edgesteer.gguf_header import clip

__all__ = ["from_arrays"]

Array = NDArray[Any]

_LAYER = re.compile(r"(?:layers?|blocks?|blk|direction|resid_post|h)[._-]?([0-9]{1,6})(?![0-9])")
_NUMBER = re.compile(r"[0-9]+")
#: What numpy calls an array that nobody named; its number is no layer.
_NAMELESS = re.compile(r"arr_[0-9]+")
#: Places that are not the residual stream behind a block.
_ELSEWHERE = re.compile(
    r"(?:^|[._])(self_attn|attn|attention|mlp|ffn|ln[0-9f_]*|norm|input_layernorm"
    r"|(?:hook_)?resid_(?:pre|mid)|embed[a-z_]*)(?:[._]|$)",
    re.IGNORECASE,
)
_SHOWN = 6


def from_arrays(
    path: Path,
    form: str,
    arrays: Mapping[str, Array],
    key: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Foreign:
    """The directions among some arrays; `key` keeps those whose names begin with it.

    Arrays of a single number are left aside. Raises VectorFileError.
    """
    kept = {name: _squeezed(path, name, array) for name, array in arrays.items()}
    kept = {name: array for name, array in kept.items() if array.ndim}
    if key is not None and not (kept := {n: a for n, a in kept.items() if n.startswith(key)}):
        _refuse(path, f"no array in it begins with {clip(key)}", _names(arrays))
    if not kept:
        _refuse(path, "it holds no array", "a direction is an array of as many numbers as n_embd")
    for name in kept:
        if site := _ELSEWHERE.search(name):
            _refuse(
                path,
                f"{clip(name)} speaks of {site[1]}, not of the output of a block",
                "only the residual stream behind a block is steered; rename its arrays to "
                "layers.N if they are of that",
            )
    facts = dict(facts or {})
    if len(kept) == 1:
        ((name, array),) = kept.items()
        if array.ndim == 2:
            rows = dict(enumerate(_floats(path, name, array)))
            return Foreign(path, form, rows, "stack", facts)
        if array.ndim == 1 and _layer(name) is None:
            return Foreign(path, form, {0: _floats(path, name, array)}, "single", facts)
    for name, array in kept.items():
        if array.ndim != 1:
            _refuse(path, f"{clip(name)} has the shape {list(array.shape)}", _one_of(kept))
    return Foreign(path, form, _numbered(path, kept), "numbered", facts)


def _numbered(path: Path, arrays: Mapping[str, Array]) -> dict[int, NDArray[np.float32]]:
    rows: dict[int, NDArray[np.float32]] = {}
    owner: dict[int, str] = {}
    for name, array in arrays.items():
        layer = _layer(name)
        if layer is None:
            _refuse(path, f"the name {clip(name)} holds no layer number", _one_of(arrays))
        if layer in rows:
            _refuse(
                path,
                f"{clip(owner[layer])} and {clip(name)} are both layer {layer}",
                _one_of(arrays),
            )
        rows[layer], owner[layer] = _floats(path, name, array), name
    return dict(sorted(rows.items()))


def _layer(name: str) -> int | None:
    """The layer number in a name, None when it holds none or does not say which one it is."""
    if _NAMELESS.fullmatch(name):
        return None
    found = set(_LAYER.findall(name)) or set(_NUMBER.findall(name))
    number = found.pop() if len(found) == 1 else ""
    return int(number) if 0 < len(number) <= 6 else None


def _squeezed(path: Path, name: str, array: Array) -> Array:
    if array.dtype.kind not in "fiu":
        _refuse(path, f"{clip(name)} holds {array.dtype}, not numbers", "save float32 arrays")
    while array.ndim > 1 and array.shape[0] == 1:
        array = array[0]
    while array.ndim > 1 and array.shape[-1] == 1:
        array = array[..., 0]
    return array if array.size > 1 or array.ndim != 1 else array.reshape(())


def _floats(path: Path, name: str, array: Array) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        rows = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(rows).all():
        _refuse(path, f"{clip(name)} holds NaN or infinity", "make the vector again")
    return rows


def _names(arrays: Mapping[str, Array]) -> str:
    shown = ", ".join(clip(name, 40) for name in list(arrays)[:_SHOWN])
    return f"it holds {shown}{', ...' if len(arrays) > _SHOWN else ''}"


def _one_of(arrays: Mapping[str, Array]) -> str:
    return f"{_names(arrays)}; --key picks those whose names begin with something"


def _refuse(path: Path, why: str, hint: str) -> NoReturn:
    raise VectorFileError(f"{path} is not a usable vector: {why}", hint)
