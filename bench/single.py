"""One stream: plain against llama-cpp-python and against the bare loop, steered against plain.

Knows nothing of batches.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np

from bench.bare import BareLoop
from bench.rounds import interleave, median, ratio
from edgesteer import ControlVector, Model

PROMPT = "How does a sailing boat manage to go against the wind?"
N_TOKENS = 128


def random_vector(model: Model, layers: range, share: float = 0.05) -> ControlVector:
    """A random vector whose length is ``share`` of the residual stream's at each layer."""
    rng = np.random.default_rng(0)
    text = model.render([{"role": "user", "content": PROMPT}])
    capture = model.capture([text], layers=layers)
    lengths = np.linalg.norm(capture.rows[0], axis=-1)
    directions = {}
    for layer, length in zip(capture.layers, lengths, strict=True):
        v = rng.standard_normal(model.n_embd)
        directions[layer] = (v * share * length / np.linalg.norm(v)).astype(np.float32)
    return ControlVector(directions, model.identity, name="random")


def decode_speed(model: Model, rounds: int) -> dict[str, Any]:
    """Tokens a second of one stream, by four ways."""
    import llama_cpp

    llama = llama_cpp.Llama(
        str(model.path),
        n_ctx=model.n_ctx,
        n_threads=model.threads,
        n_threads_batch=model.threads,
        verbose=False,
    )
    bare = BareLoop(str(model.path), model.n_ctx, model.threads)
    messages = [{"role": "user", "content": PROMPT}]
    prompt = bare.tokens(model.render(messages))
    vector = random_vector(model, range(10, 25)) * 1.0

    def with_llama() -> float:
        llama.reset()
        first, count = 0.0, 0
        for _ in llama.create_chat_completion(
            messages, temperature=0.0, max_tokens=N_TOKENS, stream=True, logit_bias=never_ends
        ):
            count += 1
            now = time.perf_counter()
            if count == 2:  # the first chunk carries only the role
                first = now
        return (count - 3) / (now - first)

    never_ends = {llama.token_eos(): -1e9}

    def ours(steer: Any) -> float:
        reply = model.ask(
            PROMPT, steer=steer, temperature=0.0, max_tokens=N_TOKENS, ignore_eos=True
        )
        return reply.timing.tokens_per_s

    figures = interleave(
        {
            "llama_cpp.Llama": with_llama,
            "bare loop": lambda: bare.decode(prompt, N_TOKENS),
            "edgesteer plain": lambda: ours(None),
            "edgesteer steered": lambda: ours(vector),
        },
        rounds,
    )
    return {
        "tokens_per_s": {name: median(values) for name, values in figures.items()},
        "plain / llama_cpp.Llama": ratio(figures, "edgesteer plain", "llama_cpp.Llama"),
        "plain / bare loop": ratio(figures, "edgesteer plain", "bare loop"),
        "steered / plain": ratio(figures, "edgesteer steered", "edgesteer plain"),
    }


def strength_change(model: Model, changes: int = 24) -> dict[str, Any]:
    """Milliseconds from setting a strength in a running answer to the next token."""
    vector = random_vector(model, range(10, 25))
    arrivals: list[float] = []
    job = model.start(
        PROMPT,
        steer=vector * 0.5,
        temperature=0.0,
        max_tokens=changes * 12,
        ignore_eos=True,
        on_piece=lambda _piece: arrivals.append(time.perf_counter()),
    )
    waits = []
    for i in range(changes):
        seen = len(arrivals)
        while len(arrivals) < seen + 6 and not job.done:
            time.sleep(0.0005)
        if job.done:
            break
        before = time.perf_counter()
        job.steer["random"] = 0.5 + 0.02 * (i + 1)
        count = len(arrivals)
        while len(arrivals) == count and not job.done:
            time.sleep(0.0002)
        waits.append(1000 * (arrivals[-1] - before))
    job.cancel()
    gaps = 1000 * np.diff(arrivals)
    return {
        "change_to_next_token_ms": median(waits),
        "token_ms": round(float(np.median(gaps)), 3),
        "changes": len(waits),
        "note": "a change waits for the token in flight, then costs one re-plan of the graph",
        "spread_ms": round(statistics.pstdev(waits), 3) if waits else None,
    }
