"""`make bench-quality`: ways of making a vector, by their effect at equal damage, over all traits.

python -m bench.quality                 every built-in trait
python -m bench.quality calm happy      some of them
python -m bench.quality --threads 1     on a machine that has other things to do

Each way reads the same contrast pairs and steers the same layers, unless it says otherwise. Its
effect is taken on test items, which nothing was chosen by, at the strengths at which the mean KL on
neutral text is 0.15 and 0.4 nats. What is measured is kept in bench/out; a second run goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.sweeps import fast_name
from convert.capture.llama import LlamaCapture
from convert.extract import Reading, make_vector, read_pairs
from convert.layers_choice import default_window
from convert.pairs import ContrastPairs
from edgesteer import ControlVector, Library, Model
from edgesteer.atomic import write_atomic
from edgesteer.library import builtin_traits
from edgesteer.measure.baking import present_weights
from edgesteer.measure.candidate import Baseline, CandidateWork, Measured, job
from edgesteer.measure.jobs import JobCache, Result, Spec, open_jobs
from edgesteer.measure.propensity import Mode, propensity
from edgesteer.measure.questions import Questions, load_questions
from edgesteer.measure.stats import mean_interval
from edgesteer.measure.weights import LayerWeights, flat

OUT = Path(__file__).parent / "out"
KLS = (0.15, 0.4)
N_PAIRS = 64
RANDOM = 2  # seeds of the random vector
OURS = "our default"
MODE: Mode = "sum"  # nats of whole answers, as published figures of this kind are


def ways(
    pairs: ContrastPairs, reading: Reading, n_layer: int
) -> dict[str, tuple[ControlVector, LayerWeights]]:
    """Every way: its vector, and the weights of its layers."""
    ours = make_vector(pairs, reading)
    window = flat(n for n in default_window(n_layer) if n in ours.layers)

    def unit(method: str) -> tuple[ControlVector, LayerWeights]:
        return _unit(make_vector(pairs, reading, method=method)), window

    made = {
        OURS: (ours, present_weights(ours, n_layer)),
        "mean difference, unit length": unit("mean-difference"),
        "pair-centred PCA": unit("pca"),
        "centred PCA": unit("centred-pca"),
    }
    lengths = ours.norms()
    for seed in range(RANDOM):
        rng = np.random.default_rng(seed)
        noise = _unit(ours.with_(directions={n: rng.standard_normal(ours.n_embd) for n in lengths}))
        sized = {n: row * lengths[n] for n, row in noise.directions.items()}
        made[f"random {seed}"] = (noise.with_(directions=sized), window)
    return made


def _unit(vector: ControlVector) -> ControlVector:
    lengths = vector.norms()
    rows = {n: row / (lengths[n] or 1.0) for n, row in vector.directions.items()}
    return vector.with_(directions=rows, calibration=None)


@dataclass(frozen=True)
class _Shared:
    """A work that reads the plain model once for all vectors of a trait."""

    work: CandidateWork
    plain: list[Baseline]

    @property
    def key(self) -> Spec:
        return self.work.key

    def start(self, model: Model) -> Callable[[Spec], Result]:
        if not self.plain:
            self.plain.append(Baseline(self.work, model))
        return self.work.start(model, self.plain[0])


def trait_figures(model: Model, library: Library, trait: str) -> dict[str, Any]:
    """Effects of every way on one trait's test items, by KL; of the plain prompt as it is."""
    pairs = ContrastPairs.load(trait).limited(N_PAIRS)
    reading = read_pairs(pairs, LlamaCapture(model))
    asked = load_questions(trait)
    parts = {"test": Questions(asked.test.items)}
    told: dict[str, Any] = {"items": len(asked.test.items)}
    made = ways(pairs, reading, model.n_layer)
    file, plain = library.sha256(model.path), list[Baseline]()
    for name, (vector, weights) in made.items():
        for kl in KLS:
            work = _Shared(CandidateWork(vector, parts, kl, MODE, file), plain)
            with open_jobs(work, model, cache=JobCache(OUT / "quality")) as jobs:
                found = Measured.of(jobs.run([job(weights, "test")])[0])
            told.setdefault(f"KL {kl:g}", {})[name] = list(found.effects)
    told["prompt"] = _prompt(model, pairs, parts["test"])
    return told


