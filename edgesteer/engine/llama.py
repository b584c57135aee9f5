"""The library llama.cpp and the weights that it opens. The only file that imports llama_cpp.

Does not know contexts, samplers, steering, or who asks.
"""

from __future__ import annotations

import ctypes
import logging
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llama_cpp
from llama_cpp.llama_chat_format import Jinja2ChatFormatter
from llama_cpp.llama_grammar import json_schema_to_gbnf

from edgesteer.errors import DeviceError, EngineError, InputError, ModelError

__all__ = ["MAX_SEQUENCES", "C", "Jinja2ChatFormatter", "Offload", "Weights", "json_schema_to_gbnf"]

C: Any = llama_cpp
log = logging.getLogger("edgesteer.llama")
logging.getLogger("edgesteer").addHandler(logging.NullHandler())  # nothing goes to the screen

#: llama.cpp warns of much that is ordinary here (a full cache, an odd vocabulary): one step down.
_LEVELS = {1: logging.DEBUG, 2: logging.DEBUG, 3: logging.INFO, 4: logging.WARNING}


def _forward_log(level: int, text: bytes, _user: int | None) -> None:
    line = text.decode("utf-8", "replace").rstrip()
    if line and line != ".":
        log.log(_LEVELS.get(level, logging.DEBUG), "%s", line)


_log_callback = C.llama_log_callback(_forward_log)  # kept alive for the process
C.llama_log_set(_log_callback, ctypes.c_void_p(0))
C.llama_backend_init()


def _keep_freed_memory() -> None:
    """Let glibc keep up to 32 MB of freed memory: sampling frees half a megabyte every token.

    On a thread of its own that would be given back to the system and faulted in again each time.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:  # absent from musl
            mallopt(-3, 32 << 20)  # M_MMAP_THRESHOLD
            mallopt(-1, 32 << 20)  # M_TRIM_THRESHOLD


_keep_freed_memory()

#: How many sequences one context can hold.
MAX_SEQUENCES = int(C.llama_max_parallel_sequences())


def version() -> str:
    """The version of the llama_cpp package in use."""
    return str(C.__version__)


def system_info() -> str:
    """llama.cpp's own line on the CPU features that it uses."""
    return str(C.llama_print_system_info().decode("utf-8", "replace"))


def gpu_available() -> bool:
    """Whether this build of llama.cpp can put layers on a GPU, and one is there."""
    return bool(C.llama_supports_gpu_offload())


