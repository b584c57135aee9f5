"""Adapter files: those that llama.cpp would assert on, or read out of bounds, never reach it."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest

from convert.ablation import write_ablation
from edgesteer.engine.adapters import check_adapter
from edgesteer.errors import EdgesteerError, VectorFileError, VectorMismatchError

from ..tiny import write_model
from .tools import direction

R = direction(5)


def spoilt(path: Path, adapter: Path, **how: object) -> Path:
    """The adapter again, with something wrong."""
    reader = gguf.GGUFReader(adapter)
    writer = gguf.GGUFWriter(path, str(how.get("architecture", "llama")))
    writer.add_type(str(how.get("type", "adapter")))
    writer.add_string("adapter.type", str(how.get("kind", "lora")))
    writer.add_float32("adapter.lora.alpha", float(str(how.get("alpha", 1.0))))
    if "alora" in how:
        writer.add_array("adapter.alora.invocation_tokens", [1, 2])
    for tensor in reader.tensors:
        name, data = str(tensor.name), np.array(tensor.data)
        if name.endswith(str(how.get("leave_out", "nothing"))):
            continue
        if name == "blk.0.ffn_down.weight.lora_a":
            data = data[:, :-1].copy() if "narrow" in how else data
            data = data * np.float32(how.get("times", 1))  # type: ignore[arg-type]
            data = data.astype(np.float16) if "half" in how else data
        name = name.replace("blk.1.ffn_down", str(how.get("rename", "blk.1.ffn_down")))
        writer.add_tensor(name, data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ({"type": "model"}, VectorFileError),
        ({"kind": "dora"}, VectorFileError),
        ({"architecture": "qwen2"}, VectorMismatchError),
        ({"alpha": np.nan}, VectorFileError),
        ({"alora": True}, VectorFileError),
        ({"leave_out": "lora_b"}, VectorFileError),
        ({"leave_out": ""}, VectorFileError),
        ({"narrow": True}, VectorMismatchError),
        ({"half": True}, VectorFileError),
        ({"times": np.nan}, VectorFileError),
        ({"rename": "token_embd"}, VectorFileError),
        ({"rename": "blk.9.ffn_down"}, VectorMismatchError),
    ],
)
def test_bad_adapters_never_reach_llama(
    tiny_path: Path, tmp_path: Path, how: dict[str, object], error: type[EdgesteerError]
) -> None:
    good = write_ablation(R, tiny_path, tmp_path / "good.gguf")
    check_adapter(spoilt(tmp_path / "same.gguf", good), tiny_path)
    with pytest.raises(error) as caught:
        check_adapter(spoilt(tmp_path / "bad.gguf", good, **how), tiny_path)
    assert caught.value.hint


def test_an_adapter_of_another_width_is_refused(tiny_path: Path, tmp_path: Path) -> None:
    narrow = write_model(tmp_path / "narrow.gguf", n_embd=32)
    adapter = write_ablation(R[:32], narrow, tmp_path / "a.gguf")
    with pytest.raises(VectorMismatchError):
        check_adapter(adapter, tiny_path)
