"""The rules of the two readers that most people have, written down a second time.

Does not use edgesteer: what these accept, llama.cpp and repeng accept.
"""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray


def as_llama_cpp_loads_it(path: Path) -> NDArray[np.float32]:
    """The buffer that llama.cpp builds: layer l at row l-1, missing layers zero.

    It looks at tensors alone: each is named direction.<int>, above 0, F32, 1-D, of one width.
    """
    rows: dict[int, NDArray[np.float32]] = {}
    for tensor in gguf.GGUFReader(path).tensors:
        name, _, number = tensor.name.partition(".")
        assert name == "direction"
        layer = int(number)
        assert layer > 0
        assert tensor.tensor_type == gguf.GGMLQuantizationType.F32
        assert len(tensor.shape) == 1
        assert layer not in rows
        rows[layer] = np.array(tensor.data)
    assert len({row.size for row in rows.values()}) == 1
    buffer = np.zeros((max(rows), rows[max(rows)].size), np.float32)
    for layer, row in rows.items():
        buffer[layer - 1] = row
    return buffer


def as_repeng_imports_it(path: Path) -> tuple[str, dict[int, NDArray[np.float32]]]:
    """(model type, directions by layer): the architecture and the model hint have to be there."""
    reader = gguf.GGUFReader(path)
    architecture = reader.get_field("general.architecture")
    assert architecture is not None
    assert bytes(architecture.parts[-1]).decode() == "controlvector"
    hint = reader.get_field("controlvector.model_hint")
    assert hint is not None
    directions: dict[int, NDArray[np.float32]] = {}
    for tensor in reader.tensors:
        if tensor.name.startswith("direction."):
            directions[int(tensor.name.split(".")[1])] = np.array(tensor.data)
    return bytes(hint.parts[-1]).decode(), directions
