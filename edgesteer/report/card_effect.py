"""The sections of a report card that ask whether a vector works: effect, controls, prompt.

Does not know how figures are computed.
"""

from __future__ import annotations

from collections.abc import Callable

from edgesteer.measure.card.beside import best_tool
from edgesteer.measure.card.figures import Prompted
from edgesteer.measure.card.raw import Condition
from edgesteer.measure.card.report_card import ReportCard
from edgesteer.measure.card.styles import FOR
from edgesteer.measure.card.summary import VectorFigures
from edgesteer.measure.stats import Interval
from edgesteer.report import picture as look
from edgesteer.report.card_pictures import bars, dose_curve
from edgesteer.report.card_words import Part, between, key_of, toned
from edgesteer.report.html import Block, Cell, Figure, Fold, Prose, Row, Table

__all__ = ["beside_part", "controls_part", "effect_part", "prompt_part"]


_WHY_CONTROLS = (
    "An effect counts when it is larger than what any push of that size does. Random vectors are "
    "the vector itself, turned at random: same norms, same cosines between layers. "
    "Label-shuffled ones were made of the same pairs, half of them with exchanged labels. "
    "Each is compared with its better sign, and the strongest decides. Effect and KL are those of "
    "strengths −1 and 1 together."
)


def effect_part(card: ReportCard, figures: VectorFigures) -> Part:
    """The dose curve, its figures, and the open answers."""
    effect, unit = figures.effect, figures.unit
    band = figures.facts.get("calibrated")
    svg = dose_curve(
        key_of(figures, "dose"),
        effect.strengths,
        effect.curve,
        [(c.strength, c.kl_mean) for c in figures.costs],
        f"change of m, {unit}",
        band,
    )
    alt = "Dose curve: " + ", ".join(
        f"strength {x:g} changes m by {c.value:.2f}"
        for x, c in zip(effect.strengths, effect.curve, strict=True)
    )
    caption = (
        f"Mean over {effect.n} test items with {card.settings.level:.0%} intervals (bootstrap over "
        "items). The dotted line is strength 1"
    )
    caption += ", the tinted ground the calibrated band." if band else "; it is not calibrated."
    rows: list[Row] = [
        ["slope over all strengths", effect.slope.value, between(effect.slope), f"{effect.p:.2g}"],
        ["from 0 to 1", effect.up.value, between(effect.up), ""],
        ["from −1 to 0", effect.down.value, between(effect.down), ""],
        ["share of items that move the wrong way", effect.wrong.value, between(effect.wrong), ""],
        ["distance of the curve from a line", effect.residual, "", ""],
        ["share of steps that go up", effect.monotone, "", ""],
    ]
    lead = (
        "m is how much likelier the model finds the answer that shows the trait than the other, in "
        f"{unit}. The slope is what one unit of strength adds to it."
    )
    blocks: list[Block] = [
        Figure(svg, alt, caption),
        Table(["Figure", "Value", "Interval", "p (sign flips)"], rows, f"n = {effect.n} items"),
    ]
    return lead, blocks + _open(card, figures)


def _open(card: ReportCard, figures: VectorFigures) -> list[Block]:
    found = figures.open
    questions, blocks = figures.facts["questions"], list[Block]()
    if found is not None:
        rows: list[Row] = [
            ["plain", Cell(found.plain.value), between(found.plain)],
            ["strength 1 less plain", Cell(found.up.value, toned(found.up)), between(found.up)],
            ["strength −1 less plain", found.down.value, between(found.down)],
            ["1 less −1", Cell(found.span.value, toned(found.span)), between(found.span)],
        ]
        caption = f"Open answers, score '{found.judge}' (−1 to 1), n = {found.n} questions"
        blocks.append(Table(["Open answers", "Value", "Interval"], rows, caption))
    asked = card.raw.asked.get(questions, [])
    columns = [
        card.raw.answers.get(Condition(questions, "plain", figures.name if x else "", x))
        for x in (-1.0, 0.0, 1.0)
    ]
    texts = [() if c is None else c.texts for c in columns]
    if asked and all(texts):
        answers: list[Row] = [list(row) for row in zip(asked, *texts, strict=True)]
        header = ["Question", "Strength −1", "Plain", "Strength 1"]
        blocks.append(Fold("The answers themselves", [Table(header, answers)]))
    return blocks


