"""The steering grammar: text <-> value <-> dict, each way and back, and errors with cures."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgesteer.errors import InputError, LayerError, SteeringError
from edgesteer.layers import LayerRange
from edgesteer.names import did_you_mean
from edgesteer.steering import Steering
from edgesteer.steering_text import check_number, format_number, parse_number
from edgesteer.terms import Gate, Term

from .strategies import NUMBERS, terms


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("calm", Term("calm")),
        ("calm=1.2", Term("calm", 1.2)),
        ("calm=-.5", Term("calm", -0.5)),
        ("calm=+1e-3", Term("calm", 0.001)),
        ("calm=1.2@8-16", Term("calm", 1.2, LayerRange.parse("8-16"))),
        ("calm@40%-80%", Term("calm", 1.0, LayerRange.parse("40%-80%"))),
        ("calm=2@8,10,12-14", Term("calm", 2.0, LayerRange.of([8, 10, 12, 13, 14]))),
        ("calm=1@all", Term("calm", 1.0, LayerRange.parse("all"))),
        ("calm=1@recommended", Term("calm", 1.0)),
        ("add:calm=2", Term("calm", 2.0)),
        ("ablate:refusal=1", Term("refusal", 1.0, operation="ablate")),
        ("clamp:calm=2@12", Term("calm", 2.0, LayerRange.of([12]), "clamp")),
        ("keepnorm:calm", Term("calm", operation="keepnorm")),
        ("rotate:happy=30?toward=sad", Term("happy", 30.0, operation="rotate", toward="sad")),
        ("refuse=1?if=harmful>0.3", Term("refuse", gate=Gate("harmful", 0.3))),
        (
            "refuse?if=harmful<-2@5&scope=mean",
            Term("refuse", gate=Gate("harmful", -2.0, 5, above=False, scope="mean")),
        ),
        (
            "refuse?if=harmful>0.5&scope=token&unit=raw&close=0.25&hold=8",
            Term(
                "refuse",
                gate=Gate("harmful", 0.5, None, True, "token", "raw", close=0.25, hold=8),
            ),
        ),
        ("calm?on=last:4&decay=64&after=8", Term("calm", positions="last:4", decay=64, after=8)),
        ("calm?on=0-15", Term("calm", positions="0-15")),
        ("calm?on=generated", Term("calm", positions="generated")),
        (r"C:\x\calm.gguf=1", Term(r"C:\x\calm.gguf")),
        ("./polite.gguf=1", Term("./polite.gguf")),
        ("hf://who/what/calm.gguf=-1", Term("hf://who/what/calm.gguf", -1.0)),
        ('"my calm"=1.2@3', Term("my calm", 1.2, LayerRange.of([3]))),
        ('"ablate:x"', Term("ablate:x")),
        ('clamp:"a ""b"" c"=1', Term('a "b" c', operation="clamp")),
        ('x?if="a > b&c">1@2', Term("x", gate=Gate("a > b&c", 1.0, 2))),
        ('rotate:x=1?toward="y z"&after=2', Term("x", operation="rotate", toward="y z", after=2)),
        ("größe=2", Term("größe", 2.0)),
    ],
)
def test_one_term(text: str, term: Term) -> None:
    found = Steering.parse(text)
    assert found.terms == (term,)
    assert Steering.parse(str(found)) == found


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        ("  ", ""),
        ("calm", "calm=1"),
        (" calm=1.20@8-16\n\tformal=-0.5 ", "calm=1.2@8-16 formal=-0.5"),
        ("calm=-0", "calm=0"),
        ("calm=1e400", None),
        ("add:calm=2@recommended", "calm=2"),
        ("calm=100000000000000000000", "calm=1e+20"),
        ("calm=0.00001", "calm=1e-05"),
        ("calm?after=7&if=x>1&on=all", "calm=1?if=x>1&after=7"),
        ('"calm"', "calm=1"),
    ],
)
def test_canonical_text(text: str, canonical: str | None) -> None:
    if canonical is None:
        with pytest.raises(SteeringError):
            Steering.parse(text)
    else:
        assert str(Steering.parse(text)) == canonical


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("calm=", "strength of calm"),
        ("calm=abc", "strength of calm"),
        ("calm=nan", "finite"),
        ("calm=inf", "finite"),
        ("calm=1_0", "finite"),
        ("calm=٣", "finite"),
        ("calm=1,", "finite"),
        ("calm = 1", "can not start with '='"),
        ("=1", "can not start with '=1'"),
        ('"calm', "not closed"),
        ("calm=1?if=" + '"' * 2001, "not closed"),  # in as many ways as there are to pair them
        ('ca"lm', "not closed"),
        ('ca"l"m', "not a steering term"),
        ("calm=1=2", "strength"),
        ("@8", "not a steering term"),
        ("calm@8@9", "not a layer range"),
        ("calm@", "not a layer range"),
        ("calm@0-4", "layer 0"),
        ('""', "empty"),
        ("calm?", "not KEY=VALUE"),
        ("calm?on", "not KEY=VALUE"),
        ("calm?on=", "not KEY=VALUE"),
        ("calm?on=all&", "not KEY=VALUE"),
        ("calm?&on=all", "not KEY=VALUE"),
        ("calm?posision=all", "unknown key"),
        ("calm?on=all&on=all", "twice"),
        ("calm?on=last:0", "no token positions"),
        ("calm?on=last", "no token positions"),
        ("calm?on=15-0", "no token positions"),
        ("calm?decay=0", "1 or more"),
        ("calm?decay=1.5", "number of tokens"),
        ("calm?after=-1", "number of tokens"),
        ("calm?if=harmful", "not a gate"),
        ("calm?if=harmful>", "not a gate"),
        ("calm?if=harmful>x", "threshold"),
        ("calm?if=harmful>nan", "threshold"),
        ("calm?if=harmful>1@8-9", "one layer"),
        ("calm?if=harmful>1@0", "layer 0"),
        ("calm?if=harmful>1&scope=all", "no scope"),
        ("calm?scope=mean", "belongs to a gate"),
        ("calm?hold=3", "belongs to a gate"),
        ("calm?close=0.1", "belongs to a gate"),
        ("calm?if=x>1&hold=3", "reads the prompt once"),
        ("calm?if=x>1&scope=mean&close=0", "reads the prompt once"),
        ("calm?if=x>1&scope=token&close=2", "can not close at 2"),
        ("calm?if=x<1&scope=token&close=0.5", "can not close at 0.5"),
        ("calm?if=x>1&scope=token&hold=-1", "hold of calm"),
        ("calm?if=x>1&scope=token&close=much", "close of calm"),
        ("calm?if=x>1&unit=metres", "no unit"),
        ("calm?toward=x", "belongs to rotate"),
        ("rotate:calm=1", "second direction"),
        ("ablate:calm=2", "0 to 1"),
        ("ablate:calm=-1", "0 to 1"),
        ("x" * 70_000, "characters"),
    ],
)
def test_bad_text_is_refused_with_a_cure(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        Steering.parse(text)
    assert isinstance(caught.value, (SteeringError, LayerError)) or "name" in caught.value.message
    assert caught.value.hint


def test_near_words_are_suggested() -> None:
    with pytest.raises(SteeringError) as caught:
        Steering.parse("calm?decai=3")
    assert "decay" in caught.value.hint
    with pytest.raises(SteeringError) as caught:
        Term.from_dict({"vector": "calm", "strenght": 1})
    assert "strength" in caught.value.hint


@given(st.lists(terms(), max_size=4))
@example([])
def test_text_dict_and_value_are_one_thing(items: list[Term]) -> None:
    steering = Steering(tuple(items))
    assert Steering.parse(str(steering)) == steering
    plain = json.loads(json.dumps(steering.to_dict()))
    assert Steering.from_dict(plain) == steering
    assert str(Steering.from_dict(plain)) == str(steering)


@given(st.text(alphabet='ab :="@?&<>-,.%018\\\n٣é', max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        steering = Steering.parse(text)
    except InputError:
        return
    assert Steering.parse(str(steering)) == steering


@pytest.mark.parametrize("text", ['"' * 30_001, '"a' * 20_000, "a?" + "&" * 60_000, "?=" * 30_000])
def test_no_text_takes_long(text: str) -> None:
    with pytest.raises(InputError):
        Steering.parse(text)


@given(NUMBERS)
def test_numbers_come_back(value: float) -> None:
    assert parse_number(format_number(value), "it") == value == check_number(value, "it")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"calm": 1.2, "formal": -0.5}, "calm=1.2 formal=-0.5"),
        ({"calm": "1.2@8-16"}, "calm=1.2@8-16"),
        ({"calm": {"strength": 2, "layers": [8, 9]}}, "calm=2@8-9"),
        ({"vector": "calm", "strength": 2, "on": "prompt"}, "calm=2?on=prompt"),
        ({"vector": "calm", "layers": 8}, "calm=1@8"),
        ({"terms": [{"vector": "calm"}, {"vector": "x", "if": "y>1"}]}, "calm=1 x=1?if=y>1"),
        ({"terms": []}, ""),
        ({"vector": 1.0}, "vector=1"),
        ({"terms": 2}, "terms=2"),
        ({}, ""),
    ],
)
def test_dict_forms(data: dict[str, Any], text: str) -> None:
    assert str(Steering.from_dict(data)) == text


@pytest.mark.parametrize(
    "data",
    [
        {"calm": None},
        {"calm": "x"},
        {"calm": True},
        {"calm": [1]},
        {1: 1},
        {"": 1},
        {"terms": [1]},
        {"terms": ["calm"]},
        {"terms": [], "strength": 1},
        {"terms": [{"strength": 1}]},
        {"terms": [{"vector": "calm", "strength": "1"}]},
        {"terms": [{"vector": "calm", "strength": float("nan")}]},
        {"terms": [{"vector": "calm", "operation": "multiply"}]},
        {"terms": [{"vector": "calm", "operation": ["add"]}]},
        {"terms": [{"vector": "calm", "layers": 0}]},
        {"terms": [{"vector": "calm", "on": "prompt", "positions": "prompt"}]},
        {"terms": [{"vector": "calm", "positions": 3}]},
        {"terms": [{"vector": "calm", "decay": 1.5}]},
        {"terms": [{"vector": "calm", "decay": True}]},
        {"terms": [{"vector": "calm", "after": "3"}]},
        {"terms": [{"vector": "calm", "if": 3}]},
        {"terms": [{"vector": "calm", "if": "x>1", "scope": ["last"]}]},
        {"terms": [{"vector": "calm", "toward": 3, "operation": "rotate"}]},
        {"terms": [{"vector": ["calm"]}]},
        {"vector": "calm", "colour": "red"},
    ],
)
def test_bad_dicts_are_refused_with_a_cure(data: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        Steering.from_dict(data)
    assert caught.value.hint


def test_a_word_as_long_as_a_book_is_compared_with_nothing() -> None:
    """It takes seconds, in which a server answers nobody."""
    assert did_you_mean("x" * 1000 + "calm", ["x" * 1000 + "clam"])
    assert did_you_mean("x" * 2000 + "calm", ["x" * 2000 + "clam"]) == ""
