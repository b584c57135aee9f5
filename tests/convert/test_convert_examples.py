"""The examples in the docstrings of `convert` run and hold."""

from __future__ import annotations

import doctest
import pkgutil
from importlib import import_module

import pytest

import convert

MODULES = sorted(module.name for module in pkgutil.walk_packages(convert.__path__, "convert."))


@pytest.mark.parametrize("name", MODULES)
def test_examples_hold(name: str) -> None:
    assert doctest.testmod(import_module(name)).failed == 0


def test_there_are_examples() -> None:
    assert sum(doctest.testmod(import_module(name)).attempted for name in MODULES) > 10
