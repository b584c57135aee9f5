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
from edgesteer.report.html import Block, Callout, Facts, Report, Section, write_report

__all__ = ["card_report", "write_card"]


def card_report(card: ReportCard) -> Report:
    """The page of a card."""
    facts = card.raw.facts
    names = [figures.name for figures in card.summary.vectors]
    model = facts["model"]
    summary: list[Block] = []
    for figures, verdict in zip(card.summary.vectors, card.verdicts, strict=True):
        title = verdict.headline if len(names) == 1 else f"{figures.name}: {verdict.headline}"
        points = [_sentence(text) for _, text in verdict.points]
        summary.append(Callout(title, "", verdict.tone, points))
    summary.append(_cards(card))
    sections = [
        section
        for figures in card.summary.vectors
        for section in _vector_sections(card, figures, several=len(names) > 1)
    ]
    shared = (company_section(card), overlap_section(card), method_section(card))
    sections += [section for section in shared if section is not None]
    counts = f"{card.summary.vectors[0].effect.n} test items"
    return Report(
        title=f"{', '.join(names)} on {model['called'] or model['file']}",
        kicker="Report card",
        subtitle=f"{model['about']} · {model['file']} · {counts} · seed {card.settings.seed}",
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


def _cards(card: ReportCard) -> Facts:
    """The few figures that are looked at first, of the first vector."""
    figures = card.summary.vectors[0]
    rows = [("Effect of one unit of strength", f"{figures.effect.slope.value:.2f} {figures.unit}")]
    one = figures.cost_at(1.0)
    if one is not None:
        rows.append(("KL on neutral text", f"{one.kl_mean:.3f} nats a token"))
        if one.spent is not None:
            rows.append(("Budget spent at strength 1", f"{one.spent:.2f}"))
    if figures.knowledge is not None:
        known = figures.knowledge
        rows.append(("General knowledge", f"{known.plain:.0%} → {known.up:.0%}"))
    if figures.side_effects.share is not None:
        rows.append(("Other traits move, of own effect", f"{figures.side_effects.share:.0%}"))
    if len(card.summary.vectors) > 1:
        rows = [(f"{label} ({figures.name})", value) for label, value in rows]
    return Facts(rows)


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
    return [
        Section(f"{lead}{title}", blocks, text, f"{figures.name} {title}")
        for title, (text, blocks) in parts
        if blocks
    ]
