"""Reading given texts: batches against one at a time, shared beginnings, working copies.

Knows nothing of answers.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bench.copies import fastest
from bench.rounds import interleave, median, ratio
from bench.settings import random_vector
from convert.capture.llama import LlamaCapture
from convert.traits import load_trait
from edgesteer import Library, Model, Steering, Term
from edgesteer.engine.forest import distinct
from edgesteer.engine.requantise import requantise
from edgesteer.engine.tasks import Scheduler
from edgesteer.measure.divergence import kl
from edgesteer.measure.texts import NEUTRAL, PROMPTS

N_TEXTS, N_ALONE = 128, 16
Tokens = list[list[int]]


def measure(rounds: int = 3) -> dict[str, dict[str, Any]]:
    """Every part, on the bundled file and on a working copy of it."""
    with TemporaryDirectory() as folder:
        library = Library(folder)
        original = library.find_model("smollm2").path
        copy = requantise(original, Path(folder) / "copy.gguf", made := fastest())
        with (
            Model.open(original, library=library, n_ctx=4096) as model,
            Model.open(copy, library=library, n_ctx=4096) as faster,
        ):
            return {
                "the working copy": {"format": made},
                "captures": _captures(model, faster, rounds),
                "scores": _scores(model, faster, rounds),
                "many texts as one": agreement(model),
                "python's memory": memory(model),
            }


def fresh(model: Model) -> None:
    """Empty the cache of the reading context."""

    def clear(scheduler: Scheduler) -> None:
        if scheduler._forward is not None:
            scheduler._forward.clear()

    model._scheduler.call(clear)


def _rate(model: Model, texts: Tokens, read: Callable[[Tokens], object], each: int = 0) -> float:
    """Tokens of the texts a second, read together or ``each`` at a time."""
    size = each or len(texts)
    start = time.perf_counter()
    for at in range(0, len(texts), size):
        fresh(model)
        read(texts[at : at + size])
    return sum(map(len, texts)) / (time.perf_counter() - start)


def _captures(model: Model, faster: Model, rounds: int) -> dict[str, Any]:
    """The last tokens of templated pairs, at all layers."""
    passages = load_trait("calm").render(LlamaCapture(model).render).passages[:N_TEXTS]
    texts = [model.tokenize(passage.text) for passage in passages]
    prefill = [[token for text in texts for token in text][:512]]
    own = [[1000 + i, *text[1:]] for i, text in enumerate(texts[: 3 * N_ALONE])]  # nothing shared

    def capture(one: Model, read: Tokens, each: int = 0) -> float:
        return _rate(one, read, lambda part: one.capture(part, None, "last"), each)

    figures = interleave(
        {
            "prefill of 512 tokens": partial(capture, model, prefill),
            "one at a time": partial(capture, model, texts[:N_ALONE], 1),
            "nothing shared": partial(capture, model, own),
            "shared": partial(capture, model, texts),
            "copy, one at a time": partial(capture, faster, texts[:N_ALONE], 1),
            "copy, nothing shared": partial(capture, faster, own),
            "copy, shared": partial(capture, faster, texts),
        },
        rounds,
    )
    return {
        "texts": len(texts),
        "tokens a text": round(float(np.mean([len(text) for text in texts])), 1),
        "tokens left when shared": round(distinct(sorted(texts)) / sum(map(len, texts)), 3),
        "tokens_per_s": {name: median(values) for name, values in figures.items()},
        "shared / prefill rate": ratio(figures, "shared", "prefill of 512 tokens"),
        "shared / nothing shared": ratio(figures, "shared", "nothing shared"),
        "shared / one at a time": ratio(figures, "shared", "one at a time"),
        "copy / file itself": ratio(figures, "copy, shared", "shared"),
        "copy, shared / prefill rate": ratio(figures, "copy, shared", "prefill of 512 tokens"),
    }


def _scores(model: Model, faster: Model, rounds: int) -> dict[str, Any]:
    """Two completions of eight prompts, at four strengths on the answer and at four on all."""
    prompts = [p for p in PROMPTS[:8] for _ in range(8)]
    ends = ["Yes, of course, and with pleasure.", "No, I would rather not do that."] * 32
    vector = random_vector(model, range(10, 25))
    strengths = [s for s in (0.0, 0.5, 1.0, 1.5) for _ in range(2)] * 8
    steers = {
        name: [Steering((Term("random", s, positions=on, vector=vector),)) for s in strengths]
        for name, on in (("on the answer", "generated"), ("on all", "all"))
    }

    def score(one: Model, steer: Sequence[Any], n: int, each: int = 0) -> float:
        size = each or n
        start = time.perf_counter()
        for at in range(0, n, size):
            fresh(one)
            part = slice(at, at + size)
            one.score(prompts[part], ends[part], steer=list(steer[part]))
        return n / (time.perf_counter() - start)

    told: dict[str, Any] = {"completions": len(prompts)}
    for name, steer in steers.items():
        figures = interleave(
            {
                "one at a time": partial(score, model, steer, N_ALONE, 1),
                "batched": partial(score, model, steer, len(prompts)),
                "copy, batched": partial(score, faster, steer, len(prompts)),
            },
            rounds,
        )
        told[f"{name}, a second"] = {key: median(values) for key, values in figures.items()}
        told[f"{name}: batched / one at a time"] = ratio(figures, "batched", "one at a time")
        told[f"{name}: copy / one at a time"] = ratio(figures, "copy, batched", "one at a time")
    return told


def agreement(model: Model) -> dict[str, Any]:
    """How far logits of a text among others lie from its logits alone."""
    texts = [model.tokenize(text) for text in NEUTRAL] * 2
    many = model.logits_many(texts, first=1)
    alone = []
    for text in texts[: len(NEUTRAL)]:
        fresh(model)
        alone.append(model.logits(text, first=1))
    nats = np.concatenate([kl(a, b) for a, b in zip(alone, many, strict=False)])
    return {
        "KL(alone || among others), mean": round(float(nats.mean()), 5),
        "KL, largest of a token": round(float(nats.max()), 4),
    }


def memory(model: Model) -> dict[str, Any]:
    """Peak bytes that Python and numpy allocate for one row of a short and of a long text."""
    tokens = [token for text in NEUTRAL for token in model.tokenize(text)]
    peaks = {}
    for n in (128, 2048):
        text = (tokens * (n // len(tokens) + 1))[:n]
        fresh(model)
        tracemalloc.start()
        model.capture([text], None, "last")
        peaks[f"{n} tokens, MB"] = round(tracemalloc.get_traced_memory()[1] / 1e6, 2)
        tracemalloc.stop()
    return peaks
