"""Propensity as arithmetic on scored answers, and steerability as a line with its faults."""

from __future__ import annotations

import numpy as np
import pytest

from edgesteer import ControlVector, Model
from edgesteer.errors import InputError
from edgesteer.measure.asking import question_text
from edgesteer.measure.propensity import MODES, default_mode, propensity, steerability
from edgesteer.measure.questions import Item

ITEMS = (Item("how?", "well and good", "bad"), Item("why?", "so", "thus and so", "be short"))


def _vector(model: Model) -> ControlVector:
    rng = np.random.default_rng(5)
    return ControlVector({2: rng.standard_normal(model.n_embd)}, model.identity)


def test_a_model_is_asked_by_whole_answers_below_a_billion_weights(tiny_model: Model) -> None:
    assert default_mode(tiny_model) == "whole"


@pytest.mark.parametrize("mode", ["whole", "sum"])
def test_whole_answers_are_scored_as_they_stand(tiny_model: Model, mode: str) -> None:
    steer = _vector(tiny_model) * 0.5
    found = propensity(tiny_model, ITEMS, [None, steer], mode=mode)  # type: ignore[arg-type]
    assert found.shape == (2, 2)
    text = question_text(tiny_model, "why?", "be short")
    assert "be short" in text
    scores = tiny_model.score([text, text], ["so", "thus and so"], steer=steer, raw=True)
    one, other = ((s.mean if mode == "whole" else s.total) for s in scores)
    assert found[1, 1] == pytest.approx(one - other, abs=1e-3)


@pytest.mark.parametrize("mode", MODES)
def test_swapping_the_answers_turns_the_sign(tiny_model: Model, mode: str) -> None:
    steers = [None, _vector(tiny_model) * 0.5]
    swapped = [Item(i.prompt, i.negative, i.positive, i.system) for i in ITEMS]
    one = propensity(tiny_model, ITEMS, steers, mode=mode)  # type: ignore[arg-type]
    other = propensity(tiny_model, swapped, steers, mode=mode)  # type: ignore[arg-type]
    assert one == pytest.approx(-other, abs=2e-3)
    assert np.abs(one).max() > 1e-3


def test_letters_are_asked_in_both_orders(tiny_model: Model) -> None:
    item = Item("how?", "well", "bad")
    found = propensity(tiny_model, [item], [None], mode="letters")[0, 0]
    margins = []
    for first, second in (("well", "bad"), ("bad", "well")):
        asked = (
            f"how?\n\nWhich answer would you give?\n(A) {first}\n(B) {second}\n\n"
            "Reply with (A) or (B)."
        )
        text = question_text(tiny_model, asked)
        a, b = tiny_model.score([text, text], ["(A)", "(B)"], raw=True)
        margins.append(a.total - b.total)
    assert found == pytest.approx((margins[0] - margins[1]) / 2, abs=1e-3)


@pytest.mark.parametrize("mode", MODES)
def test_answers_that_are_options_are_scored_as_they_stand(tiny_model: Model, mode: str) -> None:
    item = Item("Is it? (A) yes (B) no", "(B)", "(A)")
    found = propensity(tiny_model, [item], [None], mode=mode)[0, 0]  # type: ignore[arg-type]
    text = question_text(tiny_model, item.prompt)
    b, a = tiny_model.score([text, text], ["(B)", "(A)"], raw=True)
    assert found == pytest.approx(b.total - a.total, abs=1e-3)


def test_many_steerings_are_measured_as_one_is(tiny_model: Model) -> None:
    vector = _vector(tiny_model)
    steers = [vector * (x / 10) for x in range(-3, 4)]
    together = propensity(tiny_model, ITEMS, steers)
    for steer, row in zip(steers, together, strict=True):
        assert row == pytest.approx(propensity(tiny_model, ITEMS, [steer])[0], abs=1e-3)


def test_the_slope_of_a_line_is_found_with_its_faults() -> None:
    x = [1.0, -1.0, 0.0]  # any order
    m = [[3.0, -1.0], [-1.0, 1.0], [1.0, 0.0]]  # slopes 2 and -1
    found = steerability(x, m)
    assert found.slopes == pytest.approx((2.0, -1.0))
    assert found.slope == pytest.approx(0.5)
    assert found.wrong == 0.5
    assert found.residual == pytest.approx(0.0)
    assert found.monotone == 1.0
    assert found.strengths == (-1.0, 0.0, 1.0)


def test_a_bent_curve_has_a_residual_and_turns() -> None:
    found = steerability([-2, -1, 0, 1, 2], [[0.0], [-1.0], [0.0], [1.0], [0.0]])
    assert found.slope == pytest.approx(0.2)
    assert found.residual > 0.5
    assert found.monotone == 0.5


@pytest.mark.parametrize(
    ("strengths", "m"), [([1.0], [[1.0]]), ([1.0, 1.0], [[1.0], [2.0]]), ([0, 1], [[0], [np.inf]])]
)
def test_no_slope_of_nothing(strengths: list[float], m: list[list[float]]) -> None:
    with pytest.raises(InputError):
        steerability(strengths, m)


def test_wrong_questions_are_answered_with_a_hint(tiny_model: Model) -> None:
    with pytest.raises(InputError) as error:
        propensity(tiny_model, ITEMS, [None], mode="leters")  # type: ignore[arg-type]
    assert "letters" in error.value.hint
    with pytest.raises(InputError, match="no items"):
        propensity(tiny_model, [], [None])
