"""Calibration: scales a vector so that strength 1.0 spends a stated budget of KL divergence.

Knows nothing of what the vector is for: it bounds the damage, it does not measure the effect.

The budget: on the model's own steered answers the 95th percentile of the per-token
KL(steered || plain) is 1 nat, and on neutral text the mean stays within 0.1 nat; whichever is
reached first. KL grows with about the square of the strength, so a secant in log-log coordinates
needs few evaluations. Both signs are searched side by side, in the same batches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Protocol

from edgesteer.compose import vector_of
from edgesteer.errors import SteeringError
from edgesteer.layers import LayerRange, as_layers
from edgesteer.measure.divergence import Divergence, DivergenceMeter
from edgesteer.measure.size import first_guess, push_size, residual_norms
from edgesteer.model import Model
from edgesteer.steering import Steering
from edgesteer.vector import Calibration, ControlVector

__all__ = ["Budget", "Meter", "calibrate"]

Progress = Callable[[int, int, str], None]

_MAX_ROUNDS = 7
_BROKEN = 1e4  # counted as spent when the model no longer answers
_GIVE_UP = 2.0  # spent/budget at the best strength found: further off is a failure
_TOLERANCE = 0.12  # of the log of spent/budget: 6 % of the strength
#: A usable strength may spend this many times the budget; beyond it text breaks.
_BAND = 2.0
_SLACK = 1.06  # of that, for an end that was read
_END_ROUNDS = 3


class Meter(Protocol):
    """What a `DivergenceMeter` does."""

    def measure_many(self, steers: Sequence[Steering]) -> list[Divergence]:
        """What each steering costs; infinitely much where the numbers overflow."""
        ...


@dataclass(frozen=True)
class Budget:
    """Nats: the 95th percentile on own answers, and the mean on neutral text."""

    own_p95: float = 1.0
    neutral_mean: float = 0.1

    def spent(self, cost: Divergence) -> float:
        """1.0 when the budget is just spent; what broke the model has spent a great deal."""
        share = max(cost.own_p95 / self.own_p95, cost.neutral_mean / self.neutral_mean)
        return min(max(share, 1e-9), _BROKEN)

    def limit(self, cost: Divergence) -> str:
        """Which of the two is nearer to its end."""
        own = cost.own_p95 / self.own_p95
        return "own answers" if own >= cost.neutral_mean / self.neutral_mean else "neutral text"


def calibrate(
    model: Model,
    vector: ControlVector,
    *,
    layers: LayerRange | str | None = None,
    budget: Budget | None = None,
    meter: Meter | None = None,
    progress: Progress | None = None,
) -> ControlVector:
    """The vector scaled so that strength 1.0 spends the budget on the given layers.

    Args:
        model: the model that the vector will steer, quantised as it will run.
        vector: any scale; directions keep their proportions.
        layers: where it will act; default what the vector recommends, else all it carries.
        budget: default 1 nat at the 95th percentile, 0.1 nat on neutral text.
        meter: to share between several calibrations of one model.
        progress: called with (evaluations done, evaluations at most, what).

    Returns:
        A new vector with ``recommended`` layers and a ``calibration``: the band of strengths that
        spend at most twice the budget, on either side of zero, and the evidence.

    Raises:
        SteeringError: the vector has no effect that could be measured.
    """
    budget = budget or Budget()
    chosen = as_layers(layers) if layers is not None else vector.recommended
    natural = vector.with_(calibration=None)
    steering = natural.at(chosen) if chosen is not None else natural * 1.0
    model.bind(steering)
    start = _start(model, steering, budget)
    sides = {sign: _Side(budget, start) for sign in (+1, -1)}
    meter = meter or DivergenceMeter(model)
    for _ in range(_MAX_ROUNDS):
        open_ = [sign for sign, side in sides.items() if not side.done]
        if not open_:
            break
        if progress is not None:
            done = sum(len(side.costs) for side in sides.values())
            progress(done, 2 * _MAX_ROUNDS, "calibrating")
        costs = meter.measure_many([steering * (sign * sides[sign].next) for sign in open_])
        for sign, cost in zip(open_, costs, strict=True):
            sides[sign].add(cost)
    unit, down = sides[+1].unit(), sides[-1].unit()
    _read_ends(steering, sides, meter, progress)
    high, low = sides[+1].reach(_BAND) / unit, -sides[-1].reach(_BAND) / unit
    return natural.scaled(unit).with_(
        recommended=chosen,
        calibration=Calibration(
            round(low, 3), round(high, 3), _evidence(budget, sides, unit, down)
        ),
    )


def _read_ends(
    steering: Steering, sides: dict[int, _Side], meter: Meter, progress: Progress | None
) -> None:
    """Read what both ends of the band cost, nearer ones where it is too much."""
    open_ = list(sides)
    for _ in range(_END_ROUNDS):
        if progress is not None:
            progress(2 * _MAX_ROUNDS - 1, 2 * _MAX_ROUNDS, "calibrating: the ends of the band")
        ends = {sign: sides[sign].towards(_BAND) for sign in open_}
        costs = meter.measure_many([steering * (sign * end) for sign, end in ends.items()])
        for (sign, end), cost in zip(ends.items(), costs, strict=True):
            sides[sign].costs[end] = cost
        open_ = [sign for sign in open_ if sides[sign].reach(_BAND) < ends[sign]]
        if not open_:
            return


def _start(model: Model, steering: Steering, budget: Budget) -> float:
    """A strength that may spend the budget."""
    term = steering.terms[0]
    vector = vector_of(term)
    size = push_size(vector, term.resolved_layers(model.n_layer), residual_norms(model))
    return first_guess(size, budget.neutral_mean)


def _evidence(
    budget: Budget, sides: dict[int, _Side], unit: float, down: float
) -> dict[str, object]:
    at_one = sides[+1].costs[unit]
    return {
        "budget": asdict(budget),
        "band": f"strengths that spend at most {_BAND:g} times the budget",
        "positive_unit": 1.0,
        "negative_unit": round(-down / unit, 4),
        "spent_at_one": round(budget.spent(at_one), 3),
        "limited_by": budget.limit(at_one),
        "evaluations": [
            {
                "strength": round(sign * strength / unit, 4),
                **{key: _figure(value) for key, value in asdict(cost).items()},
            }
            for sign in (-1, +1)
            for strength, cost in sorted(sides[sign].costs.items(), reverse=sign < 0)
        ],
    }


def _figure(value: float) -> float | None:
    """Rounded for JSON, which knows no infinity."""
    return round(value, 5) if math.isfinite(value) else None


@dataclass
class _Side:
    """The search on one side of zero: strengths are positive here, and all costs are kept."""

    budget: Budget
    start: float
    costs: dict[float, Divergence] = field(default_factory=dict)
    next: float = 0.0
    done: bool = False

    def __post_init__(self) -> None:
        self.next = self.start

    def add(self, cost: Divergence) -> None:
        """Note what `next` costs, and choose where to look after it."""
        self.costs[self.next] = cost
        spent = self.budget.spent(cost)
        self.done = abs(math.log(spent)) < _TOLERANCE
        if not self.done:
            self.next = _next([(a, self.budget.spent(c)) for a, c in self.costs.items()])

    def unit(self) -> float:
        """The strength that spends the budget best of those measured."""
        best = min(self.costs, key=lambda a: abs(math.log(self.budget.spent(self.costs[a]))))
        spent = self.budget.spent(self.costs[best])
        if abs(math.log(spent)) > math.log(_GIVE_UP):
            raise SteeringError(
                "this vector has no measurable effect on the model's answers"
                if spent < 1
                else "this vector breaks the model's answers at every strength that was tried",
                "Was it made for this model and these layers? 'edgesteer vectors check' tells.",
            )
        return best

    def towards(self, factor: float) -> float:
        """Where ``factor`` budgets may be spent, by what was read so far."""
        spent = {a: self.budget.spent(cost) / factor for a, cost in self.costs.items()}
        return _next(sorted(spent.items(), key=lambda one: -abs(math.log(one[1]))))

    def reach(self, factor: float) -> float:
        """The largest strength read that spends ``factor`` budgets at most, as all below it do."""
        most = factor * _SLACK
        over = [a for a, cost in self.costs.items() if self.budget.spent(cost) > most]
        within = (a for a in self.costs if a < min(over, default=math.inf))
        return max(within, default=self.unit())


def _next(history: list[tuple[float, float]]) -> float:
    """The next strength: inside the bracket if there is one, else by the square law."""
    below = [h for h in history if h[1] < 1]
    above = [h for h in history if h[1] >= 1]
    if below and above:
        (a, fa), (b, fb) = max(below), min(above)
        t = -math.log(fa) / (math.log(fb) - math.log(fa))
        t = min(max(t, 0.1), 0.9)
        return math.exp(math.log(a) + t * (math.log(b) - math.log(a)))
    strength, spent = history[-1]
    return strength * min(max(math.sqrt(1 / spent), 0.05), 20.0)
