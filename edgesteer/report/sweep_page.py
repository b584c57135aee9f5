"""The page of a sweep: what was chosen, how sure that is, and every candidate.

Knows nothing of how a sweep is measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgesteer.report.html import (
    Block,
    Callout,
    Cell,
    Facts,
    Figure,
    Fold,
    Prose,
    Report,
    Row,
    Section,
    Table,
    write_report,
)
from edgesteer.report.sweep_picture import candidates_svg, dose_svg, layers_svg

if TYPE_CHECKING:
    from edgesteer.measure.stats import Interval
    from edgesteer.measure.sweep import Candidate, Sweep, Tested

__all__ = ["verdict", "write_sweep_page"]


def write_sweep_page(
    found: Sweep,
    path: Path,
    about: Mapping[str, Any],
    calibrated: Mapping[str, float] | None = None,
) -> Path:
    """Writes the page; `calibrated` has the strengths that calibration calls 1, by role.

    Raises MissingExtraError and FileWriteError.
    """
    return write_report(path, _report(found, about, calibrated or {}))


def verdict(found: Sweep) -> tuple[str, str]:
    """(what the test items say of the choice, its tone), in one sentence that can be negative."""
    chosen = found.test("chosen")
    if chosen is None:
        return "There are no test items: the choice is not tested.", "warn"
    if found.seen:
        n = len(found.work.parts["test"].items)
        return (
            f"{found.seen} of {n} test items are among the pairs that the vector was made from: "
            "their figures are no test.",
            "bad",
        )
    if not chosen.effect.clear_of_zero or chosen.effect.value <= 0:
        return "On test items the choice has no effect that is clear of zero.", "bad"
    gain = chosen.gain
    if gain is None or found.chosen == found.candidates[0].weights:
        return "Nothing that was tried is clearly better than the layers as they were.", "good"
    if gain.low > 0:
        return "On test items the choice is better than the layers as they were.", "good"
    if gain.high < 0:
        return "On test items the choice is worse than the layers as they were.", "bad"
    return "On test items the choice is no different from the layers as they were.", "warn"


def _report(found: Sweep, about: Mapping[str, Any], calibrated: Mapping[str, float]) -> Report:
    work = found.work
    text, tone = verdict(found)
    points = [
        f"{t.role} ({t.weights}): {t.effect} nats, {t.measured.wrong:.0%} of items the wrong way"
        for t in found.tested
    ]
    sections = [
        Section("Layers and strengths", _maps(found)),
        Section("Dose and effect", _dose(found, calibrated)),
        Section("Candidates", _candidates(found)),
        Section("How to read it", [Prose(_READING)]),
    ]
    return Report(
        f"{about['vector']}: where it works",
        sections,
        kicker="sweep",
        subtitle=f"{about['model']}, {len(found.candidates)} candidates at KL {work.kl:g}",
        summary=[
            Callout(f"Chosen: {found.chosen}", text, tone, points),  # type: ignore[arg-type]
            Facts(_facts(found, about), small=True),
        ],
    )


def _facts(found: Sweep, about: Mapping[str, Any]) -> list[tuple[str, str]]:
    work = found.work
    return [
        ("items", f"{about['items']}, asked as {work.mode}"),
        ("validation items", str(len(work.parts["validation"].items))),
        ("test items", str(len(work.parts["test"].items))),
        ("read by", str(about["read_by"])),
        ("vector", str(about["digest"])[:16]),
    ]


def _maps(found: Sweep) -> list[Block]:
    blocks: list[Block] = []
    if svg := layers_svg(found, "layers"):
        best = max(found.singles, key=lambda c: c.measured.effect)
        blocks.append(
            Figure(
                svg,
                "Effect by layer and strength, with lines of equal damage; the best single layer "
                f"is {best.weights} at strength {best.measured.strength:.2g}.",
                "Points were measured; colours between them are interpolated.",
            )
        )
    blocks.append(
        Figure(
            candidates_svg(found, "candidates"),
            f"All candidates by layer and effect; the best is {found.chosen}.",
            "A line spans the layers of a candidate, its point marks their centre.",
        )
    )
    return blocks


def _dose(found: Sweep, calibrated: Mapping[str, float]) -> list[Block]:
    if not found.tested:
        return [Prose(["There are no test items."])]
    return [
        Figure(
            dose_svg(found, "dose", calibrated),
            "Strength against the shift of m on test items.",
            "The band is a 95 % bootstrap interval over items; a large point is strength 1 as "
            "calibrated.",
        ),
        _tests(found.tested),
    ]


def _tests(tested: tuple[Tested, ...]) -> Table:
    rows: list[Row] = [
        [
            t.role,
            str(t.weights),
            _interval(t.effect),
            "" if t.gain is None else _interval(t.gain, sign="+"),
            Cell(t.measured.wrong),
            Cell(t.measured.monotone),
            Cell(t.measured.cross_entropy),
            Cell(t.measured.repetition),
        ]
        for t in tested
    ]
    header = ["", "layers", "effect, nats", "against as it was", "wrong way", "monotone"]
    return Table([*header, "cross-entropy", "repetition"], rows, "On test items.")


def _interval(interval: Interval, sign: str = "") -> str:
    value, low, high = (f"{x:{sign}.3f}" for x in (interval.value, interval.low, interval.high))
    return f"{value} [{low}, {high}]"


def _candidates(found: Sweep) -> list[Block]:
    """The best in the open, all behind a line."""
    best = found.best_first
    top = max(abs(c.measured.effect) for c in best) or 1.0
    rows = [_row(c, top) for c in best]
    shown = Table(_HEADER, rows[:_SHOWN], "The best, on validation items.")
    if len(rows) <= _SHOWN:
        return [shown]
    return [shown, Fold(f"All {len(rows)} candidates", [Table(_HEADER, rows)])]


_SHOWN = 12
_HEADER = ["layers", "stage", "strength", "effect", "wrong way", "KL", "cross-entropy"]
_HEADER += ["repetition", "score"]


def _row(candidate: Candidate, top: float) -> Row:
    m = candidate.measured
    return [
        str(candidate.weights),
        candidate.stage,
        Cell(m.strength),
        Cell(m.effect, shade=m.effect / top),
        Cell(m.wrong),
        Cell(m.kl),
        Cell(m.cross_entropy),
        Cell(m.repetition),
        Cell(m.score),
    ]


_READING = (
    "The effect is how many nats the log-probability of the answer that shows the trait rises over "
    "that of the other answer, at the strength at which the mean KL on neutral text, over both "
    "signs, is the stated one: half the distance between this strength and its opposite.",
    "Candidates were compared on validation items. Chosen is the simplest within one standard "
    "error of the best: the layers as they were, else equal weights, else smooth ones. Even so the "
    "best of many is flattered by chance. "
    "The test items played no part in the choice; only their figures are a measurement of it, "
    "unless the page says that the vector was made from them. "
    "Their intervals are bootstrap intervals over items; other items may answer otherwise.",
    "Cross-entropy is what neutral text costs more, in nats a token. Repetition is the share of "
    "repeated trigrams in open answers. Wrong way is the share of items whose own slope is "
    "negative.",
)
