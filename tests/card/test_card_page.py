"""The page of a report card: every section, in words too; the verdict stands first."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgesteer.measure.card.raw import TOGETHER, Condition, Damage
from edgesteer.measure.card.report_card import ReportCard
from edgesteer.report.card_page import card_report, write_card
from edgesteer.report.html import render

from ..report.test_html import Balance
from .conftest import SMALL, MakeCard, raw_numbers


def both(n: int = 12) -> ReportCard:
    """A card of two vectors, with 16 items for the first and `n` for the second."""
    raw, other = raw_numbers(SMALL), raw_numbers(SMALL, name="happy", effect=0.5, n=n)
    raw.margins |= other.margins
    raw.answers |= other.answers
    raw.damage |= {**other.damage, (TOGETHER, 1.0, ""): Damage(0.2, 0.5, 0.1, 2.1, 9.0, 0.1)}
    for name in ("calm", "happy"):
        raw.margins[Condition(name, "plain", TOGETHER, 1.0)] = (1.0,) * 16
        raw.facts["controls"] = raw.facts["controls"] + other.facts["controls"]
    raw.facts["subjects"] += other.facts["subjects"]
    raw.cosines["calm|happy"] = {"1": 0.1, "whole": 0.1}
    return ReportCard(raw, SMALL)


@pytest.mark.parametrize("several", [False, True])
def test_the_page_is_well_formed_and_has_every_section(
    make_card: MakeCard, several: bool, tmp_path: Path
) -> None:
    card = both() if several else make_card()
    page = write_card(tmp_path / "card.html", card).read_text(encoding="utf-8")
    parser = Balance()
    parser.feed(page)
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    titles = [section.title for section in card_report(card).sections]
    wanted = ["Effect", "Controls", "A plain prompt instead", "Brittleness", "Side effects"]
    for word in [*wanted, "Damage", "Overlap", "How it was measured"]:
        assert any(word in title for title in titles), word
    assert ("All together" in titles) is several
    assert page.count("<svg") == page.count('role="img" aria-label=') >= 5
    assert "over budget" in page if several else "over budget" not in page


def test_a_negative_verdict_stands_first(make_card: MakeCard) -> None:
    page = render(card_report(make_card(random=1.3)))
    text = re.sub(r"<[^>]+>", " ", page[page.index("<main") :])
    first = " ".join(text.split()[:10])
    assert first == "No better than a random vector of the same norm"


def test_the_overlap_with_refusing_names_the_cure(make_card: MakeCard) -> None:
    page = render(card_report(make_card()))
    assert "--orthogonal-to refusal" in page


def test_the_same_card_gives_the_same_page(make_card: MakeCard) -> None:
    assert render(card_report(make_card())) == render(card_report(make_card()))


@pytest.mark.parametrize(
    ("n", "told"), [(12, "test items: calm 16, happy 12"), (16, "· 16 test items ·")]
)
def test_every_vector_is_told_with_its_own_number_of_items(n: int, told: str) -> None:
    report = card_report(both(n))
    assert told in report.subtitle
    page = render(report)
    method = page[page.rindex("How it was measured") :]
    assert "questions calm (16 of 16 test items)" in method
    assert f"questions happy ({n} of {n} test items)" in method
    assert f"Mean over {n} test items" in page
