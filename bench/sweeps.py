"""Sweeps: jobs a second against one question at a time, the whole sweep, growth, two workers.

Knows nothing of what a sweep finds.

python -m bench.sweeps "two workers"     one part: jobs, growth, two workers, default sweep
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bench.readings import fresh
from bench.rounds import interleave, ratio
from edgesteer import ControlVector, Library, Model
from edgesteer.cli._open import SIDE_BY_SIDE
from edgesteer.measure.baking import present_weights
from edgesteer.measure.candidate import GRID, CandidateWork, job
from edgesteer.measure.jobs import JobCache, Spec, open_jobs
from edgesteer.measure.questions import load_questions
from edgesteer.measure.sweep import sweep
from edgesteer.measure.weights import LayerWeights, flat
from edgesteer.reading import Score

TRAIT = "calm"


class OneByOne:
    """A model that is asked one thing at a time, and reads each from its beginning."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def _fresh(self) -> Model:
        fresh(self._model)
        return self._model

    def score(
        self, prompts: Sequence[str], completions: Sequence[str], *, steer: Any = None, raw: bool
    ) -> list[Score]:
        rows = zip(prompts, completions, _each(steer, len(prompts)), strict=True)
        return [self._fresh().score([p], [c], steer=[s], raw=raw)[0] for p, c, s in rows]

    def logits_many(
        self,
        texts: Sequence[Sequence[int]],
        steer: Any = None,
        *,
        first: int | Sequence[int] = 0,
        n_prompt: Sequence[int] | None = None,
        reduce: Callable[[int, Any], Any],
    ) -> list[Any]:
        lengths = n_prompt or [len(text) for text in texts]
        starts = [first] * len(texts) if isinstance(first, int) else first
        rows = zip(texts, _each(steer, len(texts)), starts, lengths, strict=True)
        return [
            reduce(i, self._fresh().logits(text, one, first=start, n_prompt=n))
            for i, (text, one, start, n) in enumerate(rows)
        ]

    def ask_many(self, prompts: Sequence[str], *, steer: Any, **options: Any) -> list[Any]:
        rows = zip(prompts, _each(steer, len(prompts)), strict=True)
        return [self._model.ask(prompt, steer=one, **options) for prompt, one in rows]


def _each(steer: Any, n: int) -> list[Any]:
    return list(steer) if isinstance(steer, (list, tuple)) else [steer] * n


def fast_name(library: Library) -> str:
    """The model by its working copy, made when there is none; else by its own file."""
    from edgesteer.tune import machine, remembered, tune

    entry = library.find_model("smollm2")
    key = machine()
    table = remembered(library, entry.path, key)
    if table is None:
        table = tune(library, entry, lambda p: Model.open(p, library=library), key=key)
    return f"smollm2@{table.format}" if table.format else "smollm2"


def make_work(model: Model, library: Library, *, n_items: int = 16) -> CandidateWork:
    """The jobs' common part: a vector of the trait, its items, default settings."""
    from convert.capture.llama import LlamaCapture
    from convert.extract import extract
    from convert.pairs import ContrastPairs

    vector = extract(ContrastPairs.load(TRAIT).limited(32), LlamaCapture(model))
    asked = load_questions(TRAIT)
    some = replace(asked.validation, items=asked.validation.items[:n_items])
    parts = {"validation": some, "test": asked.test}
    return CandidateWork(vector, parts, 0.15, "whole", library.sha256(model.path), asked.score)


PARTS = ("jobs", "growth", "two workers", "default sweep")


def measure(rounds: int = 3, parts: Sequence[str] = PARTS) -> dict[str, Any]:
    """All figures, or some parts; some minutes each."""
    figures: dict[str, Any] = {}
    with TemporaryDirectory() as folder:
        library = Library(folder)
        figures["reads"] = fast = fast_name(library)
        with Model.open(fast, library=library, n_seq=SIDE_BY_SIDE) as model:
            work = make_work(model, library)
            if "jobs" in parts:
                figures["jobs"] = _against_one_by_one(model, work, library, rounds)
            if "growth" in parts:
                figures["growth"] = _growth(model, work)
            if "two workers" in parts:
                figures["two workers"] = _workers(model, work)
            if "default sweep" in parts:
                figures["default sweep"] = _whole(model, work, Path(folder))
    return figures


