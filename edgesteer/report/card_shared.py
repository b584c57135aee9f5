"""The sections of a report card that are about all vectors: company, overlap, method.

Does not know how figures are computed.
"""

from __future__ import annotations

from edgesteer.measure.card.report_card import ReportCard
from edgesteer.measure.card.verdict import RULES
from edgesteer.report.card_costs import side_matrix
from edgesteer.report.card_pictures import matrix
from edgesteer.report.card_words import between
from edgesteer.report.html import (
    Block,
    Callout,
    Cell,
    Facts,
    Figure,
    Fold,
    Prose,
    Row,
    Section,
    Table,
)

__all__ = ["company_section", "method_section", "overlap_section"]


def company_section(card: ReportCard) -> Section | None:
    """All vectors at once, and the side-effect matrix; None for a single vector."""
    vectors, total = card.summary.vectors, card.summary.together
    if len(vectors) < 2:
        return None
    blocks: list[Block] = []
    found = side_matrix("side-matrix", vectors)
    if found is not None:
        blocks.append(found)
    if total is not None and total.spent is not None:
        within = total.spent <= 1.0
        blocks.append(
            Callout(
                "The sum stays in budget" if within else "The sum is over budget",
                f"All at strength 1 spend {total.spent:.2f} budgets "
                f"({total.kl_mean:.3f} nats a token on neutral text)."
                + ("" if within else " Lower the strengths when they act together."),
                "good" if within else "warn",
            )
        )
    rows: list[Row] = [
        [
            v.name,
            v.together.alone.value,
            v.together.together.value,
            v.together.change.value,
            between(v.together.change),
        ]
        for v in vectors
        if v.together is not None
    ]
    header = ["Vector", "Own trait, alone", "Own trait, all together", "Change", "Interval"]
    blocks.append(Table(header, rows))
    lead = (
        "Side effects of each vector alone; then what is left of each effect, and what is spent, "
        "with every vector at strength 1 at the same time."
    )
    return Section("All together", blocks, lead)


def overlap_section(card: ReportCard) -> Section | None:
    """Cosines between the vectors, and with a refusing direction; None without any."""
    found = card.summary.overlaps
    if not found:
        return None
    names = list(dict.fromkeys(name for one in found for name in (one.one, one.other)))
    known = {(one.one, one.other): one.whole for one in found}
    values: list[list[float | None]] = [
        [1.0 if a == b else known.get((a, b), known.get((b, a))) for b in names] for a in names
    ]
    svg = matrix("cosines", names, names, values, scale=1.0)
    alt = "Cosines: " + ", ".join(f"{o.one} and {o.other} {o.whole:.2f}" for o in found)
    rows: list[Row] = [[o.one, o.other, o.whole, o.layers, o.lowest, o.highest] for o in found]
    header = ["One", "Other", "Cosine, as they act", "Shared layers", "Lowest", "Highest"]
    called = card.raw.facts.get("refusing") or "refusal"  # as cards called it before they said so
    refusing = [o for o in found if o.other == called and abs(o.whole) > 0.2]
    blocks: list[Block] = [
        Figure(svg, alt, "Of the vectors as they act: all layers as one long vector."),
        Table(header, rows),
    ]
    blocks += [
        Callout(
            f"{o.one} overlaps with the refusing direction",
            f"Cosine {o.whole:.2f}. It may change what the model declines. To take that part out: "
            f"edgesteer vectors mix {o.one}=1 --orthogonal-to {o.other} --name {o.one}-clean",
            "warn",
        )
        for o in refusing
    ]
    return Section("Overlap", blocks, "How far the directions are the same ones.")


def method_section(card: ReportCard) -> Section:
    """How it was measured, by which rules it was judged, and what is not claimed."""
    facts, settings = card.raw.facts, card.settings
    model = facts["model"]
    rows = [
        ("Model", f"{model['name']} ({model['architecture']}), {model['about']}, {model['file']}"),
        ("Asked", f"items: {facts['mode']}; open answers: greedy, {settings.tokens} tokens"),
        ("Seed", str(settings.seed)),
        ("Intervals", f"{settings.level:.0%}, BCa bootstrap over items, 2000 resamples"),
        ("Time", f"{facts['seconds']:.0f} s"),
    ]
    for figures in card.summary.vectors:
        one = figures.facts
        drawn = f"{figures.effect.n} of {one['available']['items']} test items"
        rows.append(
            (
                one["name"],
                f"{one['steering']}, layers {one['layers'][0]}–{one['layers'][-1]}, "
                f"{one['method'] or 'method not known'}, questions {one['questions']} ({drawn}), "
                f"vector {one['digest'][:12]}",
            )
        )
    blocks: list[Block] = [Facts(rows, small=True)]
    if card.notes:
        blocks.append(Callout("Left out", "", "dim", [f"{note}." for note in card.notes]))
    blocks.append(
        Fold(
            "The rules of the verdict",
            [Table(["Rule", ""], [[Cell(rule), ""] for rule in RULES])],
        )
    )
    blocks.append(Fold("What is not claimed", [Prose(_NOT_CLAIMED)]))
    return Section("How it was measured", blocks)


_NOT_CLAIMED = (
    "Items stand for themselves and others like them: intervals are over items, for this model, "
    "this file and these prompts. They say nothing of other models.",
    "Items of one trait were written by one hand. They are drawn without looking at results; "
    "layers and strengths were chosen on others. A sweep reports on the same test items, before "
    "its choice is applied.",
    "m says what the model prefers between two given answers, which is less than what it writes by "
    "itself; open answers are scored by word lists, which see words and not meaning.",
    "A p-value of a rank among few random vectors can not be small; the interval of the lead is "
    "what decides.",
    "Side effects are measured on a few items of each trait: a trait that did not move was not "
    "shown to be untouched.",
)
