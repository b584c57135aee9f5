"""Steering by a built-in trait that the library lacks: it is made, kept and used, and said so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from edgesteer import ControlVector, Library

from .conftest import IDENTITY, Invoke

Opened = list[tuple[str, Mapping[str, Any]]]


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody presses Ctrl-C while the vector is calibrated."""

    def interrupt(*_: Any, **__: Any) -> ControlVector:
        raise KeyboardInterrupt

    monkeypatch.setattr("edgesteer.measure.calibrate.calibrate", interrupt)


@pytest.mark.parametrize("command", [["run"], ["compare", "--json"]])
def test_a_command_makes_what_is_missing_once(
    command: list[str],
    opened: Opened,
    calibrated: list[ControlVector],
    library: Library,
    invoke: Invoke,
) -> None:
    first = invoke(*command, "-m", "qwen", "-s", "calm=1", "Rain?")
    assert first.exit_code == 0
    assert "You said: Rain? [calm=1]" in first.stdout
    assert "qwen has no vector calm yet: making it, once (--no-make refuses)" in first.stderr
    assert f"kept {library.vectors_folder / 'calm.gguf'}" in first.stderr
    assert library.load_vector("calm", IDENTITY).calibration is not None
    second = invoke(*command, "-m", "qwen", "-s", "calm=1", "Rain?")
    assert second.exit_code == 0
    assert "making" not in second.stderr
    assert len(calibrated) == 1


def test_no_make_refuses(opened: Opened, library: Library, invoke: Invoke) -> None:
    result = invoke("run", "-m", "qwen", "-s", "calm=1", "--no-make", "Rain?")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Hint: edgesteer extract calm -m qwen\n" in result.stderr
    assert library.vector_names() == []


def test_a_mistyped_name_makes_nothing(
    opened: Opened, calibrated: list[ControlVector], library: Library, invoke: Invoke
) -> None:
    result = invoke("run", "-s", "calm=1 formale=1", "Rain?")
    assert result.exit_code == 1
    assert "Did you mean formal?" in result.stderr
    assert library.vector_names() == []


def test_an_interruption_keeps_nothing(
    opened: Opened, interrupted: None, library: Library, invoke: Invoke
) -> None:
    result = invoke("run", "-s", "calm=1", "Rain?")
    assert (result.exit_code, result.stdout) == (130, "")
    assert (
        "Cancelled: the vector calm was not finished, and nothing of it was kept" in result.stderr
    )
    assert library.vector_names() == []


@pytest.mark.chat
def test_a_chat_makes_it_when_it_is_turned_on(
    opened: Opened, calibrated: list[ControlVector], library: Library, invoke: Invoke
) -> None:
    result = invoke("chat", input="/steer calm +0.5\nRain?\n")
    assert result.exit_code == 0
    assert "making it" in result.stderr
    assert "You said: Rain? [calm=0.5]" in result.stdout
    assert library.vector_names() == ["calm"]


@pytest.mark.chat
def test_a_chat_goes_on_after_an_interruption(
    opened: Opened, interrupted: None, library: Library, invoke: Invoke
) -> None:
    result = invoke("chat", input="/steer calm +0.5\nRain?\n")
    assert "the vector calm was not finished" in result.stderr
    assert "You said: Rain?\n" in result.stdout
    assert library.vector_names() == []


@pytest.mark.chat
def test_a_chat_that_may_not_make_says_what_to_do(
    opened: Opened, library: Library, invoke: Invoke
) -> None:
    result = invoke("chat", "--no-make", input="/steer calm +0.5\n")
    assert "edgesteer extract calm" in result.stderr
    assert library.vector_names() == []
