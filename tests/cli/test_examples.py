"""The examples in the docstrings of the command line, of recipes and of the fake model run."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "module",
    [
        "edgesteer.recipe",
        "edgesteer.engine.fake",
        "edgesteer.cli._show",
        "edgesteer.cli.chat.wrap",
    ],
)
def test_examples_run(module: str) -> None:
    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted > 0
    assert result.failed == 0
