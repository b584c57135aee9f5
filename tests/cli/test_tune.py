"""`edgesteer models tune`, and extract by a working copy: on real llama.cpp with tiny weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgesteer import Library, Model, tune
from edgesteer.working_copy import FORMATS, CopyShelf

from ..tiny import write_model
from .conftest import Invoke


@pytest.fixture(autouse=True)
def tiny(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The model `tiny`, which reads twice as fast as q8_0 and thrice as bf16."""
    path = write_model(tmp_path / "tiny.gguf")
    library.add_model(path, "tiny")

    def reading(model: Model, _n: int) -> float:
        name = next((name for name in FORMATS if f"-{name}." in model.path.name), "")
        return {"q8_0": 200.0, "bf16": 300.0}.get(name, 100.0)

    monkeypatch.setattr(tune, "_reading", reading)
    return path


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Eight pairs that differ in one word."""
    file = tmp_path / "mild.jsonl"
    lines = [{"positive": f"Day {n} is soft", "negative": f"Day {n} is hard"} for n in range(8)]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def test_the_table_and_what_to_do_next(invoke: Invoke, library: Library, tiny: Path) -> None:
    result = invoke("models", "tune", "tiny", "--threads", "1")
    assert result.exit_code == 0
    header, *rows = [line.split() for line in result.stdout.splitlines()]
    assert header[0] == "FORMAT"
    assert [row[0] for row in rows] == ["f32", *FORMATS]
    assert rows[2][-2:] == ["in", "use"]
    assert "3.0 times as fast at reading" in result.stderr
    assert "edgesteer chat -m tiny@bf16" in result.stderr
    assert len(CopyShelf(library).all_of(tiny)) == 1
    again = invoke("models", "tune", "tiny")
    assert (again.stdout, again.stderr) == (result.stdout, result.stderr)


def test_show_where_and_removal(invoke: Invoke, library: Library, tiny: Path) -> None:
    facts = json.loads(invoke("models", "tune", "tiny", "--use", "Q8_0", "--json").stdout)
    assert (facts["model"], facts["format"], facts["gain"]) == ("tiny", "q8_0", 2.0)
    (copy,) = json.loads(invoke("models", "show", "tiny", "--json").stdout)["working_copies"]
    assert copy["format"] == "q8_0"
    assert f"working copy, {copy['size'] / 1000:.1f} kB" in invoke("models", "show", "tiny").stdout
    assert invoke("models", "show", "tiny@q8_0").exit_code == 0
    assert str(CopyShelf(library).folder) in invoke("where").stdout
    assert f"deleted {copy['path']}" in invoke("models", "tune", "tiny", "--rm").stderr
    assert "there was no working copy" in invoke("models", "tune", "tiny", "--rm").stderr
    assert invoke("models", "show", "tiny@q8_0").exit_code == 1


def test_a_file_that_is_not_registered(invoke: Invoke, library: Library, tmp_path: Path) -> None:
    path = write_model(tmp_path / "other one.gguf", seed=3)
    told = invoke("models", "tune", str(path)).stderr
    assert f"edgesteer chat -m '{path}@bf16'" in told
    assert library.find_model(f"{path}@bf16").name == "other one@bf16"
    assert f"{path}@bf16" in invoke("models", "show", str(path)).stdout


def test_no_gain_is_said(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tune, "_reading", lambda _model, _n: 100.0)
    result = invoke("models", "tune", "tiny")
    assert result.exit_code == 0
    assert "no close copy is faster" in result.stderr
    assert "in use" not in result.stdout


def test_bad_formats(invoke: Invoke) -> None:
    for name in ("q9", "f32", "q4_0"):
        result = invoke("models", "tune", "tiny", "--use", name)
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: ")
        assert "Hint: " in result.stderr


def extract(invoke: Invoke, pairs: Path, *args: str) -> tuple[str, dict[str, object]]:
    common = ("--no-calibrate", "--threads", "1", "--json")
    result = invoke("extract", str(pairs), "-m", "tiny", *common, *args)
    assert result.exit_code == 0, result.stderr
    return result.stderr, json.loads(result.stdout)["meta"]


def test_extract_reads_by_the_copy_that_was_chosen(
    invoke: Invoke, pairs: Path, library: Library, tiny: Path
) -> None:
    told, meta = extract(invoke, pairs)
    assert "working_copy" not in meta
    assert not CopyShelf(library).folder.exists()

    invoke("models", "tune", "tiny", "--use", "q8_0")
    told, meta = extract(invoke, pairs)
    assert "working copy (q8_0, KL 0.00" in told
    assert str(meta["working_copy"]).startswith("q8_0, KL 0.00")
    made = library.load_vector("mild")
    assert made.model is not None
    assert made.model.name == "tiny"
    assert "next: edgesteer chat -m tiny -s mild=1" in told

    told, meta = extract(invoke, pairs, "--original")
    assert "working" not in told
    assert "working_copy" not in meta


@pytest.mark.parametrize("model", ["tiny", "tiny@q8_0"])
def test_extract_calibrates_on_the_file_that_answers(
    invoke: Invoke, pairs: Path, library: Library, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    invoke("models", "tune", "tiny", "--use", "q8_0")
    chosen = library.find_model(model).path
    seen: list[Path] = []

    def calibration(model: Model, *_: object) -> None:
        seen.append(model.path)

    monkeypatch.setattr("edgesteer.cli._extract_steps.calibration", calibration)
    result = invoke("extract", str(pairs), "-m", model, "--threads", "1", "--json")
    assert json.loads(result.stdout)["meta"]["working_copy"].startswith("q8_0")
    assert seen == [chosen]


def test_extract_makes_the_copy_when_asked(invoke: Invoke, pairs: Path, library: Library) -> None:
    _told, meta = extract(invoke, pairs, "--tune")
    assert "bf16" in str(meta["working_copy"])
    assert library.find_model("tiny@bf16")
    result = invoke("extract", str(pairs), "-m", "tiny", "--tune", "--original")
    assert result.exit_code == 1
    assert "contradict" in result.stderr
    result = invoke("extract", str(pairs), "-m", "tiny", "--tune", "--capture", "torch")
    assert result.exit_code == 1
    assert "torch reads no working copy" in result.stderr


def test_extract_says_when_a_copy_can_not_be_used(
    invoke: Invoke, pairs: Path, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoke("models", "tune", "tiny", "--use", "q8_0")
    library.find_model("tiny@q8_0").path.write_bytes(b"GGUF")
    told, meta = extract(invoke, pairs)
    assert "damaged or gone" in told
    assert "working_copy" not in meta
    monkeypatch.setattr(tune, "_processor", lambda: "another one")
    told, _ = extract(invoke, pairs)
    assert "measured elsewhere" in told


def test_extract_from_a_copy_that_is_named(invoke: Invoke, pairs: Path) -> None:
    invoke("models", "tune", "tiny", "--use", "q8_0")
    result = invoke("extract", str(pairs), "-m", "tiny@q8_0", "--no-calibrate", "--json")
    assert json.loads(result.stdout)["meta"]["working_copy"].startswith("q8_0, KL")
    assert "next: edgesteer chat -m tiny@q8_0 -s mild=1" in result.stderr


def test_a_copy_that_is_named_is_read_as_it_is(invoke: Invoke, tmp_path: Path) -> None:
    invoke("models", "tune", "tiny", "--use", "q8_0")
    path = tmp_path / "two.jsonl"
    rows = [{"positive": f"{n} aaa", "negative": f"{n} zzz"} for n in range(12)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    result = invoke("clusters", str(path), "-m", "tiny@q8_0", "--layer", "1")
    assert result.exit_code == 0, result.stderr
