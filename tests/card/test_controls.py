"""Controls keep what makes them fair: norms, cosines between layers, the KL they are matched to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesteer import ControlVector, Model, Steering
from edgesteer.measure.card import parts, styles
from edgesteer.measure.card.asker import Asker, Way
from edgesteer.measure.card.controls import Control, equal_kl, random_rotation, rescaled
from edgesteer.measure.card.knowledge import KNOWLEDGE
from edgesteer.measure.card.raw import Condition, Damage, Raw
from edgesteer.measure.card.styles import STYLES, persona_styles
from edgesteer.measure.card.subject import find_subjects
from edgesteer.measure.damage import NeutralText, TextDamage
from edgesteer.measure.questions import Item, QuestionSet

from .conftest import SMALL


@given(st.integers(1, 6), st.integers(8, 40), st.integers(0, 5))
def test_a_random_rotation_keeps_norms_and_cosines_and_nothing_else(
    layers: int, width: int, seed: int
) -> None:
    rows = np.random.default_rng(seed).normal(size=(layers, width))
    turned = random_rotation(rows, seed)
    assert turned @ turned.T == pytest.approx(rows @ rows.T, abs=1e-9)


def test_random_rotations_point_anywhere() -> None:
    row = np.zeros((1, 200))
    row[0, 0] = 2.0
    cosines = [float(random_rotation(row, seed)[0, 0]) / 2.0 for seed in range(60)]
    assert abs(np.mean(cosines)) < 0.04
    assert np.std(cosines) == pytest.approx(1 / math.sqrt(200), rel=0.4)


def test_rescaled_rows_have_the_norms_and_zero_stays_zero() -> None:
    rows = np.array([[3.0, 4.0], [0.0, 0.0]])
    assert rescaled(rows, [1.0, 2.0]) == pytest.approx(np.array([[0.6, 0.8], [0.0, 0.0]]))


def test_controls_are_brought_to_the_same_kl(tiny_model: Model, planted: ControlVector) -> None:
    asker = Asker(tiny_model, SMALL, Raw())
    target = _mean_kl(asker, planted * 1.0)
    rows = np.stack(list(planted.directions.values()))
    controls = [
        Control("s", "random", i, "norm", 1.0, _steering(planted, random_rotation(rows, i)))
        for i in (1, 2)
    ]
    found = equal_kl(asker, controls, target)
    assert len(found) == 2
    for control in found:
        assert _mean_kl(asker, control.steering * control.factor) == pytest.approx(target, rel=0.4)
        assert control.match == "KL"


def _mean_kl(asker: Asker, steering: Steering) -> float:
    found = asker.neutral_text.measure([steering * sign for sign in (-1.0, 1.0)])
    return sum(cost.kl_mean for cost in found) / 2


class Lopsided:
    """Neutral text on which a negative strength costs nine times what a positive one does."""

    def measure(self, steers: Sequence[Steering]) -> list[TextDamage]:
        strengths = [steer.terms[0].strength for steer in steers]
        return [TextDamage(x * x * (9.0 if x < 0 else 1.0), 0.0, 0.0) for x in strengths]


def test_equal_kl_is_the_mean_over_both_signs(tiny_model: Model, planted: ControlVector) -> None:
    asker = Asker(tiny_model, SMALL, Raw(), _neutral=cast(NeutralText, Lopsided()))
    control = Control("s", "random", 1, "norm", 1.0, planted * 1.0)
    (found,) = equal_kl(asker, [control], 0.2)
    assert found.factor == pytest.approx(0.2, rel=0.07)  # (1 + 9) / 2 * 0.2 ** 2


class Breaking(Asker):
    """Files numbers without a model; they overflow under the first random vector."""

    def margins(self, name: str, ways: Sequence[Way], what: str, **_: Any) -> None:
        for way in ways:
            value = math.nan if "random 1/" in way.label and way.strength < 0 else 1.0
            self.raw.margins[Condition(name, "plain", way.label, way.strength)] = (value,)

    def text_damage(self, ways: Sequence[Way]) -> list[Damage]:
        self.raw.damage |= {(way.label, way.strength, ""): Damage(0, 0, 0) for way in ways}
        return []

    def answers(self, *_: Any, **__: Any) -> None:
        """Nothing is asked."""


def test_the_target_has_both_signs_and_a_control_that_overflows_is_told(
    tiny_model: Model,
    planted: ControlVector,
    letters: QuestionSet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    targets, notes = list[float](), list[str]()

    def matched(_: Asker, controls: Sequence[Control], target: float) -> list[Control]:
        targets.append(target)
        return [replace(control, match="KL") for control in controls]

    monkeypatch.setattr(parts, "equal_kl", matched)
    (subject,) = find_subjects(tiny_model, [planted], questions=[letters])
    asker = Breaking(tiny_model, replace(SMALL, randoms=2, shuffles=0), Raw())
    asker.raw.damage["planted", 1.0, ""] = Damage(0.02, 0.0, 0.0)
    asker.raw.damage["planted", -1.0, ""] = Damage(0.06, 0.0, 0.0)
    controls = parts.ask_controls(asker, subject, notes)
    assert targets == [pytest.approx(0.04)]
    assert notes == [
        f"planted/random 1/{match} is left out: the model's numbers overflow under it"
        for match in ("norm", "KL")
    ]
    assert {(c.label, end, "") for c in controls for end in (-1.0, 1.0)} < set(asker.raw.damage)


def test_no_target_no_controls(tiny_model: Model) -> None:
    assert equal_kl(Asker(tiny_model, SMALL, Raw()), [], 0.1) == []


def _steering(vector: ControlVector, rows: np.ndarray) -> Steering:
    layer = next(iter(vector.directions))
    return ControlVector({layer: rows[0]}, vector.model, name="control") * 1.0


def test_styles_change_the_prompt_and_keep_the_answers() -> None:
    item = Item("How are you?", "Calm.", "Furious!", "Be brief.")
    personas = persona_styles("You are calm.", "You are furious.")
    for style in (*STYLES, *personas):
        asked = style.item(item)
        assert (asked.positive, asked.negative) == (item.positive, item.negative)
        assert (asked.prompt, asked.system) != (item.prompt, item.system), style.name
        assert (asked.system or "").startswith("Be brief."), style.name
        assert "{}" not in asked.prompt
    assert styles.PLAIN.item(item) == item
    assert len({style.name for style in (*STYLES, *personas)}) == len(STYLES) + 3
    assert sum(style.resist for style in (*STYLES, *personas)) == 3


def test_knowledge_questions_are_all_different_and_answered_in_kind() -> None:
    assert len({item.prompt for item in KNOWLEDGE}) == len(KNOWLEDGE) == 48
    for item in KNOWLEDGE:
        assert item.positive != item.negative
        assert abs(len(item.positive.split()) - len(item.negative.split())) <= 1
