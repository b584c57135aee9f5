"""A strict reader of GGUF headers: key-values and tensor positions, each length checked first.

Does not know control vectors or models: it refuses what is malformed, whatever the file is for.

GGUF, little endian, versions 2 and 3:

    "GGUF"  u32 version  u64 n_tensors  u64 n_kv
    n_kv      times: string key, u32 type, value
    n_tensors times: string name, u32 n_dims, u64 dims[n_dims] (fastest first), u32 type, u64 offset
    padding to general.alignment (32), then the data; offsets count from there
    string: u64 length, UTF-8 bytes         array: u32 item type, u64 count, the items

Nothing is allocated from a number in the file before that number has been held against the size of
the file. Long arrays (vocabularies) are stepped over without building their items.
"""

from __future__ import annotations

import math
import mmap
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING, NoReturn

from edgesteer.errors import NotFoundError, VectorFileError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["F32", "GgufHeader", "SkippedArray", "TensorInfo", "clip", "read_header"]

F32 = 0
"""The number of the float32 tensor type."""

# type number: (elements in a block, bytes of a block); types that no file holds are left out
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
    15: (256, 292), 16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18),
    21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8),
    28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36),
    41: (128, 18), 42: (64, 18),
}  # fmt: skip
_U32, _U64 = Struct("<I"), Struct("<Q")
_NUMBERS = {
    0: Struct("<B"), 1: Struct("<b"), 2: Struct("<H"), 3: Struct("<h"), 4: _U32, 5: Struct("<i"),
    6: Struct("<f"), 7: Struct("<B"), 10: _U64, 11: Struct("<q"), 12: Struct("<d"),
}  # fmt: skip
_BOOL, _STRING, _ARRAY = 7, 8, 9
_LONG_ARRAY = 1024
_MAX_KV, _MAX_TENSORS = 1 << 16, 1 << 18
_MAX_KEY, _MAX_NAME, _MAX_DIMS = 65535, 63, 4
_MIN_KV_BYTES, _MIN_TENSOR_BYTES = 8 + 1 + 4 + 1, 8 + 4 + 4 + 8
_UNREADABLE = "check the path, and that you may read the file"
_DAMAGED = "the file is cut short or damaged: get it again from where it came"


@dataclass(frozen=True)
class TensorInfo:
    """Where one tensor lies: `dims` as in the file (fastest first), `start` from the file's start.

    `nbytes` is None for a type that this reader has no size for.
    """

    name: str
    dims: tuple[int, ...]
    type: int
    start: int
    nbytes: int | None


@dataclass(frozen=True)
class SkippedArray:
    """An array that was stepped over: its items' type number and how many there are."""

    item_type: int
    count: int


@dataclass(frozen=True)
class GgufHeader:
    """The header of one file. `kinds` holds the type number of every key's value."""

    path: Path
    version: int
    kv: dict[str, object]
    tensors: dict[str, TensorInfo]
    data_offset: int
    size: int
    kinds: dict[str, int] = field(default_factory=dict)

    def tensor_f32(self, name: str) -> NDArray[np.float32]:
        """The float32 tensor of that name, a new array, slowest dimension first.

        Raises VectorFileError when there is none, or when it has another type.
        """
        import numpy as np

        info = self.tensors.get(name)
        if info is None:
            _refuse(self.path, f"it has no tensor {clip(name)}", _DAMAGED)
        if info.type != F32 or info.nbytes is None:
            _refuse(self.path, f"tensor {clip(name)} is not F32", "convert it to F32")
        try:
            with self.path.open("rb") as file:
                file.seek(info.start)
                data = file.read(info.nbytes)
        except OSError as error:
            raise VectorFileError(f"{self.path}: {error.strerror}", _UNREADABLE) from error
        if len(data) != info.nbytes:
            _refuse(self.path, "it became shorter while it was read", _DAMAGED)
        return np.frombuffer(data, "<f4").astype(np.float32).reshape(info.dims[::-1])


