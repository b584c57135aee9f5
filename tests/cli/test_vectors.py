"""`edgesteer vectors ...`: list, show, change, check, remove."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from edgesteer import ControlVector, Library, ModelIdentity

from .conftest import IDENTITY, Invoke

Transcript = Callable[..., str]


def test_list_and_show(
    vectors: Library, transcript: Transcript, snapshot: SnapshotAssertion
) -> None:
    (vectors.vectors_folder / "broken.gguf").write_bytes(b"GGUF")
    assert transcript("vectors", "list") + transcript("vectors", "show", "calm") == snapshot


def test_list_of_nothing_says_how_to_make_one(invoke: Invoke) -> None:
    result = invoke("vectors", "list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "edgesteer extract calm" in result.stderr


def test_list_and_show_as_json(vectors: Library, invoke: Invoke) -> None:
    calm, formal = json.loads(invoke("vectors", "list", "--json").stdout)
    assert (calm["name"], calm["layers"], calm["recommended"]) == ("calm", "1-3", "2-3")
    assert (formal["name"], formal["strength"]) == ("formal", None)
    shown = json.loads(invoke("vectors", "show", "calm", "--json").stdout)
    assert shown["norms"]["2"] == pytest.approx(2 * 8**0.5)
    assert shown["meta"] == {"method": "mean-difference"}
    assert shown["digest"] == vectors.load_vector("calm").digest


def test_scale(vectors: Library, invoke: Invoke, tmp_path: Path) -> None:
    out = tmp_path / "furious.gguf"
    result = invoke("vectors", "scale", "calm", "-2", "-o", str(out))
    assert result.stdout == f"{out}\n"
    made = ControlVector.load(out)
    assert made.directions[1].tolist() == [-2.0] * 8
    assert made.calibration is not None
    assert (made.calibration.low, made.calibration.high) == (-1.0, 0.75)


def test_scale_by_nothing_is_refused(vectors: Library, invoke: Invoke) -> None:
    assert invoke("vectors", "scale", "calm", "0").exit_code == 1
    assert invoke("vectors", "scale", "calm", "much").exit_code == 2


def test_nothing_is_replaced_without_force(vectors: Library, invoke: Invoke) -> None:
    result = invoke("vectors", "scale", "calm", "2")
    assert result.exit_code == 1
    assert "--force" in result.stderr
    assert invoke("vectors", "scale", "calm", "2", "--force").exit_code == 0
    assert vectors.load_vector("calm").directions[1].tolist() == [2.0] * 8


def test_layers(vectors: Library, invoke: Invoke) -> None:
    assert invoke("vectors", "layers", "calm", "2-3", "--name", "late").exit_code == 0
    assert vectors.load_vector("late").layers == (2, 3)
    result = invoke("vectors", "layers", "formal", "3", "--name", "none")
    assert result.exit_code == 1
    assert "Hint: it carries the layers 2" in result.stderr


def test_mix(vectors: Library, invoke: Invoke) -> None:
    result = invoke("vectors", "mix", "calm=1@1-2", "formal=-2", "--name", "polite", "--json")
    assert json.loads(result.stdout)["layers"] == "1-2"
    made = vectors.load_vector("polite")
    assert made.directions[2].tolist() == [1.0] * 8
    assert made.name == "polite"


def test_mix_needs_a_name_and_an_addition(vectors: Library, invoke: Invoke) -> None:
    assert invoke("vectors", "mix", "calm=1").exit_code == 2
    result = invoke("vectors", "mix", "ablate:calm=1", "--name", "x")
    assert result.exit_code == 1
    assert "Hint: " in result.stderr


def test_names_that_are_no_file_names_are_refused(vectors: Library, invoke: Invoke) -> None:
    for name in ("../calm", "a/b", "", ".hidden", "a" * 200):
        assert invoke("vectors", "scale", "calm", "2", "--name", name).exit_code == 1, name
    found = [path.relative_to(vectors.home).as_posix() for path in vectors.home.rglob("*.gguf")]
    assert sorted(found) == ["vectors/calm.gguf", "vectors/formal.gguf"]


def test_rm_asks(vectors: Library, invoke: Invoke) -> None:
    result = invoke("vectors", "rm", "calm", input="n\n")
    assert result.exit_code == 130
    assert vectors.vector_names() == ["calm", "formal"]
    assert invoke("vectors", "rm", "calm", input="y\n").exit_code == 0
    assert invoke("vectors", "rm", "formal", "-y").exit_code == 0
    assert vectors.vector_names() == []


def test_rm_leaves_other_files_alone(vectors: Library, invoke: Invoke, tmp_path: Path) -> None:
    mine = tmp_path / "mine.gguf"
    ControlVector({1: [1.0]}, name="mine").save(mine)
    assert invoke("vectors", "rm", str(mine), "-y").exit_code == 1
    assert mine.exists()


# check -----------------------------------------------------------------------------------------


def test_check_of_a_vector_that_fits(
    vectors: Library, transcript: Transcript, tiny_file: Path, snapshot: SnapshotAssertion
) -> None:
    identity = ModelIdentity("llama", 4, 8, "tiny")
    vectors.save_vector(ControlVector({1: [1.0] * 8}, identity, name="fits"), "fits")
    assert transcript("vectors", "check", "fits", "-m", str(tiny_file)) == snapshot


@pytest.mark.parametrize(
    ("vector", "failed"),
    [
        (ControlVector({1: [1.0] * 4}), "width"),
        (ControlVector({5: [1.0] * 8}), "layers"),
        (ControlVector({1: [0.0] * 8}), "not zero"),
        (ControlVector({1: [1.0] * 8}, ModelIdentity("qwen2", 4, 8)), "model"),
    ],
)
def test_check_fails(
    vector: ControlVector, failed: str, invoke: Invoke, tiny_file: Path, tmp_path: Path
) -> None:
    file = tmp_path / "vector.gguf"
    vector.save(file)
    result = invoke("vectors", "check", str(file), "-m", str(tiny_file), "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert [check["check"] for check in found["checks"] if not check["ok"]] == [failed]
    assert "FAILED" in invoke("vectors", "check", str(file), "-m", str(tiny_file)).stdout


def test_check_of_a_damaged_file(invoke: Invoke, tiny_file: Path, tmp_path: Path) -> None:
    file = tmp_path / "vector.gguf"
    file.write_bytes(b"GGUF\x03\x00\x00\x00")
    result = invoke("vectors", "check", str(file), "-m", str(tiny_file))
    assert result.exit_code == 1
    assert "FAILED" in result.stdout


def test_vectors_of_two_models_share_a_name(vectors: Library, invoke: Invoke) -> None:
    other = ModelIdentity("qwen2", 6, 16, "Qwen 2.5")
    vectors.save_vector(ControlVector({1: [1.0] * 16}, other, name="calm"), "calm")
    names = [entry["name"] for entry in json.loads(invoke("vectors", "list", "--json").stdout)]
    assert names == ["Qwen-2.5/calm", "calm", "formal"]
    assert vectors.load_vector("calm", IDENTITY).n_embd == 8
    assert vectors.load_vector("calm", other).n_embd == 16
    assert json.loads(invoke("vectors", "show", "Qwen-2.5/calm", "--json").stdout)["n_embd"] == 16
