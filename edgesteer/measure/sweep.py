"""The sweep: layers and weights at equal damage, chosen on validation items, tested on others.

Does not know how a candidate is measured (candidate.py), nor which come next (search.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgesteer.errors import InputError, LayerError, SteeringError
from edgesteer.layers import LayerRange, as_layers
from edgesteer.measure.candidate import ENDS, GRID, CandidateWork, Measured, job
from edgesteer.measure.jobs import Jobs, Result
from edgesteer.measure.search import coarse_to_fine
from edgesteer.measure.stats import Interval, mean_interval
from edgesteer.measure.weights import LayerWeights
from edgesteer.vector import ControlVector

__all__ = ["DOSES", "Candidate", "Sweep", "Tested", "choose", "sweep"]

Progress = Callable[[int, int, str], None]

DOSES = (-2.0, -1.5, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0)
"""Of the strength at equal KL: where the choice is asked on test items."""

_SEED = 20250


@dataclass(frozen=True)
class Candidate:
    """One that was measured on validation items: in which stage, and with what result."""

    weights: LayerWeights
    stage: str
    result: Result
    measured: Measured


@dataclass(frozen=True)
class Tested:
    """One that was measured on test items.

    role     why it was: "chosen", "as it was", "best single layer", "best window"; of several
             that are one, the first
    effect   nats at equal KL, with a bootstrap interval over items
    gain     the effect minus that of "as it was", paired by item; None for itself
    """

    role: str
    weights: LayerWeights
    result: Result
    measured: Measured
    effect: Interval
    gain: Interval | None


@dataclass(frozen=True)
class Sweep:
    """What a sweep found. `work` has the settings; `candidates` are in the order measured.

    `seen`: how many test items are among the pairs that the vector was made from.
    """

    work: CandidateWork
    n_layer: int
    candidates: tuple[Candidate, ...]
    chosen: LayerWeights
    tested: tuple[Tested, ...]
    seen: int = 0

    @property
    def choice(self) -> Candidate:
        """The candidate that was chosen."""
        return next(c for c in self.candidates if c.weights == self.chosen)

    @property
    def best_first(self) -> list[Candidate]:
        """The candidates by effect at equal KL on validation items."""
        return sorted(self.candidates, key=lambda c: c.measured.effect, reverse=True)

    @property
    def singles(self) -> list[Candidate]:
        """The single layers, ascending."""
        found = [c for c in self.candidates if len(c.weights.layers) == 1]
        return sorted(found, key=lambda c: c.weights.layers)

    def test(self, role: str) -> Tested | None:
        """What the test items say of the candidate in that role."""
        return next((t for t in self.tested if t.role == role), None)


def sweep(
    jobs: Jobs,
    work: CandidateWork,
    n_layer: int,
    default: LayerWeights,
    *,
    layers: str | None = None,
    answers: bool = False,
    progress: Progress | None = None,
) -> Sweep:
    """Measures candidates coarse to fine, chooses the best, and tests it.

    Args:
        jobs: runs the jobs of `work`.
        work: the vector in natural proportions (baking.natural), the items, the target KL.
        n_layer: blocks of the model.
        default: the weights as they are (baking.present_weights): the choice is held against them.
        layers: look at these only; None is all that the vector carries.
        answers: write open answers for every candidate, not only for those that are tested.
        progress: called with (done, total, what).

    Raises:
        InputError: no validation items.
        LayerError: the vector carries none of the layers.
        SteeringError: no candidate has a measurable effect.
    """
    if not work.parts["validation"].items:
        raise InputError("there are no items to choose by", "give two-option items: --items FILE")
    carried = _carried(work.vector, layers, n_layer)
    search = coarse_to_fine(carried, default, n_layer)
    found: dict[LayerWeights, Candidate] = {}
    stage, candidates = next(search)
    while True:
        specs = [job(w, doses=_doses(w), answers=answers) for w in candidates]
        results = jobs.run(specs, progress, stage)
        for weights, result in zip(candidates, results, strict=True):
            found[weights] = Candidate(weights, stage, result, Measured.of(result))
        try:
            stage, candidates = search.send({w: c.measured.effect for w, c in found.items()})
        except StopIteration:
            break
    best = choose(list(found.values()))
    if best.measured.effect <= 0:
        raise SteeringError(
            "no layers move the items the right way: the effect is zero or negative everywhere",
            "Do the items measure what the vector was made for? --items names others.",
        )
    tested = _test(jobs, work, found, best, default, progress)
    return Sweep(work, n_layer, tuple(found.values()), best.weights, tested)


def choose(candidates: Sequence[Candidate]) -> Candidate:
    """The simplest candidate within one standard error of the best on validation items.

    The first of the candidates, the vector as it was, is simplest, then come equal weights, then
    the rest; among equally simple ones the best. The error is that of the difference to the best,
    paired by item (the one-standard-error rule: Breiman et al. 1984).
    """
    best = max(candidates, key=lambda c: c.measured.effect)
    near = [c for c in candidates if c is best or _difference(best, c) <= _error(best, c)]

    def simplicity(candidate: Candidate) -> tuple[int, float]:
        rank = 0 if candidate is candidates[0] else 1 if candidate.weights.is_flat else 2
        return -rank, candidate.measured.effect

    return max(near, key=simplicity)


def _difference(best: Candidate, other: Candidate) -> float:
    return best.measured.effect - other.measured.effect


def _error(best: Candidate, other: Candidate) -> float:
    pairs = zip(best.measured.effects, other.measured.effects, strict=True)
    gaps = [a - b for a, b in pairs]
    return float(np.std(gaps, ddof=1) / np.sqrt(len(gaps))) if len(gaps) > 1 else 0.0


def _carried(vector: ControlVector, layers: str | None, n_layer: int) -> list[int]:
    norms = vector.norms()
    there = [n for n in vector.layers if norms[n] > 0]
    if layers is None:
        return there
    wanted = as_layers(layers).resolve(n_layer)
    found = [n for n in there if n in wanted]
    if not found:
        raise LayerError(
            f"the vector carries nothing at {layers}",
            f"it carries the layers {LayerRange.of(vector.layers)}",
        )
    return found


def _test(
    jobs: Jobs,
    work: CandidateWork,
    found: Mapping[LayerWeights, Candidate],
    best: Candidate,
    default: LayerWeights,
    progress: Progress | None,
) -> tuple[Tested, ...]:
    """The choice and what it is compared with, on items that nothing was chosen by."""
    if not work.parts["test"].items:
        return ()
    ordered = sorted(found.values(), key=lambda c: c.measured.effect, reverse=True)
    windows = (c for c in ordered if c.weights.is_flat and len(c.weights.layers) > 1)
    roles = {
        "chosen": best,
        "as it was": found[default],
        "best single layer": next(c for c in ordered if len(c.weights.layers) == 1),
        "best window": next(windows, None),
    }
    there: dict[str, Candidate] = {}
    for role, candidate in roles.items():
        if candidate is not None and candidate.weights not in {c.weights for c in there.values()}:
            there[role] = candidate
    grids = {role: DOSES if c is best else GRID for role, c in there.items()}
    specs = [
        job(
            c.weights,
            "test",
            strengths=[dose * c.measured.strength for dose in grids[role]],
            answers=True,
            ends=(-c.measured.strength, c.measured.strength),
        )
        for role, c in there.items()
    ]
    results = jobs.run(specs, progress, "test items")
    rows = {
        role: (candidate, result, _measured(candidate, result))
        for (role, candidate), result in zip(there.items(), results, strict=True)
    }
    before = rows.get("as it was", rows["chosen"])[2]
    return tuple(
        Tested(
            role,
            candidate.weights,
            result,
            measured,
            mean_interval(measured.effects, seed=_SEED),
            None if measured is before else _gain(measured, before),
        )
        for role, (candidate, result, measured) in rows.items()
    )


def _doses(weights: LayerWeights) -> Sequence[float]:
    """Single layers make up the map of layers and strengths: they are measured at more doses."""
    return GRID if len(weights.layers) == 1 else ENDS


def _measured(candidate: Candidate, result: Result) -> Measured:
    """The result at the doses within 1, so that all roles are judged on the same range."""
    at_kl = candidate.measured.strength
    kept = [i for i, x in enumerate(result["strengths"]) if abs(x) <= 1.001 * at_kl]
    rows = {key: [result[key][i] for i in kept] for key in ("strengths", "m", "kl")}
    cost = {"cross_entropy": [result["cross_entropy"][i] for i in kept]}
    return Measured.of({**result, **rows, **cost}, at_kl)


def _gain(measured: Measured, before: Measured) -> Interval:
    pairs = zip(measured.effects, before.effects, strict=True)
    return mean_interval([a - b for a, b in pairs], seed=_SEED)
