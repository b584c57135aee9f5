"""`edgesteer vectors ablation`: an adapter file, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgesteer import ControlVector, Library, read_model_identity
from edgesteer.gguf_header import read_header

from .conftest import Invoke


@pytest.fixture
def calm(library: Library, tiny_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A vector of the tiny model, in the library; commands run in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    identity = read_model_identity(tiny_file)
    library.save_vector(ControlVector({1: [1.0] * 8, 3: [2.0] * 8}, identity, name="calm"), "calm")
    return "calm"


def blocks(path: Path) -> set[str]:
    return {name.split(".")[1] for name in read_header(path).tensors}


def test_each_block_with_its_own_direction(calm: str, tiny_file: Path, invoke: Invoke) -> None:
    result = invoke("vectors", "ablation", calm, "-m", str(tiny_file))
    assert (result.stdout, result.exit_code) == ("calm.lora.gguf\n", 0)
    assert blocks(Path("calm.lora.gguf")) == {"1", "3"}


def test_some_blocks_and_one_direction(calm: str, tiny_file: Path, invoke: Invoke) -> None:
    ask = ("vectors", "ablation", calm, "-m", str(tiny_file), "-o")
    assert invoke(*ask, "some.gguf", "-l", "3").exit_code == 0
    assert blocks(Path("some.gguf")) == {"3"}
    result = invoke(*ask, "one.gguf", "--direction-of", "3", "--json")
    assert json.loads(result.stdout)["path"] == "one.gguf"
    assert blocks(Path("one.gguf")) == {"0", "1", "2", "3"}


def test_the_name_in_a_vector_file_is_no_path(
    tiny_file: Path, invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = read_model_identity(tiny_file)
    ControlVector({1: [1.0] * 8}, identity, name="../sly").save(tmp_path / "mine.gguf")
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    result = invoke("vectors", "ablation", "../mine.gguf", "-m", str(tiny_file))
    assert result.stdout == "mine.lora.gguf\n"
    assert (here / "mine.lora.gguf").is_file()


def test_what_is_refused(calm: str, tiny_file: Path, invoke: Invoke) -> None:
    ask = ("vectors", "ablation", calm, "-m", str(tiny_file))
    for more, why in (
        (("-l", "3", "--direction-of", "3"), "exclude each other"),
        (("--direction-of", "2"), "carries nothing at layer 2"),
        (("-l", "2"), "carries nothing at 2"),
        (("-o", str(tiny_file)), "is there already"),
    ):
        result = invoke(*ask, *more)
        assert (result.exit_code, why in result.stderr) == (1, True), result.stderr
    assert invoke(*ask).exit_code == 0
    assert invoke(*ask).exit_code == 1
    assert invoke(*ask, "--force").exit_code == 0