def controls_part(card: ReportCard, figures: VectorFigures) -> Part:
    """The vector beside random and label-shuffled ones."""
    if not figures.controls:
        return "", []
    own = figures.effect.slope
    drawn = [(figures.name, own, look.ACCENT)]
    colours = {"random": look.SOFT, "shuffled": look.THIRD}
    names = {"norm": "same norm", "KL": "same KL"}
    drawn += [
        (f"{one.kind} {_number(one.label)}, {names[one.match]}", one.effect, colours[one.kind])
        for one in figures.controls
    ]
    unit = f"effect of one unit of strength, {figures.unit}"
    svg = bars(key_of(figures, "controls"), drawn, unit)
    alt = "Effects: " + ", ".join(f"{name} {i.value:.2f}" for name, i, _ in drawn)
    rows: list[Row] = [
        [
            f"{one.kind}, {names[one.match]}",
            one.count,
            one.size,
            Cell(one.lead.value, toned(one.lead)),
            between(one.lead),
            Cell("yes" if one.beaten else "no", "good" if one.beaten else "bad"),
            f"{one.p:.2g}",
        ]
        for one in figures.controlled
    ]
    header = [
        "Controls",
        "Count",
        "Strongest",
        "Lead",
        "Interval of the lead",
        "Beaten",
        "p (rank)",
    ]
    detail: list[Row] = [
        [one.label.partition("/")[2], one.factor, one.kl, one.effect.value, between(one.effect)]
        for one in figures.controls
    ]
    details = Table(
        ["Control", "Length, of the vector's", "KL, both signs", "Effect", "Interval"], detail
    )
    return _WHY_CONTROLS, [
        Figure(svg, alt, f"n = {figures.effect.n} items; lines are intervals over items."),
        Table(header, rows),
        Fold("Every control", [details]),
    ]


def _number(label: str) -> str:
    return label.rsplit("/", 2)[-2].rpartition(" ")[2]


def prompt_part(figures: VectorFigures) -> Part:
    """A system prompt in place of the vector, and both."""
    if not figures.prompted:
        return "", []
    kinds: dict[str, Callable[[Prompted], Interval | None]] = {
        "prompt alone": lambda one: one.prompt,
        "vector alone": lambda one: one.vector,
        "both": lambda one: one.both,
        "vector less prompt": lambda one: one.instead,
        "what the vector adds to the prompt": lambda one: one.besides,
        "prompt alone, score of open answers": lambda one: one.score,
    }
    rows: list[Row] = []
    for what, take in kinds.items():
        found = [take(one) for one in figures.prompted]
        if any(interval is not None for interval in found):
            pairs = [
                ("", "") if i is None else (Cell(i.value, toned(i)), between(i)) for i in found
            ]
            rows.append([what, *(cell for pair in pairs for cell in pair)])
    personas = figures.facts.get("personas") or []
    quoted = [f"“{text}”" for text in personas]
    n = figures.prompted[0].n
    sides = ["for, 1" if one.side == FOR else "against, −1" for one in figures.prompted]
    header = ["What", *(word for side in sides for word in (side, "Interval"))]
    lead = "What a system message does, with the vector's strength at 1 for it and at −1 against."
    return lead, [
        Table(header, rows, f"What each adds to m, n = {n} items"),
        Fold("The two system messages", [Prose(quoted)]),
    ]


def beside_part(figures: VectorFigures) -> Part:
    """Other operations and a prompt, beside adding the vector, at equal damage."""
    found = figures.beside
    if not found:
        return "", []
    drawn = [
        (one.kind, one.up, look.ACCENT if n == 0 else look.WARM if one.reached else look.SOFT)
        for n, one in enumerate(found)
    ]
    svg = bars(key_of(figures, "beside"), drawn, f"change of m, {figures.unit}")
    alt = "Change of m: " + ", ".join(f"{name} {i.value:.2f}" for name, i, _ in drawn)
    rows: list[Row] = [
        [
            Cell(one.kind, note=one.steering),
            one.dose,
            one.kl,
            one.own_p95,
            Cell(one.up.value, toned(one.up)),
            between(one.up),
            None if one.down is None else one.down.value,
            None if one.kind == "add" else Cell(one.lead.value, toned(one.lead)),
            "" if one.kind == "add" else between(one.lead),
            None if one.score is None else one.score.value,
            "" if one.knowledge is None else f"{one.knowledge:.0%}",
        ]
        for one in found
    ]
    header = ["Way", "Dose", "KL", "Own KL, p95", "Towards", "Interval", "Away", "Lead", "Interval"]
    lead = (
        "The same vector used in other ways, each at the dose at which it costs neutral text what "
        "adding costs at strength 1."
    )
    if best := best_tool(found):
        lead += f" {best[0].upper()}{best[1:]}."
    caption = "Grey: equal damage was not reached, so that the lengths can not be compared."
    return lead, [
        Figure(svg, alt, caption),
        Table([*header, "Open score", "Knowledge"], rows, f"n = {found[0].n} items"),
    ]
