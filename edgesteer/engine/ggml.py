"""The few ggml calls and struct fields that reading and rewriting activations needs.

Knows nothing of llama.cpp's contexts, of steering or of which tensors matter.

The field offsets are those of ggml's ``ggml_tensor`` on 64-bit machines. :func:`check_layout`
compares them with what the loaded library says of itself before anything is trusted.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgesteer.errors import EngineError

F32: Final = 0
_TENSOR_BYTES: Final = 336
_OBJECT_BYTES: Final = 32
_BUFFER: Final = 8
_DATA: Final = 248
NAME_OFFSET: Final = 256
#: The struct up to ``data`` as 64-bit words: type, buffer, ne[4], nb[4], ..., data.
_Head: Any = ctypes.c_int64 * (_DATA // 8 + 1)


@functools.lru_cache(maxsize=256)
def _block(n: int) -> Any:
    """The ctypes type of ``n`` floats."""
    return ctypes.c_float * n


FloatArray = npt.NDArray[np.float32]


class Ggml:
    """The functions of libggml-base, found through the library that llama_cpp has loaded."""

    def __init__(self, candidates: list[Any]) -> None:
        """Take the first library in ``candidates`` that exports them all."""
        names = (
            "ggml_backend_tensor_get",
            "ggml_backend_tensor_set",
            "ggml_backend_buffer_is_host",
            "ggml_tensor_overhead",
        )
        for lib in candidates:
            if all(hasattr(lib, name) for name in names):
                break
        else:
            raise EngineError(
                "the ggml functions for reading activations were not found",
                "Reinstall the engine: pip install --force-reinstall llama-cpp-python",
            )
        self._get = lib.ggml_backend_tensor_get
        self._set = lib.ggml_backend_tensor_set
        for function in (self._get, self._set):
            function.argtypes = [ctypes.c_void_p] * 2 + [ctypes.c_size_t] * 2
            function.restype = None
        self._hosts: dict[int, bool] = {}
        self._is_host = lib.ggml_backend_buffer_is_host
        self._is_host.argtypes = [ctypes.c_void_p]
        self._is_host.restype = ctypes.c_bool
        lib.ggml_tensor_overhead.restype = ctypes.c_size_t
        self.overhead = int(lib.ggml_tensor_overhead())

    def check_layout(self) -> None:
        """Refuse a ggml whose tensor struct is not the one this file describes.

        Raises:
            EngineError: the struct has another size, so its fields may have moved.
        """
        if self.overhead != _TENSOR_BYTES + _OBJECT_BYTES or ctypes.sizeof(ctypes.c_void_p) != 8:
            raise EngineError(
                f"this build of ggml lays out tensors differently ({self.overhead} bytes)",
                "Install the tested engine: pip install 'llama-cpp-python==0.3.36'",
            )

    def tensor(self, address: int) -> Tensor:
        """The tensor at ``address``, to be read while the graph runs."""
        return Tensor(address, self._get, self._set, self._on_host)

    def _on_host(self, buffer: int) -> bool:
        found = self._hosts.get(buffer)
        if found is None:
            found = self._hosts[buffer] = not buffer or bool(self._is_host(buffer))
        return found


class Tensor:
    """One 2-D float32 tensor of a graph: valid inside the callback only."""

    def __init__(self, address: int, get: Any, put: Any, on_host: Callable[[int], bool]) -> None:
        self._address, self._get, self._put, self._on_host = address, get, put, on_host
        self._head = _Head.from_address(address)
        self._seen: tuple[int, int, int] | None = None
        self._array: FloatArray | None = None

    @property
    def name(self) -> bytes:
        """What the graph calls it."""
        return ctypes.string_at(self._address + NAME_OFFSET)

    def rows(self) -> tuple[FloatArray, bool]:
        """The rows as they are now.

        Returns:
            ``(array [n_rows, width], is_view)``. On the CPU the array is the tensor's own
            memory, valid only inside the callback; on a device it is a copy, to be put back
            with :meth:`write`.
        """
        head = self._head
        seen = (head[_DATA // 8], head[3], head[_BUFFER // 8])
        if seen != self._seen or self._array is None:
            self._array, self._seen = self._view(*seen), seen
        if self._array is not None:
            return self._array, True
        copy = np.empty((head[3], head[2]), np.float32)
        self._get(self._address, copy.ctypes.data, 0, copy.nbytes)
        return copy, False

    def _view(self, data: int, n_rows: int, buffer: int) -> FloatArray | None:
        """The tensor's memory as an array; None where it lies on a device."""
        head = self._head
        ne, nb = head[2:6], head[6:10]
        width = ne[0]
        if head[0] & 0xFFFFFFFF != F32:
            raise EngineError("the residual stream of this model is not float32 in the graph")
        if ne[2] != 1 or ne[3] != 1 or nb[0] != 4 or nb[1] != 4 * width:
            raise EngineError(
                "this architecture keeps its residual stream in a shape that can not be read",
                "Additive steering for all sequences alike still works on it.",
            )
        if n_rows == 0:
            return np.empty((0, width), np.float32)
        if not data or not self._on_host(buffer):
            return None
        floats: Any = _block(n_rows * width).from_address(data)
        return np.frombuffer(floats, np.float32).reshape(n_rows, width)

    def write(self, rows: FloatArray) -> None:
        """Put ``rows`` [n_rows, width] back into the memory of a device."""
        rows = np.ascontiguousarray(rows, np.float32)
        self._put(self._address, rows.ctypes.data, 0, rows.nbytes)
