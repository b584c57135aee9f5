"""`edgesteer extract`: pairs in, a vector out, with a verdict and the next command."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from edgesteer import ControlVector, Library
from edgesteer.cli import _extract_options
from edgesteer.errors import EngineError, SteeringError

from ..tiny import write_model
from .conftest import IDENTITY, Invoke

Opened = list[tuple[str, Mapping[str, Any]]]


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Forty pairs that differ in one word."""
    file = tmp_path / "mild.jsonl"
    stems = [f"Today number {n} is" for n in range(40)]
    lines = [{"positive": f"{stem} gentle", "negative": f"{stem} harsh"} for stem in stems]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


@pytest.fixture
def muddled(tmp_path: Path) -> Path:
    """Forty pairs of which every other has its sides exchanged: they share no direction."""
    file = tmp_path / "mild.jsonl"
    words = ("gentle", "harsh")
    stems = [(f"Today number {n} is", n % 2) for n in range(40)]
    lines = [
        {"positive": f"{stem} {words[n]}", "negative": f"{stem} {words[1 - n]}"}
        for stem, n in stems
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def test_pairs_to_a_vector_in_the_library(
    opened: Opened, calibrated: list[ControlVector], pairs: Path, library: Library, invoke: Invoke
) -> None:
    result = invoke("extract", str(pairs), "-m", "qwen")
    assert result.exit_code == 0
    assert result.stdout == f"{library.vectors_folder / 'mild.gguf'}\n"
    assert "quality " in result.stderr
    assert "besides the trait: length 0.50, the word 'gentle' 1.00, all words 1.00" in result.stderr
    assert "Warning: the word 'gentle' alone tells the sides apart" in result.stderr
    assert "calibrated, usable -1..2" in result.stderr
    assert "next: edgesteer chat -m qwen -s mild=1\n" in result.stderr
    made = library.load_vector("mild", IDENTITY)
    assert made.meta["n_pairs"] == 40
    assert made.norms() == pytest.approx(calibrated[0].scaled(2.0).norms())


def test_without_calibration_to_a_file(
    opened: Opened, pairs: Path, library: Library, invoke: Invoke, tmp_path: Path
) -> None:
    out = tmp_path / "out.gguf"
    args = ("--no-calibrate", "--layers", "2", "--name", "soft", "-o", str(out))
    result = invoke("extract", str(pairs), *args)
    assert result.exit_code == 0
    assert f"next: edgesteer chat -s {out}=1" in result.stderr
    made = ControlVector.load(out)
    assert (made.name, made.layers, made.calibration) == ("soft", (2,), None)
    assert library.vector_names() == []


def test_the_next_step_works_as_it_is_printed(
    opened: Opened, pairs: Path, invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for out, shown in (("x.gguf", "./x.gguf=1"), ("my x.gguf", """'"./my x.gguf"=1'""")):
        result = invoke("extract", str(pairs), "--no-calibrate", "-o", out)
        assert f"next: edgesteer chat -s {shown}\n" in result.stderr
        (text,) = shlex.split(shown)
        assert invoke("run", "-s", text, "Rain?").exit_code == 0


def test_a_vector_file_ends_in_gguf(opened: Opened, invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("extract", "calm", "-o", str(tmp_path / "x.txt"))
    assert result.exit_code == 1
    assert "x.txt.gguf" in result.stderr
    assert opened == []


def test_again_replaces_the_vector_of_the_same_model(
    opened: Opened, pairs: Path, library: Library, invoke: Invoke
) -> None:
    for method in ("mean-difference", "pca"):
        args = ("--no-calibrate", "--method", method, "--json")
        facts = json.loads(invoke("extract", str(pairs), *args).stdout)
        assert facts["meta"]["method"] == method
    assert library.load_vector("mild").meta["method"] == "pca"


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (["clam"], "Did you mean|did you mean"),
        (["nowhere.toml"], "nowhere.toml"),
        (["calm", "--method", "pcb"], "Did you mean pca"),
        (["calm", "--positions", "fourth"], "'fourth' is not a token position"),
        (["calm", "--layers", "0"], "layer 0"),
        (["calm", "--name", "a/b"], "can not be the name"),
    ],
)
def test_bad_input(args: list[str], error: str, opened: Opened, invoke: Invoke) -> None:
    import re

    result = invoke("extract", *args, "--no-calibrate")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert "Hint: " in result.stderr
    assert re.search(error, result.stderr)


@pytest.mark.parametrize("error", [SteeringError, EngineError])
def test_a_vector_that_can_not_be_calibrated_is_kept(
    error: type[EngineError | SteeringError],
    opened: Opened,
    pairs: Path,
    library: Library,
    invoke: Invoke,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any, **__: Any) -> ControlVector:
        raise error("it has no effect", "choose other layers")

    monkeypatch.setattr("edgesteer.measure.calibrate.calibrate", refuse)
    result = invoke("extract", str(pairs))
    assert result.exit_code == 1
    assert "could not be calibrated: it has no effect\nHint: choose other layers" in result.stderr
    assert library.load_vector("mild").calibration is None


def test_pairs_without_a_direction_make_no_vector(
    opened: Opened,
    calibrated: list[ControlVector],
    pairs: Path,
    muddled: Path,
    library: Library,
    invoke: Invoke,
    tmp_path: Path,
) -> None:
    result = invoke("extract", str(muddled), "-m", "qwen")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Error: failed: the pairs do not share a direction" in result.stderr
    assert "--force" in result.stderr
    assert library.vector_names() == []
    out = tmp_path / "out.gguf"
    for more, written in (
        (("-o", str(out)), True),
        (("-o", str(out)), False),
        (("--force",), True),
    ):
        result = invoke("extract", str(muddled), *more)
        assert (result.exit_code, bool(result.stdout)) == (1, written)
    assert ControlVector.load(out).calibration is None
    assert library.load_vector("mild").calibration is None
    assert calibrated == []


def test_the_destination_is_checked_before_the_model_is_opened(
    opened: Opened, pairs: Path, library: Library, invoke: Invoke, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    for folder in ("nowhere", "file"):
        result = invoke("extract", str(pairs), "-o", str(tmp_path / folder / "x.gguf"))
        assert result.exit_code == 1
        assert "can not be written" in result.stderr
    library.home.write_text("a file where the home folder should be")
    assert "can not be written" in invoke("extract", str(pairs)).stderr
    assert opened == []


def test_every_method_is_in_the_help(invoke: Invoke) -> None:
    from convert.directions import METHODS
    from convert.optimise.refine import METHOD

    assert (*METHODS, METHOD) == _extract_options.METHOD_NAMES
    words = invoke("extract", "--help").stdout.split()
    assert all(name in "".join(words) for name in _extract_options.METHOD_NAMES)


@pytest.mark.parametrize("method", _extract_options.METHOD_NAMES[:-1])
def test_every_method_makes_a_vector(
    method: str, opened: Opened, pairs: Path, library: Library, invoke: Invoke
) -> None:
    result = invoke("extract", str(pairs), "--method", method, "--no-calibrate", "--force")
    assert result.exit_code in (0, 1)
    assert library.load_vector("mild").meta["method"] == method


def test_activations_are_kept_and_used_again(
    calibrated: list[ControlVector],
    opened: Opened,
    pairs: Path,
    library: Library,
    invoke: Invoke,
    tmp_path: Path,
) -> None:
    kept = tmp_path / "mild.npz"
    result = invoke("extract", str(pairs), "--save-capture", str(kept), "--positions", "last,-2")
    assert f"activations kept in {kept}; --from-capture {kept} uses them again" in result.stderr
    first = library.load_vector("mild", IDENTITY)
    assert first.meta["positions_tried"]
    used = ("--from-capture", str(kept), "-m", "other")
    again = invoke("extract", str(pairs), *used)
    assert f"not read again: the activations come from {kept}" in again.stderr
    assert library.load_vector("mild", IDENTITY) == first
    for method in ("mean-centring", "cross-covariance", "probe"):
        assert invoke("extract", str(pairs), *used, "--force", "--method", method).exit_code in (
            0,
            1,
        )
        assert library.load_vector("mild", IDENTITY).meta["method"] == method
    wrong = invoke("extract", str(pairs), *used, "--positions", "last")
    assert "holds the positions last,-2, not last" in wrong.stderr


def test_activations_of_other_pairs_or_another_model_are_refused(
    opened: Opened, pairs: Path, invoke: Invoke, tmp_path: Path, tiny_file: Path
) -> None:
    kept = str(tmp_path / "mild.npz")
    invoke("extract", str(pairs), "--save-capture", kept, "--no-calibrate")
    few = invoke("extract", str(pairs), "--from-capture", kept, "--max-pairs", "20")
    assert "was read from other pairs than these" in few.stderr
    args = ("extract", str(pairs), "--from-capture", kept, "--no-calibrate", "-m")
    assert invoke(*args, str(tiny_file)).exit_code == 0
    other = write_model(tmp_path / "other.gguf", n_layer=5, n_embd=8, n_head=2)
    result = invoke(*args, str(other))
    assert result.exit_code == 1
    assert "mild.npz was read from" in result.stderr
    assert "the model is" in result.stderr
    Path(kept).write_bytes(b"PK and no more")
    assert "holds no activations" in invoke(*args, str(tiny_file)).stderr


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (["--weights", "x"], "--weights are read by torch"),
        (["--dtype", "bfloat16"], "reads the numbers of the file as they are"),
        (["--capture", "torch", "--tune"], "torch reads no working copy"),
        (["--save-capture", "x.bin"], "x.bin.npz"),
        (["--from-capture", "x.npz", "--save-capture", "y.npz"], "contradict each other"),
        (["--from-capture", "x.npz", "--tune"], "contradict each other"),
        (["--from-capture", "nowhere.npz"], "there is no file nowhere.npz"),
        (["--save-capture", "nowhere/x.npz"], "nowhere/x.npz can not be written"),
        (["-m", "hf://a/b"], "hf://a/b is no GGUF file"),
        (
            ["-m", "hf://a/b", "--capture", "torch", "--no-calibrate", "--offline"],
            "would be downloaded",
        ),
    ],
)
def test_options_that_make_no_sense(
    args: list[str], error: str, opened: Opened, invoke: Invoke
) -> None:
    result = invoke("extract", "calm", *args)
    assert result.exit_code == 1
    assert error in result.stderr
    assert "Hint: " in result.stderr


