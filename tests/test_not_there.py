"""What a person meant who named a vector that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgesteer import Library, NotFoundError, SteeringError
from edgesteer.not_there import vector_not_there
from edgesteer.steering import as_steering

KNOWN, TRAITS = ["calm", "run-1"], ["happy"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("calm-0.5", "= stands before a strength: calm=-0.5"),
        ("calm+0.5", "= stands before a strength: calm=0.5"),
        ("happy*2", "= stands before a strength: happy=2"),
        ("calm:-1", "= stands before a strength: calm=-1"),
        ("run-2", "Did you mean run-1? edgesteer vectors list shows what there is"),
        ("1", "a strength stands after =, without blanks: calm=1"),
        ("clmp:calm", "Did you mean clamp?"),
        ("frob:calm", "before a : stands add, ablate, clamp, rotate, keepnorm"),
        ("happy", "edgesteer extract happy -m MODEL"),
        ("./gone.gguf", "check the path"),
        ("mine.jsonl", "edgesteer extract mine.jsonl makes a vector of it"),
        ("a/b.toml", "edgesteer extract a/b.toml makes a vector of it; a recipe is given with -r"),
        ("x.npz", "edgesteer vectors import x.npz -m MODEL makes a vector of it"),
        ("X.SafeTensors", "edgesteer vectors import X.SafeTensors -m MODEL makes a vector of it"),
        ("calm,happy", "terms are separated by blanks: calm happy"),
        ("run-1:8-16", "@ stands before layers: run-1@8-16"),
        ("clamp:calm", "a name alone is wanted here: calm"),
        ("a b.npz", "edgesteer vectors import 'a b.npz' -m MODEL makes a vector of it"),
        ("pirate", "edgesteer vectors list shows what there is"),
    ],
)
def test_the_hint_is_what_was_meant(name: str, hint: str) -> None:
    assert vector_not_there(name, KNOWN, TRAITS).hint == hint


def test_an_empty_library_says_how_to_begin() -> None:
    assert (
        vector_not_there("pirate", [], TRAITS).hint == "edgesteer extract happy -m MODEL makes one"
    )


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("calm=1, happy=2", "terms are separated by blanks: calm=1 happy=0.5"),
        ("calm=1,5,happy=2", "terms are separated by blanks: calm=1 happy=0.5"),
        ("calm=1,000", "write 1.2 or -0.5"),
        ("calm=high,er", "write 1.2 or -0.5"),
        ("calm=1,happy=1", "terms are separated by blanks: calm=1 happy=0.5"),
        ("calm=1;happy", "terms are separated by blanks: calm=1 happy=0.5"),
        ("calm=1,5", "write 1.5"),
        ("calm=high", "write 1.2 or -0.5"),
    ],
)
def test_commas_are_told_from_decimal_commas(text: str, hint: str) -> None:
    with pytest.raises(SteeringError) as caught:
        as_steering(text)
    assert caught.value.hint == hint


def test_a_near_name_that_ends_in_a_number_comes_first() -> None:
    hint = vector_not_there("calm-3", ["calm", "calm-2"], ()).hint
    assert hint == "Did you mean calm-2? = stands before a strength: calm=-3"


def test_a_file_that_is_not_there_is_not_called_one_of_pairs(tmp_path: Path) -> None:
    library = Library(tmp_path)
    with pytest.raises(NotFoundError, match="there is no file"):
        library.find_vector(str(tmp_path / "gone.jsonl"))
    (tmp_path / "here.jsonl").write_text("{}", encoding="utf-8")
    with pytest.raises(NotFoundError, match="one of contrast pairs"):
        library.find_vector(str(tmp_path / "here.jsonl"))
