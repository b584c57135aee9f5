"""Calibration as arithmetic: a meter with a known law must be inverted, whatever the scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from edgesteer import ControlVector, Model, Steering
from edgesteer.errors import SteeringError
from edgesteer.measure.calibrate import Budget, calibrate
from edgesteer.measure.divergence import Divergence


class LawMeter:
    """Costs that follow a law of the strength, with no model behind them."""

    def __init__(self, law: Callable[[float], float]) -> None:
        self.law, self.calls = law, 0

    def measure_many(self, steers: Sequence[Steering]) -> list[Divergence]:
        self.calls += len(steers)
        spent = [self.law(steering.terms[0].strength) for steering in steers]
        return [Divergence(x, x / 2, 0.01 * x) for x in spent]


def _vector(model: Model) -> ControlVector:
    return ControlVector(
        {layer: np.full(model.n_embd, 0.5) for layer in (1, 2, 3)}, model.identity, name="v"
    )


@pytest.mark.parametrize("right", [0.004, 0.3, 1.0, 17.0, 900.0])
@pytest.mark.parametrize("power", [1.5, 2.0, 3.0])
def test_the_unit_is_found_at_any_scale(tiny_model: Model, right: float, power: float) -> None:
    meter = LawMeter(lambda a: abs(a / right) ** power)
    found = calibrate(tiny_model, _vector(tiny_model), layers="1-3", meter=meter)
    assert found.directions[1][0] / 0.5 == pytest.approx(right, rel=0.1)
    assert found.calibration is not None
    assert found.calibration.low < -1 < 1 < found.calibration.high
    unit = found.directions[1][0] / 0.5
    for end in (found.calibration.low, found.calibration.high):  # what is told was read there
        assert meter.law(end * unit) <= 2.0 * 1.07
    assert meter.calls <= 20
    assert str(found.recommended) == "1-3"


def test_a_weaker_negative_side_shows_in_the_band(tiny_model: Model) -> None:
    meter = LawMeter(lambda a: a**2 if a > 0 else 4 * a**2)
    found = calibrate(tiny_model, _vector(tiny_model), layers="1-3", meter=meter)
    assert found.calibration is not None
    assert found.calibration.low == pytest.approx(-(2**0.5) / 2, rel=0.1)
    assert found.calibration.high == pytest.approx(2**0.5, rel=0.1)


def test_the_band_ends_before_the_text_breaks(tiny_model: Model) -> None:
    """A cost that leaps where the square law would still allow more."""
    meter = LawMeter(lambda a: a**2 if abs(a) < 1.2 else 500.0)
    found = calibrate(tiny_model, _vector(tiny_model), layers="1-3", meter=meter)
    assert found.calibration is not None
    unit = found.directions[1][0] / 0.5
    assert 0.9 < found.calibration.high * unit < 1.2
    assert -1.2 < found.calibration.low * unit < -0.9


def test_no_effect_is_an_error_not_a_huge_vector(tiny_model: Model) -> None:
    with pytest.raises(SteeringError, match="no measurable effect"):
        calibrate(
            tiny_model,
            _vector(tiny_model),
            layers="1-3",
            meter=LawMeter(lambda _a: 0.0),
        )


def test_the_neutral_text_can_be_what_limits() -> None:
    budget = Budget(own_p95=1.0, neutral_mean=0.1)
    assert budget.spent(Divergence(0.5, 0.2, 0.2)) == pytest.approx(2.0)