def _against_one_by_one(
    model: Model, work: CandidateWork, library: Library, rounds: int
) -> Mapping[str, Any]:
    """One job, batched on the working copy, against the same one at a time on the file itself."""
    with Model.open("smollm2", library=library, threads=model.threads, n_seq=SIDE_BY_SIDE) as plain:
        spec = job(flat(range(10, 25)), doses=GRID, answers=True)
        contenders = {
            "batched": (model, work.start(model)),
            "batched, the file itself": (plain, work.start(plain)),
            "one at a time": (plain, work.start(OneByOne(plain))),  # type: ignore[arg-type]
        }
        for _, run in contenders.values():
            run(spec)
        rates = interleave(
            {name: partial(_rate, *each, spec) for name, each in contenders.items()}, rounds
        )
    return {
        "jobs_per_s": {name: round(float(np.median(r)), 3) for name, r in rates.items()},
        "batched / one at a time": ratio(rates, "batched", "one at a time"),
        "the file itself / one at a time": ratio(
            rates, "batched, the file itself", "one at a time"
        ),
    }


def _rate(model: Model, run: Callable[[Spec], Any], spec: Spec) -> float:
    fresh(model)  # nothing of an earlier round is known
    start = time.perf_counter()
    run(spec)
    return 1 / (time.perf_counter() - start)


def _growth(model: Model, work: CandidateWork) -> dict[str, float]:
    """Seconds of a job, as layers, strengths and items grow."""
    items = work.parts["validation"].items

    def seconds(weights: LayerWeights, n_items: int, n_strengths: int) -> float:
        part = replace(work.parts["validation"], items=(items * 4)[:n_items])
        run = replace(work, parts={"validation": part}).start(model)
        strengths = np.linspace(-0.3, 0.3, n_strengths).tolist()
        return round(1 / _rate(model, run, job(weights, strengths=strengths)), 2)

    middle = flat(range(10, 25))
    return {
        "1 layer, 4 strengths, 8 items": seconds(flat([15]), 8, 4),
        "15 layers, 4 strengths, 8 items": seconds(middle, 8, 4),
        "29 layers, 4 strengths, 8 items": seconds(flat(range(1, 30)), 8, 4),
        "15 layers, 8 strengths, 8 items": seconds(middle, 8, 8),
        "15 layers, 4 strengths, 16 items": seconds(middle, 16, 4),
    }


def _workers(model: Model, work: CandidateWork) -> dict[str, Any]:
    """The same eight jobs by one process and by two, opening the model left aside."""
    specs = [job(flat([n])) for n in range(8, 24, 2)]
    seconds = {}
    for workers in (1, 2):
        with open_jobs(work, model, workers=workers) as jobs:
            jobs.run(specs[:workers])  # opens the model where it will run
            start = time.perf_counter()
            jobs.run(specs)
            seconds[workers] = time.perf_counter() - start
    return {
        "one_s": round(seconds[1], 1),
        "two_s": round(seconds[2], 1),
        "one / two": round(seconds[1] / seconds[2], 2),
    }


def _whole(model: Model, work: CandidateWork, folder: Path) -> dict[str, Any]:
    """A default sweep from nothing, and again from what is known."""
    vector: ControlVector = work.vector
    told: dict[str, Any] = {}
    for name in ("first", "again"):
        start = time.perf_counter()
        with open_jobs(work, model, cache=JobCache(folder / "sweeps")) as jobs:
            found = sweep(jobs, work, model.n_layer, present_weights(vector, model.n_layer))
            told[f"{name}_minutes"] = round((time.perf_counter() - start) / 60, 2)
            told[f"{name}_jobs"] = jobs.done
    told["chosen"] = str(found.chosen)
    return told


if __name__ == "__main__":
    print(json.dumps(measure(parts=sys.argv[1:] or PARTS), indent=1))
