"""The sections of a report card that ask what else a vector does: styles, side effects, damage.

Does not know how figures are computed.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgesteer.measure.card.summary import VectorFigures
from edgesteer.report import picture as look
from edgesteer.report.card_pictures import bars, matrix
from edgesteer.report.card_words import Part, between, key_of, toned
from edgesteer.report.html import Block, Cell, Figure, Fold, Row, Table

__all__ = ["damage_part", "quantised_part", "side_effects_part", "side_matrix", "styles_part"]


def styles_part(figures: VectorFigures) -> Part:
    """The effect in other prompt styles."""
    if not figures.styles:
        return "", []
    known = [(s, s.relative) for s in figures.styles if s.relative is not None]
    blocks: list[Block] = []
    if known:
        rows = [
            (s.style, relative, look.WARM if s.resist else look.ACCENT) for s, relative in known
        ]
        svg = bars(
            key_of(figures, "styles"),
            rows,
            "share of the plain question's effect",
            reference=1.0,
        )
        alt = "Relative steerability: " + ", ".join(f"{name} {i.value:.2f}" for name, i, _ in rows)
        caption = "The dashed line: as in the plain question. The second colour: asked to resist."
        blocks.append(Figure(svg, alt, caption))
    about = {s["name"]: s["about"] for s in figures.facts.get("styles", ())}
    table: list[Row] = [
        [
            Cell(s.style, note=about.get(s.style, "")),
            about.get(s.style, ""),
            Cell(s.slope.value, toned(s.slope)),
            between(s.slope),
            None if s.relative is None else s.relative.value,
            s.shift.value,
        ]
        for s in figures.styles
    ]
    header = ["Style", "What it is", "Effect", "Interval", "Relative", "Shift by the style alone"]
    blocks.append(Table(header, table, f"n = {figures.styles[0].n} items, each asked both ways"))
    lead = (
        "The same items in other prompts. Relative steerability is the effect there divided by the "
        "effect on the plain question; the encodings are hard to read for a small model, and then "
        "this shows what the vector does to an answer without a question."
    )
    return lead, blocks


def side_effects_part(figures: VectorFigures) -> Part:
    """What strength 1 does to all other traits."""
    side = figures.side_effects
    if len(side.traits) < 2:
        return "", []
    ordered = sorted(side.traits, key=lambda t: (not t.own, -abs(t.change.value)))
    drawn = [(t.trait, t.change, look.ACCENT if t.own else look.WARM) for t in ordered]
    svg = bars(key_of(figures, "side"), drawn, "change of m at strength 1")
    alt = "Side effects: " + ", ".join(f"{name} {i.value:.2f}" for name, i, _ in drawn)
    rows: list[Row] = [
        [
            t.trait,
            t.n,
            Cell(t.change.value, "strong" if t.own else ""),
            between(t.change),
            t.p,
            t.p_holm,
            "own trait" if t.own else "moved" if (t.p_holm or 1) < 0.05 else "",
        ]
        for t in ordered
    ]
    header = ["Trait", "n", "Change", "Interval", "p", "p (Holm)", ""]
    caption = f"Entanglement {side.entanglement:.2f}" if side.entanglement is not None else ""
    if side.share is not None:
        caption += f", {side.share:.0%} of the own effect"
    n = min(t.n for t in ordered if not t.own)
    note = f"p by sign flips; of {n} items it can not fall below {2 / 2**n:.2g}, uncorrected"
    lead = (
        "What strength 1 does to all other traits. Entanglement is the root of the mean square of "
        "their changes. Traits are not independent of each other: what is glad is seldom furious."
    )
    return lead, [
        Figure(svg, alt, caption),
        Fold("Every trait", [Table(header, rows, note)]),
    ]


def damage_part(figures: VectorFigures) -> Part:
    """KL, perplexity, repetition and general knowledge."""
    rows: list[Row] = [
        [
            f"{c.strength:g}".replace("-", "−") if c.strength else "plain",
            c.kl_mean,
            c.kl_p95,
            c.cross_entropy,
            c.own_p95,
            c.spent,
            c.perplexity,
            c.repetition,
        ]
        for c in figures.costs
    ]
    header = [
        "Strength",
        "KL",
        "KL, p95",
        "Surprise",
        "Own KL, p95",
        "Budgets",
        "Perplexity",
        "Repeated",
    ]
    caption = (
        "KL against the plain model and surprise (the rise of the text's cross-entropy) on neutral "
        "text, nats a token; KL on own answers; budgets of the calibration; perplexity of own "
        "answers; share of their 4-grams that occur before. What the plain row shows is rounding: "
        "it is read again in another batch"
    )
    blocks: list[Block] = [Table(header, rows, caption)]
    known = figures.knowledge
    if known is not None:
        table: list[Row] = [
            ["plain", known.plain, None, ""],
            ["strength 1", known.up, known.change_up.value, between(known.change_up)],
            ["strength −1", known.down, known.change_down.value, between(known.change_down)],
        ]
        caption = f"Two-option questions of general knowledge, n = {known.n}"
        blocks.append(Table(["", "Share right", "Change", "Interval"], table, caption))
    lead = (
        "What steering does to text that has nothing to do with the trait. Perplexity is that of "
        "the model's own steered answers under the unsteered model: a loop has a low one, so the "
        "repetition stands beside it."
    )
    return lead, blocks


def quantised_part(figures: VectorFigures) -> Part:
    """The effect on a second file of the same weights."""
    found = figures.quantised
    if found is None:
        return "", []
    rows: list[Row] = [
        ["this file", found.here.value, between(found.here), found.kl_here],
        [found.model, found.there.value, between(found.there), found.kl_there],
        ["gap", Cell(found.gap.value, toned(found.gap)), between(found.gap), None],
    ]
    header = ["File", "Effect of one unit", "Interval", "KL at strength 1"]
    return "The same vector on a second file of the same weights.", [
        Table(header, rows, f"n = {found.n} items")
    ]


def side_matrix(key: str, vectors: Sequence[VectorFigures]) -> Figure | None:
    """The side-effect matrix of several vectors, own traits framed."""
    traits = list(dict.fromkeys(t.trait for v in vectors for t in v.side_effects.traits))
    if len(traits) < 2:
        return None
    values, marked = list[list[float | None]](), list[list[bool]]()
    for vector in vectors:
        found = {t.trait: t for t in vector.side_effects.traits}
        values.append([found[t].change.value if t in found else None for t in traits])
        marked.append([t in found and found[t].own for t in traits])
    scale = max((abs(v) for row in values for v in row if v is not None), default=1.0)
    names = [vector.name for vector in vectors]
    alt = "Side-effect matrix: " + "; ".join(
        f"{name}: "
        + ", ".join(f"{t} {v:.2f}" for t, v in zip(traits, row, strict=True) if v is not None)
        for name, row in zip(names, values, strict=True)
    )
    svg = matrix(key, names, traits, values, scale=scale, marked=marked)
    return Figure(svg, alt, "Change of m at strength 1; each vector's own trait is framed.")
