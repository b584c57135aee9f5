"""The server under load: against llama-cpp-python's, against the engine without HTTP; its memory.

Knows nothing of how the contenders are started (served.py) or asked (load.py).
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.rounds import median, ratio
from bench.served import Contender, Engine, Figures, our_server, their_server
from bench.settings import random_vector
from edgesteer import Library, Model

CLIENTS = (1, 8, 32)
TOKENS = 32
_round = itertools.count()
OURS, THEIRS = "edgesteer", "llama_cpp.server"
#: Requests of one client, so that a round takes some seconds whatever the number of clients.
REQUESTS = {1: 8, 8: 3, 32: 1}


def under_load(rounds: int) -> dict[str, Any]:
    """Requests a second and seconds to the first token, by contender and number of clients."""
    with tempfile.TemporaryDirectory() as home:
        sizes, end = _prepare(home)
        contenders: dict[str, Contender] = {"engine": Engine(sizes), OURS: our_server(sizes)}
        theirs = their_server(sizes)
        if theirs is None:
            print(
                "  llama_cpp.server is left out: pip install 'llama-cpp-python[server]' adds what "
                "it needs"
            )
        else:
            contenders[THEIRS] = theirs
        try:
            _compare(contenders, 1, sizes, end, 1)  # warm-up: weights in the page cache
            _compare(contenders, 8, sizes, end, 1)  # and both contexts made
            told: dict[str, Any] = {}
            for clients in CLIENTS:
                found = _compare(contenders, clients, sizes, end, rounds)
                told |= {f"{clients} clients, {key}": value for key, value in _table(found).items()}
            return told
        finally:
            for contender in contenders.values():
                contender.close()


def _prepare(home: str) -> tuple[dict[str, Any], int]:
    """A library with a vector to steer by, the sizes of all contenders, the token that ends."""
    import os

    os.environ["EDGESTEER_HOME"] = home
    with Model.open("smollm2", n_ctx=512) as model:
        Library(home).save_vector(random_vector(model, range(10, 25)), "bench")
        sizes = {"model": "smollm2", "path": str(model.path), "threads": model.threads}
        end = model.tokenize("<|im_end|>")[-1]
    return {**sizes, "slots": 32, "ctx": 8192}, end


def _compare(
    contenders: Mapping[str, Contender], clients: int, sizes: dict[str, Any], end: int, rounds: int
) -> dict[str, list[Figures]]:
    options = {
        "model": sizes["model"],
        "clients": clients,
        "requests": REQUESTS[clients],
        "tokens": TOKENS,
        "end": end,
    }
    found: dict[str, list[Figures]] = {name: [] for name in contenders}
    for number in range(rounds):
        names = list(contenders)
        options["round"] = next(_round)
        for name in reversed(names) if number % 2 else names:
            found[name].append(contenders[name].run({**options, "steered": name != THEIRS}))
    return found


def _table(found: Mapping[str, list[Figures]]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for other in ("engine", THEIRS):
        if other in found:
            for key in ("requests_per_s", "first_p50"):
                figures = {name: [one[key] for one in found[name]] for name in (OURS, other)}
                told[f"{key} / {other}"] = ratio(figures, OURS, other)
    for name, rounds in found.items():
        for key in ("requests_per_s", "first_p50", "first_p99", "whole_p50", "whole_p99"):
            told[f"{name}: {key}"] = median([one[key] for one in rounds])
    return told


def memory(requests: int = 5000) -> dict[str, Any]:
    """Resident megabytes of a server of a tiny model at its start and after so many requests."""
    from tests.tiny import write_model

    with tempfile.TemporaryDirectory() as home:
        path = write_model(Path(home) / "tiny.gguf")
        sizes = {"model": str(path), "path": str(path), "threads": 1, "slots": 8, "ctx": 2048}
        server = our_server(sizes)
        options = {"model": "tiny", "clients": 8, "tokens": 8, "end": 2, "steered": False}
        try:
            told = {"start_mb": _resident(server)}
            start, done = time.perf_counter(), 0
            for share in (0.2, 0.4, 0.6, 0.8, 1.0):
                wanted = int(requests * share) - done
                server.run({**options, "requests": wanted // 8, "round": done})
                done += wanted
                told[f"after_{done}_mb"] = _resident(server)
            told["requests_per_s"] = round(requests / (time.perf_counter() - start), 1)
            return told
        finally:
            server.close()


def _resident(server: Contender) -> float:
    """Megabytes in memory now (Linux; elsewhere what `ps` says)."""
    import subprocess

    done = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(server.child.pid)],
        check=True,
        capture_output=True,
        text=True,
    )
    return round(int(done.stdout) / 1024, 1)
