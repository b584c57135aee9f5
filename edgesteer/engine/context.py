"""One llama.cpp context: a KV cache, compute buffers, a control vector, maybe a hook.

Does not know what its sequences are for. Everything is checked here in Python before it reaches C:
llama.cpp's assertions end the process.
"""

from __future__ import annotations

import ctypes
import math
import os
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesteer.engine.ggml import Ggml
from edgesteer.engine.hooks import Hook
from edgesteer.engine.llama import C, Weights, ggml_libraries
from edgesteer.engine.plan import Adapter
from edgesteer.engine.sampler import Sampler
from edgesteer.errors import EngineError

FloatArray = npt.NDArray[np.float32]

#: Types of keys and values in the cache, with ggml's numbers for them.
KV_TYPES = {"f16": 1, "f32": 0}


def _abort_probe() -> tuple[Any, Any]:
    """An abort callback that costs no Python: libc's strlen over a two-byte flag.

    strlen of an empty string is 0 (go on); with a first byte of 1 it is 1 (stop). Called by
    llama.cpp between graph nodes, without the interpreter lock.
    """
    flag = ctypes.create_string_buffer(2)
    libc = ctypes.CDLL("msvcrt") if os.name == "nt" else ctypes.CDLL(None)
    return ctypes.cast(libc.strlen, C.ggml_abort_callback), flag


