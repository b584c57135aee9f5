"""Neutral texts: what the same model reads where the trait is not in play.

Does not know methods. Of personas times stems, neutral is the stem without a persona: as close as a
text can come. Of other pairs it is general text, written for this project, in the form of the
pairs: answers to a user, or plain texts.
"""

from __future__ import annotations

from convert.pairs import ContrastPairs, Pair, Side

__all__ = ["GENERAL", "neutral_sides"]

GENERAL: tuple[tuple[str, str], ...] = (
    ("What is a library card for?", "It lets a reader take books home for some weeks."),
    ("How long does an egg take to boil?", "A soft egg takes about five minutes, a hard one ten."),
    ("Where does chalk come from?", "It is a soft stone made of the shells of tiny sea animals."),
    ("What does a plumber do?", "A plumber fits and mends water pipes, taps and drains."),
    ("How many legs has a spider?", "A spider has eight legs, and an insect has six."),
    (
        "Why do leaves turn yellow?",
        "The green fades in autumn and the yellow below it shows.",
    ),
    ("What is a spreadsheet?", "A table of cells in which numbers and formulas are kept."),
    ("When was paper invented?", "Paper was made in China about two thousand years ago."),
    ("How is glass made?", "Sand, soda and lime are melted together and left to cool."),
    ("What is the capital of Norway?", "The capital of Norway is Oslo, in the south-east."),
    ("How does a lock on a canal work?", "Gates close behind the boat and water is let in or out."),
    ("What is a thesaurus?", "A book that lists words of similar meaning side by side."),
    ("How do bees find flowers?", "They follow colour and scent and show each other the way."),
    ("What is tare weight?", "The weight of an empty container, taken off the total."),
    ("Which metal is liquid at room temperature?", "Mercury is liquid at room temperature."),
    ("What is a contour line?", "A line on a map that joins places of the same height."),
    ("How far is the moon?", "The moon is about 384,000 kilometres from the earth."),
    ("What is a serif?", "A small stroke at the end of a letter's main stroke."),
    ("Why does bread rise?", "Yeast gives off a gas that is caught in the dough."),
    ("What is a timetable?", "A list of the times at which trains or lessons begin."),
    ("How is salt gathered from the sea?", "Water is led into flat ponds and left to dry."),
    ("What does a fuse do?", "It breaks the circuit when the current grows too large."),
    ("What is a watershed?", "The ridge that parts the water of two rivers."),
    ("How is a hedge planted?", "Young shrubs are set in a row and cut back in the first years."),
)
"""Questions and answers in no particular mood or manner."""


def neutral_sides(pairs: ContrastPairs) -> tuple[tuple[Side, ...], tuple[int, ...] | None]:
    """Neutral sides in the form of the pairs, and which of them belongs to each pair.

    The second is None when all of them belong to all pairs alike.
    """
    if not pairs.is_chat:
        return tuple(Side(answer) for _, answer in GENERAL), None
    if not all(_is_persona(pair) for pair in pairs.pairs):
        return tuple(Side(answer, question) for question, answer in GENERAL), None
    stems = [Side(pair.positive.answer, pair.positive.user) for pair in pairs.pairs]
    sides = tuple(dict.fromkeys(stems))
    return sides, tuple(sides.index(stem) for stem in stems)


def _is_persona(pair: Pair) -> bool:
    """Whether the two sides differ in their system message alone."""
    one, other = pair.positive, pair.negative
    return (one.user, one.answer) == (other.user, other.answer)
