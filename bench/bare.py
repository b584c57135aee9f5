"""The yardstick: the shortest loop that decodes with llama.cpp's C API from Python.

Knows nothing of edgesteer. No streaming, no stop strings, no steering, no checks.
"""

from __future__ import annotations

import ctypes
import sys
import time
from typing import Any

import llama_cpp

C: Any = llama_cpp
_quiet = C.llama_log_callback(lambda *_: None)  # llama.cpp keeps the pointer for good


class BareLoop:
    """A context with llama.cpp's defaults and a greedy sampler."""

    def __init__(self, path: str, n_ctx: int, threads: int) -> None:
        C.llama_log_set(_quiet, ctypes.c_void_p(0))
        C.llama_backend_init()
        self.model = C.llama_model_load_from_file(path.encode(), C.llama_model_default_params())
        params = C.llama_context_default_params()
        params.n_ctx = n_ctx
        params.n_batch = params.n_ubatch = 512
        params.n_threads = params.n_threads_batch = threads
        self.ctx = C.llama_init_from_model(self.model, params)
        self.vocab = C.llama_model_get_vocab(self.model)
        self.memory = C.llama_get_memory(self.ctx)
        self.sampler = C.llama_sampler_chain_init(C.llama_sampler_chain_default_params())
        C.llama_sampler_chain_add(self.sampler, C.llama_sampler_init_greedy())

    def tokens(self, text: str) -> list[int]:
        """Token ids of a rendered prompt."""
        raw = text.encode()
        buffer = (C.llama_token * (len(raw) + 8))()
        n = C.llama_tokenize(self.vocab, raw, len(raw), buffer, len(buffer), True, True)
        return list(buffer[:n])

    def decode(self, prompt: list[int], n: int) -> float:
        """Write ``n`` tokens behind the prompt; returns tokens a second, the prompt aside."""
        C.llama_memory_clear(self.memory, True)
        fed = (C.llama_token * len(prompt))(*prompt)
        C.llama_decode(self.ctx, C.llama_batch_get_one(fed, len(prompt)))
        token = (C.llama_token * 1)(C.llama_sampler_sample(self.sampler, self.ctx, -1))
        start = time.perf_counter()
        for _ in range(n - 1):
            C.llama_decode(self.ctx, C.llama_batch_get_one(token, 1))
            token[0] = C.llama_sampler_sample(self.sampler, self.ctx, -1)
        return (n - 1) / (time.perf_counter() - start)


if __name__ == "__main__":  # the memory measurement runs this as a process of its own
    path, prompt, n_ctx, threads, n = sys.argv[1:]
    loop = BareLoop(path, int(n_ctx), int(threads))
    loop.decode(loop.tokens(prompt), int(n))
