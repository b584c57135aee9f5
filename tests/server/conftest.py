"""What the tests of the server share: a library with vectors, and servers of the tiny model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgesteer import ControlVector, Library
from edgesteer.calibration import Calibration
from edgesteer.identity import read_model_identity

from ..tiny import write_model
from .running import Running

# What a file may say of itself, and what a sweep writes.
ODD = {"quality": {"layers": "x", "agreement": 3}, "sweep": {"singles": {"1": 0.5}}}
Serve = Callable[..., Running]


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with the model `tiny` and the vectors `calm` (calibrated) and `formal`."""
    home = tmp_path_factory.mktemp("served")
    library = Library(home)
    path = write_model(home / "tiny.gguf")
    library.add_model(path, "tiny")
    identity = read_model_identity(path)
    rng = np.random.default_rng(0)
    for name in ("calm", "formal"):
        vector = ControlVector(
            {layer: rng.standard_normal(64) * 0.7 for layer in (1, 2, 3)},
            identity,
            name=name,
            recommended="2-3",
            calibration=Calibration(-1.5, 1.5) if name == "calm" else None,
            meta={"description": f"{name} or not", "positive": name, "negative": "other"},
        )
        library.save_vector(vector, name)
    stranger = ControlVector({1: np.ones(8)}, name="stranger")
    library.save_vector(stranger, "stranger")
    odd = ControlVector({1: np.ones(64)}, name="odd", recommended="7-9", meta=ODD)
    library.save_vector(odd, "odd")
    return home


@pytest.fixture(scope="session")
def server(shelf: Path) -> Iterator[Running]:
    """A server of the tiny model that many tests share; none leaves it changed."""
    running = Running(shelf, "tiny", "--ctx", "2048")
    yield running
    code, said = running.stop()
    assert code == 0, said
    assert "Traceback" not in said


@pytest.fixture
def serve(shelf: Path) -> Iterator[Serve]:
    """Starts a server with options of its own; stops it after the test."""
    started: list[Running] = []

    def start(*options: str, model: str = "tiny", **more: Any) -> Running:
        started.append(Running(shelf, model, "--ctx", "2048", *options, **more))
        return started[-1]

    yield start
    for running in started:
        code, said = running.stop()
        assert code == 0, said
        assert "Traceback" not in said
