"""Puts an audit into words: what the read-out tells, what it does not, what nobody may claim.

Does not know how anything was measured: it goes by the figures alone.

A read-out "tells apart" where the interval of its AUROC lies above 0.5, and is "better than" the
baselines where the interval of the difference lies above 0. Baselines are those trained on the same
texts, and length with whichever side is longer there: one bit that anybody could know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edgesteer.monitor.findings import Audit, Cell, Family

__all__ = ["Verdict", "judge"]

Tone = Literal["good", "warn", "bad"]
#: From here on a score goes with the length of a text, whatever its label.
LENGTH_RANK = 0.3


@dataclass(frozen=True)
class Verdict:
    """`title` in one sentence, `points` that bear it out, and what may and may not be claimed."""

    title: str
    tone: Tone
    points: tuple[str, ...]
    may: tuple[str, ...]
    may_not: tuple[str, ...]


def judge(found: Audit) -> Verdict:
    """The verdict on an audit."""
    own = _need(found.cell("readout", found.own, found.own))
    across = [_need(found.cell("readout", found.own, name)) for name in found.others]
    tells = [cell for cell in across if cell.auroc.low > 0.5]
    better = [cell for cell in across if _better(cell, found)]
    title, tone = _title(found, own, across, tells, better)
    points = [_own_point(found, own)]
    points += [_across_point(found, cell) for cell in across]
    points += _length_points(found)
    if trained := _trained_point(found):
        points.append(trained)
    if found.steering:
        points.append(_steering_point(found))
    return Verdict(title, tone, tuple(points), *_claims(found, own, across, tells, better))


def _title(
    found: Audit,
    own: Cell,
    across: Sequence[Cell],
    tells: Sequence[Cell],
    better: Sequence[Cell],
) -> tuple[str, Tone]:
    name, n = found.name, len(across)
    if own.auroc.low <= 0.5 and not tells:
        return f"{name} tells nothing apart, not even texts of its own kind", "bad"
    if not across and not found.apart:
        return (
            f"{name} was judged on texts alone that it may have been made of or chosen on: give "
            "others",
            "bad",
        )
    if not across:
        if own.beats is not None and own.beats.low > 0:
            return (
                f"{name} tells texts of its own kind apart better than length and words do; "
                "whether that carries over was not tested",
                "warn",
            )
        return (
            f"{name} tells texts of its own kind apart no better than {_baseline(found, own)}; "
            "whether that carries over was not tested",
            "bad",
        )
    if not tells:
        return (
            f"{name} does not carry over: on other kinds of text it is no better than chance",
            "bad",
        )
    if not better:
        names = sorted({_baseline(found, cell) for cell in tells})
        return f"{name} carries over, but no better than {' or '.join(names)}", "bad"
    if len(better) == n:
        kinds = "the other kind" if n == 1 else f"all {n} other kinds"
        return f"{name} tells more than length and words do on {kinds} of text", "good"
    return (
        f"{name} tells more than length and words do on {len(better)} of {n} other kinds of text",
        "warn",
    )


def _need(cell: Cell | None) -> Cell:
    if cell is None:
        raise ValueError("an audit without its read-out")
    return cell


def _family(found: Audit, name: str) -> Family:
    return next(family for family in found.families if family.name == name)


def _better(cell: Cell, found: Audit) -> bool:
    """Better than the baselines of the same texts, and than length with the right side known."""
    length = _family(found, cell.judged_on).length
    return cell.beats is not None and cell.beats.low > 0 and cell.auroc.value > length


def _baseline(found: Audit, cell: Cell) -> str:
    """The baseline that is hardest to beat there, in words."""
    length = _family(found, cell.judged_on).length
    words = found.cell("words", cell.trained_on, cell.judged_on)
    if words is not None and words.auroc.value > length:
        return "counting words"
    return "prompt length" if found.positions != "answer" else "the length of the answer"


def _figures(found: Audit, trained_on: str, judged_on: str) -> str:
    parts = []
    for kind in ("length", "words"):
        cell = found.cell(kind, trained_on, judged_on)
        if cell is not None:
            parts.append(f"{kind} {cell.auroc.value:.2f}")
    return ", ".join(parts)


def _own_point(found: Audit, own: Cell) -> str:
    baselines = _figures(found, found.own, found.own)
    if not found.apart:
        return (
            f"On {found.own}, which it may have been made of or chosen on: AUROC {own.auroc}, "
            f"not to be compared (on texts left out, trained on the same kind: {baselines})"
        )
    return (
        f"On {found.own}, its own kind, texts left out: AUROC {own.auroc} "
        f"(trained on the same kind: {baselines})"
    )


def _across_point(found: Audit, cell: Cell) -> str:
    length = _family(found, cell.judged_on).length
    told = (
        "better than both" if _better(cell, found)
        else "not better than they are" if cell.auroc.low > 0.5
        else "no better than chance"
    )  # fmt: skip
    return (
        f"On {cell.judged_on}: AUROC {cell.auroc}, {told} (carried over from the same texts: "
        f"{_figures(found, cell.trained_on, cell.judged_on)}; length, its side known: {length:.2f})"
    )


def _length_points(found: Audit) -> list[str]:
    told = [
        f"{family.name} ({family.length_rank:+.2f})"
        for family in found.families
        if abs(family.length_rank) >= LENGTH_RANK
    ]
    if not told:
        return []
    return [
        "Among texts of one label its score goes with their length (rank correlation) on "
        + ", ".join(told)
    ]


def _trained_point(found: Audit) -> str:
    """What directions that were trained on the other families do on each other."""
    cells = [
        cell for cell in found.cells
        if cell.kind == "direction" and not cell.within and cell.judged_on != found.own
    ]  # fmt: skip
    if not cells:
        return ""
    mean = sum(cell.auroc.value for cell in cells) / len(cells)
    beats = sum(cell.beats is not None and cell.beats.low > 0 for cell in cells)
    return (
        f"Directions trained on one of the other kinds and judged on another: mean AUROC "
        f"{mean:.2f}, better than their baselines in {beats} of {len(cells)} cases"
    )


def _steering_point(found: Audit) -> str:
    told = found.steering
    effect, n = told["effect"], len(told["randoms"])
    clear = effect["low"] > 0 or effect["high"] < 0
    size = f"{effect['value']:+.3f} [{effect['low']:+.3f}, {effect['high']:+.3f}] nats"
    verdict = (
        f"larger than all {n} random vectors of equal norm" if told["beyond"] == n
        else f"no larger than {n - told['beyond']} of {n} random vectors of equal norm"
    )  # fmt: skip
    also = "" if clear else ", not clear of zero"
    return (
        f"Steering by +-{told['strength']:g} moves {told['n_items']} two-option items by {size} "
        f"either way{also}: {verdict}"
    )


def _moves(found: Audit) -> bool:
    """Whether steering along it has a clear effect that no random vector has."""
    told = found.steering
    return bool(told) and told["effect"]["low"] > 0 and told["beyond"] == len(told["randoms"])


def _claims(
    found: Audit,
    own: Cell,
    across: Sequence[Cell],
    tells: Sequence[Cell],
    better: Sequence[Cell],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    what = "prompts" if found.positions != "answer" else "answers"
    may, may_not = [], []
    if own.auroc.low > 0.5 and found.apart:
        may.append(f"It tells {what} like those of {found.own} apart")
    if not found.apart:
        may_not.append(
            f"That it tells {what} like those of {found.own} apart: it may have been made of these "
            "very texts, or chosen on them"
        )
    if better:
        names = ", ".join(cell.judged_on for cell in better)
        may.append(f"It carries something over to {names} that length and words do not")
    if _moves(found):
        may.append("Steering along it moves what the model finds likely, more than chance vectors")
    beaten = [cell.judged_on for cell in tells if cell not in better]
    if beaten:
        may_not.append(
            f"That it reads more than the surface on {', '.join(beaten)}: length or words "
            "do as well there"
        )
    failed = [cell.judged_on for cell in across if cell not in tells]
    if failed:
        may_not.append(f"That it means anything on {', '.join(failed)}")
    if not across:
        may_not.append("That it reads the same on other kinds of text: give some, with --on FILE")
    if not _moves(found):
        may_not.append("That the model acts on this direction: reading it is no evidence of that")
    may_not.append(
        f"That the model knows, believes or intends anything: a score says which {what} a text is "
        "like"
    )
    return tuple(may), tuple(may_not)
