"""The control-vector file: ours come back bit for bit, others can read them, theirs are read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from edgesteer.calibration import Calibration
from edgesteer.errors import FitWarning, VectorMismatchError
from edgesteer.gguf_file import load_vector, save_vector
from edgesteer.gguf_header import read_header
from edgesteer.identity import ModelIdentity
from edgesteer.vector import ControlVector

from ..other_readers import as_llama_cpp_loads_it, as_repeng_imports_it
from .strategies import vectors

SMOL = ModelIdentity("llama", 30, 8, "SmolLM2", "ab" * 32)
RNG = np.random.default_rng(7)


def random_vector(layers: range = range(1, 30), **facts: Any) -> ControlVector:
    return ControlVector({n: RNG.normal(size=8) for n in layers}, SMOL, name="calm", **facts)


@pytest.mark.parametrize("layers", [range(1, 30), range(8, 17), range(29, 30)])
def test_llama_cpp_loads_our_files(layers: range, tmp_path: Path) -> None:
    vector = random_vector(layers)
    vector.save(tmp_path / "x.gguf")
    loaded = as_llama_cpp_loads_it(tmp_path / "x.gguf")
    expected = vector.dense(30)
    np.testing.assert_array_equal(loaded, expected[: len(loaded)])
    assert not expected[len(loaded) :].any()


def test_repeng_imports_our_files(tmp_path: Path) -> None:
    vector = random_vector()
    vector.save(tmp_path / "x.gguf")
    hint, directions = as_repeng_imports_it(tmp_path / "x.gguf")
    assert hint == "llama"
    assert sorted(directions) == list(vector.layers)
    for layer, row in directions.items():
        np.testing.assert_array_equal(row, vector.directions[layer])


def test_the_keys_that_other_tools_see(tmp_path: Path) -> None:
    random_vector().save(tmp_path / "x.gguf")
    header = read_header(tmp_path / "x.gguf")
    assert header.kv["general.architecture"] == "controlvector"
    assert header.kv["controlvector.layer_count"] == 29
    assert header.kinds["controlvector.layer_count"] == 4  # u32
    assert all(key.startswith(("general.", "controlvector.", "edgesteer.")) for key in header.kv)
    assert header.kv["edgesteer.layer_convention"] == "block_output"
    assert header.kv["edgesteer.operation"] == "add"


@pytest.mark.parametrize(
    "vector",
    [
        ControlVector({1: [1.0]}),
        ControlVector({3: [0.0, -0.0]}, name="zero"),
        random_vector(recommended="40%-80%", calibration=Calibration(0.1, 1.7, {"kl": [1, 0.3]})),
        random_vector(meta={"method": "mean difference", "größe": [1, 2.5, None, {"x": True}]}),
        ControlVector({1: [1.0]}, ModelIdentity("qwen2", 4, 1), name='odd "name" = @ ?'),
    ],
)
def test_our_own_files_come_back(vector: ControlVector, tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    vector.save(path)
    again = ControlVector.load(path)
    assert again == vector
    assert again.matrix.tobytes() == vector.matrix.tobytes()
    assert [file.name for file in tmp_path.iterdir()] == ["x.gguf"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(vectors())
def test_any_value_comes_back_and_gives_the_same_bytes(
    tmp_path: Path, vector: ControlVector
) -> None:
    one, two = tmp_path / "one.gguf", tmp_path / "two.gguf"
    save_vector(vector, one)
    again = load_vector(one)
    assert again == vector
    assert again.matrix.tobytes() == vector.matrix.tobytes()
    assert again.digest == vector.digest
    save_vector(again, two)
    assert one.read_bytes() == two.read_bytes()


def test_bytes_do_not_depend_on_the_order_of_making(tmp_path: Path) -> None:
    rows = {n: RNG.normal(size=4) for n in (1, 2, 3)}
    one = ControlVector(rows, meta={"a": 1, "b": 2})
    two = ControlVector(dict(reversed(rows.items())), meta={"b": 2, "a": 1})
    one.save(tmp_path / "one.gguf")
    two.save(tmp_path / "two.gguf")
    assert (tmp_path / "one.gguf").read_bytes() == (tmp_path / "two.gguf").read_bytes()


def foreign(path: Path, layers: list[int], *, signed: bool, hint: str | None = "llama") -> Path:
    """A file as other tools write it: no key of ours, a signed or unsigned layer count."""
    writer = gguf.GGUFWriter(path, "controlvector")
    if hint is not None:
        writer.add_string("controlvector.model_hint", hint)
    (writer.add_int32 if signed else writer.add_uint32)("controlvector.layer_count", len(layers))
    for layer in layers:
        writer.add_tensor(f"direction.{layer}", np.full(8, layer, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_files_of_repeng_are_read(tmp_path: Path) -> None:
    path = foreign(tmp_path / "happy.gguf", list(range(29, 0, -1)), signed=False)
    vector = load_vector(path)
    assert vector.layers == tuple(range(1, 30))
    np.testing.assert_array_equal(vector.directions[7], np.full(8, 7.0))
    assert (vector.name, vector.model, vector.recommended) == ("happy", None, None)
    assert vector.meta == {
        "foreign": {"model_hint": "llama", "layer_count": 29, "layer_count_type": "u32"}
    }


def test_files_of_cvector_generator_are_read_and_told_apart(tmp_path: Path) -> None:
    vector = load_vector(foreign(tmp_path / "x.gguf", list(range(1, 30)), signed=True))
    assert vector.layers == tuple(range(1, 30))
    assert vector.meta["foreign"]["layer_count_type"] == "i32"


def test_a_file_without_a_hint_is_read(tmp_path: Path) -> None:
    vector = load_vector(foreign(tmp_path / "x.gguf", [3], signed=False, hint=None))
    assert "model_hint" not in vector.meta["foreign"]


def test_a_foreign_vector_saved_by_us_keeps_its_hint(tmp_path: Path) -> None:
    vector = load_vector(foreign(tmp_path / "x.gguf", [3], signed=False, hint="mistral"))
    vector.save(tmp_path / "y.gguf")
    assert as_repeng_imports_it(tmp_path / "y.gguf")[0] == "mistral"
    assert load_vector(tmp_path / "y.gguf") == vector


def test_a_foreign_vector_for_another_model_warns_or_is_refused(tmp_path: Path) -> None:
    vector = load_vector(foreign(tmp_path / "x.gguf", [3], signed=False, hint="mistral"))
    with pytest.warns(FitWarning, match="mistral"):
        (vector * 1).check(SMOL)
    with pytest.raises(VectorMismatchError, match="8 wide"):
        (vector * 1).check(ModelIdentity("mistral", 30, 16))


def test_the_format_is_described_where_it_is_written() -> None:
    from edgesteer import gguf_file

    source = Path(gguf_file.__file__).read_text(encoding="utf-8")
    described = gguf_file.__doc__ or ""
    for key in re.findall(r'add_\w+\(\s*"([^"]+)"', source):
        assert key in described or f".{key.rsplit('.', 1)[1]}" in described, key
