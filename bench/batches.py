"""Many streams: different steering in one batch, the callback's cost, shared prompts.

Knows nothing of single streams' rivals.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.contender import Process
from bench.rounds import interleave, median, ratio
from bench.settings import PROMPT, random_vector
from edgesteer import Library, Model, Steering, Term
from edgesteer.engine.requantise import requantise

N_TOKENS = 64


def measure(rounds: int) -> dict[str, dict[str, Any]]:
    """Every part: the bundled file and a Q8_0 copy of it, growth, shared prompts."""
    told: dict[str, dict[str, Any]] = {}
    with TemporaryDirectory() as folder:
        library = Library(folder)
        original = library.find_model("smollm2").path
        copy = requantise(original, Path(folder) / "copy.gguf", "q8_0")
        for name, path in (("the bundled file", original), ("a Q8_0 copy", copy)):
            for n in (8, 32):
                with Model.open(path, library=library, n_ctx=8192, n_seq=n) as model:
                    figures = different_steering(model, n, rounds)
                told[f"{n} streams, steered differently, {name}"] = figures
        with Model.open(original, library=library, n_ctx=8192, n_seq=16) as model:
            told["one prompt, 16 strengths"] = prompt_sharing(model)
    told["different / unsteered, as it grows"] = growth(2)
    return told


def _prompt(number: int) -> list[dict[str, str]]:
    """The prompt of one stream, unlike the others' from its beginning on.

    Streams of one prompt hold it once while they are unsteered, and once each when they are steered
    differently: the longer cache would be counted as a cost of steering.
    """
    return [
        {"role": "system", "content": f"{number} is your number."},
        {"role": "user", "content": PROMPT},
    ]


def _tokens_per_s(model: Model, steers: list[Any]) -> float:
    """Tokens a second of all streams together, prompts aside."""
    jobs = model.start_many(
        [_prompt(i) for i in range(len(steers))],
        steers,
        temperature=0.0,
        max_tokens=N_TOKENS,
        ignore_eos=True,
    )
    replies = [job.result() for job in jobs]
    first = [job.sequence.first_token for job in jobs if job.sequence]
    last = [job.sequence.ended for job in jobs if job.sequence]
    written = sum(r.usage.completion_tokens - 1 for r in replies)
    return written / (max(last) - min(first))


def different_steering(model: Model, n: int, rounds: int) -> dict[str, Any]:
    """``n`` streams, each steered its own way, against unsteered and one after another.

    Beside them what llama.cpp itself gains from as many streams, in a bare loop.
    """
    vector = random_vector(model, range(10, 25))
    steers = [vector * (0.2 + i / n) for i in range(n)]

    def one_by_one() -> float:
        start = written = 0.0
        for number, steer in enumerate(steers):
            reply = model.ask(
                _prompt(number), steer=steer, temperature=0.0, max_tokens=N_TOKENS, ignore_eos=True
            )
            start += reply.timing.decode_s
            written += reply.usage.completion_tokens - 1
        return written / start

    with (
        Process("bare x 1", str(model.path), model.n_ctx, model.threads, "") as bare_one,
        Process(f"bare x {n}", str(model.path), model.n_ctx, model.threads, "") as bare_batch,
    ):
        figures = interleave(
            {
                "different": lambda: _tokens_per_s(model, list(steers)),
                "unsteered": lambda: _tokens_per_s(model, [None] * n),
                "one by one": one_by_one,
                "bare loop, one": bare_one,
                "bare loop, batch": bare_batch,
            },
            rounds,
        )
    return {
        "tokens_per_s": {name: median(values) for name, values in figures.items()},
        "different / unsteered batch": ratio(figures, "different", "unsteered"),
        "different / one by one": ratio(figures, "different", "one by one"),
        "unsteered batch / one by one": ratio(figures, "unsteered", "one by one"),
        "bare loop: batch / one": ratio(figures, "bare loop, batch", "bare loop, one"),
        "unsteered batch / bare batch": ratio(figures, "unsteered", "bare loop, batch"),
    }


def growth(rounds: int) -> dict[str, Any]:
    """How the share of differently steered streams grows with streams, layers and vectors."""
    cases = {
        f"{n} streams, {layers} layers, {vectors} vectors": (n, layers, vectors)
        for n, layers, vectors in (
            (2, 15, 1),
            (8, 15, 1),
            (16, 15, 1),
            (8, 1, 1),
            (8, 29, 1),
            (8, 15, 4),
        )
    }
    told: dict[str, Any] = {}
    for name, (n, layers, vectors) in cases.items():
        with Model.open("smollm2", n_ctx=4096, n_seq=n) as model:
            last = min(model.n_layer, 25 if layers == 15 else model.n_layer)
            made = [random_vector(model, range(last - layers, last), 0.02) for _ in range(vectors)]
            steers = [
                Steering(tuple(Term("v", 0.2 + i / n + j, vector=v) for j, v in enumerate(made)))
                for i in range(n)
            ]
            figures = interleave(
                {
                    "different": partial(_tokens_per_s, model, list(steers)),
                    "unsteered": partial(_tokens_per_s, model, [None] * n),
                },
                rounds,
            )
        told[name] = ratio(figures, "different", "unsteered")
    return told


def prompt_sharing(model: Model) -> dict[str, Any]:
    """Sixteen strengths behind one 500-token prompt, shared, against sixteen readings of it."""
    vector = random_vector(model, range(10, 25))
    text = (PROMPT + " ") * 60
    tokens = model.tokenize(text)[:500]
    prompt = model.detokenize(tokens)
    shared = [f"generated {i}" for i in range(16)]

    def run(positions: str) -> float:
        steers = [
            Steering((Term("random", 0.1 + i / 20, positions=positions, vector=vector),))
            for i in range(len(shared))
        ]
        start = time.perf_counter()
        model.ask_many([prompt] * 16, steer=steers, raw=True, temperature=0.0, max_tokens=2)
        return time.perf_counter() - start

    once, separate = run("generated"), run("all")
    return {
        "shared_s": round(once, 3),
        "separate_s": round(separate, 3),
        "separate / shared": round(separate / once, 2),
        "prompt_tokens": len(tokens),
    }