@pytest.mark.torch
def test_weights_of_another_model_are_refused(
    opened: Opened, pairs: Path, invoke: Invoke, tmp_path: Path
) -> None:
    from ..convert.test_torch_capture import save_model

    folder = save_model(tmp_path / "folder")
    args = ("extract", str(pairs), "-m", "fake", "--capture", "torch", "--weights")
    result = invoke(*args, str(folder))
    assert result.exit_code == 1
    assert "read are folder (llama, 4 layers, width 64" in result.stderr
    assert "the widths differ" in result.stderr
    assert "--weights" in result.stderr
    assert "there is no model folder" in invoke(*args, str(tmp_path / "gone")).stderr


@pytest.mark.torch
def test_a_folder_is_read_without_a_gguf_file(pairs: Path, invoke: Invoke, tmp_path: Path) -> None:
    from ..convert.test_torch_capture import save_model

    folder, kept = save_model(tmp_path / "folder"), str(tmp_path / "kept.npz")
    args = ("extract", str(pairs), "-m", str(folder), "--capture", "torch", "--no-calibrate")
    out = ("-o", str(tmp_path / "x.gguf"))
    first = invoke(*args, *out, "--dtype", "bfloat16", "--save-capture", kept)
    assert "quality " in first.stderr
    made = ControlVector.load(tmp_path / "x.gguf")
    assert made.meta["capture"] == "torch bfloat16"
    again = invoke(*args, *out, "--force", "--from-capture", kept)
    assert "not read again" in again.stderr
    assert ControlVector.load(tmp_path / "x.gguf") == made


