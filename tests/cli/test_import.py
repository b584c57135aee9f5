"""`edgesteer vectors import`: what is recognised is said, what is doubted is warned of."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from syrupy.assertion import SnapshotAssertion

from edgesteer import ControlVector, Library, read_model_identity
from edgesteer.calibration import Calibration

from ..convert.foreign_files import (
    cvector_generator,
    dialz,
    glp,
    jukofyork,
    repeng,
    unit,
    vector_file,
)
from ..hostile import u32
from .conftest import Invoke

Transcript = Callable[..., str]
N_LAYER = 4


@pytest.mark.parametrize("write", [repeng, cvector_generator, jukofyork, dialz])
def test_files_of_other_tools(
    write: Callable[..., Path],
    transcript: Transcript,
    library: Library,
    tiny_file: Path,
    tmp_path: Path,
    snapshot: SnapshotAssertion,
) -> None:
    file = write(tmp_path / "theirs.gguf", n_layer=N_LAYER)
    page = transcript("vectors", "import", str(file), "-m", str(tiny_file), "--name", "happy")
    assert page + transcript("vectors", "show", "happy") == snapshot
    made = library.load_vector("happy", read_model_identity(tiny_file))
    assert float(made.directions[2] @ unit(2)) > 0.99


def test_a_given_offset_is_believed(invoke: Invoke, tiny_file: Path, tmp_path: Path) -> None:
    file, out = repeng(tmp_path / "theirs.gguf", N_LAYER), tmp_path / "ours.gguf"
    args = ("-m", str(tiny_file), "--layer-offset", "-1", "-o", str(out), "--json")
    result = invoke("vectors", "import", str(file), *args)
    assert result.exit_code == 0
    assert "--layer-offset -1 was given" in result.stderr
    made = ControlVector.load(out)
    assert made.model == read_model_identity(tiny_file)
    assert made.layers == (1, 2)
    assert np.array_equal(made.directions[2], unit(3))
    meta = json.loads(result.stdout)["meta"]
    assert (meta["layer_offset"], meta["imported_from"]) == (-1, "theirs.gguf")


def test_layer_0_is_refused_by_show_and_left_out_by_import(
    library: Library, invoke: Invoke, tiny_file: Path, tmp_path: Path
) -> None:
    file = tmp_path / "theirs.npz"
    np.savez(file, **{f"direction.{n}": unit(n) for n in range(3)})
    result = invoke("vectors", "import", str(file), "-m", str(tiny_file))
    assert "block 0" in result.stderr
    assert library.load_vector("theirs").layers == (1, 2)


def test_a_single_direction(
    library: Library, invoke: Invoke, tiny_file: Path, tmp_path: Path
) -> None:
    file = tmp_path / "refusal.npy"
    np.save(file, unit(2))
    refused = invoke("vectors", "import", str(file), "-m", str(tiny_file))
    assert refused.exit_code == 1
    assert "--layer N says it: 1 to 3" in refused.stderr
    assert invoke("vectors", "import", str(file), "-m", str(tiny_file), "--layer", "2").stdout
    assert library.load_vector("refusal").layers == (2,)


def test_directions_to_take_out(
    library: Library, invoke: Invoke, tiny_file: Path, tmp_path: Path
) -> None:
    file = glp(tmp_path / "refusal.gguf")
    args = ("vectors", "import", str(file), "-m", str(tiny_file), "--force")
    refused = invoke(*args)
    assert refused.exit_code == 1
    assert "Hint: --ablate" in refused.stderr
    taken = invoke(*args, "--ablate")
    assert "steer with ablate:refusal=1" in taken.stderr
    assert library.load_vector("refusal").meta["meant_for"] == "ablate"
    assert invoke(*args, "--ablate", "--calibrate").exit_code == 1


def test_it_is_bound_to_another_model_by_force_only(
    invoke: Invoke, tiny_file: Path, tmp_path: Path
) -> None:
    identity = replace(read_model_identity(tiny_file), weights_id="b" * 64)
    file, out = tmp_path / "calm.gguf", tmp_path / "ours.gguf"
    calm = ControlVector(
        {1: [1.0] * 8, 2: [1.0] * 8}, identity, name="calm", calibration=Calibration(-1, 2)
    )
    calm.save(file)
    args = ("vectors", "import", str(file), "-m", str(tiny_file), "-o", str(out))
    refused = invoke(*args)
    assert refused.exit_code == 1
    assert "different weights" in refused.stderr
    assert "--force" in refused.stderr
    assert not out.exists()
    assert invoke(*args, "--force").exit_code == 0
    made = ControlVector.load(out)
    assert made.model == read_model_identity(tiny_file)
    assert made.calibration is None  # it was measured on the other model


def test_nothing_that_fits_and_no_model(invoke: Invoke, tiny_file: Path, tmp_path: Path) -> None:
    file = repeng(tmp_path / "theirs.gguf", N_LAYER)
    result = invoke("vectors", "import", str(file), "-m", str(tiny_file), "--layer-offset", "9")
    assert result.exit_code == 1
    assert "can be steered at the layers 1-3" in result.stderr
    assert invoke("vectors", "import", str(file)).exit_code == 2


def test_calibrate_makes_1_the_right_strength_on_the_real_engine(
    library: Library, invoke: Invoke, tiny_path: Path, tmp_path: Path
) -> None:
    rows = {n: unit(n, 64) * np.float32(30 + n) for n in (1, 2, 3)}
    file = vector_file(tmp_path / "theirs.gguf", rows, u32("controlvector.layer_count", 3))
    args = ("-m", str(tiny_path), "--calibrate", "--threads", "1")
    result = invoke("vectors", "import", str(file), *args)
    assert "strength calibrated, usable" in result.stderr
    made = library.load_vector("theirs")
    assert made.calibration is not None
    assert made.calibration.low < 0 < 1 < made.calibration.high
    assert made.norms()[3] < 30
    assert made.directions[2] @ unit(2, 64) == pytest.approx(made.norms()[2], rel=1e-5)
