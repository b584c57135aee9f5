"""Confounds: what tells the sides apart besides the trait is found, and none is seen in noise."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest

from convert.confounds import auroc, examine
from convert.pairs import ContrastPairs, Pair, Side
from convert.pairs_toml import parse as parse_toml

from .pair_texts import TRAIT

WORDS = [f"{a}{b}" for a in "bdfgklmnprst" for b in ("ado", "emi", "iru", "ola", "upe")]


def words(seed: int, n: int = 6) -> str:
    return " ".join(random.Random(seed).sample(WORDS, n))


def pairs_of(texts: list[tuple[str, str]]) -> ContrastPairs:
    return ContrastPairs.of(texts)


def noise(n: int = 40) -> list[tuple[str, str]]:
    return [(words(2 * i), words(2 * i + 1)) for i in range(n)]


def test_noise_is_not_called_a_confound() -> None:
    found = examine(pairs_of(noise()))
    assert abs(found.word_auroc - 0.5) < 0.2
    assert abs(found.bag_auroc - 0.5) < 0.25
    assert (found.near, found.option, found.warnings) == ((), "", ())


def test_one_word_that_gives_the_side_away_is_named() -> None:
    found = examine(pairs_of([(f"{a} Arr!", b) for a, b in noise()]))
    assert (found.word, found.word_auroc) == ("arr", 1.0)
    assert "the word 'arr' alone tells the sides apart (AUROC 1.00" in found.warnings[0]
    reverse = examine(pairs_of([(a, f"{b} Arr!") for a, b in noise()]))
    assert (reverse.word, reverse.word_auroc) == ("arr", 1.0)


def test_many_words_together_are_found_by_the_bag() -> None:
    """Each side has ten words of its own and uses two of them: no single word tells much."""
    texts = []
    for i in range(60):
        draw = random.Random(i)
        ours, theirs = (draw.sample([f"{side}{k}" for k in range(10)], 2) for side in "xy")
        texts.append((f"{words(i)} {' '.join(ours)}", f"{words(i)} {' '.join(theirs)}"))
    found = examine(pairs_of(texts))
    assert found.bag_auroc > 0.9
    assert found.word_auroc < 0.7


def test_a_word_is_judged_on_texts_that_it_was_not_chosen_on() -> None:
    texts = [(f"{words(i)} only{i}", words(i)) for i in range(40)]
    assert examine(pairs_of(texts)).word_auroc == pytest.approx(0.5, abs=0.05)


def test_held_out_pairs_are_judged_on_when_there_are_enough() -> None:
    train = pairs_of([(f"{a} Arr!", b) for a, b in noise()])
    fresh = pairs_of([(words(900 + i), words(700 + i)) for i in range(10)]).pairs
    assert examine(replace(train, heldout=fresh)).word_auroc == pytest.approx(0.5, abs=0.05)
    assert examine(replace(train, heldout=fresh[:4])).word_auroc == 1.0


def test_lengths_are_compared() -> None:
    found = examine(pairs_of(noise()), ([9] * 40, [4, 5, 6, 7] * 10))
    assert found.length_auroc == 1.0
    assert "positive texts are longer (AUROC 1.00)" in found.warnings[0]
    assert "shorter" in examine(pairs_of(noise()), ([1, 2], [3, 4])).warnings[0]


def options(positives: list[str]) -> ContrastPairs:
    other = {"(A)": "(B)", "(B)": "(A)", "Yes": "No", "No": "Yes"}
    pairs = [
        Pair(Side(answer, f"{words(i)}?"), Side(other[answer], f"{words(i)}?"), i, f"line {i}")
        for i, answer in enumerate(positives)
    ]
    return ContrastPairs("options", tuple(pairs))


def test_an_option_that_is_always_positive_is_told() -> None:
    found = examine(options(["(A)"] * 18 + ["(B)"] * 2))
    assert (found.option, found.option_share) == ("a", pytest.approx(0.8))
    assert "the answer 'a' stands on the positive side 80 % more often" in found.warnings[0]
    assert not any("the word" in warning for warning in found.warnings)
    yes = examine(options(["Yes"] * 16))
    assert (yes.option, yes.option_share) == ("yes", 1.0)


def test_options_in_balance_are_fine() -> None:
    assert examine(options(["(A)", "(B)"] * 10)).warnings == ()


def test_near_duplicates_are_named_by_place() -> None:
    texts = noise(12)
    texts[7] = (texts[2][0].upper() + "!", texts[2][1] + ".")
    found = examine(pairs_of(texts))
    assert found.near == (("pair 3", "pair 8"),)
    assert "1 near-duplicate pair(s) (pair 3 and pair 8)" in found.warnings[0]


def test_stems_that_meet_several_personas_are_no_duplicates() -> None:
    found = examine(parse_toml(TRAIT))
    assert (found.near, found.word, found.warnings) == ((), "", ())


def test_figures_are_plain_data() -> None:
    found = examine(pairs_of(noise()), ([3] * 40, [3] * 40))
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()


def test_an_auroc_is_the_share_of_higher_positives() -> None:
    assert auroc([1, 2], [3, 4]) == 0.0
    assert auroc([3], [1, 3]) == 0.75


def test_texts_without_words_are_compared_all_the_same() -> None:
    pairs = ContrastPairs.of([("!" * n, "?" * n) for n in range(1, 11)])
    assert examine(pairs).word_auroc == 0.5


def test_a_sign_that_ends_one_side_is_told() -> None:
    """At the last token, nothing else may be read."""
    texts = [f"{what} is late {n}" for n in range(4) for what in ("a bus", "tea", "the post")]
    lively = examine(ContrastPairs.of([(f"{text}!", f"{text}.") for text in texts]))
    assert (lively.ending, lively.ending_share) == ("!", 1.0)
    assert "'!' ends positive texts 100 % more often" in lively.warnings[-1]
    alike = examine(ContrastPairs.of([(f"arr {text}!", f"{text}!") for text in texts]))
    assert not any("ends" in warning for warning in alike.warnings)
