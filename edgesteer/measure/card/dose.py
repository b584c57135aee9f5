"""Doses: how far a dial must be turned until it costs neutral text a given KL.

Does not know what is on the dial: controls, operations other than adding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgesteer.measure.damage import NeutralText
from edgesteer.steering import Steering

__all__ = ["Dial", "Dose", "find_doses"]

_CLOSE = 0.12  # of the log of the KL: 6 % of the strength
_ENOUGH = 2 * _CLOSE  # further off than this is another KL
_FLAT = 0.05  # of the log of the KL: it does not depend on a dose four times as large
_ROUNDS = 5


@dataclass(frozen=True)
class Dial:
    """Something with a strength: `make` gives the steering at a dose of 0 to `most`.

    `first` are the doses that are tried first. `signs`: its cost is the mean over these signs of
    the dose.
    """

    make: Callable[[float], Steering]
    first: tuple[float, float] = (1.0, 4.0)
    most: float = 64.0
    signs: tuple[float, ...] = (1.0,)


@dataclass(frozen=True)
class Dose:
    """A dose, what it costs (mean KL on neutral text, nats a token), and whether that is it."""

    dose: float
    kl: float
    reached: bool


def find_doses(text: NeutralText, dials: Sequence[Dial], target: float) -> list[Dose]:
    """For each dial the dose whose KL is nearest `target`.

    KL grows with about the square of most doses, so that a secant in logarithms gets there in few
    readings; all dials are read in one batch. A dial that can not get there says so.
    """
    points: list[list[tuple[float, float]]] = [[] for _ in dials]

    def measure(tried: list[tuple[int, float]]) -> None:
        steers = [dials[i].make(sign * dose) for i, dose in tried for sign in dials[i].signs]
        costs = iter(text.measure(steers))
        for i, dose in tried:
            read = [next(costs).kl_mean for _ in dials[i].signs]
            points[i].append((dose, sum(read) / len(read)))

    measure([(i, dose) for i, dial in enumerate(dials) for dose in dial.first])
    for _ in range(_ROUNDS):
        tried = [
            (i, _next(known, target, dials[i].most))
            for i, known in enumerate(points)
            if min(_off(cost, target) for _, cost in known) >= _CLOSE
        ]
        tried = [(i, dose) for i, dose in tried if dose not in dict(points[i])]
        if not tried:
            break
        measure(tried)
    found = []
    for known in points:
        dose, cost = min(known, key=lambda p: _off(p[1], target))
        found.append(
            Dose(dose, cost, _off(cost, target) < _ENOUGH and not _flat(dose, cost, known))
        )
    return found


def _flat(dose: float, cost: float, known: Sequence[tuple[float, float]]) -> bool:
    """Whether the cost there is no matter of the dose: what is on the dial costs that by itself."""
    far = [other for at, other in known if at >= 4 * dose or dose >= 4 * at]
    return any(_off(other, cost) < _FLAT for other in far)


def _off(cost: float, target: float) -> float:
    return abs(math.log(cost / target)) if 0 < cost < math.inf else math.inf


def _next(known: Sequence[tuple[float, float]], target: float, most: float) -> float:
    """The next dose: inside the bracket if there is one, else by the power law of two points."""
    below = [point for point in known if point[1] < target]
    above = [point for point in known if point[1] >= target]
    if below and above:
        (a, fa), (b, fb) = max(below), min(above)
        if fa <= 0 or not math.isfinite(fb) or a <= 0:
            return (a + b) / 2
        t = (math.log(target) - math.log(fa)) / (math.log(fb) - math.log(fa))
        return math.exp(math.log(a) + min(max(t, 0.1), 0.9) * (math.log(b) - math.log(a)))
    if above:
        lowest = min(dose for dose, _ in above)
        return lowest / (4 if math.isfinite(min(cost for _, cost in above)) else 8)
    (dose, cost) = max(below)
    step = math.sqrt(target / cost) if cost > 0 else 8.0
    return min(dose * min(max(step, 1.2), 8.0), most)