class Context:
    """One llama.cpp context: KV cache, compute buffers, one control vector, maybe a hook."""

    def __init__(
        self,
        weights: Weights,
        *,
        n_ctx: int,
        n_seq: int,
        n_ubatch: int = 512,
        n_outputs: int = 16,
        threads: int,
        shared_kv: bool = True,
        hooked: bool = False,
        flash_attention: bool | None = None,
        kv_type: str = "f16",
    ) -> None:
        """Make a context of ``n_ctx`` cells for up to ``n_seq`` sequences.

        ``kv_type`` is how keys and values are kept. With "f16", and whenever flash attention is on,
        attention adds up in f16 in the order of the cells: an answer can then differ by rounding
        from the same one alone. "f32" therefore leaves flash attention off unless it is asked for.

        Raises:
            EngineError: llama.cpp refused (most often: not enough memory).
        """
        params = C.llama_context_default_params()
        params.n_ctx, params.n_seq_max = n_ctx, n_seq
        params.n_batch = params.n_ubatch = min(n_ubatch, n_ctx)
        # llama.cpp plans a graph with an output for each sequence, and asserts that they fit
        params.n_outputs_max = min(max(n_seq, n_outputs), params.n_batch)
        params.n_threads = params.n_threads_batch = threads
        params.kv_unified = shared_kv
        params.no_perf = True
        params.type_k = params.type_v = KV_TYPES[kv_type]
        if flash_attention is None and kv_type == "f32":
            flash_attention = False
        if flash_attention is not None:
            params.flash_attn_type = int(flash_attention)
        self.hook: Hook | None = None
        if hooked:
            ggml = Ggml(ggml_libraries())
            ggml.check_layout()
            self.hook = Hook(ggml)
            params.cb_eval = ctypes.cast(self.hook.callback, C.ggml_backend_sched_eval_callback)
        self._abort, self._abort_flag = _abort_probe()
        params.abort_callback = self._abort
        params.abort_callback_data = ctypes.cast(self._abort_flag, ctypes.c_void_p)
        self._params = params
        self._ctx = C.llama_init_from_model(weights.handle, params)
        if not self._ctx:
            raise EngineError(
                f"llama.cpp could not make a context of {n_ctx} tokens",
                "Try a smaller --ctx; its memory grows in proportion.",
            )
        self.weights, self.n_seq = weights, n_seq
        self.n_ctx, self.n_batch = n_ctx, int(params.n_batch)  # llama.cpp rounds n_ctx up
        self.n_outputs = int(params.n_outputs_max)
        self._memory = C.llama_get_memory(self._ctx)
        self._vector: FloatArray | None = None  # what is in force, kept for comparison
        self._adapter: Adapter | None = None
        self.last_row = 0
        self._make_batch(self.n_batch)

    def _make_batch(self, n: int) -> None:
        self.tokens = np.zeros(n, np.int32)
        self.positions = np.zeros(n, np.int32)
        self.sequences = np.zeros(n, np.int32)
        self.outputs = np.zeros(n, np.int8)
        self.owners = np.zeros(self.n_seq, np.int32)
        self._counts = np.ones(n, np.int32)
        base = self.sequences.ctypes.data
        self._pointers = np.arange(base, base + 4 * n, 4, dtype=np.uint64)
        batch = C.llama_batch()
        fields = dict(C.llama_batch._fields_)
        for name, array in (
            ("token", self.tokens),
            ("pos", self.positions),
            ("n_seq_id", self._counts),
            ("seq_id", self._pointers),
            ("logits", self.outputs),
        ):
            setattr(batch, name, ctypes.cast(array.ctypes.data, fields[name]))
        self._batch = batch

    def share(self, rows: slice, first: int, count: int) -> None:
        """Let batch rows belong to the sequences ``owners[first : first + count]``, all of them.

        A context in which this is used needs it for every row of every call.
        """
        self._counts[rows] = count
        self._pointers[rows] = self.owners.ctypes.data + 4 * first

    # -- running the graph

    def decode(self, n: int) -> int:
        """Run the first ``n`` rows of the batch arrays.

        Returns:
            0 done; 1 no room in the KV cache (nothing changed); 2 aborted (rows of this call may
            or may not be in the cache: remove them).

        Raises:
            EngineError: llama.cpp failed; the rows of this call must be removed from the cache.
        """
        self._batch.n_tokens = n
        self.last_row = n - 1
        rc = self._decode_hooked(self.hook, n) if self.hook is not None else self._decode()
        if rc < 0:
            raise EngineError(f"llama_decode failed with code {rc}", "Try a smaller --ctx.")
        return rc

    def _decode(self) -> int:
        return int(C.llama_decode(self._ctx, self._batch))

    def _decode_hooked(self, hook: Hook, n: int) -> int:
        if self.weights.recurrent:
            hook.forget()  # its memory could not be taken back
        known = hook.begin((n, np.count_nonzero(self.outputs[:n])))
        rc = self._decode()
        if rc == 0 and known and hook.missed():  # a graph built otherwise after all
            hook.forget()
            self._take_back(n)
            hook.begin(None)
            rc = self._decode()
        return rc

    def _take_back(self, n: int) -> None:
        """Remove the first ``n`` rows of the batch arrays from the cache."""
        firsts: dict[int, int] = {}
        for row in range(n):
            ids = (ctypes.c_int32 * int(self._counts[row])).from_address(int(self._pointers[row]))
            for sequence in ids:
                at = int(self.positions[row])
                firsts[sequence] = min(firsts.get(sequence, at), at)
        for sequence, first in firsts.items():
            self.drop(sequence, first)

    def abort(self) -> None:
        """Ask a running :meth:`decode` to stop at the next graph node (CPU); from any thread."""
        self._abort_flag[0] = b"\x01"

    def clear_abort(self) -> None:
        """Forget an :meth:`abort`."""
        self._abort_flag[0] = b"\x00"

    def logits(self, row: int) -> FloatArray:
        """A copy of the float32 logits ``[n_vocab]`` of batch row ``row`` of the last decode."""
        pointer = C.llama_get_logits_ith(self._ctx, row)
        if not pointer:
            raise EngineError(f"row {row} of the batch has no logits")
        return np.ctypeslib.as_array(pointer, (self.weights.n_vocab,)).copy()

    def all_logits(self, n: int) -> FloatArray:
        """float32 ``[n, n_vocab]``: the ``n`` rows of logits of the last decode, in its order.

        llama.cpp's own memory: valid until the next decode.
        """
        pointer = C.llama_get_logits(self._ctx)
        if not pointer:
            raise EngineError("the last decode call computed no logits")
        return np.ctypeslib.as_array(pointer, (n, self.weights.n_vocab))

    def sample(self, sampler: Sampler, row: int) -> int:
        """Choose the next token from the logits of batch row ``row``.

        Raises:
            EngineError: the logits are NaN or all zero; llama.cpp would choose at random.
        """
        pointer = C.llama_get_logits_ith(self._ctx, row)
        some = [pointer[i] for i in (0, 1, -1 % self.weights.n_vocab)] if pointer else [math.nan]
        if math.isnan(some[0]) or not any(some):  # what a norm makes of infinite activations
            raise EngineError(
                "the model's numbers overflowed: its logits say nothing",
                "Steer less: lower the strengths until the text makes sense.",
            )
        if sampler.greedy:
            return int(np.ctypeslib.as_array(pointer, (self.weights.n_vocab,)).argmax())
        if sampler.has_grammar:
            return sampler.choose(self.logits(row))
        return int(C.llama_sampler_sample(sampler.handle, self._ctx, row))

    # -- steering all sequences alike

    def set_vector(self, buffer: FloatArray | None) -> None:
        """Put a control vector in force for every later decode call, or None for none.

        Args:
            buffer: float32 ``[n_layer - 1, n_embd]``; row ``l - 1`` is added to the output of
                block ``l``. The full buffer is needed: llama.cpp leaves what a short one does not
                cover as it was.

        Raises:
            EngineError: the shape is wrong, a value is not finite, or llama.cpp refuses.
        """
        if buffer is None:
            if self._vector is not None:
                self._apply(None, 0)
            self._vector = None
            return
        shape = (self.weights.n_layer - 1, self.weights.n_embd)
        if buffer.shape != shape or buffer.dtype != np.float32:
            raise EngineError(f"a control vector must be float32 {shape}, not {buffer.shape}")
        if buffer is self._vector or np.array_equal(buffer, self._vector):  # type: ignore[arg-type]
            return
        if not np.isfinite(buffer).all():
            raise EngineError("the composed control vector has values that are not finite")
        self._apply(np.ascontiguousarray(buffer), buffer.size)
        self._vector = buffer

    def _apply(self, buffer: FloatArray | None, size: int) -> None:
        self._settle()
        pointer = None
        if buffer is not None:
            pointer = buffer.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        last = self.weights.n_layer - 1
        rc = C.llama_set_adapter_cvec(self._ctx, pointer, size, self.weights.n_embd, 1, last)
        if rc != 0:
            raise EngineError(f"llama.cpp refused the control vector (code {rc})")

    def set_adapter(self, adapter: Adapter | None) -> None:
        """Put a LoRA adapter (a checked file, its scale) in force for every later decode call.

        Raises:
            EngineError: llama.cpp can not load it.
        """
        if adapter == self._adapter:
            return
        handle, scale = (self.weights.adapter(adapter[0]), adapter[1]) if adapter else (None, 0.0)
        self._settle()
        handles = (C.llama_adapter_lora_p_ctypes * 1)(handle)
        scales = (ctypes.c_float * 1)(scale)
        if C.llama_set_adapters_lora(self._ctx, handles, int(adapter is not None), scales) != 0:
            raise EngineError("llama.cpp refused the adapter")
        self._adapter = adapter

    def _settle(self) -> None:
        """Before a change that makes llama.cpp build other graphs."""
        C.llama_synchronize(self._ctx)
        if self.hook is not None:
            self.hook.forget()

    # -- the KV cache

    def drop(self, sequence: int, start: int = 0) -> bool:
        """Remove positions >= ``start`` of a sequence; False when this memory can not."""
        return bool(C.llama_memory_seq_rm(self._memory, sequence, start, -1))

    def copy(self, source: int, target: int) -> None:
        """Let ``target`` (empty) hold all that ``source`` holds; split caches copy whole only."""
        C.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def clear(self) -> None:
        """Empty the cache."""
        C.llama_memory_clear(self._memory, True)

    def state_size(self, sequence: int) -> int:
        """Bytes that :meth:`save_sequence` would copy."""
        return int(C.llama_state_seq_get_size(self._ctx, sequence))

    def save_sequence(self, sequence: int) -> Any:
        """The KV state of a sequence, as bytes for :meth:`load_sequence` of another context."""
        size = self.state_size(sequence)
        state = (ctypes.c_uint8 * size)()
        if C.llama_state_seq_get_data(self._ctx, state, size, sequence) != size:
            raise EngineError("llama.cpp could not save the state of a sequence")
        return state

    def load_sequence(self, sequence: int, state: Any) -> bool:
        """Put a saved state into ``sequence``; False when there is no room."""
        return bool(C.llama_state_seq_set_data(self._ctx, state, len(state), sequence))

    def close(self) -> None:
        """Free the context."""
        if self._ctx:
            C.llama_free(self._ctx)
            self._ctx = None
