"""Calibration: scales a vector so that strength 1.0 spends a stated budget of KL divergence.

Knows nothing of what the vector is for: it bounds the damage, it does not measure the effect.

The budget: on the model's own steered answers the 95th percentile of the per-token
KL(steered || plain) is 1 nat, and on neutral text the mean stays within 0.1 nat; whichever is
reached first. KL grows with about the square of the strength, so a secant in log-log coordinates
needs few evaluations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

from edgesteer.errors import EngineError, SteeringError
from edgesteer.layers import LayerRange, as_layers
from edgesteer.measure.divergence import Divergence, DivergenceMeter
from edgesteer.model import Model
from edgesteer.vector import Calibration, ControlVector

Progress = Callable[[int, int, str], None]

_MAX_EVALUATIONS = 7
_BROKEN = 1e4  # counted as spent when the model no longer answers
_GIVE_UP = 2.0  # spent/budget at the best strength found: further off is a failure
_TOLERANCE = 0.12  # of the log of spent/budget: 6 % of the strength
#: A usable strength may spend this many times the budget; beyond it text breaks.
_BAND = 2.0


@dataclass(frozen=True)
class Budget:
    """Nats: the 95th percentile on own answers, and the mean on neutral text."""

    own_p95: float = 1.0
    neutral_mean: float = 0.1

    def spent(self, cost: Divergence) -> float:
        """1.0 when the budget is just spent."""
        return max(cost.own_p95 / self.own_p95, cost.neutral_mean / self.neutral_mean)


def calibrate(
    model: Model,
    vector: ControlVector,
    *,
    layers: LayerRange | str | None = None,
    budget: Budget | None = None,
    meter: DivergenceMeter | None = None,
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
    search = _Search(model, vector, chosen, budget, meter or DivergenceMeter(model), progress)
    up = search.run(+1)
    down = search.run(-1, start=up)
    unit = up
    high, low = search.reach(+1, _BAND) / unit, -search.reach(-1, _BAND) / unit
    evidence = {
        "budget": asdict(budget),
        "band": f"strengths that spend at most {_BAND:g} times the budget",
        "positive_unit": 1.0,
        "negative_unit": round(-down / unit, 4),
        "evaluations": [
            {"strength": round(a / unit, 4), **{k: round(v, 5) for k, v in asdict(cost).items()}}
            for a, cost in sorted(search.costs.items())
        ],
    }
    scaled = vector.with_(calibration=None).scaled(unit)
    return scaled.with_(
        recommended=chosen,
        calibration=Calibration(round(low, 3), round(high, 3), evidence),
    )


class _Search:
    """Looks for the strength that spends the budget, remembering every evaluation."""

    def __init__(
        self,
        model: Model,
        vector: ControlVector,
        layers: LayerRange | None,
        budget: Budget,
        meter: DivergenceMeter,
        progress: Progress | None,
    ) -> None:
        self._steering = vector.at(layers) if layers is not None else vector * 1.0
        self._budget, self._meter, self._progress = budget, meter, progress
        self.costs: dict[float, Divergence] = {}
        self._failure: EngineError | None = None
        model.bind(self._steering)

    def _spent(self, strength: float) -> float:
        if self._progress is not None:
            self._progress(len(self.costs), 2 * _MAX_EVALUATIONS, "calibrating")
        try:
            cost = self._meter.measure(self._steering * strength)
        except EngineError as error:  # so strong that the logits overflow
            self._failure = error
            return _BROKEN
        self.costs[strength] = cost
        return max(self._budget.spent(cost), 1e-9)

    def run(self, sign: int, start: float = 0.5) -> float:
        """The strength (positive) that spends the budget in the direction of ``sign``."""
        strength, history = start, list[tuple[float, float]]()
        for _ in range(_MAX_EVALUATIONS):
            spent = self._spent(sign * strength)
            history.append((strength, spent))
            if abs(math.log(spent)) < _TOLERANCE:
                break
            strength = _next(history)
        best, spent = min(history, key=lambda h: abs(math.log(h[1])))
        if abs(math.log(spent)) > math.log(_GIVE_UP):
            raise SteeringError(
                "this vector has no measurable effect on the model's answers"
                if spent < 1
                else "this vector breaks the model's answers at every strength that was tried",
                "Was it made for this model and these layers? 'edgesteer vectors check' tells.",
            ) from self._failure
        return best

    def reach(self, sign: int, factor: float) -> float:
        """The strength (positive) that spends ``factor`` budgets, from what has been measured."""
        points = sorted(
            (a * sign, max(self._budget.spent(cost), 1e-9))
            for a, cost in self.costs.items()
            if a * sign > 0
        )
        near = min(points, key=lambda p: abs(math.log(p[1] / factor)))
        return near[0] * math.sqrt(factor / near[1])


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
