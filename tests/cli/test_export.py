"""`edgesteer vectors export`, `overlap` and `mix --orthogonal-to`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from syrupy.assertion import SnapshotAssertion

from edgesteer import ControlVector, Library

from ..other_readers import as_llama_cpp_loads_it
from .conftest import IDENTITY, Invoke

Transcript = Callable[..., str]


def test_only_what_is_steered_is_exported(
    vectors: Library, transcript: Transcript, tmp_path: Path, snapshot: SnapshotAssertion
) -> None:
    out = tmp_path / "plain.gguf"
    assert transcript("vectors", "export", "calm=0.5", "-o", str(out)) == snapshot
    rows = as_llama_cpp_loads_it(out)  # calm recommends 2-3
    assert rows[:, 0].tolist() == [0.0, 1.0, 2.0]


def test_the_server_line(
    vectors: Library, transcript: Transcript, invoke: Invoke, tiny_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "plain.gguf"
    page = transcript("vectors", "export", "formal", "-o", str(out), "--llama-args")
    assert "\nllama-server -m MODEL.gguf --control-vector TMP/plain.gguf\n" in page
    loose = ControlVector({2: [1.0] * 8}, name="loose")
    vectors.save_vector(loose, "loose")
    args = ("-m", str(tiny_file), "-o", str(out), "--force", "--json")
    facts = json.loads(invoke("vectors", "export", "loose", *args).stdout)
    assert facts["llama_args"][:3] == ["llama-server", "-m", str(tiny_file)]
    assert facts["layers"] == "2"


def test_export_to_npz(vectors: Library, invoke: Invoke, tmp_path: Path) -> None:
    out = tmp_path / "polite.npz"
    result = invoke("vectors", "export", "calm=1 formal=-2", "-o", str(out))
    assert result.stdout == f"{out}\n"
    with np.load(out) as arrays:
        assert {name: float(arrays[name][0]) for name in arrays} == {
            "direction.2": 1.0,
            "direction.3": 4.0,
        }


def test_export_refuses_what_it_can_not_do(
    vectors: Library, invoke: Invoke, tmp_path: Path
) -> None:
    for name, more in (("x.pt", ()), ("x.npz", ("--llama-args",))):
        result = invoke("vectors", "export", "calm", "-o", str(tmp_path / name), *more)
        assert result.exit_code == 1, name
        assert "Hint: " in result.stderr
    out = tmp_path / "x.gguf"
    refused = invoke("vectors", "export", "ablate:calm=1", "-o", str(out))
    assert refused.exit_code == 1
    assert not out.exists()
    assert (
        "outside its calibrated band"
        in invoke("vectors", "export", "calm=5", "-o", str(out)).stderr
    )
    before = out.read_bytes()
    again = invoke("vectors", "export", "calm", "-o", str(out))
    assert "--force" in again.stderr
    assert out.read_bytes() == before
    assert invoke("vectors", "export", "calm", "-o", str(out), "--force").exit_code == 0


@pytest.fixture
def three(vectors: Library) -> Library:
    rows = {1: [1.0, 0, 0, 0, 0, 0, 0, 0], 2: [3.0, 4.0, 0, 0, 0, 0, 0, 0]}
    vectors.save_vector(ControlVector(rows, IDENTITY, name="east"), "east")
    rows = {1: [0.0, 1.0, 0, 0, 0, 0, 0, 0], 2: [2.0, 0, 0, 0, 0, 0, 0, 0]}
    vectors.save_vector(ControlVector(rows, IDENTITY, name="north"), "north")
    return vectors


def test_overlap(three: Library, transcript: Transcript, snapshot: SnapshotAssertion) -> None:
    pages = [
        transcript("vectors", "overlap", "calm", "east", "north"),
        transcript("vectors", "overlap", "east", "north", "--per-layer"),
        transcript("vectors", "overlap", "east", "north", "-l", "2", "--json"),
        transcript("vectors", "overlap", "east"),
        transcript("vectors", "overlap", "east", "north", "-l", "3"),
    ]
    assert "".join(pages) == snapshot


def test_mix_orthogonal_to(
    three: Library, transcript: Transcript, snapshot: SnapshotAssertion
) -> None:
    page = transcript("vectors", "mix", "east=2", "--orthogonal-to", "north", "--name", "just-east")
    page += transcript("vectors", "mix", "calm", "--orthogonal-to", "calm", "--name", "none")
    page += transcript("vectors", "mix", "calm", "--orthogonal-to", "east", "--name", "rest")
    assert page == snapshot
    made = three.load_vector("just-east")
    assert made.directions[1].tolist() == [2.0, 0, 0, 0, 0, 0, 0, 0]
    assert made.directions[2].tolist() == pytest.approx([0.0, 8.0, 0, 0, 0, 0, 0, 0])
    assert made.meta["orthogonal_to"] == ["north"]
    assert made.calibration is None
