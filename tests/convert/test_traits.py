"""The built-in traits: complete, balanced, and without a text that is both read and reported."""

from __future__ import annotations

import re
from statistics import mean

import pytest

from convert.pairs import ContrastPairs, Pair, Side
from convert.traits import trait_names
from edgesteer.library import builtin_traits
from edgesteer.measure.questions import Item, load_questions
from edgesteer.measure.scores import find_score

TRAITS = trait_names()
WRITTEN_BY_LENGTH = {"terse"}  # its trait is length
OF_PROMPTS = {"testlike"}  # pairs of what users say: no personas
_PRONOUNS = "i me my mine you your yours he him his she her hers it its we us our they them their"
PRONOUNS = set(re.findall(r"\w+", _PRONOUNS))


def words(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.casefold())


def said(side: Side) -> str:
    return " ".join(part for part in (side.system, side.user, side.answer) if part)


def items(name: str) -> tuple[Item, ...]:
    found = load_questions(name)
    return found.validation.items + found.test.items


def test_there_are_at_least_fourteen() -> None:
    assert len(TRAITS) >= 14
    assert list(TRAITS) == sorted(builtin_traits())


@pytest.mark.parametrize("name", TRAITS)
def test_a_trait_is_complete(name: str) -> None:
    pairs, questions = ContrastPairs.load(name), load_questions(name)
    assert pairs.name == name
    assert pairs.description
    assert len(pairs) >= 30
    assert len(pairs.heldout) >= 10
    assert len(pairs.questions) >= 18
    assert len(questions.validation.items) == 16
    assert len(questions.test.items) == (16 if name in OF_PROMPTS else 32)
    assert find_score(pairs.score).name == questions.score
    if name not in OF_PROMPTS:
        assert len(pairs.personas) >= 5


@pytest.mark.parametrize("name", TRAITS)
def test_what_is_reported_is_not_read(name: str) -> None:
    pairs, questions = ContrastPairs.load(name), load_questions(name)
    read = {side.answer for p in pairs.pairs for side in (p.positive, p.negative)} - {""}
    read |= {side.user for p in pairs.pairs for side in (p.positive, p.negative) if side.user}
    for part in (questions.test, questions.validation):
        told = [text for item in part.items for text in (item.positive, item.negative)]
        assert len(set(told)) == len(told)
        assert not read & {text for text in told if text != "No."}
    assert not {item.prompt for item in questions.test.items} & read
    assert not set(questions.test.items) & set(questions.validation.items)
    assert not read & set(questions.test.open)


@pytest.mark.parametrize("name", sorted(set(TRAITS) - WRITTEN_BY_LENGTH))
def test_both_sides_are_alike_in_length(name: str) -> None:
    pairs = ContrastPairs.load(name)
    for part in (pairs.pairs, pairs.heldout):
        longer = mean(len(words(said(pair.positive))) for pair in part)
        shorter = mean(len(words(said(pair.negative))) for pair in part)
        assert abs(longer - shorter) <= 0.08 * max(longer, shorter)
    longer = mean(len(words(item.positive)) for item in items(name))
    shorter = mean(len(words(item.negative)) for item in items(name))
    assert abs(longer - shorter) <= 0.2 * max(longer, shorter)


def matched(pair: Pair) -> bool:
    sides = [words(pair.positive.user or ""), words(pair.negative.user or "")]
    lengths = [len(side) for side in sides]
    pronouns = [sum(word in PRONOUNS for word in side) for side in sides]
    asked = ["?" in (side.user or "") for side in (pair.positive, pair.negative)]
    return len(set(lengths)) == len(set(pronouns)) == len(set(asked)) == 1


def test_testlike_prompts_are_matched_in_words_pronouns_and_question_marks() -> None:
    pairs = ContrastPairs.load("testlike")
    assert [pair.where for pair in (*pairs.pairs, *pairs.heldout) if not matched(pair)] == []
