"""numpy's .npz and .npy -> named arrays, with every size checked before anything is allocated.

Does not know what the arrays are; objects (pickles) in them are refused, never loaded.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from convert.foreign import MOST_BYTES
from edgesteer.errors import VectorFileError
from edgesteer.gguf_header import clip

__all__ = ["read_numpy"]

_SAVE = "save plain float32 arrays: numpy.savez(FILE, **{'layers.12': direction})"
_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read_numpy(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays by name; the one array of a .npy file is called arr_0. Raises VectorFileError."""
    try:
        if path.suffix.lower() == ".npy":
            return {"arr_0": _array(path, path.name, path.read_bytes())}
        with zipfile.ZipFile(path) as archive:
            if sum(item.file_size for item in archive.infolist()) > MOST_BYTES:
                _refuse(path, f"it unpacks to more than {MOST_BYTES} bytes")
            return {
                item.filename.removesuffix(".npy"): _array(
                    path, item.filename, _unpacked(path, archive, item)
                )
                for item in archive.infolist()
                if not item.is_dir()
            }
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        _refuse(path, f"it is damaged or encrypted ({str(error)[:80]!r})", error)
    except OSError as error:
        _refuse(path, str(error.strerror or error), error)


def _unpacked(path: Path, archive: zipfile.ZipFile, item: zipfile.ZipInfo) -> bytes:
    """The bytes of one member, no more than its entry says: a bomb lies there."""
    with archive.open(item) as file:
        data = file.read(item.file_size + 1)
    if len(data) != item.file_size:
        _refuse(path, f"{clip(item.filename)} is not as long as it says")
    return data


def _array(path: Path, name: str, data: bytes) -> NDArray[Any]:
    file = io.BytesIO(data)
    try:
        version = npy.read_magic(file)
        if version not in _READERS:
            _refuse(path, f"{clip(name)} has the version {version}")
        shape, fortran, dtype = _READERS[version](file)
    except (ValueError, TypeError, KeyError, SyntaxError, RecursionError, MemoryError) as error:
        _refuse(path, f"{clip(name)} is no numpy array", error)
    if dtype.hasobject:
        _refuse(path, f"{clip(name)} holds Python objects, which are never loaded")
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(data) - file.tell():
        _refuse(path, f"{clip(name)} says it has the shape {str(shape)[:60]}, which is not so")
    flat = np.frombuffer(data, dtype, offset=file.tell())
    return flat.reshape(shape, order="F" if fortran else "C")


def _refuse(path: Path, why: str, cause: Exception | None = None) -> NoReturn:
    raise VectorFileError(f"{path} is not a usable vector: {why}", _SAVE) from cause
