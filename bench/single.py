"""One stream: plain against llama-cpp-python and against the bare loop, steered against plain.

Knows nothing of batches.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np

from bench.contender import Process
from bench.rounds import interleave, median, ratio
from bench.settings import PROMPT, random_vector
from edgesteer import Model

RIVALS = {
    "llama_cpp.Llama": "llama",
    "bare loop": "bare",
    "edgesteer plain": "plain",
    "edgesteer steered": "steered",
}
CALLBACK = {
    "plain": "plain",
    "callback, nothing to do": "idle",
    "callback, 1 layer": "one",
    "callback, 15 layers": "half",
    "callback, all layers": "all",
}


def decode_speed(rounds: int) -> dict[str, Any]:
    """Tokens a second of one stream against its rivals, each in its own process."""
    figures = race(RIVALS, rounds)
    return {
        "tokens_per_s": {name: median(values) for name, values in figures.items()},
        "plain / llama_cpp.Llama": ratio(figures, "edgesteer plain", "llama_cpp.Llama"),
        "bare loop / llama_cpp.Llama": ratio(figures, "bare loop", "llama_cpp.Llama"),
        "plain / bare loop": ratio(figures, "edgesteer plain", "bare loop"),
        "steered / plain": ratio(figures, "edgesteer steered", "edgesteer plain"),
    }


def callback_cost(rounds: int) -> dict[str, Any]:
    """One stream with the eval callback rewriting no, some or all layers, against plain."""
    figures = race(CALLBACK, rounds)
    return {
        "tokens_per_s": {name: median(values) for name, values in figures.items()},
        **{
            f"{name} / plain": ratio(figures, name, "plain") for name in CALLBACK if name != "plain"
        },
    }


def race(kinds: Mapping[str, str], rounds: int, n_ctx: int = 4096) -> dict[str, list[float]]:
    """Tokens a second of contenders, label -> kind, each in a process of its own."""
    with Model.open("smollm2", n_ctx=n_ctx) as model:
        path, threads = str(model.path), model.threads
        prompt = model.render([{"role": "user", "content": PROMPT}])
    with ExitStack() as stack:
        processes = {
            name: stack.enter_context(Process(kind, path, n_ctx, threads, prompt))
            for name, kind in kinds.items()
        }
        return interleave(processes, rounds)


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
