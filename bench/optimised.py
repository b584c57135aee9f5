"""The optimised vector against the mean difference that it starts from, at equal damage.

python -m bench.optimised calm happy             built-in traits
python -m bench.optimised --threads 2 FILE       a file of pairs; every fifth is kept for the test

Both vectors steer the same layers. The search learns from the pairs that are two answers to one
prompt, on the dequantised weights in torch; its early stop looks at held-out pairs. The figures
come from items that nothing else has seen, on the quantised file, at the strengths at which the
mean KL on neutral text is 0.15 and 0.4 nats a token: half of what the vector moves
log p(positive answer) - log p(negative answer) between -1 and +1 times that strength, in nats.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from convert.capture.llama import LlamaCapture
from convert.capture.torch import TorchCapture
from convert.extract import make_vector
from convert.optimise.preference import Settings
from convert.optimise.refine import refine
from convert.pairs import ContrastPairs, Pair
from convert.reading import read_pairs
from edgesteer import ControlVector, Library, Model
from edgesteer.library import builtin_traits
from edgesteer.measure.candidate import CandidateWork, Measured, job
from edgesteer.measure.jobs import open_jobs
from edgesteer.measure.questions import Item, Questions, load_questions
from edgesteer.measure.stats import mean_interval
from edgesteer.measure.weights import flat

OUT = Path(__file__).parent / "out"
KLS = (0.15, 0.4)
FIFTH = 5


def taken_apart(source: str) -> tuple[ContrastPairs, Questions]:
    """Pairs to make vectors of, and items to test them on."""
    pairs = ContrastPairs.load(source)
    if source in builtin_traits():
        return pairs, Questions(load_questions(source).test.items)
    test, kept = pairs.pairs[::FIFTH], [p for i, p in enumerate(pairs.pairs) if i % FIFTH]
    return replace(pairs, pairs=tuple(kept)), Questions(tuple(_item(pair) for pair in test))


def _item(pair: Pair) -> Item:
    return Item(pair.positive.user or "", pair.positive.answer, pair.negative.answer)


def compared(model: Model, torch: TorchCapture, source: str, settings: Settings) -> dict[str, Any]:
    """Effects of both vectors on the test items, by KL, and what the search said of itself."""
    pairs, asked = taken_apart(source)
    start = make_vector(pairs, read_pairs(pairs, LlamaCapture(model)))
    began = time.perf_counter()

    def told(done: int, total: int, what: str) -> None:
        print(f"  {what} {done} of {total}", file=sys.stderr, flush=True)

    found = refine(start, pairs, torch, settings=settings, progress=told)
    seconds = time.perf_counter() - began
    result: dict[str, Any] = {
        "items": len(asked.items),
        "search": found.meta["optimised"],
        "seconds": round(seconds, 1),
        "cosine to the start": {k: round(v, 3) for k, v in found.cosine(start).items()},
    }
    for kl in KLS:
        ours, theirs = (_effects(model, v, asked, kl) for v in (found, start))
        gaps = [a - b for a, b in zip(ours, theirs, strict=True)]
        result[f"KL {kl:g}"] = {
            "bipo": str(mean_interval(ours, seed=1)),
            "mean-difference": str(mean_interval(theirs, seed=1)),
            "difference": str(mean_interval(gaps, seed=1)),
        }
    return result


def _effects(model: Model, vector: ControlVector, asked: Questions, kl: float) -> list[float]:
    layers = (
        vector.layers if vector.recommended is None else vector.recommended.resolve(model.n_layer)
    )
    work = CandidateWork(vector, {"test": asked}, kl, "sum", "")
    with open_jobs(work, model) as jobs:
        return list(Measured.of(jobs.run([job(flat(layers), "test")])[0]).effects)


def main(arguments: list[str]) -> int:
    """Compare, print, keep all numbers."""
    parser = argparse.ArgumentParser(prog="python -m bench.optimised")
    parser.add_argument("sources", nargs="+", metavar="TRAIT|FILE")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--steps", type=int, default=Settings.steps)
    parser.add_argument("--dtype", default="float32")
    asked = parser.parse_args(arguments)
    library, results = Library(), dict[str, Any]()
    path = library.find_model("smollm2").path
    torch = TorchCapture.open(path, device="cpu", dtype=asked.dtype)
    with Model.open(path, library=library, n_ctx=4096, threads=asked.threads) as model:
        for source in asked.sources:
            print(source, flush=True)
            found = compared(model, torch, source, Settings(steps=asked.steps))
            results[Path(source).stem] = found
            for name, value in found.items():
                print(f"  {name}: {value}", flush=True)
    OUT.mkdir(exist_ok=True)
    file = OUT / "optimised.json"
    file.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(f"written to {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
