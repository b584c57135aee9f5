"""One candidate of a sweep: its effect and its damage at equal KL, as a job that runs anywhere.

Does not know which candidates are worth a look, nor which of them is best.

A candidate is a vector whose layers have weights. First the strength is found at which the mean KL
on neutral text, over both signs, is the target; KL grows with about the square of the strength, so
two or three readings do. Then the items are asked at some doses of that strength, and, if wanted, a
few open questions are answered at the outermost ones. All strengths are rows of one batch.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from edgesteer.errors import SteeringError
from edgesteer.measure.damage import NeutralText, TextDamage, answer_damage
from edgesteer.measure.jobs import Result, Spec
from edgesteer.measure.propensity import Mode, Steerability, propensity, steerability
from edgesteer.measure.questions import Questions
from edgesteer.measure.size import first_guess, push_size, residual_norms
from edgesteer.measure.texts import NEUTRAL, PROMPTS
from edgesteer.measure.weights import LayerWeights
from edgesteer.model import Model
from edgesteer.vector import ControlVector

__all__ = ["ENDS", "GRID", "Baseline", "CandidateWork", "Measured", "job"]

ENDS = (-1.0, 1.0)
"""Doses for a quick look: the strength at equal KL, both signs."""

GRID = (-1.0, -0.5, 0.5, 1.0)
"""Doses that show a curve."""

_MAX_ROUNDS = 6
_NEAR = 1.2  # a strength this near the right one is measured; the effect is scaled by the rest


def job(
    weights: LayerWeights,
    part: str = "validation",
    *,
    doses: Sequence[float] = ENDS,
    strengths: Sequence[float] = (),
    answers: bool = False,
    ends: tuple[float, float] | None = None,
) -> Spec:
    """The job of a candidate.

    Args:
        weights: of its layers.
        part: of the questions.
        doses: shares of the strength at equal KL to measure at, -1 and 1 among them.
        strengths: measure at these instead, without a search for that strength.
        answers: write open answers at the outermost ones too.
        ends: write them at these strengths instead.
    """
    spec: dict[str, Any] = {"weights": weights.to_dict(), "part": part, "answers": answers}
    if ends is not None:
        spec["ends"] = list(ends)
    return spec | ({"strengths": list(strengths)} if strengths else {"doses": list(doses)})


@dataclass(frozen=True)
class CandidateWork:
    """What all candidates of a sweep share.

    vector      its directions are weighted; its scale and its calibration do not matter
    parts       the questions by part: "validation" to choose on, "test" to report on
    kl          nats a token of neutral text, at which candidates are compared
    mode        how items are asked
    model_file  SHA-256 of the file that is read
    score       name of the judge-free score of open answers, "" for none
    n_answers   open questions answered at each sign, where answers are wanted
    n_tokens    length of an answer
    neutral     texts that the damage is measured on
    """

    vector: ControlVector
    parts: Mapping[str, Questions]
    kl: float
    mode: Mode
    model_file: str = ""
    score: str = ""
    n_answers: int = 4
    n_tokens: int = 24
    neutral: tuple[str, ...] = NEUTRAL

    @property
    def key(self) -> Spec:
        """What the results depend on."""
        questions = {
            part: [[astuple(item) for item in asked.items], list(asked.open[: self.n_answers])]
            for part, asked in self.parts.items()
        }
        texts = json.dumps([questions, self.neutral, PROMPTS], sort_keys=True)
        return {
            "measure": "candidate",
            "vector": self.vector.digest,
            "model_file": self.model_file,
            "texts": hashlib.sha256(texts.encode()).hexdigest(),
            "kl": self.kl,
            "mode": self.mode,
            "score": self.score,
            "answers": [self.n_answers, self.n_tokens],
        }

    def start(self, model: Model, baseline: Baseline | None = None) -> Callable[[Spec], Result]:
        """The measurement on an opened model; works on other vectors share a baseline."""
        return _Measurement(self, model, baseline or Baseline(self, model)).run


class Baseline:
    """What the plain model makes of the texts of a work: read once, whatever the vector."""

    def __init__(self, work: CandidateWork, model: Model) -> None:
        self.neutral = NeutralText(model, work.neutral)
        self.norms = residual_norms(model, work.neutral[0])
        self.m = {
            part: propensity(model, asked.items, [None], mode=work.mode)[0]
            for part, asked in work.parts.items()
            if asked.items
        }


class _Measurement:
    """The measuring of one candidate."""

    def __init__(self, work: CandidateWork, model: Model, plain: Baseline) -> None:
        self._work, self._model, self._plain = work, model, plain

    def run(self, spec: Spec) -> Result:
        """The result of one job: see `Measured`, which reads it."""
        weights = LayerWeights.from_dict(spec["weights"])
        candidate = weights.applied(self._work.vector)
        at_kl = None
        if "strengths" in spec:
            strengths = [float(x) for x in spec["strengths"]]
            damages = self._damage(candidate, strengths)
        else:
            at_kl, strengths, damages = self._search(candidate, spec["doses"])
        asked = self._work.parts[spec["part"]]
        ends = [float(x) for x in spec.get("ends", (min(strengths), max(strengths)))]
        steers = [candidate * x for x in strengths]
        m = propensity(self._model, asked.items, steers, mode=self._work.mode)
        return {
            "strength": at_kl,
            "strengths": strengths,
            "plain": _figures(self._plain.m[spec["part"]]),
            "m": [_figures(row) for row in m],
            "kl": _figures([d.kl_mean for d in damages]),
            "kl_p95": _figures([d.kl_p95 for d in damages]),
            "cross_entropy": _figures([d.cross_entropy for d in damages]),
            "answers": self._answers(candidate, ends, asked) if spec["answers"] else {},
        }

    def _damage(self, candidate: ControlVector, strengths: Sequence[float]) -> list[TextDamage]:
        return self._plain.neutral.measure([candidate * x for x in strengths])

    def _search(
        self, candidate: ControlVector, doses: Sequence[float]
    ) -> tuple[float, list[float], list[TextDamage]]:
        """(strength at equal KL, the strengths to measure at, what they cost)."""
        size = push_size(candidate, candidate.layers, self._plain.norms)
        strength = first_guess(size, self._work.kl)
        for _ in range(_MAX_ROUNDS):
            low, high = self._damage(candidate, [-strength, strength])
            cost = min(max((low.kl_mean + high.kl_mean) / 2, 1e-9), 1e3)
            ratio = math.sqrt(self._work.kl / cost)
            if 1 / _NEAR <= ratio <= _NEAR:
                known = {-strength: low, strength: high}
                strengths = [strength * dose for dose in doses]
                rest = [x for x in strengths if x not in known]
                known.update(zip(rest, self._damage(candidate, rest), strict=True))
                return strength * ratio, strengths, [known[x] for x in strengths]
            strength *= min(max(ratio, 0.05), 20.0)
        raise SteeringError(
            f"no strength of this vector at {', '.join(map(str, candidate.layers))} costs "
            f"{self._work.kl:g} nats on neutral text",
            "Was it made for this model? 'edgesteer vectors check' tells.",
        )

    def _answers(
        self, candidate: ControlVector, ends: Sequence[float], asked: Questions
    ) -> dict[str, Any]:
        """Open answers at both ends: repetition, perplexity, and the trait's score."""
        prompts = (asked.open or PROMPTS)[: self._work.n_answers]
        found = answer_damage(
            self._model, [candidate * x for x in ends], prompts, n_tokens=self._work.n_tokens
        )
        told: dict[str, Any] = {
            "strengths": list(ends),
            "repetition_3": _figures([a.repetition_3 for a in found]),
            "repetition_4": _figures([a.repetition_4 for a in found]),
            "perplexity": _figures([a.perplexity for a in found]),
        }
        if self._work.score and asked.open:
            from edgesteer.measure.scores import find_score

            score = find_score(self._work.score)
            told["score"] = _figures([np.mean([score(t) for t in a.answers]) for a in found])
        return told