def read_header(path: str | os.PathLike[str], *, keep_arrays: bool = False) -> GgufHeader:
    """Reads the header of a GGUF file.

    Arrays of more than 1024 items come back as SkippedArray unless `keep_arrays`; shorter ones are
    lists. Raises NotFoundError when there is no such file and VectorFileError when it is no sound
    GGUF file.
    """
    where = Path(path)
    try:
        info = where.stat()
        if not stat.S_ISREG(info.st_mode):
            kind = "a folder" if stat.S_ISDIR(info.st_mode) else "no regular file"
            _refuse(where, f"it is {kind}", "give the path of a .gguf file")
        if info.st_size < 24:
            _refuse(where, f"it has {info.st_size} bytes, too few for a GGUF file", _DAMAGED)
        with where.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Parser(where, data, keep_arrays).header()
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {where}", "check the path") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        shown = str(where) if str(where).isprintable() else clip(str(where))
        raise VectorFileError(f"{shown} can not be read: {reason}", _UNREADABLE) from error


def clip(text: str, limit: int = 60) -> str:
    """A name from a file, quoted and shortened, so that it can stand in a one-line message."""
    return repr(text if len(text) <= limit else text[: limit - 3] + "...")


def _refuse(path: Path, why: str, hint: str) -> NoReturn:
    raise VectorFileError(f"{path} is not a usable GGUF file: {why}", hint)


