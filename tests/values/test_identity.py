"""ModelIdentity: read from a file's header, equal for every quantisation, strict about fitting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from edgesteer.errors import InputError, ModelError, NotFoundError, VectorMismatchError
from edgesteer.identity import ModelIdentity, read_model_identity
from edgesteer.vector import ControlVector

from .. import hostile

WIDTH, BLOCKS = 32, 4


def model_file(
    path: Path,
    *,
    name: str = "Tiny Instruct",
    quantised: bool = False,
    seed: int = 0,
    extra: dict[str, int] | None = None,
    tensors: slice = slice(None),
) -> Path:
    """A file with the header of a llama model; weights as F16 or Q8_0, norms as F32."""
    rng = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, "llama")
    if name:
        writer.add_name(name)
    writer.add_block_count(BLOCKS)
    writer.add_embedding_length(WIDTH)
    for key, value in (extra or {}).items():
        writer.add_uint32(key, value)
    arrays: list[tuple[str, Any]] = [("output_norm.weight", rng.random(WIDTH, np.float32))]
    for block in range(BLOCKS):
        arrays.append((f"blk.{block}.attn_norm.weight", rng.random(WIDTH, np.float32)))
        arrays.append((f"blk.{block}.ffn_down.weight", rng.random((WIDTH, WIDTH), np.float32)))
    for tensor, array in arrays[tensors]:
        if array.ndim == 1:
            writer.add_tensor(tensor, array)
        elif quantised:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(tensor, gguf.quantize(array, kind), raw_dtype=kind)
        else:
            writer.add_tensor(tensor, array.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_what_the_header_tells(tmp_path: Path) -> None:
    found = read_model_identity(model_file(tmp_path / "tiny.gguf"))
    assert (found.architecture, found.n_layer, found.n_embd) == ("llama", BLOCKS, WIDTH)
    assert found.name == "Tiny Instruct"
    assert len(found.weights_id) == 64
    assert str(found).startswith("Tiny Instruct (llama, 4 layers, width 32, weights ")


def test_every_quantisation_of_the_same_weights_is_the_same_model(tmp_path: Path) -> None:
    half = read_model_identity(model_file(tmp_path / "f16.gguf"))
    eight = read_model_identity(model_file(tmp_path / "q8.gguf", name="Q8", quantised=True))
    other = read_model_identity(model_file(tmp_path / "other.gguf", seed=1))
    assert half.weights_id == eight.weights_id
    half.check_fits(eight)
    with pytest.raises(VectorMismatchError, match="different weights"):
        half.check_fits(other)


def test_blocks_that_predict_further_tokens_are_not_layers(tmp_path: Path) -> None:
    path = model_file(tmp_path / "x.gguf", extra={"llama.nextn_predict_layers": 1})
    assert read_model_identity(path).n_layer == BLOCKS - 1


def test_a_split_model_is_read_as_one(tmp_path: Path) -> None:
    whole = read_model_identity(model_file(tmp_path / "whole.gguf"))
    for number, tensors in enumerate((slice(0, 4), slice(4, None)), 1):
        model_file(tmp_path / f"part-0000{number}-of-00002.gguf", tensors=tensors)
    assert read_model_identity(tmp_path / "part-00001-of-00002.gguf") == whole
    (tmp_path / "part-00002-of-00002.gguf").unlink()
    with pytest.raises(ModelError, match="lacks") as caught:
        read_model_identity(tmp_path / "part-00001-of-00002.gguf")
    assert caught.value.hint


def test_without_a_name_the_file_gives_it(tmp_path: Path) -> None:
    assert read_model_identity(model_file(tmp_path / "mine.gguf", name="")).name == "mine"


def test_files_that_are_no_models(tmp_path: Path) -> None:
    vector = tmp_path / "vector.gguf"
    ControlVector({1: [1.0]}).save(vector)
    with pytest.raises(ModelError, match="control vector") as caught:
        read_model_identity(vector)
    assert "-s" in caught.value.hint
    for name, data in {
        "empty": b"",
        "cut": hostile.GOOD[:50],
        "clip": hostile.gguf(head=[hostile.text("general.architecture", "clip")]),
        "nothing": hostile.gguf(head=[]),
        "text": hostile.gguf(
            head=[hostile.text("general.architecture", "a"), hostile.text("a.block_count", "4")]
        ),
        "zero": hostile.gguf(
            head=[
                hostile.text("general.architecture", "a"),
                hostile.u32("a.block_count", 0),
                hostile.u32("a.embedding_length", 8),
            ]
        ),
        "no_width": hostile.gguf(
            head=[hostile.text("general.architecture", "a"), hostile.u32("a.block_count", 4)]
        ),
    }.items():
        path = tmp_path / f"{name}.gguf"
        path.write_bytes(data)
        with pytest.raises(ModelError) as caught:
            read_model_identity(path)
        assert caught.value.hint
        assert str(path) in caught.value.message
    with pytest.raises(NotFoundError):
        read_model_identity(tmp_path / "none.gguf")


BASE = ModelIdentity("llama", 30, 576, "Smol", "aa")


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (ModelIdentity("qwen2", 30, 576), "architectures"),
        (ModelIdentity("llama", 31, 576), "layer counts"),
        (ModelIdentity("llama", 30, 577), "widths"),
        (ModelIdentity("llama", 30, 576, "Smol", "bb"), "different weights"),
    ],
)
def test_what_does_not_fit_names_both_sides(other: ModelIdentity, words: str) -> None:
    with pytest.raises(VectorMismatchError, match=words) as caught:
        BASE.check_fits(other)
    assert str(BASE) in caught.value.message
    assert str(other) in caught.value.message
    assert caught.value.hint


def test_what_fits() -> None:
    BASE.check_fits(ModelIdentity("llama", 30, 576, "another name", "aa"))
    BASE.check_fits(ModelIdentity("llama", 30, 576))
    ModelIdentity("llama", 30, 576).check_fits(BASE)


def test_dict_and_back() -> None:
    assert ModelIdentity.from_dict(BASE.to_dict()) == BASE
    assert ModelIdentity.from_dict({**BASE.to_dict(), "later": 1}) == BASE
    with pytest.raises(InputError, match="n_embd"):
        ModelIdentity.from_dict({"architecture": "llama", "n_layer": 3})


@pytest.mark.parametrize(
    "values",
    [
        ("", 3, 4),
        ("llama", 0, 4),
        ("llama", 3, 0),
        ("llama", True, 4),
        ("llama", 3.0, 4),
        ("llama", 3, 10**9),
        (None, 3, 4),
        ("llama", 3, 4, None),
        ("llama", 3, 4, "\ud800"),
    ],
)
def test_what_can_not_be_a_model(values: tuple[Any, ...]) -> None:
    with pytest.raises(InputError) as caught:
        ModelIdentity(*values)
    assert caught.value.hint
