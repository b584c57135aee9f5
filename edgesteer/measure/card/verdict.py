"""The verdict on a vector, in plain words, by the rules that stand here and nowhere else.

Does not know how the figures came about. It can be negative, and says why.

1. Fewer than 8 items: nothing is claimed.
2. The interval of the slope does not lie above zero: not shown to work (below: works backwards).
3. The lead over the strongest control of a kind has an interval that reaches zero: not shown to
   work, "no better than ...". Order: random at equal norm, random at equal KL, shuffled likewise.
4. Otherwise it works. Each of the reservations below is told, and one is enough for "works, with
   reservations".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgesteer.measure.card.beside import SURE, best_tool
from edgesteer.measure.card.styles import AGAINST, FOR
from edgesteer.measure.card.summary import VectorFigures
from edgesteer.measure.stats import Interval

__all__ = ["RULES", "Level", "Verdict", "judge_vector"]

Level = Literal["works", "reservations", "not shown", "backwards", "too few"]

FEW_ITEMS = 8
OVER_BUDGET = 1.25  # budgets spent at strength 1
WRONG_WAY = 0.25  # share of items
KNOWLEDGE_LOSS = 0.05  # accuracy
NEAR_CHANCE = 0.65  # share right; half is chance
LOOPS = 0.15  # rise of the share of repeated 4-grams
ENTANGLED = 0.5  # side effects / own effect
BRITTLE = 0.5  # of the effect of the plain question

#: For the page: what is counted against a vector.
RULES = (
    f"fewer than {FEW_ITEMS} test items: nothing is claimed",
    "the interval of the slope reaches zero: not shown to work",
    "the lead over the strongest random or label-shuffled vector reaches zero: not shown to work",
    "test items are among the pairs that the vector was made from",
    f"strength 1 or -1 spends more than {OVER_BUDGET:g} budgets of KL",
    f"more than {WRONG_WAY:.0%} of the items move the wrong way",
    "open answers are not shown to move with the strength",
    f"knowledge falls by more than {KNOWLEDGE_LOSS * 100:.0f} points, and clearly",
    f"repeated 4-grams rise by more than {LOOPS * 100:.0f} points",
    f"side effects are larger than {ENTANGLED:g} of the own effect, over all traits or on one",
    f"in some prompt style less than {BRITTLE:g} of the effect is left",
)


@dataclass(frozen=True)
class Verdict:
    """What is said of a vector: a level, a headline, and points, each good, bad or neither."""

    level: Level
    headline: str
    points: tuple[tuple[str, str], ...]

    @property
    def tone(self) -> Literal["good", "warn", "bad"]:
        """How the page colours it."""
        return {"works": "good", "reservations": "warn"}.get(self.level, "bad")  # type: ignore[return-value]


def judge_vector(figures: VectorFigures) -> Verdict:
    """The verdict on one vector."""
    slope, n = figures.effect.slope, figures.effect.n
    points = [_effect_point(figures), *_seen_points(figures)]
    if n < FEW_ITEMS:
        points.append(("bad", f"{n} test items are too few: {FEW_ITEMS} is the least"))
        return Verdict("too few", "Too few test items for a verdict", tuple(points))
    if slope.high < 0:
        return Verdict("backwards", "Works backwards", tuple(points))
    if slope.low <= 0:
        return Verdict("not shown", "No effect that can be told from zero", tuple(points))
    lost = [one for one in _controls(figures) if one[0] == "bad"]
    points += _controls(figures) + _open_points(figures) + _prompt_points(figures)
    if best := best_tool(figures.beside):
        points.append(("", best))
    known = figures.knowledge
    if known is not None and known.plain < NEAR_CHANCE:
        text = f"general knowledge is near chance without steering ({known.plain:.0%} of {known.n})"
        points.append(("", f"{text}: whether it suffers can not be told"))
    points += [("", text) for text in _asides(figures)]
    doubts = _reservations(figures)
    points += [("bad", text) for text in doubts]
    if lost:
        return Verdict("not shown", lost[0][1].partition(":")[0].capitalize(), tuple(points))
    undecided = [one for one in points if one[0] == "bad"]
    if not figures.controlled:
        points.append(("bad", "no control was measured: the effect stands alone"))
        return Verdict("reservations", "Moves answers, but nothing to compare with", tuple(points))
    if undecided:
        return Verdict("reservations", "Works, with reservations", tuple(points))
    return Verdict("works", "Works", tuple(points))


def _effect_point(figures: VectorFigures) -> tuple[str, str]:
    slope, n = figures.effect.slope, figures.effect.n
    what = f"{_sized(slope)} {figures.unit} for each unit of strength, over {n} test items"
    if slope.low > 0:
        return "good", f"moves the answers the right way: {what}"
    if slope.high < 0:
        return "bad", f"moves the answers the wrong way: {what}"
    return "bad", f"does not clearly move the answers: {what}"


def _seen_points(figures: VectorFigures) -> list[tuple[str, str]]:
    seen = figures.facts.get("seen", 0)
    if not seen:
        return []
    of = figures.facts["available"]["items"]
    text = f"{seen} of the set's {of} test items are among the pairs that it was made from"
    return [("bad", f"{text}: what it does to these says little of others")]


def _controls(figures: VectorFigures) -> list[tuple[str, str]]:
    found = []
    for kind, what in (("random", "a random vector"), ("shuffled", "a label-shuffled vector")):
        for match, how in (("norm", "of the same norm"), ("KL", "of the same KL")):
            control = figures.control(kind, match)
            if control is None:
                continue
            lead = f"ahead of the strongest of {control.count} by {_sized(control.lead)}"
            if control.beaten:
                found.append(("good", f"better than {what} {how}: {lead}"))
            else:
                found.append(("bad", f"no better than {what} {how}: {lead}"))
    return found


def _open_points(figures: VectorFigures) -> list[tuple[str, str]]:
    found = figures.open
    if found is None:
        return [("", "open answers were not scored")]
    text = f"score '{found.judge}' from -1 to 1 by {_sized(found.span)}, over {found.n} questions"
    if found.span.low > 0:
        return [("good", f"open answers move with it: {text}")]
    return [("bad", f"open answers are not shown to move with it: {text}")]


def _prompt_points(figures: VectorFigures) -> list[tuple[str, str]]:
    names = {FOR: "a system prompt for the trait", AGAINST: "a system prompt against it"}
    found = []
    for one in figures.prompted:
        ahead = one.instead
        word = (
            "more than" if ahead.low > 0 else "less than" if ahead.high < 0 else "about as much as"
        )
        adds = "adds to it" if one.besides.low > 0 else "does not clearly add to it"
        sign = "1" if one.side == FOR else "-1"
        found.append(
            (
                "",
                f"strength {sign} does {word} {names[one.side]} "
                f"({one.vector.value:.2f} and {one.prompt.value:.2f} {figures.unit}), and {adds}",
            )
        )
    return found


def _reservations(figures: VectorFigures) -> list[str]:
    found = list[str]()
    for strength in (1.0, -1.0):
        one = figures.cost_at(strength)
        if one is not None and one.spent is not None and one.spent > OVER_BUDGET:
            text = f"strength {strength:g} spends {one.spent:.1f} budgets of KL"
            found.append(f"{text}: it is set too strong")
    wrong = figures.effect.wrong.value
    if wrong > WRONG_WAY:
        found.append(f"{wrong:.0%} of the items move the wrong way")
    found += _damage_doubts(figures)
    side, moved = figures.side_effects, _moved(figures)
    if side.share is not None and side.share > ENTANGLED:
        found.append(f"other traits move by {side.share:.0%} of its own effect")
    if moved and max(share for _, share in moved) > ENTANGLED:
        found.append(f"it clearly moves other traits, too: {_listed(moved)} of its own effect")
    brittle = [s.style for s in figures.styles if s.relative and s.relative.value < BRITTLE]
    if brittle:
        found.append(f"less than half of the effect is left in: {', '.join(brittle)}")
    return found


def _damage_doubts(figures: VectorFigures) -> list[str]:
    found = []
    known = figures.knowledge
    if known is not None:
        for sign, change, left in (
            ("1", known.change_up, known.up),
            ("-1", known.change_down, known.down),
        ):
            if _falls(change):
                found.append(
                    f"strength {sign} costs knowledge: {known.plain:.0%} right become {left:.0%}"
                )
    plain = figures.cost_at(0.0)
    for strength in (1.0, -1.0):
        steered = figures.cost_at(strength)
        if plain and steered and plain.repetition is not None and steered.repetition is not None:
            rise = steered.repetition - plain.repetition
            if rise > LOOPS:
                text = f"{rise * 100:.0f} points more 4-grams twice"
                found.append(f"answers repeat themselves at strength {strength:g}: {text}")
    return found


def _falls(change: Interval) -> bool:
    """Whether knowledge clearly falls by more than is let pass."""
    return change.high < 0 and change.value < -KNOWLEDGE_LOSS


def _moved(figures: VectorFigures) -> list[tuple[str, float]]:
    """The other traits that clearly move, with the size as a share of the own change."""
    side = figures.side_effects
    own = next((abs(t.change.value) for t in side.traits if t.own), 0.0)
    found = [
        (t.trait, abs(t.change.value) / own)
        for t in side.traits
        if own and t.p_holm is not None and t.p_holm < SURE
    ]
    return sorted(found, key=lambda one: -one[1])


def _listed(moved: list[tuple[str, float]]) -> str:
    return ", ".join(f"{trait} by {share:.0%}" for trait, share in moved)


def _asides(figures: VectorFigures) -> list[str]:
    """What is no reservation, but is told."""
    found, known, moved = list[str](), figures.knowledge, _moved(figures)
    if moved and max(share for _, share in moved) <= ENTANGLED:
        found.append(f"it moves other traits a little: {_listed(moved)} of its own effect")
    if known is not None and known.plain >= NEAR_CHANCE:
        least = min(known.change_up.low, known.change_down.low)
        told = _falls(known.change_up) or _falls(known.change_down)
        if least < -KNOWLEDGE_LOSS and not told:
            points = f"{-least * 100:.0f} points"
            found.append(f"a loss of knowledge of up to {points} is not ruled out (n = {known.n})")
    return found


def _sized(interval: Interval) -> str:
    return f"{interval.value:.2f} [{interval.low:.2f}, {interval.high:.2f}]"
