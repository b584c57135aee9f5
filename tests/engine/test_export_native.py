"""An exported file does in llama.cpp at scale 1 what the steering does here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgesteer import ControlVector, Model
from edgesteer.engine.context import Context
from edgesteer.engine.llama import Offload, Weights
from edgesteer.export import export_vector
from edgesteer.steering import Steering

from ..other_readers import as_llama_cpp_loads_it
from .tools import clean_logits, direction

TOKENS = list(range(270, 290))


@pytest.mark.parametrize("text", ["calm=1", "calm=-0.6", "calm=0.8 dull=0.5@1", "calm=1@all"])
def test_native_application_of_the_exported_file_equals_the_steering(
    text: str, tiny_model: Model, tiny_path: Path, tmp_path: Path
) -> None:
    rows = {n: direction(n, scale=4.0 + n) for n in (1, 2, 3)}
    calm = ControlVector(rows, tiny_model.identity, name="calm", recommended="2-3")
    dull = ControlVector({1: direction(9, scale=3.0)}, tiny_model.identity, name="dull")
    steering = Steering.parse(text).bind({"calm": calm, "dull": dull}.__getitem__)
    expected = clean_logits(tiny_model, TOKENS, steering)

    export_vector(steering.vector(), tmp_path / "plain.gguf")
    loaded = as_llama_cpp_loads_it(tmp_path / "plain.gguf")
    buffer = np.zeros((3, 64), np.float32)  # llama.cpp fills up what the file leaves out
    buffer[: len(loaded)] = loaded
    if "@all" not in text and "dull" not in text:
        assert not buffer[0].any(), "a layer that is not recommended was exported"
    found = native_logits(tiny_path, buffer)
    np.testing.assert_allclose(found, expected, atol=2e-4)
    plain = clean_logits(tiny_model, TOKENS)
    assert np.abs(plain - expected).max() > 0.1


def native_logits(path: Path, buffer: np.ndarray) -> np.ndarray:
    """All logits of TOKENS on a bare context with that control vector and nothing else."""
    weights = Weights(path, Offload(0, "CPU"))
    context = Context(weights, n_ctx=256, n_seq=1, n_outputs=64, threads=1, kv_type="f32")
    try:
        context.set_vector(buffer)
        n = len(TOKENS)
        context.tokens[:n], context.positions[:n] = TOKENS, np.arange(n)
        context.sequences[:n], context.outputs[:n] = 0, 1
        assert context.decode(n) == 0
        return np.stack([context.logits(i) for i in range(n)])
    finally:
        context.close()
        weights.close()
