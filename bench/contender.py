"""One contender in a process of its own: runs a decode each time a line arrives on stdin.

Knows nothing of the others, nor why each has a process (child.py).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from bench.child import Child
from bench.settings import N_TOKENS, PROMPT, random_vector

if TYPE_CHECKING:
    from edgesteer import Model
    from edgesteer.monitor.readout import Readout


class Process(Child):
    """Starts a contender; calling it runs one round and returns tokens a second."""

    def __init__(self, kind: str, path: str, n_ctx: int, threads: int, prompt: str) -> None:
        super().__init__("bench.contender", kind, path, str(n_ctx), str(threads), prompt)


def _llama(path: str, n_ctx: int, threads: int) -> Callable[[], float]:
    import time

    import llama_cpp

    llama = llama_cpp.Llama(
        path, n_ctx=n_ctx, n_threads=threads, n_threads_batch=threads, verbose=False
    )
    never_ends = {llama.token_eos(): -1e9}
    messages = [{"role": "user", "content": PROMPT}]

    def run() -> float:
        llama.reset()
        first = now = 0.0
        count = 0
        for _ in llama.create_chat_completion(
            messages, temperature=0.0, max_tokens=N_TOKENS, stream=True, logit_bias=never_ends
        ):
            count += 1
            now = time.perf_counter()
            if count == 2:  # the first chunk carries only the role
                first = now
        # chunks: the role, one for each token, the end; the last token comes with the end
        return (count - 3) / (now - first)

    return run


def _bare(path: str, n_ctx: int, threads: int, text: str) -> Callable[[], float]:
    from bench.bare import BareLoop

    loop = BareLoop(path, n_ctx, threads)
    prompt = loop.tokens(text)
    return lambda: loop.decode(prompt, N_TOKENS)


def _together(path: str, n_ctx: int, threads: int, n: int) -> Callable[[], float]:
    from bench.bare import BareLoop

    loop = BareLoop(path, n_ctx, threads, n)
    return lambda: loop.decode_together(N_TOKENS // 2)


def _ours(path: str, n_ctx: int, threads: int, kind: str) -> Callable[[], float]:
    from edgesteer import Model
    from edgesteer.engine.context import Context

    class Hooked(Model):
        """Runs everything with the eval callback installed, wanted or not."""

        def _make_context(self, hooked: bool) -> Context:
            return super()._make_context(True)

    model = (Hooked if kind in ("idle", "one", "half", "all") else Model).open(
        path, n_ctx=n_ctx, threads=threads
    )
    kind, _, watched = kind.partition("watch-")
    layers = {
        "steered": range(10, 25),
        "steered-": range(10, 25),
        "one": range(15, 16),
        "half": range(10, 25),
        "all": range(1, model.n_layer),
    }.get(kind)
    steer = random_vector(model, layers, 0.02) * 1.0 if layers else None

    watch = _read_outs(model, watched) if watched else None

    def run() -> float:
        reply = model.ask(
            PROMPT, steer=steer, temperature=0.0, max_tokens=N_TOKENS, ignore_eos=True, watch=watch
        )
        return reply.timing.tokens_per_s

    return run


def _read_outs(model: Model, what: str) -> list[Readout]:
    """ "4": as many layers, read by one direction each; "1x8": one layer, read by eight."""
    from edgesteer.monitor.readout import Readout

    layers, _, each = what.partition("x")
    last = model.n_layer - 2
    vector = random_vector(model, range(1, model.n_layer))
    return [
        Readout.raw(vector, layer).renamed(f"{number} at {layer}")
        for layer in range(last, last - int(layers), -1)
        for number in range(int(each or 1))
    ]


def main(kind: str, path: str, n_ctx: int, threads: int, text: str) -> None:
    """Answer every line on stdin with the figure of one round."""
    if kind == "llama":
        run = _llama(path, n_ctx, threads)
    elif kind == "bare":
        run = _bare(path, n_ctx, threads, text)
    elif kind.startswith("bare x "):
        run = _together(path, n_ctx, threads, int(kind.removeprefix("bare x ")))
    else:
        run = _ours(path, n_ctx, threads, kind)
    for _ in sys.stdin:
        print(run(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
