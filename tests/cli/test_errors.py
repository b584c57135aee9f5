"""How errors look on a terminal."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgesteer import Library

from .conftest import Invoke


@pytest.mark.parametrize("verbosity", ["-q", "-v", "-vv"])
def test_a_hint_is_shown_once(invoke: Invoke, verbosity: str) -> None:
    shown = invoke("models", "show", "nope", verbosity).stderr
    assert shown.count("Hint: ") == 1
    assert ("Traceback" in shown) == (verbosity == "-vv")


@pytest.mark.parametrize(
    ("term", "told"),
    [
        ("calm=1?foo=3", "unknown key 'foo'"),
        ("calm=1?dekay=3", "Did you mean decay?"),
        ("abblate:calm=1", "Did you mean ablate?"),
        ("calm:1", "calm=1"),
    ],
)
def test_mistyped_terms(invoke: Invoke, vectors: Library, term: str, told: str) -> None:
    result = invoke("recipes", "save", "x", "-s", term)
    assert result.exit_code == 1
    assert told in result.stderr


def test_a_recipe_names_vectors_that_are_there(invoke: Invoke, vectors: Library) -> None:
    refused = invoke("recipes", "save", "ok", "-s", "clam=1")
    assert refused.exit_code == 1
    assert "Did you mean calm?" in refused.stderr
    assert "--force" in refused.stderr
    assert vectors.recipe_names() == []
    assert invoke("recipes", "save", "ok", "-s", "clam=1", "--force").exit_code == 0


def test_a_home_that_is_a_file(invoke: Invoke, library: Library) -> None:
    library.home.write_text("")
    result = invoke("recipes", "save", "x", "--system", "Be brief.")
    assert result.exit_code == 1
    assert "set EDGESTEER_HOME" in result.stderr


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_can_not_be_written(invoke: Invoke, library: Library, tiny_file: Path) -> None:
    library.home.mkdir(mode=0o500)
    for command in (("extract", "calm"), ("models", "add", str(tiny_file))):
        result = invoke(*command)
        assert result.exit_code == 1
        assert "EDGESTEER_HOME" in result.stderr
