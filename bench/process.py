"""What a fresh process costs: peak memory, start-up time, what an import drags in.

Knows nothing of speed while decoding.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

from bench.settings import PROMPT
from edgesteer import Model

_OURS = """
import sys
from edgesteer import Model
path, prompt, n_ctx, threads, n = sys.argv[1:]
with Model.open(path, n_ctx=int(n_ctx), threads=int(threads)) as model:
    model.ask(prompt, raw=True, temperature=0.0, max_tokens=int(n), ignore_eos=True)
"""
_HEAVY = ("torch", "llama_cpp", "gguf", "numpy", "convert", "rich", "prompt_toolkit")


def peak_memory(model: Model) -> dict[str, Any]:
    """Megabytes of peak resident memory: a short answer here and by the bare loop."""
    text = model.render([{"role": "user", "content": PROMPT}])
    args = [str(model.path), text, str(model.n_ctx), str(model.threads), "32"]
    ours = peak([sys.executable, "-c", _OURS, *args])
    bare = peak([sys.executable, "-m", "bench.bare", *args])
    return {
        "edgesteer_mb": round(ours, 1),
        "bare_loop_mb": round(bare, 1),
        "edgesteer / bare loop": round(ours / bare, 3),
    }


def memory_per_sequence(model: Model) -> dict[str, Any]:
    """Megabytes that one more sequence slot costs, plain and steered its own way."""
    code = """
import sys
from edgesteer import ControlVector, Model
import numpy as np
path, threads, n, different = sys.argv[1], *map(int, sys.argv[2:])
with Model.open(path, n_ctx=4096, n_seq=n, threads=threads) as model:
    v = ControlVector({12: np.full(model.n_embd, 0.1)}, model.identity, name="v")
    steer = [v * (1 + i) if different else None for i in range(n)]
    model.ask_many(["hello"] * n, steer=steer, max_tokens=8, ignore_eos=True)
"""
    told: dict[str, Any] = {}
    for name, different in (("plain", "0"), ("each steered its own way", "1")):
        peaks = [
            peak([sys.executable, "-c", code, str(model.path), str(model.threads), n, different])
            for n in ("2", "32")
        ]
        told[name] = f"{(peaks[1] - peaks[0]) / 30:.2f} MB a sequence, {peaks[0]:.0f} MB with two"
    return told


def peak(command: list[str]) -> float:
    """Peak resident megabytes of a process and nothing else (a helper takes the reading)."""
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command], check=True, capture_output=True, text=True
    )
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return float(done.stdout.split()[-1]) / unit


def start_up(rounds: int = 15) -> dict[str, Any]:
    """Milliseconds of ``edgesteer --help``, and which heavy modules an import loads."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "edgesteer", "--help"], check=True, capture_output=True
        )
        times.append(1000 * (time.perf_counter() - start))
    code = (
        "import edgesteer, json, sys; "
        f"print(json.dumps([m for m in {_HEAVY!r} if m in sys.modules]))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return {
        "help_ms": round(statistics.median(times), 1),
        "help_ms_lowest": round(min(times), 1),
        "import_edgesteer_loads": json.loads(loaded.stdout),
    }


def machine() -> dict[str, Any]:
    """What this was measured on."""
    import os
    import platform

    from edgesteer.engine.llama import system_info, version

    return {
        "cpu_count": os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "llama_cpp": version(),
        "features": system_info(),
        "max_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }
