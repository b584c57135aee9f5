"""What a vector costs, computed from raw numbers alone: side effects, knowledge, damage, company.

Does not know the model, nor what counts as much (verdict.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from edgesteer.measure import stats
from edgesteer.measure.calibrate import Budget
from edgesteer.measure.card.figures import Frame, half_span
from edgesteer.measure.card.raw import Condition, Damage, Raw
from edgesteer.measure.divergence import Divergence
from edgesteer.measure.stats import Interval

__all__ = [
    "Cost",
    "Knowledge",
    "Overlap",
    "Quantised",
    "SideEffect",
    "SideEffects",
    "Together",
    "costs",
    "knowledge",
    "overlaps",
    "quantised",
    "side_effects",
    "together",
]


@dataclass(frozen=True)
class SideEffect:
    """What strength 1 does to m of another trait. `p_holm`: corrected for the number of traits."""

    trait: str
    own: bool
    n: int
    change: Interval
    p: float
    p_holm: float | None


@dataclass(frozen=True)
class SideEffects:
    """One row of the side-effect matrix.

    entanglement  sqrt(mean over the other traits of (y_b(steered) - y_b(plain))^2), y_b the mean m
    share         entanglement / the change of the own trait; None where that is not above zero
    """

    traits: tuple[SideEffect, ...]
    entanglement: float | None
    share: float | None


def side_effects(frame: Frame, traits: Sequence[str]) -> SideEffects:
    """The changes of all traits that were asked, the own one first."""
    found = []
    for trait in dict.fromkeys([frame.questions, *traits]):
        m = frame.raw.paired([Condition(trait), Condition(trait, "plain", frame.name, 1.0)])
        if m is not None:
            change = m[1] - m[0]
            p = stats.sign_flip(change, seed=frame.seed)
            own = trait == frame.questions
            found.append(SideEffect(trait, own, len(change), frame.mean(change), p, None))
    others = [one for one in found if not one.own]
    corrected = iter(stats.holm([one.p for one in others]))
    rows = tuple(
        one if one.own else SideEffect(**{**vars(one), "p_holm": next(corrected)}) for one in found
    )
    if not others:
        return SideEffects(rows, None, None)
    size = math.sqrt(sum(one.change.value**2 for one in others) / len(others))
    target = next((one.change.value for one in found if one.own), 0.0)
    return SideEffects(rows, size, size / target if target > 0 else None)


@dataclass(frozen=True)
class Knowledge:
    """Accuracy on two-option questions (right answer likelier), and its change at 1 and -1.

    `margin` is the change at 1 of log p(right) - log p(wrong).
    """

    n: int
    plain: float
    up: float
    down: float
    change_up: Interval
    change_down: Interval
    margin: Interval


def knowledge(frame: Frame, questions: str) -> Knowledge | None:
    """What becomes of general knowledge; None when it was not asked."""
    conditions = [Condition(questions)] + [
        Condition(questions, "plain", frame.name, strength) for strength in (1.0, -1.0)
    ]
    m = frame.raw.paired(conditions)
    if m is None:
        return None
    plain, up, down = (m > 0).astype(float)
    return Knowledge(
        n=len(plain),
        plain=float(plain.mean()),
        up=float(up.mean()),
        down=float(down.mean()),
        change_up=frame.mean(up - plain),
        change_down=frame.mean(down - plain),
        margin=frame.mean(m[1] - m[0]),
    )


@dataclass(frozen=True)
class Cost:
    """What a strength costs. `spent` is in budgets of the calibration, None where not measured."""

    strength: float
    kl_mean: float
    kl_p95: float
    cross_entropy: float
    own_p95: float | None
    perplexity: float | None
    repetition: float | None
    spent: float | None


def cost_of(strength: float, damage: Damage) -> Cost:
    """A damage with what it spends of the budget."""
    spent = None
    if strength == 0:
        spent = 0.0
    elif damage.own_p95 is not None:
        spent = Budget().spent(Divergence(damage.own_p95, damage.own_p95, damage.kl_mean))
    return Cost(strength=strength, **asdict(damage), spent=spent)


def costs(frame: Frame, strengths: Sequence[float]) -> list[Cost]:
    """The cost of each strength of the dose curve; strength 0 is the plain model."""
    known = frame.raw.damage
    keys = [(frame.name if x else "", x, "") for x in strengths]
    return [cost_of(key[1], known[key]) for key in keys if key in known]


@dataclass(frozen=True)
class Quantised:
    """The effect on a second file of the same weights, beside that on the first, same items."""

    model: str
    n: int
    here: Interval
    there: Interval
    gap: Interval
    kl_here: float
    kl_there: float


def quantised(frame: Frame, model: str) -> Quantised | None:
    """The quantisation gap; None when no second file was asked."""
    here, there = half_span(frame, frame.name), half_span(frame, frame.name, model=model)
    if not model or here is None or there is None:
        return None
    n = min(len(here), len(there))
    kls = [frame.raw.damage[frame.name, 1.0, name].kl_mean for name in ("", model)]
    means = [frame.mean(rows[:n]) for rows in (here, there, there[:n] - here[:n])]
    return Quantised(model, n, means[0], means[1], means[2], kls[0], kls[1])


@dataclass(frozen=True)
class Together:
    """What one vector does among all of them, each at strength 1, beside what it does alone."""

    n: int
    alone: Interval
    together: Interval
    change: Interval


def together(frame: Frame, label: str) -> Together | None:
    """The own trait under the sum of all vectors; None when there was one vector only."""
    m = frame.raw.paired(
        [frame.at(0.0), frame.at(1.0), Condition(frame.questions, "plain", label, 1.0)]
    )
    if m is None:
        return None
    means = [frame.mean(rows) for rows in (m[1] - m[0], m[2] - m[0], m[2] - m[1])]
    return Together(m.shape[1], *means)


@dataclass(frozen=True)
class Overlap:
    """The cosine of two vectors: as they act, all layers together, and the extreme layers."""

    one: str
    other: str
    whole: float
    layers: int
    lowest: float
    highest: float


def overlaps(raw: Raw) -> list[Overlap]:
    """Every pair of vectors whose cosine was taken."""
    found = []
    for key, values in raw.cosines.items():
        one, _, other = key.partition("|")
        per_layer = [value for layer, value in values.items() if layer != "whole"]
        ends = (min(per_layer, default=0.0), max(per_layer, default=0.0))
        whole = float(np.clip(values["whole"], -1, 1))
        found.append(Overlap(one, other, whole, len(per_layer), *ends))
    return found