def _figures(values: Any) -> list[float | None]:
    """Plain numbers for JSON: six significant digits, None for what is not finite."""
    return [float(f"{x:.6g}") if math.isfinite(x) else None for x in map(float, values)]


@dataclass(frozen=True)
class Measured:
    """What the result of a job says.

    strength      at which the mean KL on neutral text is the target
    effect        nats of m that this strength moves, mean over items: the slope of a line through
                  nothing and both outermost strengths, times this one
    effects       the same of each item, in order
    wrong         share of items that move the wrong way by that line
    monotone, residual   of the mean curve through all strengths: see `steerability`
    kl, cross_entropy    at the outermost measured strengths, mean over both signs
    repetition    share of repeated trigrams in open answers, mean over both signs; None: not asked
    score         trait score of the open answers, positive minus negative sign; None: not scored
    """

    strength: float
    effect: float
    effects: tuple[float, ...]
    wrong: float
    monotone: float
    residual: float
    kl: float
    cross_entropy: float
    repetition: float | None
    score: float | None
    curve: Steerability

    @classmethod
    def of(cls, result: Result, strength: float | None = None) -> Measured:
        """Reads a result; of one without a search, the strength at equal KL is given.

        Raises SteeringError when fewer than two of its strengths gave finite numbers.
        """
        at_kl = result["strength"] if strength is None else strength
        rows = [
            (x, m) for x, m in zip(result["strengths"], result["m"], strict=True) if None not in m
        ]
        if len(rows) < 2 or None in result["plain"]:
            raise SteeringError("the model's numbers overflowed at these strengths", "Steer less.")
        grid = [0.0, *(x for x, _ in rows)]
        curve = steerability(grid, [result["plain"], *(m for _, m in rows)])
        ends = [min(rows), max(rows)] if len(rows) > 2 else rows  # whatever else was measured
        line = steerability([0.0, *(x for x, _ in ends)], [result["plain"], *(m for _, m in ends)])
        outer = (int(np.argmin(result["strengths"])), int(np.argmax(result["strengths"])))
        answers = result["answers"]
        scores = answers.get("score")
        return cls(
            strength=at_kl,
            effect=line.slope * at_kl,
            effects=tuple(slope * at_kl for slope in line.slopes),
            wrong=line.wrong,
            monotone=curve.monotone,
            residual=curve.residual,
            kl=_mean([result["kl"][i] for i in outer]),
            cross_entropy=_mean([result["cross_entropy"][i] for i in outer]),
            repetition=_mean(answers["repetition_3"]) if answers else None,
            score=scores[1] - scores[0] if scores else None,
            curve=curve,
        )


def _mean(values: Sequence[float | None]) -> float:
    return float(np.mean([math.inf if x is None else x for x in values]))
