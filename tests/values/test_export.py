"""Exported files: other tools read them, we read them back, and equal vectors give equal bytes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from convert.foreign import read_foreign
from convert.foreign.bind import bind
from edgesteer.calibration import Calibration
from edgesteer.errors import FileWriteError, InputError
from edgesteer.export import export_vector, server_args
from edgesteer.gguf_header import read_header
from edgesteer.identity import ModelIdentity
from edgesteer.vector import ControlVector

from ..other_readers import as_llama_cpp_loads_it, as_repeng_imports_it

MODEL = ModelIdentity("llama", 6, 8, "six")
RNG = np.random.default_rng(3)
CALM = ControlVector(
    {n: RNG.normal(size=8) for n in (2, 3, 5)},
    MODEL,
    name="calm",
    calibration=Calibration(-1, 1),
    meta={"method": "mean-difference"},
)
ENDINGS = [".gguf", ".npz", pytest.param(".safetensors", marks=pytest.mark.torch)]


def test_a_plain_gguf_has_the_keys_of_llama_cpp_and_repeng_alone(tmp_path: Path) -> None:
    export_vector(CALM, tmp_path / "x.gguf")
    header = read_header(tmp_path / "x.gguf")
    assert header.kv == {
        "general.architecture": "controlvector",
        "controlvector.model_hint": "llama",
        "controlvector.layer_count": 3,
    }
    assert header.kinds["controlvector.layer_count"] == 4  # u32, as repeng writes it


def test_llama_cpp_and_repeng_read_it(tmp_path: Path) -> None:
    export_vector(CALM, tmp_path / "x.gguf")
    np.testing.assert_array_equal(as_llama_cpp_loads_it(tmp_path / "x.gguf"), CALM.dense(6))
    hint, rows = as_repeng_imports_it(tmp_path / "x.gguf")
    assert hint == "llama"
    assert sorted(rows) == [2, 3, 5]
    np.testing.assert_array_equal(rows[3], CALM.directions[3])


@pytest.mark.parametrize("ending", ENDINGS)
def test_it_comes_back_by_import(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"calm{ending}"
    export_vector(CALM, path)
    found = bind(read_foreign(path), MODEL)
    assert found.recognised.offset == 0
    assert found.vector.digest == CALM.digest
    assert found.vector.recommended is None
    if ending == ".safetensors":
        assert found.warnings == ()
        assert found.recognised.producer == "edgesteer"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", ENDINGS)
def test_equal_vectors_give_equal_bytes_in_every_process(ending: str, tmp_path: Path) -> None:
    code = (
        "import sys; from edgesteer.vector import ControlVector as V;"
        "from edgesteer.export import export_vector;"
        "export_vector(V({n: [n, 1.0] for n in range(1, 12)}, name='x'), sys.argv[1])"
    )
    for name in ("a", "b"):
        subprocess.run([sys.executable, "-c", code, str(tmp_path / f"{name}{ending}")], check=True)
    assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()


def test_another_ending_and_an_impossible_place_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ends in none"):
        export_vector(CALM, tmp_path / "x.pt")
    with pytest.raises(FileWriteError):
        export_vector(CALM, tmp_path / "none" / "x.npz")


def test_the_server_line_refuses_paths_that_it_would_split(tmp_path: Path) -> None:
    assert server_args("x.gguf", "m.gguf")[-2:] == ["--control-vector", "x.gguf"]
    with pytest.raises(InputError, match="several files"):
        server_args("a,b.gguf", "m.gguf")
