"""`edgesteer sweep` and `edgesteer calibrate` on the tiny model: what is asked, kept, refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from convert.pairs import ContrastPairs
from edgesteer import ControlVector, Library
from edgesteer.identity import read_model_identity

from .conftest import Invoke

N_EMBD = 8


@pytest.fixture
def items(tmp_path: Path) -> Path:
    rows = [{"prompt": f"q{i}?", "positive": f"yes {i}", "negative": f"no {i}"} for i in range(6)]
    path = tmp_path / "items.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


@pytest.fixture
def swept(tiny_file: Path, library: Library, monkeypatch: pytest.MonkeyPatch) -> Library:
    """A library with the vector `mine` for the tiny model; short texts, for speed."""
    rng = np.random.default_rng(2)
    rows = {layer: rng.standard_normal(N_EMBD) for layer in (1, 2, 3)}
    vector = ControlVector(rows, read_model_identity(tiny_file), name="mine", recommended="2-3")
    library.save_vector(vector, "mine")
    monkeypatch.setattr("edgesteer.measure.texts.NEUTRAL", ("a text of no mood", "and one more"))
    return library


def test_a_sweep_prints_candidates_and_what_the_test_items_say(
    invoke: Invoke, swept: Library, tiny_file: Path, items: Path
) -> None:
    asked = ("sweep", "mine", "-m", str(tiny_file), "--items", str(items), "--threads", "1")
    before = swept.load_vector("mine").digest
    done = invoke(*asked, "--json")
    assert done.exit_code == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["vector"] == "mine"
    assert record["settings"]["mode"] == "whole"
    assert len(record["candidates"]) >= 5
    assert {row["role"] for row in record["test"]} >= {"chosen"}
    assert swept.load_vector("mine").digest == before
    again = invoke(*asked)
    assert "EFFECT" in again.stdout
    assert "test items chosen" in again.stdout
    assert "0 measured" in again.stderr


def test_items_that_the_vector_was_made_from_are_no_test(
    invoke: Invoke, swept: Library, tiny_file: Path, items: Path, tmp_path: Path
) -> None:
    pairs = ContrastPairs.load(items)
    meta = {"pairs": "items", "n_pairs": len(pairs), "pairs_sha256": pairs.digest}
    swept.save_vector(swept.load_vector("mine").with_(meta=meta), "mine", replace=True)
    page = tmp_path / "page.html"
    asked = ("sweep", "mine", "-m", str(tiny_file), "--items", str(items), "--threads", "1")
    done = invoke(*asked, "--json", "--html", str(page))
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["settings"]["test_items_seen"] == 3
    assert "3 test items are among the pairs" in done.stderr
    assert "their figures are no test" in page.read_text(encoding="utf-8")


def test_apply_keeps_the_choice_calibrated_and_writes_what_is_asked_for(
    invoke: Invoke, swept: Library, tiny_file: Path, items: Path, tmp_path: Path
) -> None:
    page, picture = tmp_path / "s.html", tmp_path / "s.svg"
    done = invoke(
        *("sweep", "mine", "-m", str(tiny_file), "--items", str(items), "--threads", "1"),
        *("--answers", "--apply", "--html", str(page), "--picture", str(picture)),
    )
    assert done.exit_code == 0, done.stderr
    new = swept.load_vector("mine")
    assert new.calibration is not None
    assert new.recommended is not None
    assert set(new.recommended.resolve(4)) == {
        int(n) for n in new.meta["sweep"]["chosen"]["weights"]
    }
    assert "<svg" in page.read_text(encoding="utf-8")
    assert picture.exists()
    assert "strength 1 calibrated anew" in done.stderr


def test_a_vector_goes_where_o_says_and_the_old_one_stays(
    invoke: Invoke, swept: Library, tiny_file: Path, items: Path, tmp_path: Path
) -> None:
    before, out = swept.load_vector("mine").digest, tmp_path / "new.gguf"
    done = invoke(
        *("sweep", "mine", "-m", str(tiny_file), "--items", str(items), "--threads", "1"),
        *("-o", str(out)),
    )
    assert done.exit_code == 0, done.stderr
    assert ControlVector.load(out).calibration is not None
    assert swept.load_vector("mine").digest == before


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ((), "made from no built-in trait"),
        (("--items", "nowhere.jsonl"), "can not be read"),
        (("--items", "ITEMS", "-l", "9"), "layer 9 does not exist"),
        (("--items", "ITEMS", "--picture", "x.gif"), "pictures are"),
        (("--items", "ITEMS", "--html", "nowhere/x.html"), "can not be written"),
    ],
)
def test_what_can_not_be_done_is_refused_with_a_hint(
    invoke: Invoke, swept: Library, tiny_file: Path, items: Path, more: tuple[str, ...], told: str
) -> None:
    asked = [str(items) if word == "ITEMS" else word for word in more]
    done = invoke("sweep", "mine", "-m", str(tiny_file), "--threads", "1", *asked)
    assert done.exit_code == 1
    assert told in done.stderr
    assert "Hint:" in done.stderr


def test_calibrate_makes_strength_one_the_budget_whatever_the_scale(
    invoke: Invoke, swept: Library, tiny_file: Path, tmp_path: Path
) -> None:
    large = tmp_path / "large.gguf"
    swept.load_vector("mine").scaled(50.0).save(large)
    for name in ("mine", str(large)):
        out = tmp_path / "out.gguf"
        done = invoke(
            "calibrate", name, "-m", str(tiny_file), "--threads", "1", "-o", str(out), "--json"
        )
        assert done.exit_code == 0, done.stderr
        assert json.loads(done.stdout)["strength"]["low"] < -0.5
    norms = [v.norms()[2] for v in (ControlVector.load(out), swept.load_vector("mine"))]
    done = invoke("calibrate", "mine", "-m", str(tiny_file), "--threads", "1")
    assert done.exit_code == 0
    assert swept.load_vector("mine").norms()[2] == pytest.approx(norms[0], rel=0.2)
    assert "strength 1 is what" in done.stderr


def test_calibrate_for_other_layers_recommends_them(
    invoke: Invoke, swept: Library, tiny_file: Path
) -> None:
    done = invoke(
        *("calibrate", "mine", "-m", str(tiny_file), "-l", "1", "--name", "early"),
        *("--threads", "1", "--own-p95", "0.5"),
    )
    assert done.exit_code == 0, done.stderr
    found = swept.load_vector("early")
    assert str(found.recommended) == "1"
    assert found.calibration is not None
    assert found.calibration.evidence["budget"] == {"own_p95": 0.5, "neutral_mean": 0.1}
    assert str(swept.load_vector("mine").recommended) == "2-3"


def test_ctrl_c_ends_all_workers_and_the_next_call_goes_on(
    swept: Library, tiny_file: Path, items: Path
) -> None:
    command = [
        *(sys.executable, "-m", "edgesteer", "sweep", "mine", "-m", str(tiny_file)),
        *("--items", str(items), "--threads", "1", "--workers", "2"),
    ]
    started = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    kept = swept.cache / "sweeps"
    deadline = time.monotonic() + 120
    while not list(kept.glob("*.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(started.pid, signal.SIGINT)  # as a terminal does
    _, told = started.communicate(timeout=60)
    assert started.returncode == 130, told
    assert "Cancelled" in told
    assert "Traceback" not in told
    assert _gone(started.pid), "a process of the group goes on"
    files = list(kept.glob("*.json"))
    assert files
    assert all(json.loads(file.read_text(encoding="utf-8"))["result"] for file in files)
    again = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert f"{len(files)} known from before" in again.stderr


def _gone(group: int) -> bool:
    """Whether no process of the group is left after some seconds."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False
