"""Ablation adapters: the formula on real files, every layout, equal bytes, clear refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
from numpy.typing import NDArray

from convert.ablation import write_ablation
from edgesteer import ControlVector, read_model_identity
from edgesteer.errors import (
    ArchitectureError,
    EdgesteerError,
    FileWriteError,
    LayerError,
    ModelError,
    NotFoundError,
    VectorFileError,
    VectorMismatchError,
)
from edgesteer.gguf_header import read_header

D, N, EXPERTS = 32, 64, 3
R = np.random.default_rng(3).standard_normal(D)
Floats = NDArray[np.float32]
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the weights that matter here as a model file: write(architecture, **changes)."""

    def make(
        architecture: str = "llama",
        *,
        post: bool = False,
        experts: bool = False,
        bias: bool = False,
        kind: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F32,
        leave_out: str = "",
        spoil: bool = False,
        split: int = 0,
    ) -> Path:
        path = tmp_path / "model.gguf"
        rng = np.random.default_rng(0)
        writer = gguf.GGUFWriter(path, architecture)
        writer.add_block_count(2)
        writer.add_embedding_length(D)
        if split:
            writer.add_uint16("split.count", split)

        def add(name: str, *shape: int) -> None:
            if leave_out and leave_out in name:
                return
            values = rng.standard_normal(shape).astype(np.float32)
            if spoil and "ffn_down" in name:
                values[..., 1] = np.nan
            if len(shape) == 1 or kind == gguf.GGMLQuantizationType.F32:
                writer.add_tensor(name, values)
            else:
                writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)

        add("token_embd.weight", 40, D)
        for i in range(2):
            add(f"blk.{i}.attn_norm.weight", D)
            add(f"blk.{i}.attn_output.weight", D, N)
            if bias:
                add(f"blk.{i}.attn_output.bias", D)
            if experts:
                add(f"blk.{i}.ffn_down_exps.weight", EXPERTS, D, N)
                add(f"blk.{i}.ffn_down_shexp.weight", D, N)
            else:
                add(f"blk.{i}.ffn_down.weight", D, N)
            if post:
                add(f"blk.{i}.post_attention_norm.weight", D)
                add(f"blk.{i}.post_ffw_norm.weight", D)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    return make


def tensors(path: Path) -> dict[str, Floats]:
    """Every tensor of a file, dequantised, by name."""
    return {
        t.name: gguf.quants.dequantize(t.data, t.tensor_type) for t in gguf.GGUFReader(path).tensors
    }


def edited(model: Path, adapter: Path, name: str) -> Floats:
    """``W + B A`` of one writer."""
    weights, lora = tensors(model), tensors(adapter)
    change: Floats = lora[f"{name}.lora_b"] @ lora[f"{name}.lora_a"]
    return weights[name] + change


