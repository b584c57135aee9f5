"""Fixtures that several folders of tests share: tiny models, the bundled one, a home of their own.

Every test sees an empty library of its own session, never the one of the person who runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgesteer import Library, Model

from .tiny import write_model

OpenTiny = Callable[..., Model]
# One thread, since two of them wait for each other on a busy machine. A cache in F32, so that what
# else lies in it changes an answer's logits by 1e-5 and not by 1e-2.
EXACT: dict[str, Any] = {"threads": 1, "n_ctx": 2048, "kv_type": "f32"}


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The library's folder for this session."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGESTEER_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def tiny_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A llama model of 4 layers and width 64."""
    return write_model(tmp_path_factory.mktemp("models") / "tiny.gguf")


@pytest.fixture(scope="session")
def tiny_model(tiny_path: Path, home: Path) -> Iterator[Model]:
    """The tiny model, opened once; tests leave no job of theirs running in it."""
    with Model.open(tiny_path, library=Library(home), **EXACT) as model:
        yield model


@pytest.fixture
def open_tiny(tiny_path: Path, home: Path) -> Iterator[OpenTiny]:
    """Opens the tiny model, or another file, afresh with options; closes it after the test."""
    opened: list[Model] = []

    def open_(path: Path = tiny_path, **options: object) -> Model:
        given = {**EXACT, "library": Library(home), **options}
        opened.append(Model.open(path, **given))
        return opened[-1]

    yield open_
    for model in opened:
        model.close()


@pytest.fixture(scope="session")
def smollm2(home: Path) -> Iterator[Model]:
    """The bundled language model, for tests marked ``model``."""
    with Model.open("smollm2", n_ctx=4096, library=Library(home)) as model:
        yield model
