"""How errors look on a terminal."""

from __future__ import annotations

import pytest

from .conftest import Invoke


@pytest.mark.parametrize("verbosity", ["-q", "-v", "-vv"])
def test_a_hint_is_shown_once(invoke: Invoke, verbosity: str) -> None:
    shown = invoke("models", "show", "nope", verbosity).stderr
    assert shown.count("Hint: ") == 1
    assert ("Traceback" in shown) == (verbosity == "-vv")