def default_threads() -> int:
    """Threads that decode fastest on most machines: the cores this process may use, at most 8.

    Of many logical cores half are taken, since two threads of one core share its units.
    """
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return max(1, min(8, cores if cores <= 4 else cores // 2))


@dataclass(frozen=True)
class Offload:
    """How many layers go to which device, as asked and as found.

    ``layers`` is llama.cpp's ``n_gpu_layers``; ``text`` is for people.
    """

    layers: int
    text: str


def plan_offload(device: str, gpu_layers: int | None, threads: int) -> Offload:
    """Turn ``--device`` and ``--gpu-layers`` into an offload.

    Raises:
        DeviceError: a GPU was asked for and this build of llama.cpp has none.
    """
    if device not in ("auto", "cpu", "gpu"):
        raise DeviceError(f"unknown device {device!r}", "Use auto, cpu or gpu.")
    if gpu_layers is not None and gpu_layers < 0:
        raise DeviceError(f"gpu layers must be 0 or more, not {gpu_layers}")
    cpu = f"CPU ({threads} thread{'s' if threads != 1 else ''})"
    wants = device == "gpu" or bool(gpu_layers)
    if wants and not gpu_available():
        raise DeviceError(
            "a GPU was asked for, but this llama.cpp was built without one or finds none",
            "Rebuild with CMAKE_ARGS='-DGGML_CUDA=on' (or -DGGML_METAL=on) pip install "
            "--force-reinstall --no-cache-dir llama-cpp-python, or use --device cpu.",
        )
    if device == "cpu" or gpu_layers == 0 or not gpu_available():
        return Offload(0, cpu)
    layers = 999 if gpu_layers is None else gpu_layers
    return Offload(layers, f"GPU ({'all' if layers >= 999 else layers} layers) + {cpu}")


def ggml_libraries() -> list[Any]:
    """Loaded libraries in which the functions of libggml-base may be found."""
    found: list[Any] = [C.llama_cpp._lib]
    folder = Path(os.environ.get("LLAMA_CPP_LIB_PATH") or Path(llama_cpp.__file__).parent / "lib")
    names = ("ggml-base.dll", "libggml-base.dylib", "libggml-base.so")
    found += [ctypes.CDLL(str(folder / name)) for name in names if (folder / name).exists()]
    return found


class Weights:
    """One opened GGUF file: its weights and vocabulary, shared by all contexts on it."""

    def __init__(self, path: Path, offload: Offload) -> None:
        """Open ``path``.

        Raises:
            ModelError: not a GGUF model that llama.cpp can load.
        """
        params = C.llama_model_default_params()
        params.n_gpu_layers = offload.layers
        self.path = path
        self._lock = threading.Lock()  # the vocabulary is read on any thread, until it is freed
        self._model = C.llama_model_load_from_file(str(path).encode(), params)
        if not self._model:
            raise ModelError(
                f"llama.cpp can not load {path}",
                "Run 'edgesteer -vv doctor' with this model to see llama.cpp's own messages.",
            )
        self.offload = offload
        self._vocab = C.llama_model_get_vocab(self._model)
        self.n_layer = int(C.llama_model_n_layer(self._model))
        self.n_embd = int(C.llama_model_n_embd(self._model))
        self.n_vocab = int(C.llama_vocab_n_tokens(self._vocab))
        self.n_ctx_train = int(C.llama_model_n_ctx_train(self._model))
        self.description = self._description()
        self.recurrent = bool(
            C.llama_model_is_recurrent(self._model) or C.llama_model_is_hybrid(self._model)
        )
        self.bos, self.eos = (
            int(C.llama_vocab_bos(self._vocab)),
            int(C.llama_vocab_eos(self._vocab)),
        )
        self.adds_bos = bool(C.llama_vocab_get_add_bos(self._vocab))
        self._pieces: dict[tuple[int, bool], bytes] = {}
        self._ends: dict[int, bool] = {}
        self._all_ends: list[int] | None = None
        self._adapters: dict[Path, Any] = {}

    @staticmethod
    def _text(function: Callable[..., int], *args: Any) -> str:
        buffer = ctypes.create_string_buffer(256)
        function(*args, buffer, 256)
        return buffer.value.decode("utf-8", "replace")

    def metadata(self, key: str) -> str | None:
        """The value of a metadata key as text, or None."""
        size = C.llama_model_meta_val_str(self._model, key.encode(), None, 0)
        if size < 0:
            return None
        buffer = ctypes.create_string_buffer(size + 1)
        C.llama_model_meta_val_str(self._model, key.encode(), buffer, size + 1)
        return buffer.value.decode("utf-8", "replace")

    def _description(self) -> str:
        """Architecture, parameters, format; llama.cpp's own words guess the size by the layers."""
        words = self._text(C.llama_model_desc, self._model).split()
        n = int(C.llama_model_n_params(self._model))
        size = (
            f"{n / 1e9:.1f}B" if n >= 1e9 else f"{n / 1e6:.0f}M" if n >= 1e6 else f"{n / 1e3:.0f}K"
        )
        return " ".join([words[0], size, *words[2:]]) if len(words) > 2 else " ".join(words)

    def is_end(self, token: int) -> bool:
        """Whether ``token`` ends an answer (end of sequence, of turn, of message)."""
        found = self._ends.get(token)
        if found is None:
            with self._lock:
                self._check_open()
                found = self._ends[token] = bool(C.llama_vocab_is_eog(self._vocab, token))
        return found

    def end_tokens(self) -> list[int]:
        """All tokens that end an answer."""
        if self._all_ends is None:
            self._all_ends = [token for token in range(self.n_vocab) if self.is_end(token)]
        return self._all_ends

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool = True) -> list[int]:
        """Token ids of ``text``; ``add_special`` adds what the model wants at the start."""
        raw = text.encode("utf-8", "surrogatepass")
        size = len(raw) + 8
        with self._lock:
            self._check_open()
            while True:
                buffer = (C.llama_token * size)()
                n = C.llama_tokenize(
                    self._vocab, raw, len(raw), buffer, size, add_special, parse_special
                )
                if n >= 0:
                    return list(buffer[:n])
                if -n <= size:
                    raise EngineError("llama.cpp could not tokenise this text")
                size = -n

    def piece(self, token: int, *, special: bool = False) -> bytes:
        """The bytes of one token; control tokens are empty unless ``special``."""
        found = self._pieces.get((token, special))
        if found is None:
            if not 0 <= token < self.n_vocab:
                raise InputError(f"token {token} is outside the vocabulary of {self.n_vocab}")
            found = self._pieces[token, special] = self._read_piece(token, special)
        return found

    def _read_piece(self, token: int, special: bool) -> bytes:
        size = 64
        with self._lock:
            self._check_open()
            while True:
                buffer = ctypes.create_string_buffer(size)
                n = C.llama_token_to_piece(self._vocab, token, buffer, size, 0, special)
                if n >= 0:
                    return buffer.raw[:n]
                size = -n

    def adapter(self, path: Path) -> Any:
        """The LoRA adapter of a file that has been checked; loaded once, freed with the weights.

        Called on the engine's thread, since llama.cpp changes the model here.

        Raises:
            EngineError: llama.cpp can not load it.
        """
        found = self._adapters.get(path)
        if found is None:
            found = C.llama_adapter_lora_init(self.handle, str(path).encode())
            if not found:
                raise EngineError(f"llama.cpp can not load the adapter {path}", "Make it again.")
            self._adapters[path] = found
        return found

    def close(self) -> None:
        """Free the weights, their adapters with them. Contexts on them must be closed before."""
        with self._lock:
            if self._model:
                C.llama_model_free(self._model)
                self._model = None

    def _check_open(self) -> None:
        if not self._model:
            raise ModelError("the model is closed", "Open it again with Model.open.")

    @property
    def vocab(self) -> Any:
        """The ``llama_vocab *``, for the engine's own thread.

        Raises:
            ModelError: the model has been closed.
        """
        self._check_open()
        return self._vocab

    @property
    def handle(self) -> Any:
        """The ``llama_model *``.

        Raises:
            ModelError: the model has been closed.
        """
        self._check_open()
        return self._model
