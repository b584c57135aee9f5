"""What files say does not reach the terminal as it is: no control characters, no lines made up."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from edgesteer import ControlVector, EdgesteerError, Library, ModelIdentity, Recipe
from edgesteer.cli import _open, _show
from edgesteer.cli._group import show_error
from edgesteer.engine.fake import FakeModel

from .conftest import Invoke

SLY = "sly\x07\x9b2J\r"
SHOWN = "sly\ufffd\ufffd2J\ufffd"


def test_vectors(library: Library, invoke: Invoke) -> None:
    identity = ModelIdentity("llama", 4, 1, f"{SLY}\nforged")
    vector = ControlVector({1: [1.0]}, identity, name="sly", meta={"about": SLY, SLY: "x"})
    library.save_vector(vector, "sly")
    for told in (invoke("vectors", "list").stdout, invoke("vectors", "show", "sly").stdout):
        assert f"{SHOWN}\ufffdforged" in told
        assert not set(told) & set("\x07\x9b\r")


def test_models(invoke: Invoke, tiny_file: Path) -> None:
    sly = tiny_file.rename(tiny_file.with_name("sly\x07.gguf"))
    assert "sly\ufffd.gguf" in invoke("models", "show", str(sly)).stdout


def test_notes_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    _show.note(SLY)
    show_error(EdgesteerError(SLY, SLY))
    assert capsys.readouterr().err == f"{SHOWN}\nError: {SHOWN}\nHint: {SHOWN}\n"


@pytest.mark.parametrize(("terminal", "told"), [(True, SHOWN), (False, SLY)])
def test_data_is_only_changed_for_a_terminal(
    terminal: bool,
    told: str,
    library: Library,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from edgesteer.cli import cli

    def open_fake(
        name: str, options: Mapping[str, Any], library: Library, **_: object
    ) -> FakeModel:
        return FakeModel(name, answer=lambda *_: SLY, library=library)

    monkeypatch.setattr(_open, "open_model", open_fake)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    library.save_recipe(Recipe("nurse", system="sly\x9b"))
    for args in (["run", "-q", "hi"], ["recipes", "show", "nurse"]):
        cli.main(args, standalone_mode=False)
    out = capsys.readouterr().out
    assert out.startswith(f"{told}\n")
    assert ("sly\x9b" in out, "sly\ufffd" in out.partition("\n")[2]) == (not terminal, terminal)
