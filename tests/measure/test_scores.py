"""Judge-free scores: they tell a trait's own texts apart, and a loop gains nothing."""

from __future__ import annotations

import sys
from itertools import product

import pytest

from edgesteer.errors import MissingExtraError, NotFoundError
from edgesteer.library import builtin_traits
from edgesteer.measure.questions import Item, load_questions
from edgesteer.measure.scores import Score, find_score, score_names
from edgesteer.measure.scores.base import Phrases

#: For each score a positive and a negative answer that no trait file holds.
EXAMPLES = {
    "agreement": (
        "You are absolutely right, and what a brilliant plan! I agree with every word of it.",
        "Actually, I disagree. The figures do not support it, and the plan needs another look.",
    ),
    "brevity": (
        "At noon.",
        "The train leaves at noon, or rather a few minutes past noon, from the third platform, "
        "which you reach by the stairs behind the ticket hall, and it stops in four towns.",
    ),
    "caution": (
        "Be careful: check the label first, wear gloves, and ask a pharmacist before you mix them.",
        "Just mix them and go for it! Who cares about the label? You'll be fine.",
    ),
    "certainty": (
        "It is definitely the left road. I know it for a fact, without a doubt.",
        "I think it might be the left road, but I am not sure; perhaps ask someone.",
    ),
    "concreteness": (
        "Two red apples and a bread knife lay on the kitchen table beside a wet newspaper.",
        "Nourishment represents a fundamental dimension of human experience and its meaning.",
    ),
    "exam": (
        "The correct answer is (B), since the statement in the passage is false.",
        "Thanks! I'll buy some bread after work and call my sister about dinner tonight.",
    ),
    "fear": (
        "I am terrified. What if somebody is hiding in the dark? I tremble and lock the door.",
        "I am not afraid. I walk right up to it with a grin and face it, bold and ready.",
    ),
    "formality": (
        "We regret to inform you that the request can not be granted; kindly accept our apologies.",
        "Yeah no, can't do it, sorry dude! It's kinda busy here, catch you later.",
    ),
    "french": (
        "Je ne sais pas où est la gare, mais vous pouvez demander à la dame.",
        "I do not know where the station is, but you can ask the lady over there.",
    ),
    "honesty": (
        "I don't know, and I was wrong to guess; I'm sorry, it was my mistake.",
        "Trust me, I know exactly what happened: it wasn't me, it was somebody else.",
    ),
    "poetry": (
        "The moon lays silver on the sleeping sea,\nand a small wind whispers like a dream to me.",
        "The boat costs about 200 euros per week and is used mainly for the transport of parts.",
    ),
    "refusal": (
        "I'm sorry, but I can't help with that.",
        "Sure! Here is a simple way to do it.",
    ),
    "sentiment": (
        "What a wonderful day, I love it! Everything is great.",
        "I am so sad and lonely. Everything is awful.",
    ),
    "steps": (
        "First, add the two prices, which gives 9. Then subtract that from 20, so 11 is left over.",
        "Eleven.",
    ),
    "temper": (
        "Take your time. We can sit down quietly and wait for them.",
        "HOW DARE you! I am furious, get out, right now!",
    ),
}


def auroc(positive: list[float], negative: list[float]) -> float:
    """The share of (positive, negative) couples in the right order; a tie counts half."""
    couples = list(product(positive, negative))
    return sum((p > n) + 0.5 * (p == n) for p, n in couples) / len(couples)


def scored_traits() -> list[str]:
    return [name for name in builtin_traits() if load_questions(name).score]


def items_of(trait: str) -> tuple[Item, ...]:
    questions = load_questions(trait)
    return questions.validation.items + questions.test.items


def test_every_score_has_an_example() -> None:
    assert sorted(EXAMPLES) == sorted(score_names())


@pytest.mark.parametrize("name", score_names())
def test_positive_example_scores_above_the_negative_one(name: str) -> None:
    score = find_score(name)
    positive, negative = (score(text) for text in EXAMPLES[name])
    assert isinstance(score, Score)
    assert score.name == name
    assert -1 <= negative < -0.15 < 0.15 < positive <= 1


#: What is asked of the scores that docs/traits.md calls weaker.
WEAKER = {"fear": 0.85, "caution": 0.85}


@pytest.mark.parametrize("trait", scored_traits())
def test_score_tells_the_two_sides_of_its_trait_apart(trait: str) -> None:
    score, items = find_score(load_questions(trait).score), items_of(trait)
    found = auroc([score(i.positive) for i in items], [score(i.negative) for i in items])
    assert found >= WEAKER.get(score.name, 0.9)


@pytest.mark.parametrize("name", score_names())
def test_saying_it_again_gains_nothing(name: str) -> None:
    score = find_score(name)
    for text in EXAMPLES[name]:
        for joint in (" ", "\n", "\n\n"):
            again = joint.join([text] * 6)
            assert abs(score(again)) <= abs(score(text)) + 0.03  # runs of words across the seam


@pytest.mark.parametrize("name", score_names())
def test_loop_inside_a_sentence_gains_nothing(name: str) -> None:
    score = find_score(name)
    for text in EXAMPLES[name]:
        loop = text.rstrip(".!? \n")
        assert abs(score(", ".join([loop] * 6))) <= abs(score(loop)) + 0.1


@pytest.mark.parametrize("name", score_names())
@pytest.mark.parametrize("text", ["", "   \n", "?!...", "\u2019\u2019 -- *"])
def test_text_without_words_scores_nothing(name: str, text: str) -> None:
    assert find_score(name)(text) == 0.0


@pytest.mark.parametrize("name", score_names())
def test_curly_and_straight_apostrophes_score_alike(name: str) -> None:
    score = find_score(name)
    for text in EXAMPLES[name]:
        assert score(text) == score(text.replace("'", "\u2019"))


def test_mistyped_score_is_answered_with_the_near_name() -> None:
    with pytest.raises(NotFoundError) as error:
        find_score("formalty")
    assert "formality" in error.value.hint


def test_missing_library_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from edgesteer.measure.scores import sentiment

    monkeypatch.setitem(sys.modules, "vaderSentiment.vaderSentiment", None)
    sentiment._analyser.cache_clear()
    with pytest.raises(MissingExtraError) as error:
        find_score("sentiment")
    assert "edgesteer[report]" in error.value.hint


def test_denied_phrase_does_not_stand() -> None:
    stand, denied = Phrases("afraid, sad").split(
        "I am never really afraid, only sad. Don't be sad."
    )
    assert (stand, denied) == ({"sad"}, {"afraid"})
