"""What the tests of the command line share: a fake model, two vectors, transcripts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edgesteer import ControlVector, Library, Model, ModelIdentity
from edgesteer.calibration import Calibration
from edgesteer.cli import _open, cli
from edgesteer.engine.fake import FakeModel

from ..tiny import write_model

IDENTITY = ModelIdentity("llama", 4, 8, "fake")
Invoke = Callable[..., Result]


@pytest.fixture(autouse=True)
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    """An empty library in a folder of its own, on a machine without any model."""
    monkeypatch.setenv("EDGESTEER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE", "LLAMA_CACHE", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("OLLAMA_MODELS", raising=False)
    monkeypatch.setattr("edgesteer.library_models.bundled_models", lambda: ())
    monkeypatch.setattr("edgesteer.model_places.bundled_models", lambda: ())
    return Library()


@pytest.fixture
def vectors(library: Library) -> Library:
    """The library with `calm` (calibrated) and `formal`, which fit the fake model."""
    calm = ControlVector(
        {1: [1.0] * 8, 2: [2.0] * 8, 3: [4.0] * 8},
        IDENTITY,
        name="calm",
        recommended="2-3",
        calibration=Calibration(-1.5, 2.0, {"budget": 1.0}),
        meta={"method": "mean-difference"},
    )
    library.save_vector(calm, "calm")
    library.save_vector(ControlVector({2: [0.5] * 8}, IDENTITY, name="formal"), "formal")
    return library


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Mapping[str, Any]]]:
    """Makes every command open a fake model; what was asked for is in the list."""
    asked: list[tuple[str, Mapping[str, Any]]] = []

    def open_fake(
        name: str, options: Mapping[str, Any], library: Library, **_: object
    ) -> FakeModel:
        asked.append((name, options))
        return FakeModel(name, identity=IDENTITY, library=library)

    monkeypatch.setattr(_open, "open_model", open_fake)
    return asked


@pytest.fixture
def calibrated(monkeypatch: pytest.MonkeyPatch) -> list[ControlVector]:
    """Replaces the calibration, which takes a language model, by a doubling."""
    seen: list[ControlVector] = []

    def calibrate(_model: Model, vector: ControlVector, *, progress: Any = None) -> ControlVector:
        seen.append(vector)
        progress(1, 2, "calibrating")
        return vector.scaled(2.0).with_(calibration=Calibration(-1, 2))

    monkeypatch.setattr("edgesteer.measure.calibrate.calibrate", calibrate)
    return seen


@pytest.fixture
def invoke() -> Invoke:
    """Runs a command line as a shell would: invoke("vectors", "list")."""

    def run(*args: str, **how: Any) -> Result:
        return CliRunner().invoke(cli, args, prog_name="edgesteer", catch_exceptions=False, **how)

    return run


@pytest.fixture
def transcript(invoke: Invoke, tmp_path: Path) -> Callable[..., str]:
    """Runs a command line and tells it as a page: command, stdout, stderr, exit code."""

    def tell(*args: str, **how: Any) -> str:
        result = invoke(*args, **how)
        page = f"$ edgesteer {' '.join(args)}\n{result.stdout}"
        if result.stderr:
            page += "".join(f"2> {line}\n" for line in result.stderr.splitlines())
        page = f"{page}[exit {result.exit_code}]\n".replace(str(tmp_path), "TMP")
        return re.sub(r"weights [0-9a-f]{12}", "weights ID", page)

    return tell


@pytest.fixture
def tiny_file(tmp_path: Path) -> Iterator[Path]:
    """A model file whose header says llama, 4 layers, width 8."""
    return write_model(tmp_path / "tiny.gguf", n_embd=8, n_head=2)
