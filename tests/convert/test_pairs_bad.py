"""Contrast pairs: what bad files are told, with file, line and a cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from convert.pairs import ContrastPairs, Pair, Side
from convert.pairs_jsonl import parse as parse_jsonl
from convert.pairs_toml import parse as parse_toml
from edgesteer.errors import PairsError

from .pair_texts import INLINE, TRAIT

GOOD = '{"positive": "Yes", "negative": "No"}'

BAD_JSONL = {
    "nothing": ("", "no contrast pairs", "one a line"),
    "blank": ("\n \n", "no contrast pairs", "one a line"),
    "one pair": (GOOD, "1 contrast pair", "20 or more"),
    "not json": (f"{GOOD}\nhello", "f.jsonl, line 2: not JSON", "one object a line"),
    "cut short": (f'{GOOD}\n{{"positive": "a', "line 2: not JSON", "one object a line"),
    "a list around": (f"[\n{GOOD},\n{GOOD}\n]", "line 1: not JSON", "no list around"),
    "a list": (f"{GOOD}\n[1, 2]", "line 2: not a JSON object", "one object a line"),
    "a csv": ("positive,negative\nYes,No", "line 1: not JSON", "one object a line"),
    "too deep": ("[" * 100_000, "line 1: not JSON", "one object a line"),
    "huge number": (f'{{"positive": {"9" * 5000}}}', "line 1", "one object a line"),
    "no negative": (f'{GOOD}\n\n{{"positive": "x"}}', "line 3: no 'negative'", "both sides"),
    "no positive": (f'{GOOD}\n{{"negative": "x"}}', "line 2: no 'positive'", "both sides"),
    "typo": (
        f'{GOOD}\n{{"postive": "x", "negative": "y"}}',
        "line 2: unknown key 'postive'",
        "Did you mean positive?",
    ),
    "other names": (
        '{"prompt": "q", "chosen": "x", "rejected": "y"}',
        "line 1: unknown key 'chosen'",
        "'positive'",
    ),
    "unknown": (f'{GOOD}\n{{"zzz": "x"}}', "unknown key 'zzz'", "the keys are positive"),
    "not a text": (f'{GOOD}\n{{"positive": 3, "negative": "y"}}', "'positive' is not a", "quotes"),
    "null": (f'{GOOD}\n{{"positive": null, "negative": "y"}}', "'positive' is not a", "quotes"),
    "half a character": (
        f'{GOOD}\n{{"positive": "\\ud800", "negative": "y"}}',
        "line 2: 'positive' holds half",
        "UTF-8",
    ),
    "empty": (f'{GOOD}\n{{"positive": " ", "negative": "y"}}', "line 2: 'positive' is", "both"),
    "same": (f'{GOOD}\n{{"positive": "x", "negative": "x "}}', "line 2: positive and", "differ"),
    "repeated": (
        f'{GOOD}\n{{"positive": "a", "negative": "b"}}\n{GOOD}',
        "line 3: the same pair as line 1",
        "delete",
    ),
    "swapped": (
        f'{GOOD}\n{{"positive": "No", "negative": "Yes"}}',
        "line 2: the sides of line 1",
        "mixed up",
    ),
    "key twice": (f'{GOOD}\n{{"positive": "x", "positive": "y"}}', "line 2: a key occurs", "once"),
    "both prompts": (
        '{"prompt": "q", "user": "q", "positive": "x", "negative": "y"}',
        "both 'prompt' and 'user'",
        "keep one",
    ),
    "system alone": (
        '{"system": "s", "positive": "x", "negative": "y"}',
        "'system' without 'prompt'",
        "user asks",
    ),
    "empty prompt": (
        f'{{"prompt": " ", "positive": "x", "negative": "y"}}\n{GOOD}',
        "line 1: the user prompt is empty",
        "what the user says",
    ),
    "mixed": (
        f'{{"prompt": "q", "positive": "x", "negative": "y"}}\n{GOOD}',
        "line 2: plain texts and answers",
        "every pair",
    ),
}


@pytest.mark.parametrize(("text", "message", "hint"), BAD_JSONL.values(), ids=BAD_JSONL.keys())
def test_bad_jsonl_is_told_with_its_line(text: str, message: str, hint: str) -> None:
    with pytest.raises(PairsError) as caught:
        parse_jsonl(text, source="f.jsonl")
    assert message in caught.value.message
    assert "f.jsonl" in caught.value.message
    assert hint in caught.value.hint


STEM = '\n[[stems]]\nuser = "x"\n'
BAD_TOML = {
    "not toml": ("name = calm", "not TOML", "quotes"),
    "too deep": ("x = " + "[" * 100_000, "not TOML", "quotes"),
    "huge whole number": ("x = " + "9" * 5000, "not TOML", "quotes"),
    "nothing": ("", "0 contrast pair", "20 or more"),
    "newer": (TRAIT.replace("format = 1", "format = 2"), "format is 2", "format = 1"),
    "template": (TRAIT.replace('"persona"', '"poem"'), "unknown template 'poem'", "persona"),
    "top key": (f"persona = 3\n{TRAIT}", "unknown key 'persona'", "the keys are format"),
    "near key": (f"positve = []\n{TRAIT}", "unknown key 'positve'", "Did you mean positive"),
    "stem key": (
        TRAIT.replace('answer = "I think"', 'anwser = "I think"'),
        "f.toml, [[stems]] 3 (line 19): unknown key 'anwser'",
        "Did you mean answer",
    ),
    "inline stem": (
        INLINE.replace('{ user = "It rains." }', '{ answer = "Well" }'),
        "[[stems]] 2 (line 6): 'user' is missing",
        'user = "..."',
    ),
    "heldout key": (TRAIT + "\n[heldout.stem]\n", "[heldout]: unknown key 'stem'", "stems"),
    "heldout shape": ("heldout = 3", "'heldout' is not a table", "heldout.stems"),
    "stems shape": ("stems = 3", "stems is not a list of tables", "[[stems]]"),
    "not a text": (TRAIT.replace('"It rains."', "3"), "'user' is not a text", "user ="),
    "empty": (TRAIT.replace('"It rains."', '" "'), "'user' is empty", "user ="),
    "name": ("name = 3", "'name' is not a text", 'name = "..."'),
    "persona type": ('positive = "You are calm."', "'positive' is not a list", "positive = ["),
    "persona empty": (f'positive = [""]\nnegative = ["x"]{STEM}', "holds an empty", "delete"),
    "persona twice": (f'positive = ["a", "a"]\nnegative = ["x", "y"]{STEM}', "twice", "delete"),
    "persona count": (f'positive = ["a", "b"]\nnegative = ["x"]{STEM}', "2 positive", "one to one"),
    "persona same": (f'positive = ["a"]\nnegative = ["a "]{STEM}', "persona 1 is", "differ"),
    "no personas": (STEM, "stems but no personas", "positive ="),
    "no stems": ('positive = ["a"]\nnegative = ["b"]', "personas but no", "[[stems]]"),
    "repeated stem": (
        TRAIT.replace("It rains.", "The bus is late.").replace('answer = "Well,"', ""),
        "[[stems]] 2",
        "delete",
    ),
    "held out in training": (
        TRAIT.replace("The shop is closed.", "The bus is late.").replace('"So"', '"Well,"'),
        "[[heldout.stems]] 1",
        "delete",
    ),
    "one-sided pair": (
        '[[pairs]]\nuser = "q"\npositive = "x"',
        "'negative' is missing",
        "negative",
    ),
    "system alone": (
        '[[pairs]]\nsystem = "s"\npositive = "x"\nnegative = "y"',
        "'system' without 'user'",
        "user asks",
    ),
    "mixed": (
        TRAIT.replace("[heldout]", '[[pairs]]\npositive = "x"\nnegative = "y"\n[heldout]'),
        "[[pairs]] 1 (line 23): plain texts and answers",
        "every pair",
    ),
}


@pytest.mark.parametrize(("text", "message", "hint"), BAD_TOML.values(), ids=BAD_TOML.keys())
def test_bad_toml_is_told_with_its_table(text: str, message: str, hint: str) -> None:
    with pytest.raises(PairsError) as caught:
        parse_toml(text, source="f.toml")
    assert message in caught.value.message
    assert "f.toml" in caught.value.message
    assert hint in caught.value.hint


def test_a_file_that_is_not_utf8_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "latin.jsonl"
    file.write_bytes(f"{GOOD}\n".encode() + b'{"positive": "gr\xfcn", "negative": "rot"}')
    with pytest.raises(PairsError, match=r"latin\.jsonl, line 2: not UTF-8"):
        ContrastPairs.load(file)


def test_another_kind_of_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text("positive,negative")
    with pytest.raises(PairsError, match=r"read from \.jsonl and \.toml"):
        ContrastPairs.load(file)


def test_pairs_made_in_python_are_checked_alike() -> None:
    with pytest.raises(PairsError, match="pair 2: negative is empty"):
        ContrastPairs.of([("a", "b"), ("c", " ")])
    with pytest.raises(PairsError, match="positive and negative are the same"):
        ContrastPairs("x", (Pair(Side("a"), Side("a")), Pair(Side("c"), Side("d"))))
    with pytest.raises(PairsError, match="0 contrast pair"):
        ContrastPairs.of([("a", "b"), ("c", "d")]).limited(0)
