"""Parked sequences: found by their beginning, the oldest dropped first, nothing kept twice."""

from __future__ import annotations

from edgesteer.engine.parked import Parked, same_beginning


def keep(parked: Parked, tokens: str, stamp: str = "p", size: int = 10) -> None:
    parked.add([ord(t) for t in tokens], [stamp] * len(tokens), bytes(size))


def find(parked: Parked, tokens: str, stamp: str = "p") -> tuple[str, int]:
    found, n = parked.best([ord(t) for t in tokens], [stamp] * len(tokens), 99)
    return ("".join(map(chr, found.tokens)) if found else "", n)


def test_the_longest_beginning_is_found() -> None:
    parked = Parked(100)
    keep(parked, "the sea")
    keep(parked, "the sun")
    assert find(parked, "the sunset") == ("the sun", 7)
    assert find(parked, "the sea is") == ("the sea", 7)
    assert find(parked, "a sea") == ("", 0)


def test_what_acted_on_a_token_counts() -> None:
    parked = Parked(100)
    keep(parked, "the sea", "calm=1")
    assert find(parked, "the sea") == ("", 0)
    assert same_beginning([1, 2, 3], ["a", "a", "b"], [1, 2, 3], ["a", "a", "c"]) == 2


def test_the_oldest_goes_when_the_budget_is_spent() -> None:
    parked = Parked(25)
    for text in ("one", "two", "three"):
        keep(parked, text)
    assert find(parked, "one") == ("", 0)
    assert find(parked, "two") == ("two", 3)


def test_a_beginning_of_another_needs_no_place() -> None:
    parked = Parked(20)
    keep(parked, "other")
    keep(parked, "the")
    keep(parked, "the sea")
    assert find(parked, "other") == ("other", 5)
    assert find(parked, "the") == ("the sea", 3)


def test_one_that_is_taken_is_gone() -> None:
    parked = Parked(20)
    keep(parked, "the sea")
    found, _ = parked.best([ord("t")], ["p"], 1)
    assert found is not None
    parked.drop(found)
    assert find(parked, "the") == ("", 0)


def test_no_more_is_given_than_is_wanted() -> None:
    parked = Parked(20)
    keep(parked, "the sea")
    assert parked.best([ord(t) for t in "the sea"], ["p"] * 7, 4)[1] == 4


def test_what_can_not_be_cut_serves_as_a_whole() -> None:
    parked = Parked(100, cuttable=False)
    keep(parked, "the")
    keep(parked, "the sea")
    assert find(parked, "the sun") == ("the", 3)
    assert find(parked, "the sea is") == ("the sea", 7)
