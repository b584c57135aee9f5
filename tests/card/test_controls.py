"""Controls keep what makes them fair: norms, cosines between layers, the KL they are matched to."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesteer import ControlVector, Model
from edgesteer.measure.card import styles
from edgesteer.measure.card.asker import Asker
from edgesteer.measure.card.controls import Control, equal_kl, random_rotation, rescaled
from edgesteer.measure.card.knowledge import KNOWLEDGE
from edgesteer.measure.card.raw import Raw
from edgesteer.measure.card.styles import STYLES, persona_styles
from edgesteer.measure.questions import Item

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
    target = asker.neutral_text.measure([planted * 1.0])[0].kl_mean
    rows = np.stack(list(planted.directions.values()))
    controls = [
        Control("s", "random", i, "norm", 1.0, _steering(planted, random_rotation(rows, i)))
        for i in (1, 2)
    ]
    found = equal_kl(asker, controls, target)
    assert len(found) == 2
    for control in found:
        cost = asker.neutral_text.measure([control.steering * control.factor])[0].kl_mean
        assert cost == pytest.approx(target, rel=0.4)
        assert control.match == "KL"


def test_no_target_no_controls(tiny_model: Model) -> None:
    assert equal_kl(Asker(tiny_model, SMALL, Raw()), [], 0.1) == []


def _steering(vector: ControlVector, rows: np.ndarray) -> object:
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
