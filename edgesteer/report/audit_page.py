"""The page of an audit: verdict, figures by kind of text, curves by layer, steering, claims.

Does not know how anything was measured.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from edgesteer.measure.stats import Interval
from edgesteer.monitor.findings import Audit
from edgesteer.monitor.verdict import Verdict
from edgesteer.report.html import (
    Block,
    Callout,
    Cell,
    Facts,
    Figure,
    Fold,
    Prose,
    Report,
    Section,
    Table,
    write_report,
)

__all__ = ["audit_rows", "write_audit_page"]

_LABELS = {
    "readout": "the read-out",
    "direction": "a direction",
    "length": "length",
    "words": "counted words",
}


def audit_rows(found: Audit) -> list[tuple[str, str, list[Interval | None]]]:
    """(what, trained on what, its AUROC on each family); the read-out and its baselines first."""
    names = [family.name for family in found.families]
    rows = []
    for trained in (found.own, *found.others):
        kinds = ("readout" if trained == found.own else "direction", "length", "words")
        for kind in kinds:
            cells = [found.cell(kind, trained, name) for name in names]
            rows.append((_LABELS[kind], trained, [c.auroc if c else None for c in cells]))
    return rows


def write_audit_page(path: str | os.PathLike[str], found: Audit, verdict: Verdict) -> Path:
    """Writes the page. Raises FileWriteError, MissingExtraError without matplotlib or jinja2."""
    sections = [
        Section("By kind of text", [_table(found), Prose([_how(found)], tone="dim")]),
        Section("By layer", [_curves(found)]),
    ]
    if found.steering:
        sections.append(Section("Steering along it", _steering(found)))
    sections += [
        Section("What may be claimed", _claims(verdict)),
        Section("What the bag of words goes by", [_words(found)]),
    ]
    report = Report(
        title=f"Audit of the read-out {found.name}",
        sections=sections,
        kicker="edgesteer monitor --audit",
        subtitle=f"{found.model}, layer {found.layer}",
        summary=[Callout(verdict.title, "", verdict.tone, verdict.points)],
    )
    return write_report(path, report)


def _table(found: Audit) -> Table:
    header = ["detector", "trained on", *(family.name for family in found.families)]
    rows: list[list[Cell | str]] = []
    for what, trained, cells in audit_rows(found):
        rows.append([what, trained, *map(_shaded, cells)])
    counts: list[Cell | str] = ["texts", "positive, negative"]
    counts += [f"{family.n_positive}, {family.n_negative}" for family in found.families]
    return Table(header, [*rows, counts], caption="AUROC with its 95 % interval; 0.5 is chance")


def _shaded(interval: Interval | None) -> Cell:
    if interval is None:
        return Cell(None)
    return Cell(str(interval), shade=2 * (interval.value - 0.5))


def _how(found: Audit) -> str:
    reads = {
        "last": "the last token of each prompt",
        "mean": "the mean over each prompt",
        "answer": "the mean over each answer",
    }
    judged = (
        "texts that neither its vector was made of nor its fit chose on"
        if found.apart
        else "texts that it may have been made of or chosen on: that figure is not to be compared"
    )
    return (
        f"Read is {reads[found.positions]}. The first three rows were trained on {found.own}; the "
        f"read-out is judged there on {judged}; the baselines on texts left out by folds. Where a "
        "later row meets the kind that it was trained on, texts are left out by folds too."
    )


def _curves(found: Audit) -> Block:
    from edgesteer.report.picture import SERIES, SOFT, drawing, page_svg

    with drawing() as (figure, axes):
        for number, curve in enumerate(found.curves):
            colour = SERIES[number % len(SERIES)]
            axes.plot(curve.layers, curve.within, color=colour, label=f"{curve.trained_on}, within")
            if len(found.curves) > 1:
                axes.plot(
                    curve.layers,
                    curve.across,
                    color=colour,
                    linestyle="--",
                    label=f"{curve.trained_on}, on the others",
                )
        axes.axhline(0.5, color=SOFT, linewidth=0.8)
        axes.axvline(found.layer, color=SOFT, linewidth=0.8, linestyle=":")
        axes.set(xlabel="layer", ylabel="AUROC", ylim=(0, 1.02))
        axes.legend(ncols=2)
        svg = page_svg(figure, "curves")
    return Figure(
        svg,
        "AUROC of each kind's direction by layer, within the kind and on the others",
        f"The dotted line is layer {found.layer}, which the read-out reads. {found.own} is the "
        "vector itself; the others are mean differences of their own texts.",
    )


def _steering(found: Audit) -> list[Block]:
    told = found.steering
    effect = told["effect"]
    return [
        Facts(
            [
                ("effect", f"{effect['value']:+.3f} [{effect['low']:+.3f}, {effect['high']:+.3f}]"),
                (f"at +{told['strength']:g}", f"{told['up']:+.3f}"),
                (f"at -{told['strength']:g}", f"{told['down']:+.3f}"),
                ("smaller random vectors", f"{told['beyond']} of {len(told['randoms'])}"),
            ]
        ),
        Prose(
            [
                f"Nats of log-probability by which {told['n_items']} items lean to their positive "
                "answer. Random vectors of equal norm: "
                + ", ".join(f"{x:+.3f}" for x in told["randoms"])
            ],
            tone="dim",
        ),
    ]


def _claims(verdict: Verdict) -> list[Block]:
    blocks: list[Block] = []
    if verdict.may:
        blocks.append(Callout("These figures bear out", "", "good", verdict.may))
    blocks.append(Callout("These figures do not bear out", "", "warn", verdict.may_not))
    return blocks


def _words(found: Audit) -> Block:
    rows: list[Sequence[str]] = [
        (name, " ".join(map(_seen, positive)), " ".join(map(_seen, negative)))
        for name, (positive, negative) in found.words.items()
    ]
    return Fold(
        "Words and marks that speak for either side",
        [Table(["kind", "positive", "negative"], rows)],
    )


def _seen(word: str) -> str:
    return {"\n": "(line break)", "0": "(number)"}.get(word, word)
