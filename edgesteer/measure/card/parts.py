"""The parts of an evaluation: for each, which questions are asked under which steerings.

Does not know what is made of the answers (figures.py). Each part files raw numbers; a part that can
not be asked says why in the notes.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgesteer.errors import EdgesteerError, InputError
from edgesteer.library import builtin_traits
from edgesteer.measure.card.asker import NOTHING, Asker, Way
from edgesteer.measure.card.controls import ENDS, Control, equal_kl, norm_controls
from edgesteer.measure.card.knowledge import KNOWLEDGE
from edgesteer.measure.card.raw import KNOWLEDGE_SET, TOGETHER, Condition
from edgesteer.measure.card.styles import AGAINST, FOR, PLAIN, STYLES, Style, persona_styles
from edgesteer.measure.card.subject import Subject
from edgesteer.measure.questions import Questions, load_questions
from edgesteer.model import Model
from edgesteer.steering import Steering

__all__ = [
    "ask_controls",
    "ask_effect",
    "ask_knowledge",
    "ask_prompt",
    "ask_quantisation",
    "ask_side_effects",
    "ask_styles",
    "ask_together",
]


def way(subject: Subject, strength: float) -> Way:
    """The subject at a strength."""
    return Way(subject.name if strength else "", strength, subject.at(strength))


def ask_effect(asker: Asker, subject: Subject) -> None:
    """The dose curve on test items, open answers at -1, 0 and 1, the damage of each strength.

    Raises InputError when the model's numbers overflow within the curve.
    """
    ways = [way(subject, strength) for strength in asker.settings.strengths]
    asker.margins(subject.set_name, ways, "effect")
    asked = [Condition(subject.set_name, "plain", one.label, one.strength) for one in ways]
    if asker.raw.paired(asked) is None:
        raise InputError(
            f"the model's numbers overflow under {subject.name} at these strengths",
            f"evaluate less of it: {subject.name}=0.1, or calibrate the vector first",
        )
    three = [way(subject, strength) for strength in (-1.0, 0.0, 1.0)]
    asker.answers(subject.set_name, three, subject.judge)
    asker.full_damage(ways)


def ask_prompt(asker: Asker, subject: Subject) -> None:
    """The plain system prompt as baseline: alone, and with the vector, either side."""
    if subject.personas is None:
        return
    for style in persona_styles(*subject.personas):
        if style.name in (FOR, AGAINST):
            sign = 1.0 if style.name == FOR else -1.0
            ways = [NOTHING, way(subject, sign)]
            asker.margins(subject.set_name, ways, "prompt baseline", style=style)
            asker.answers(subject.set_name, [NOTHING], subject.judge, style=style)


def ask_controls(asker: Asker, subject: Subject, notes: list[str]) -> list[Control]:
    """Random and label-shuffled vectors at equal norm and at equal KL, at -1 and 1."""
    controls = norm_controls(asker, subject, notes)
    costs = [asker.raw.damage[subject.name, end, asker.as_model].kl_mean for end in ENDS]
    target = sum(costs) / len(costs)
    matched = equal_kl(asker, controls, target)
    if len(matched) < len(controls):
        notes.append(
            f"{subject.name}: {len(controls) - len(matched)} control(s) could not be brought to "
            f"the vector's KL of {target:.3g}, the mean over -1 and 1"
        )
    for control in [*controls, *matched]:
        ways = [control.way(end) for end in ENDS]
        asker.text_damage(ways)
        asker.margins(subject.set_name, ways, "controls")
        asked = [Condition(subject.set_name, "plain", control.label, end) for end in ENDS]
        if asker.raw.paired(asked) is None:
            notes.append(f"{control.label} is left out: the model's numbers overflow under it")
    asker.answers(subject.set_name, [c.way(1.0) for c in matched if c.number == 1], subject.judge)
    return [*controls, *matched]


def chosen_styles(asker: Asker, subject: Subject) -> list[Style]:
    """The prompt styles that this evaluation asks in."""
    personas = () if subject.personas is None else persona_styles(*subject.personas)
    wanted = asker.settings.styles
    return [s for s in (*personas, *STYLES) if wanted is None or s.name in wanted]


def ask_styles(asker: Asker, subject: Subject) -> None:
    """The same items in other prompt styles, at -1, 0 and 1."""
    ways = [way(subject, strength) for strength in (-1.0, 0.0, 1.0)]
    for style in (PLAIN, *chosen_styles(asker, subject)):
        most = asker.settings.style_items
        asker.margins(subject.set_name, ways, "prompt styles", style=style, most=most)


def ask_side_effects(asker: Asker, subjects: Sequence[Subject], notes: list[str]) -> list[str]:
    """The items of all built-in traits, plain and with each vector at 1; returns their names."""
    names = []
    for trait in builtin_traits():
        try:
            questions = load_questions(trait)
        except EdgesteerError as error:
            notes.append(f"side effects on {trait} are left out: {error.message}")
            continue
        if not questions.test.items:
            notes.append(f"side effects on {trait} are left out: it has no test items")
            continue
        asker.add_set(questions.name, questions.test, asker.settings.side_items)
        names.append(questions.name)
        ways = [NOTHING, *(way(subject, 1.0) for subject in subjects)]
        most = asker.settings.side_items
        asker.margins(questions.name, ways, "side effects", most=most)
    return names


def ask_knowledge(asker: Asker, subjects: Sequence[Subject]) -> None:
    """Two-option questions of general knowledge, plain and with each vector at -1 and 1."""
    if not asker.settings.knowledge:
        return
    asker.add_set(KNOWLEDGE_SET, Questions(KNOWLEDGE), asker.settings.knowledge)
    ways = [way(s, strength) for s in subjects for strength in (-1.0, 1.0)]
    asker.margins(KNOWLEDGE_SET, [NOTHING, *ways], "knowledge")


def ask_together(asker: Asker, subjects: Sequence[Subject]) -> None:
    """All vectors at strength 1 at once: what the sum costs, and what it does to each trait."""
    if len(subjects) < 2:
        return
    total = Steering()
    for subject in subjects:
        total = total + subject.steering
    both = Way(TOGETHER, 1.0, total)
    asker.full_damage([both])
    for subject in subjects:
        asker.margins(subject.set_name, [both], "all together")


def ask_quantisation(asker: Asker, subjects: Sequence[Subject], model: Model, name: str) -> None:
    """The effect on a second file of the same weights."""
    other = asker.on(model, name)
    for subject in subjects:
        ways = [way(subject, strength) for strength in (-1.0, 0.0, 1.0)]
        other.margins(subject.set_name, ways, f"on {name}")
        other.text_damage(ways)
