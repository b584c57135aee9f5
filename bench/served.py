"""What is put under load: the server, llama-cpp-python's own, and the engine without HTTP.

Knows nothing of rounds. Each runs in a process of its own, which sleeps while it is not asked.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from bench.load import body, summary

Figures = dict[str, float]
WAIT_SECONDS = 120


class Contender:
    """A process under load: `run(options)` gives the figures of one round."""

    def __init__(self, command: list[str], **environment: str) -> None:
        self.child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **environment},
        )

    def run(self, options: dict[str, Any]) -> Figures:
        """One round."""
        raise NotImplementedError

    def close(self) -> None:
        """End the process."""
        self.child.terminate()
        self.child.wait(60)


class Engine(Contender):
    """The engine itself: as many threads as there are clients call `Model.stream`."""

    def __init__(self, sizes: dict[str, Any]) -> None:
        super().__init__([sys.executable, "-m", "bench.served", json.dumps(sizes)])

    def run(self, options: dict[str, Any]) -> Figures:
        """One round."""
        stdin, stdout = self.child.stdin, self.child.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the contender has no pipes")
        stdin.write(json.dumps(options) + "\n")
        stdin.flush()
        figures: Figures = json.loads(stdout.readline())
        return figures


class HttpServer(Contender):
    """A server on a port of this machine."""

    def __init__(self, command: list[str], port: int, ready: str, **environment: str) -> None:
        super().__init__(command, **environment)
        self.port = port
        _wait(self.child, f"http://127.0.0.1:{port}{ready}")

    def run(self, options: dict[str, Any]) -> Figures:
        """One round."""
        command = [sys.executable, "-m", "bench.load", str(self.port), json.dumps(options)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        figures: Figures = json.loads(done.stdout)
        return figures


def our_server(sizes: dict[str, Any]) -> HttpServer:
    """`edgesteer serve`."""
    port = free_port()
    command = [sys.executable, "-m", "edgesteer", "serve", sizes["model"], "--port", str(port)]
    for name in ("slots", "ctx", "threads"):
        command += [f"--{name}", str(sizes[name])]
    return HttpServer(command, port, "/v1/models")


def their_server(sizes: dict[str, Any]) -> HttpServer | None:
    """`python -m llama_cpp.server`; None where its own requirements are not installed."""
    try:
        subprocess.run(
            [sys.executable, "-c", "import llama_cpp.server.app"], check=True, capture_output=True
        )
    except subprocess.CalledProcessError:
        return None
    port = free_port()
    command = [sys.executable, "-m", "llama_cpp.server", "--model", sizes["path"]]
    command += ["--host", "127.0.0.1", "--port", str(port), "--n_ctx", str(sizes["ctx"])]
    command += ["--n_threads", str(sizes["threads"]), "--n_threads_batch", str(sizes["threads"])]
    # Without this it breaks off the answer that it is writing when the next request comes.
    command += ["--interrupt_requests", "false", "--verbose", "false"]
    return HttpServer(command, port, "/v1/models")


def free_port() -> int:
    """A port that nothing listens on just now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _wait(child: subprocess.Popen[str], url: str) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        if child.poll() is not None:
            raise RuntimeError(f"the server ended with code {child.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.1)
    raise RuntimeError("the server does not answer")


def _engine_run(model: Any) -> Callable[[dict[str, Any]], Figures]:
    def run(options: dict[str, Any]) -> Figures:
        pairs: list[tuple[float, float]] = []

        def client(number: int) -> None:
            for i in range(options["requests"]):
                asked = body(number, i, options)
                start, first = time.perf_counter(), 0.0
                for _ in model.stream(
                    asked["messages"],
                    steer=asked.get("steering"),
                    temperature=0.0,
                    max_tokens=options["tokens"],
                    logit_bias=asked["logit_bias"],
                ):
                    first = first or time.perf_counter() - start
                pairs.append((first, time.perf_counter() - start))

        threads = [threading.Thread(target=client, args=(i,)) for i in range(options["clients"])]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return summary(pairs, time.perf_counter() - start, options["tokens"])

    return run


def main(sizes: dict[str, Any]) -> None:
    """Answer every line of options on stdin with the figures of a round on the engine."""
    from edgesteer import Model

    with Model.open(
        sizes["path"], n_ctx=sizes["ctx"], n_seq=sizes["slots"], threads=sizes["threads"]
    ) as model:
        run = _engine_run(model)
        for line in sys.stdin:
            print(json.dumps(run(json.loads(line))), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