class _Parser:
    """One pass over the mapped bytes; `pos` never passes `end`."""

    def __init__(self, path: Path, data: mmap.mmap, keep_arrays: bool) -> None:
        self.path, self.data, self.keep = path, data, keep_arrays
        self.pos, self.end = 0, len(data)

    def header(self) -> GgufHeader:
        version = self._preamble()
        n_tensors, n_kv = self._u64(), self._u64()
        self._fits("key-values", n_kv, _MIN_KV_BYTES, _MAX_KV)
        self._fits("tensors", n_tensors, _MIN_TENSOR_BYTES, _MAX_TENSORS)
        kv: dict[str, object] = {}
        kinds: dict[str, int] = {}
        for _ in range(n_kv):
            key = self._string("a key", _MAX_KEY)
            if not key or key in kv:
                self._refuse(f"the key {clip(key)} comes twice" if key else "a key is empty")
            kinds[key] = self._u32()
            kv[key] = self._value(key, kinds[key])
        raw = self._tensor_infos(n_tensors)
        alignment = self._alignment(kv, kinds)
        start = -(-self.pos // alignment) * alignment
        tensors = self._placed(raw, start, alignment)
        return GgufHeader(self.path, version, kv, tensors, start, self.end, kinds)

    def _preamble(self) -> int:
        if self.data[:4] != b"GGUF":
            self._refuse("it does not start with GGUF", "give the path of a .gguf file")
        self.pos = 4
        version = self._u32()
        if version & 0xFFFF == 0 and version:
            self._refuse("it is big endian", "convert it to little endian")
        if version not in (2, 3):
            self._refuse(f"GGUF version {version} is not supported", "versions 2 and 3 are read")
        return version

    def _value(self, key: str, kind: int) -> object:
        if kind == _STRING:
            return self._string(f"the value of {clip(key)}", self.end)
        if kind == _ARRAY:
            return self._array(key)
        number = self._number_type(key, kind)
        value = number.unpack_from(self.data, self._take(number.size, f"the value of {clip(key)}"))
        return bool(value[0]) if kind == _BOOL else value[0]

    def _array(self, key: str) -> object:
        kind, count = self._u32(), self._u64()
        what = f"the array {clip(key)}"
        if kind == _ARRAY:
            self._refuse(f"{what} holds arrays", "GGUF has no arrays of arrays")
        wanted = self.keep or count <= _LONG_ARRAY
        if kind == _STRING:
            self._room(count * 8, what)
            if wanted:
                return [self._string(f"an item of {what}", self.end) for _ in range(count)]
            self._step_over_strings(count, what)
            return SkippedArray(kind, count)
        number = self._number_type(key, kind)
        start = self._take(count * number.size, what)
        if not wanted:
            return SkippedArray(kind, count)
        items = [x[0] for x in number.iter_unpack(self.data[start : self.pos])]
        return [bool(x) for x in items] if kind == _BOOL else items

    def _step_over_strings(self, count: int, what: str) -> None:
        data, pos, last = self.data, self.pos, self.end - 8
        length_at: Callable[[mmap.mmap, int], tuple[int]] = _U64.unpack_from
        for _ in range(count):
            if pos > last:
                self._short(what)
            pos += 8 + length_at(data, pos)[0]
        if pos > self.end:
            self._short(what)
        self.pos = pos

    def _tensor_infos(self, count: int) -> list[tuple[str, tuple[int, ...], int, int]]:
        found: dict[str, tuple[str, tuple[int, ...], int, int]] = {}
        for _ in range(count):
            name = self._string("a tensor name", _MAX_NAME)
            if name in found:
                self._refuse(f"the tensor {clip(name)} comes twice")
            n_dims = self._u32()
            if n_dims > _MAX_DIMS:
                self._refuse(f"tensor {clip(name)} has {n_dims} dimensions, at most 4 are allowed")
            dims = tuple(self._u64() for _ in range(n_dims))
            found[name] = (name, dims, self._u32(), self._u64())
        return list(found.values())

    def _alignment(self, kv: dict[str, object], kinds: dict[str, int]) -> int:
        value = kv.get("general.alignment", 32)
        if kinds.get("general.alignment", 4) != 4 or not isinstance(value, int):
            self._refuse("general.alignment is not a u32")
        if value < 1 or value & (value - 1):
            self._refuse(f"general.alignment is {value}, which is not a power of two")
        return value

    def _placed(
        self, raw: list[tuple[str, tuple[int, ...], int, int]], start: int, alignment: int
    ) -> dict[str, TensorInfo]:
        """The tensors with their places, after a check that they lie in the file and apart."""
        tensors: dict[str, TensorInfo] = {}
        for name, dims, kind, offset in raw:
            if offset % alignment:
                self._refuse(f"tensor {clip(name)} starts at {offset}, off the alignment")
            nbytes = self._nbytes(name, dims, kind)
            if start + offset + (nbytes or 0) > self.end:
                self._refuse(f"tensor {clip(name)} reaches past the end of the file")
            tensors[name] = TensorInfo(name, dims, kind, start + offset, nbytes)
        taken = 0
        for info in sorted(tensors.values(), key=lambda t: (t.start, t.nbytes or 0)):
            if info.start < taken:
                self._refuse(f"tensor {clip(info.name)} overlaps another one")
            taken = info.start + (info.nbytes or 0)
        return tensors

    def _nbytes(self, name: str, dims: tuple[int, ...], kind: int) -> int | None:
        if kind not in _BLOCKS:
            return None
        per_block, block_bytes = _BLOCKS[kind]
        row = dims[0] if dims else 1
        if row % per_block:
            self._refuse(f"tensor {clip(name)} has rows of {row}, no multiple of {per_block}")
        return math.prod(dims) // per_block * block_bytes

    def _number_type(self, key: str, kind: int) -> Struct:
        if kind not in _NUMBERS:
            self._refuse(f"{clip(key)} has the unknown value type {kind}", "is the file damaged?")
        return _NUMBERS[kind]

    def _fits(self, what: str, count: int, least: int, most: int) -> None:
        if count > most or count * least > self.end - self.pos:
            self._refuse(f"it claims to hold {count} {what}")

    def _string(self, what: str, most: int) -> str:
        length = self._u64()
        if length > most:
            self._refuse(f"{what} is {length} bytes long")
        start = self._take(length, what)
        return self.data[start : start + length].decode("utf-8", "replace")

    def _u32(self) -> int:
        value: int = _U32.unpack_from(self.data, self._take(4, "the header"))[0]
        return value

    def _u64(self) -> int:
        value: int = _U64.unpack_from(self.data, self._take(8, "the header"))[0]
        return value

    def _take(self, size: int, what: str) -> int:
        self._room(size, what)
        start = self.pos
        self.pos = start + size
        return start

    def _room(self, size: int, what: str) -> None:
        if size > self.end - self.pos:
            self._short(what)

    def _short(self, what: str) -> NoReturn:
        self._refuse(f"{what} reaches past the end of the file")

    def _refuse(self, why: str, hint: str = _DAMAGED) -> NoReturn:
        _refuse(self.path, why, hint)