def test_a_text_that_is_too_long_is_named_by_file_and_line(
    opened: Opened, pairs: Path, invoke: Invoke
) -> None:
    from edgesteer.engine.fake import FakeModel

    long = {"positive": "gentle " * 5000, "negative": "harsh"}
    pairs.write_text(pairs.read_text() + json.dumps(long) + "\n")
    result = invoke("extract", str(pairs), "--no-calibrate")
    assert result.exit_code == 1
    assert f"{pairs}, line 41, positive ('gentle" in result.stderr
    assert f"has 5000 tokens, and {FakeModel().n_ctx - 1} can be read" in result.stderr
    assert "--ctx" in result.stderr


def test_columns_that_are_mixed_up_are_named(opened: Opened, pairs: Path, invoke: Invoke) -> None:
    lines = [json.loads(line) for line in pairs.read_text().splitlines()]
    for row in (lines[3], lines[20]):
        row["positive"], row["negative"] = row["negative"], row["positive"]
    pairs.write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = invoke("extract", str(pairs), "--no-calibrate")
    assert "Warning: 2 pair(s) point the other way (line 4, line 21)" in result.stderr


def test_without_torch_the_extra_is_named(
    opened: Opened, pairs: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch, tiny_file: Path
) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for args in (("--method", "bipo"), ("--capture", "torch")):
        result = invoke("extract", str(pairs), "-m", str(tiny_file), *args)
        assert result.exit_code == 1
        assert "torch, which is not installed" in result.stderr
        assert "pip install 'edgesteer[convert]'" in result.stderr


def test_a_folder_can_not_be_calibrated(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("extract", "calm", "-m", str(tmp_path), "--capture", "torch")
    assert result.exit_code == 1
    assert "--no-calibrate" in result.stderr


def test_every_built_in_trait_can_be_read(opened: Opened, library: Library, invoke: Invoke) -> None:
    for trait in ("calm", "happy", "formal", "terse"):
        invoke("extract", trait, "--no-calibrate", "--force")
    assert library.vector_names() == ["calm", "formal", "happy", "terse"]
