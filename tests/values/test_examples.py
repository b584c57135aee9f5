"""The examples in the docstrings of the values run, and there are some."""

from __future__ import annotations

import doctest
from importlib import import_module

import pytest

MODULES = [
    "atomic", "calibration", "compose", "fit", "gguf_file", "gguf_header", "identity", "layers",
    "names", "plain", "sampling", "steering", "steering_text", "terms", "vector",
]  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    assert doctest.testmod(import_module(f"edgesteer.{name}")).failed == 0


def test_the_values_that_people_use_have_examples() -> None:
    for name in ("layers", "sampling", "steering", "terms", "vector"):
        assert doctest.testmod(import_module(f"edgesteer.{name}")).attempted, name
