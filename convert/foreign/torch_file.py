"""torch's .pt -> named arrays: plain tensors in dicts and lists, loaded with weights_only.

Does not know what the tensors are; a file that asks for anything but tensors is refused unread.
"""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from convert.foreign import MOST_BYTES
from edgesteer.errors import MissingExtraError, VectorFileError
from edgesteer.gguf_header import clip

__all__ = ["read_torch"]

_SAVE = "save plain tensors: torch.save({layer: tensor, ...}, FILE)"
_DEEPEST = 8
#: What torch.load raises for files that are cut short, forged or made to do harm.
_BAD = (
    pickle.PickleError, RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError,
    EOFError, AssertionError, MemoryError, OverflowError, ImportError, zipfile.BadZipFile, OSError,
)  # fmt: skip


def read_torch(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors by name: the keys that lead to them, joined by dots; float32 on the CPU.

    A list of equal directions counts as one stack. Raises MissingExtraError and VectorFileError.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("torch is not installed", "make torch installs it") from error
    _check_archive(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        hint = _SAVE
        if "SteeringVector" in str(error):
            hint = "save its tensors alone: torch.save(vector.layer_activations, FILE)"
        why = "it holds more than tensors, and objects in it would run code when loaded"
        _refuse(path, why, error, hint)
    except _BAD as error:
        _refuse(path, f"torch can not read it ({clip(str(error), 80)})", error)
    arrays: dict[str, NDArray[Any]] = {}
    for name, tensor in _tensors(path, found, "", _DEEPEST):
        if name in arrays:
            _refuse(path, f"two tensors in it are called {clip(name)}")
        arrays[name] = _array(path, name, tensor)
    return _stacked(found, arrays)


def _check_archive(path: Path) -> None:
    """Returns when it is a zip archive, as torch writes since 1.6, of a size that can be."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(item.file_size for item in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        _refuse(path, "it is no archive as torch has written since version 1.6", error)
    if size > MOST_BYTES:
        _refuse(path, f"it unpacks to more than {MOST_BYTES} bytes")


def _tensors(path: Path, value: object, name: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Every tensor in nested dicts and lists; other values are passed over."""
    import torch

    if isinstance(value, torch.Tensor):
        yield name or "arr_0", value
    elif isinstance(value, Mapping | list | tuple):
        if depth == 0:
            _refuse(path, "its dicts and lists are nested too deep")
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, item in items:
            inner = f"{name}.{key}" if name else str(key)
            yield from _tensors(path, item, inner, depth - 1)


def _array(path: Path, name: str, tensor: Any) -> NDArray[Any]:
    import torch

    plain = tensor.layout == torch.strided and tensor.device.type == "cpu"
    if not plain or tensor.is_quantized or tensor.is_complex():
        _refuse(path, f"{clip(name)} is no plain tensor of numbers")
    if tensor.numel() * 4 > MOST_BYTES:  # a view may claim more than its storage holds
        _refuse(path, f"{clip(name)} has the shape {str(list(tensor.shape))[:60]}")
    array: NDArray[Any] = tensor.detach().to(torch.float32).contiguous().numpy()
    return array


def _stacked(found: object, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """A plain list of directions as the one array that it is."""
    shapes = {array.shape for array in arrays.values()}
    if isinstance(found, list | tuple) and len(arrays) > 1 and len(shapes) == 1:
        return {"arr_0": np.stack(list(arrays.values()))}
    return arrays


def _refuse(path: Path, why: str, cause: Exception | None = None, hint: str = _SAVE) -> NoReturn:
    raise VectorFileError(f"{path} is not a usable vector: {why}", hint) from cause
