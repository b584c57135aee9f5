"""Figures of planted numbers, and the laws that a report card keeps: same JSON, same figures."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgesteer.errors import InputError, NotFoundError
from edgesteer.measure.card.raw import Condition, Raw
from edgesteer.measure.card.report_card import ReportCard
from edgesteer.report.card_page import card_report
from edgesteer.report.html import render

from .conftest import MakeCard


def test_a_planted_effect_is_found_within_its_interval(make_card: MakeCard) -> None:
    effect = make_card(effect=0.8).summary.vectors[0].effect
    assert effect.slope.low < 0.8 < effect.slope.high
    assert effect.n == 16
    assert effect.up.value == pytest.approx(effect.down.value)
    assert effect.curve[effect.strengths.index(0.0)].value == 0.0


def test_every_figure_is_computed_again_from_the_json(make_card: MakeCard, tmp_path: Path) -> None:
    card = make_card()
    path = card.save(tmp_path / "card.json")
    again = ReportCard.load(path)
    assert again.to_dict() == card.to_dict()
    stored = json.loads(path.read_text())
    assert stored["figures"] == json.loads(json.dumps(again.to_dict()))["figures"]
    assert stored["verdicts"]["calm"]["headline"] == again.verdicts[0].headline


def overflowing(make_card: MakeCard) -> ReportCard:
    """A card whose vector breaks own answers at strength 1, and other ways at any dose."""
    card = make_card()
    cost = card.raw.damage["calm", 1.0, ""]
    card.raw.damage["calm", 1.0, ""] = replace(cost, own_p95=math.inf)
    card.raw.facts["alternatives"] = [
        {"subject": "calm", "kind": kind, "label": label, "reached": False}
        | {"dose": 1.0, "kl": math.inf, "own_p95": math.inf}
        for kind, label in (("add", "calm"), ("clamp", "calm/clamp"))
    ]
    card.raw.margins[Condition("calm", "plain", "calm/clamp", 1.0)] = (1.0,) * 16
    return card


def test_infinite_damage_is_read_back_as_such(make_card: MakeCard, tmp_path: Path) -> None:
    card = overflowing(make_card)
    again = ReportCard.load(card.save(tmp_path / "card.json"))
    assert any("budgets of KL" in text for _, text in card.verdicts[0].points)
    assert again.verdicts == card.verdicts
    assert again.raw == card.raw
    assert again.summary == card.summary
    control = again.raw.damage["calm/random 1/norm", 1.0, ""]
    assert (control.own_p95, control.perplexity, control.repetition) == (None, None, None)
    assert "budgets of KL" in render(card_report(again))


def test_infinite_damage_of_older_cards_is_known_by_what_was_measured_with_it(
    make_card: MakeCard,
) -> None:
    card = make_card()
    data = json.loads(json.dumps(card.to_dict()))
    for row in data["raw"]["damage"]:
        if (row["steer"], row["strength"]) == ("calm", 1.0):
            row["own_p95"] = row["kl_mean"] = None  # what was written for infinity
    damage = ReportCard.from_dict(data).raw.damage
    assert damage["calm", 1.0, ""].own_p95 == math.inf
    assert damage["calm", 1.0, ""].kl_mean == math.inf
    assert damage["calm/random 1/norm", 1.0, ""].own_p95 is None


def test_figures_follow_the_raw_numbers_and_not_what_was_stored(
    make_card: MakeCard, tmp_path: Path
) -> None:
    path = make_card().save(tmp_path / "card.json")
    data = json.loads(path.read_text())
    for row in data["raw"]["margins"]:
        if row["steer"] == "calm" and row["questions"] == "calm" and row["style"] == "plain":
            row["values"] = [-value for value in row["values"]]
        if row["steer"] == "" and row["questions"] == "calm":
            row["values"] = [-value for value in row["values"]]
    assert ReportCard.from_dict(data).summary.vectors[0].effect.slope.value < -0.5


def test_a_control_is_compared_by_its_better_sign(make_card: MakeCard) -> None:
    against = (
        make_card(effect=1.0, random=-0.7, noise=0.0).summary.vectors[0].control("random", "norm")
    )
    assert against is not None
    assert against.size == pytest.approx(0.7)
    assert against.lead.value == pytest.approx(0.3)


def test_the_kl_of_a_control_is_the_mean_over_both_signs(make_card: MakeCard) -> None:
    card = make_card()
    del card.raw.damage["calm/random 1/KL", -1.0, ""]  # as old cards have it
    kls = {one.label: one.kl for one in card.summary.vectors[0].controls}
    assert kls["calm/random 1/norm"] == pytest.approx(0.06)
    assert kls["calm/random 1/KL"] is None


def test_entanglement_is_the_root_mean_square_of_the_other_traits(make_card: MakeCard) -> None:
    side = make_card(effect=1.0, side=0.4, noise=0.0).summary.vectors[0].side_effects
    assert side.entanglement == pytest.approx(0.4)
    assert side.share == pytest.approx(0.4)
    assert [t.own for t in side.traits] == [True, False, False]
    own, happy, formal = side.traits
    assert own.p_holm is None
    assert happy.p_holm == formal.p_holm == pytest.approx(min(1.0, 2 * happy.p))


def test_relative_steerability_is_the_ratio_of_the_slopes(make_card: MakeCard) -> None:
    style = make_card(style=0.5, noise=0.0).summary.vectors[0].styles[0]
    assert style.relative is not None
    assert style.relative.value == pytest.approx(0.5)


def test_no_ratio_to_an_effect_that_is_not_there(make_card: MakeCard) -> None:
    assert make_card(effect=0.0, noise=1.0).summary.vectors[0].styles[0].relative is None


def test_items_are_paired_by_their_place() -> None:
    raw = Raw(margins={Condition("q"): (1.0, 2.0, 3.0), Condition("q", "x"): (5.0, 6.0)})
    paired = raw.paired([Condition("q"), Condition("q", "x")])
    assert paired is not None
    assert np.array_equal(paired, [[1.0, 2.0], [5.0, 6.0]])
    assert raw.paired([Condition("q"), Condition("missing")]) is None
    raw.margins[Condition("q")] = (1.0, float("nan"))
    assert raw.m(Condition("q")) is None


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"format": 1}', '{"format": 1, "raw": {}}', "nonsense"]
)
def test_what_is_no_card_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    path.write_text(text)
    with pytest.raises(InputError):
        ReportCard.load(path)
    with pytest.raises(NotFoundError):
        ReportCard.load(tmp_path / "none.json")