def _prompt(model: Model, pairs: ContrastPairs, asked: Questions) -> list[float]:
    """Half of what the persona moves, "You are ..." for against its opposite, by item."""
    personas = next(
        (p.positive.system, p.negative.system) for p in pairs.pairs if p.positive.system
    )
    m = [propensity(model, asked.items, [None], mode=MODE, system=s)[0] for s in personas]
    return ((m[0] - m[1]) / 2).tolist()


def merged(figures: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """Random vectors as one: the mean of the sizes of their effects."""
    plain = {name: rows for name, rows in figures.items() if not name.startswith("random")}
    noise = [np.mean(rows) for name, rows in figures.items() if name.startswith("random")]
    return {**plain, "random": [float(np.mean(np.abs(noise)))]}


def table(traits: Mapping[str, Any], kl: float) -> str:
    """Markdown: a row a trait, a column a way; the last rows are medians and wins."""
    by_trait = {
        trait: {**merged(told[f"KL {kl:g}"]), "plain prompt": told["prompt"]}
        for trait, told in traits.items()
    }
    names = list(next(iter(by_trait.values())))
    means = {t: {n: float(np.mean(rows[n])) for n in names} for t, rows in by_trait.items()}
    lines = [f"| KL {kl:g} | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for trait, row in means.items():
        best = max(row[n] for n in names if n != "plain prompt")
        cells = [f"**{row[n]:.2f}**" if row[n] == best else f"{row[n]:.2f}" for n in names]
        lines.append(f"| {trait} | {' | '.join(cells)} |")
    medians = [f"{np.median([row[n] for row in means.values()]):.2f}" for n in names]
    lines.append(f"| median | {' | '.join(medians)} |")
    wins = [sum(row[OURS] > row[n] for row in means.values()) for n in names]
    counts = ["" if n == OURS else f"{w} of {len(means)}" for n, w in zip(names, wins, strict=True)]
    lines.append(f"| ours is higher | {' | '.join(counts)} |")
    return "\n".join(lines)


def verdict(traits: Mapping[str, Any], kl: float) -> str:
    """Where ours does not win, in words; an interval over traits of the ratio to the runner-up."""
    told = []
    rows = {trait: merged(figures[f"KL {kl:g}"]) for trait, figures in traits.items()}
    for other in next(iter(rows.values())):
        if other == OURS:
            continue
        gaps = [np.mean(row[OURS]) - np.mean(row[other]) for row in rows.values()]
        lost = [trait for trait, gap in zip(rows, gaps, strict=True) if gap < 0]
        spread = mean_interval(gaps, seed=1)
        told.append(
            f"  against {other}: {spread} nats" + (f"; lower on {', '.join(lost)}" if lost else "")
        )
    return f"ours at KL {kl:g}, mean difference over traits with its interval:\n" + "\n".join(told)


def main(arguments: list[str]) -> int:
    """Measure, print the tables, keep all numbers."""
    known = sorted(builtin_traits())
    parser = argparse.ArgumentParser(prog="python -m bench.quality")
    parser.add_argument("traits", nargs="*", metavar="TRAIT", help=", ".join(known))
    parser.add_argument("--threads", type=int)
    parser.add_argument("--again", action="store_true", help="do not use kept results")
    asked = parser.parse_args(arguments)
    if unknown := sorted(set(asked.traits) - set(known)):
        parser.error(f"no trait {unknown[0]!r}; there are: {', '.join(known)}")
    traits, path = asked.traits or known, OUT / "quality.json"
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    missing = [trait for trait in traits if asked.again or trait not in kept]
    if missing:
        library = Library()
        with Model.open(fast_name(library), library=library, threads=asked.threads) as model:
            for trait in missing:
                print(f"{trait} ...", file=sys.stderr, flush=True)
                kept[trait] = trait_figures(model, library, trait)
                write_atomic(path, json.dumps(kept, indent=1) + "\n")
    found = {trait: kept[trait] for trait in traits}
    for kl in KLS:
        print(f"\n{table(found, kl)}\n\n{verdict(found, kl)}")
    print(f"\nall numbers are in {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
