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

    def __init__(self, path: str, n_ctx: int, threads: int, n_seq: int = 1) -> None:
        C.llama_log_set(_quiet, ctypes.c_void_p(0))
        C.llama_backend_init()
        self.model = C.llama_model_load_from_file(path.encode(), C.llama_model_default_params())
        params = C.llama_context_default_params()
        params.n_ctx = n_ctx
        params.n_batch = params.n_ubatch = 512
        params.n_threads = params.n_threads_batch = threads
        params.n_seq_max, params.kv_unified, self.n_seq = n_seq, n_seq > 1, n_seq
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

    def decode_together(self, n: int, before: int = 32) -> float:
        """Tokens a second when every sequence writes ``n`` tokens, all of them in each call.

        They are made up, and ``before`` of each are in the cache when the clock starts.
        """
        C.llama_memory_clear(self.memory, True)
        batch = C.llama_batch_init(self.n_seq, 0, 1)
        batch.n_tokens = self.n_seq
        start = 0.0
        for position in range(before + n):
            if position == before:
                start = time.perf_counter()
            for i in range(self.n_seq):
                batch.token[i], batch.pos[i] = 1000 + 7 * i + position, position
                batch.n_seq_id[i], batch.seq_id[i][0], batch.logits[i] = 1, i, 1
            C.llama_decode(self.ctx, batch)
            C.llama_get_logits(self.ctx)  # waits for them
        C.llama_batch_free(batch)
        return self.n_seq * n / (time.perf_counter() - start)


if __name__ == "__main__":  # the memory measurement runs this as a process of its own
    path, prompt, n_ctx, threads, n = sys.argv[1:]
    loop = BareLoop(path, int(n_ctx), int(threads))
    loop.decode(loop.tokens(prompt), int(n))
