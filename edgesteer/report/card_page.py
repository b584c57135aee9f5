"""The report card as an HTML page: verdicts first, then each question that a sceptic would ask.

Does not know the model, nor how figures and verdicts are computed.
"""

from __future__ import annotations

import os
from pathlib import Path

from edgesteer.measure.card.report_card import ReportCard
from edgesteer.measure.card.summary import VectorFigures
from edgesteer.report.card_costs import damage_part, quantised_part, side_effects_part, styles_part
from edgesteer.report.card_effect import beside_part, controls_part, effect_part, prompt_part
from edgesteer.report.card_shared import company_section, method_section, overlap_section
from edgesteer.report.html import Block, Callout, Facts, Report, Row, Section, Table, write_report

_MARKS = {"good": "+", "bad": "\u2212", "": "\u00b7"}

__all__ = ["card_report", "write_card"]


def card_report(card: ReportCard) -> Report:
    """The page of a card."""
    facts = card.raw.facts
    names = [figures.name for figures in card.summary.vectors]
    model = facts["model"]
    summary: list[Block] = []
    for figures, verdict in zip(card.summary.vectors, card.verdicts, strict=True):
        title = verdict.headline if len(names) == 1 else f"{figures.name}: {verdict.headline}"
        points = [f"{_MARKS[tone]} {_sentence(text)}" for tone, text in verdict.points]
        summary.append(Callout(title, "", verdict.tone, points))
    summary.append(_first_look(card))
    sections = [
        section
        for figures in card.summary.vectors
        for section in _vector_sections(card, figures, several=len(names) > 1)
    ]
    shared = (company_section(card), overlap_section(card), method_section(card))
    sections += [section for section in shared if section is not None]
    about = [model["about"], model["file"], _counts(card), f"seed {card.settings.seed}"]
    return Report(
        title=f"{', '.join(names)} on {model['called'] or model['file']}",
        kicker="Report card",
        subtitle=" · ".join(about),
        summary=summary,
        sections=sections,
        footer="Every figure on this page can be computed again from the JSON beside it: "
        "edgesteer evaluate --from FILE.json.",
    )


def write_card(path: str | os.PathLike[str], card: ReportCard) -> Path:
    """Writes the page. Raises FileWriteError, and MissingExtraError without matplotlib."""
    return write_report(path, card_report(card))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _counts(card: ReportCard) -> str:
    """How many test items: once, or for each vector where they differ."""
    counts = {figures.name: figures.effect.n for figures in card.summary.vectors}
    if len(set(counts.values())) == 1:
        return f"{card.summary.vectors[0].effect.n} test items"
    return f"test items: {', '.join(f'{name} {n}' for name, n in counts.items())}"


def _first_look(card: ReportCard) -> Block:
    """The few figures that are looked at first: cards for one vector, a table for several."""
    rows = [_few(figures) for figures in card.summary.vectors]
    if len(rows) == 1:
        return Facts([(label, value) for label, value in rows[0] if value])
    table: list[Row] = [
        [figures.name, *(value for _, value in row)]
        for figures, row in zip(card.summary.vectors, rows, strict=True)
    ]
    return Table(["Vector", *(label for label, _ in rows[0])], table)


def _few(figures: VectorFigures) -> list[tuple[str, str]]:
    one, known, side = figures.cost_at(1.0), figures.knowledge, figures.side_effects
    spent = None if one is None else one.spent
    return [
        (f"Effect of one unit, {figures.unit}", f"{figures.effect.slope.value:.2f}"),
        ("KL on neutral text, nats a token", "" if one is None else f"{one.kl_mean:.3f}"),
        ("Budgets of KL spent at strength 1", "" if spent is None else f"{spent:.2f}"),
        ("General knowledge", "" if known is None else f"{known.plain:.0%} → {known.up:.0%}"),
        ("Other traits, of own effect", "" if side.share is None else f"{side.share:.0%}"),
    ]


def _vector_sections(card: ReportCard, figures: VectorFigures, *, several: bool) -> list[Section]:
    """All sections of one vector; with `several` their titles name it."""
    parts = [
        ("Effect", effect_part(card, figures)),
        ("Controls", controls_part(card, figures)),
        ("A plain prompt instead", prompt_part(figures)),
        ("Other ways, equal damage", beside_part(figures)),
        ("Brittleness", styles_part(figures)),
        ("Side effects", side_effects_part(figures)),
        ("Damage", damage_part(figures)),
        ("Quantisation", quantised_part(figures)),
    ]
    lead = f"{figures.name}: " if several else ""

    def nav(title: str) -> str | None:
        if not several:
            return None
        return figures.name if title == "Effect" else ""

    return [
        Section(f"{lead}{title}", blocks, text, f"{figures.name} {title}", nav(title))
        for title, (text, blocks) in parts
        if blocks
    ]
