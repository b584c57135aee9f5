"""The verdict: what each planted fault makes it say, and that it can be negative."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgesteer.measure.card.beside import Beside, best_tool
from edgesteer.measure.card.verdict import judge_vector
from edgesteer.measure.stats import Interval
from edgesteer.report.card_page import card_report
from edgesteer.report.html import render

from .conftest import MakeCard


def test_a_clean_effect_works(make_card: MakeCard) -> None:
    verdict = make_card().verdicts[0]
    assert verdict.level == "works", verdict.points
    assert verdict.tone == "good"


@pytest.mark.parametrize(
    ("planted", "level", "headline"),
    [
        ({"effect": 0.0, "noise": 0.6}, "not shown", "No effect that can be told from zero"),
        ({"effect": -1.0}, "backwards", "Works backwards"),
        ({"random": 1.2}, "not shown", "No better than a random vector of the same norm"),
        ({"random": -1.2}, "not shown", "No better than a random vector of the same norm"),
        ({"shuffled": 1.1}, "not shown", "No better than a label-shuffled vector of the same norm"),
        ({"n": 6}, "too few", "Too few test items for a verdict"),
    ],
)
def test_the_verdict_can_be_negative(
    make_card: MakeCard, planted: dict[str, float], level: str, headline: str
) -> None:
    verdict = make_card(**planted).verdicts[0]
    assert (verdict.level, verdict.headline) == (level, headline)
    assert verdict.tone == "bad"


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        ({"spent": 2.5}, "budgets of KL"),
        ({"noise": 3.0, "effect": 1.6, "random": 0.0, "n": 60}, "the wrong way"),
        ({"knowledge": 0.5}, "costs knowledge"),
        ({"side": 0.9}, "other traits move"),
        ({"style": 0.1}, "is left in: paraphrase"),
        ({"written": 0.0}, "not shown to move with it"),
        ({"side": 0.6, "noise": 0.05, "n": 24}, "it clearly moves other traits, too: "),
    ],
)
def test_every_reservation_is_told(
    make_card: MakeCard, planted: dict[str, float], said: str
) -> None:
    card = make_card(**planted)
    verdict = judge_vector(card.summary.vectors[0])
    assert any(said in text for tone, text in verdict.points if tone == "bad"), verdict.points
    assert verdict.level == "reservations"


def test_strength_minus_one_is_held_to_the_same(make_card: MakeCard) -> None:
    card = make_card()
    steered = card.raw.damage["calm", -1.0, ""]
    card.raw.damage["calm", -1.0, ""] = replace(steered, own_p95=2.0, repetition=0.6)
    told = [text for tone, text in card.verdicts[0].points if tone == "bad"]
    assert [text.partition(":")[0] for text in told] == [
        "strength -1 spends 2.0 budgets of KL",
        "answers repeat themselves at strength -1",
    ]


def test_small_side_effects_and_a_possible_loss_are_told_and_not_held_against_it(
    make_card: MakeCard,
) -> None:
    verdict = make_card(side=0.3, noise=0.05, n=24, knowledge=0.88).verdicts[0]
    told = [text for tone, text in verdict.points if tone == ""]
    assert any(text.startswith("it moves other traits a little: ") for text in told), told
    assert any("points is not ruled out (n = 40)" in text for text in told), told
    assert verdict.level == "works"


def beside(kind: str, lead: float, **more: Any) -> Beside:
    """An alternative that is so far ahead of adding."""
    interval = Interval(lead, lead - 0.1, lead + 0.1, 24, 0.95)
    given = {"reached": True, "own_p95": 0.5, "p_holm": 0.001, **more}
    return Beside(
        kind,
        "",
        1.0,
        0.1,
        n=24,
        up=Interval(1, 0.9, 1.1, 24, 0.95),
        down=None,
        lead=interval,
        score=None,
        knowledge=None,
        **given,
    )


@pytest.mark.parametrize(
    ("others", "says"),
    [
        ([beside("rotate", 0.4)], "rotate does more at equal damage: ahead of adding by 0.40"),
        ([beside("rotate", 0.4, p_holm=0.2)], "nothing that was tried"),
        ([beside("rotate", 0.05)], "nothing that was tried"),
        ([beside("gated", 0.4, own_p95=0.9)], "gated cost its own answers more: not compared"),
        ([beside("clamp", 0.4, reached=False)], "no alternative could be brought to equal damage"),
    ],
)
def test_another_way_is_only_better_at_equal_damage_and_beyond_chance(
    others: list[Beside], says: str
) -> None:
    assert says in best_tool([beside("add", 0.0, p_holm=None), *others])


def test_what_the_prompt_does_is_said_but_not_held_against_it(make_card: MakeCard) -> None:
    texts = [text for _, text in make_card().verdicts[0].points]
    assert sum("system prompt" in text for text in texts) == 2


def test_knowledge_near_chance_is_said_to_tell_nothing(make_card: MakeCard) -> None:
    card = make_card()
    known = card.summary.vectors[0].knowledge
    assert known is not None
    weak = replace(card.summary.vectors[0], knowledge=replace(known, plain=0.56))
    assert any("near chance" in text for _, text in judge_vector(weak).points)
    assert not any("near chance" in text for _, text in card.verdicts[0].points)


@pytest.mark.parametrize("effect", [1.0, -1.0])
def test_test_items_among_the_pairs_stand_at_the_top(make_card: MakeCard, effect: float) -> None:
    card = make_card(effect=effect)
    card.raw.facts["subjects"][0]["seen"] = 5
    verdict = card.verdicts[0]
    tone, text = verdict.points[1]
    assert tone == "bad"
    assert text.startswith("5 of the set's 16 test items are among the pairs that it was made from")
    assert verdict.level == ("reservations" if effect > 0 else "backwards")
    assert "5 of the set" in render(card_report(card))