def unit(direction: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(direction / np.linalg.norm(direction), np.float64)


@pytest.mark.parametrize("kind", ["F32", "F16", "Q8_0", "Q4_1"])
def test_no_writer_writes_along_the_direction(write: Write, tmp_path: Path, kind: str) -> None:
    model = write(kind=gguf.GGMLQuantizationType[kind])
    out = write_ablation(R, model, tmp_path / "out.gguf")
    assert set(tensors(out)) == {
        f"blk.{i}.{name}.weight.lora_{x}"
        for i in range(2)
        for name in ("attn_output", "ffn_down")
        for x in "ab"
    }
    r = unit(R)
    for name in ("blk.0.attn_output.weight", "blk.1.ffn_down.weight"):
        before, after = tensors(model)[name], edited(model, out, name)
        assert np.abs(r @ before).max() > 0.5
        assert np.abs(r @ after).max() < 1e-5
        np.testing.assert_allclose(after, before - np.outer(r, r @ before), atol=1e-5)


def test_experts_are_edited_one_by_one(write: Write, tmp_path: Path) -> None:
    model = write("qwen2moe", experts=True)
    out = write_ablation(R, model, tmp_path / "out.gguf")
    lora = tensors(out)
    assert lora["blk.0.ffn_down_exps.weight.lora_a"].shape == (EXPERTS, 1, N)
    assert lora["blk.0.ffn_down_exps.weight.lora_b"].shape == (EXPERTS, D, 1)
    for kind in ("ffn_down_exps", "ffn_down_shexp", "attn_output"):
        after = edited(model, out, f"blk.1.{kind}.weight")
        assert np.abs(unit(R) @ after).max() < 1e-5


def test_behind_a_norm_the_gain_turns_the_direction(write: Write, tmp_path: Path) -> None:
    model = write("gemma3", post=True)
    out = write_ablation(R, model, tmp_path / "out.gguf")
    x = np.random.default_rng(1).standard_normal(N)
    for writer, norm in (("attn_output", "post_attention_norm"), ("ffn_down", "post_ffw_norm")):
        y = edited(model, out, f"blk.0.{writer}.weight") @ x
        written = tensors(model)[f"blk.0.{norm}.weight"] * y / np.sqrt(np.mean(y**2))
        assert abs(unit(R) @ written) < 1e-5
        assert abs(unit(R) @ y) > 1e-2  # the plain direction is not what had to go


def test_a_vector_gives_each_block_its_own_direction(write: Write, tmp_path: Path) -> None:
    model = write()
    vector = ControlVector({1: R}, read_model_identity(model), name="calm")
    out = write_ablation(vector, model, tmp_path / "out.gguf")
    assert {name.split(".")[1] for name in tensors(out)} == {"1"}
    assert np.abs(unit(R) @ edited(model, out, "blk.1.ffn_down.weight")).max() < 1e-5


def test_the_file_is_an_adapter_of_that_model(write: Write, tmp_path: Path) -> None:
    kv = read_header(write_ablation(R, write(), tmp_path / "out.gguf")).kv
    assert kv["general.type"] == "adapter"
    assert kv["general.architecture"] == "llama"
    assert kv["adapter.type"] == "lora"
    assert kv["adapter.lora.alpha"] == 1.0


def test_equal_arguments_give_equal_bytes_whatever_the_length(write: Write, tmp_path: Path) -> None:
    model = write()
    first = write_ablation(R, model, tmp_path / "a.gguf").read_bytes()
    assert write_ablation(R, model, tmp_path / "b.gguf").read_bytes() == first
    assert write_ablation(R * 4, model, tmp_path / "c.gguf").read_bytes() == first


def test_bad_directions_are_refused(write: Write, tmp_path: Path) -> None:
    model, out = write(), tmp_path / "out.gguf"
    for direction, error, what in (
        (R[:-1], VectorMismatchError, "32 wide"),
        (R * np.nan, VectorFileError, "NaN"),
        (R * np.inf, VectorFileError, "NaN or infinity"),
        (R * 0, VectorFileError, "is zero"),
        (R[None], VectorMismatchError, r"\(1, 32\)"),
    ):
        with pytest.raises(error, match=what):
            write_ablation(direction, model, out)
    stranger = ControlVector({1: R}, read_model_identity(write("qwen2")), name="calm")
    model = write()
    with pytest.raises(VectorMismatchError, match="architectures differ"):
        write_ablation(stranger, model, out)
    with pytest.raises(LayerError, match="all blocks"):
        write_ablation(R, model, out, layers="1")
    with pytest.raises(LayerError):
        write_ablation(ControlVector({1: R}), model, out, layers="7")
    assert not out.exists()


@pytest.mark.parametrize(
    ("changes", "error", "what"),
    [
        ({"architecture": "mamba"}, ArchitectureError, "not known which weights"),
        ({"post": True}, ArchitectureError, "post_attention_norm"),
        ({"bias": True}, ArchitectureError, "constant"),
        ({"leave_out": "blk.1.ffn_down"}, ArchitectureError, "block 1 lacks"),
        ({"architecture": "gemma3"}, ArchitectureError, "post_attention_norm.weight is missing"),
        ({"spoil": True}, ModelError, "NaN"),
        ({"split": 2}, ModelError, "split"),
    ],
)
def test_weights_that_can_not_be_edited_are_refused(
    write: Write, tmp_path: Path, changes: dict[str, object], error: type[EdgesteerError], what: str
) -> None:
    out = tmp_path / "out.gguf"
    with pytest.raises(error, match=what) as caught:
        write_ablation(R, write(**changes), out)
    assert caught.value.hint
    assert not out.exists()


def test_nvfp4_is_refused(write: Write, tmp_path: Path) -> None:
    model = write()
    data = bytearray(model.read_bytes())
    at = data.index(b"blk.0.attn_output.weight") + len(b"blk.0.attn_output.weight")
    data[at + 4 + 16 : at + 4 + 20] = (40).to_bytes(4, "little")  # two dimensions, then the type
    model.write_bytes(data)
    with pytest.raises(ModelError, match="NVFP4"):
        write_ablation(R, model, tmp_path / "out.gguf")


def test_files_that_are_not_there(write: Write, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        write_ablation(R, tmp_path / "none.gguf", tmp_path / "out.gguf")
    with pytest.raises(FileWriteError):
        write_ablation(R, write(), tmp_path / "no" / "folder.gguf")
