"""LoRA adapter files: held against the model in Python before llama.cpp sees them.

Does not know what an adapter does, nor when it is in force. llama.cpp looks at few of these things
itself; some it asserts, which ends the process, and of experts it reads and writes out of bounds.
"""

from __future__ import annotations

import math
import os
from typing import NoReturn

import numpy as np

from edgesteer.errors import VectorFileError, VectorMismatchError
from edgesteer.gguf_header import F32, GgufHeader, TensorInfo, clip, read_header

__all__ = ["check_adapter"]

_NVFP4 = 40
_HINT = "make it again from this very model file"


def check_adapter(path: str | os.PathLike[str], model: str | os.PathLike[str]) -> None:
    """Return if llama.cpp can safely load the adapter ``path`` on the weights of ``model``.

    Only what :func:`convert.ablation.write_ablation` writes passes: pairs of finite F32 matrices on
    matrices of the model other than its embeddings and its output.

    Raises:
        NotFoundError: no such file.
        VectorFileError: no LoRA adapter, or one with parts that are not taken here.
        VectorMismatchError: made for another architecture or for other shapes.
    """
    lora, base = read_header(path), read_header(model)
    if lora.kv.get("general.type") != "adapter" or lora.kv.get("adapter.type") != "lora":
        _refuse(lora, "it is no LoRA adapter")
    if lora.kv.get("general.architecture") != base.kv.get("general.architecture"):
        raise VectorMismatchError(
            f"{path} is for the architecture {lora.kv.get('general.architecture')!r}, the model's "
            f"is {base.kv.get('general.architecture')!r}",
            _HINT,
        )
    alpha = lora.kv.get("adapter.lora.alpha", 0.0)
    if not isinstance(alpha, float) or not math.isfinite(alpha):
        _refuse(lora, "its alpha is no finite f32")
    if "adapter.alora.invocation_tokens" in lora.kv:
        _refuse(lora, "it waits for an invocation, which is not taken here")
    names = {name.removesuffix(".lora_a").removesuffix(".lora_b") for name in lora.tensors}
    if not names:
        _refuse(lora, "it holds no matrix")
    for name in sorted(names):
        _check_pair(lora, base, name)


def _check_pair(lora: GgufHeader, base: GgufHeader, name: str) -> None:
    a, b = lora.tensors.get(f"{name}.lora_a"), lora.tensors.get(f"{name}.lora_b")
    if a is None or b is None:
        _refuse(lora, f"{clip(name)} lacks lora_a or lora_b")
    if not name.startswith("blk."):
        _refuse(lora, f"{clip(name)} is outside the blocks: tied embeddings would end the process")
    weight = base.tensors.get(name)
    if weight is None or not _fits(weight, a, b):
        raise VectorMismatchError(
            f"{lora.path}: {clip(name)} does not fit the model's matrix of that name", _HINT
        )
    if weight.type == _NVFP4:
        raise VectorMismatchError(
            f"{base.path}: {clip(name)} is NVFP4, on which llama.cpp takes no adapter",
            "use a file of the model in another quantisation",
        )
    for info in (a, b):
        if info.type != F32 or not np.isfinite(lora.tensor_f32(info.name)).all():
            _refuse(lora, f"{clip(info.name)} is not F32, or holds NaN or infinity")


def _fits(weight: TensorInfo, a: TensorInfo, b: TensorInfo) -> bool:
    if not len(weight.dims) == len(a.dims) == len(b.dims) or len(weight.dims) not in (2, 3):
        return False
    return (
        a.dims[0] == weight.dims[0]
        and b.dims[1] == weight.dims[1]
        and a.dims[1] == b.dims[0] >= 1
        and a.dims[2:] == b.dims[2:] == weight.dims[2:]
    )


def _refuse(lora: GgufHeader, why: str) -> NoReturn:
    raise VectorFileError(f"{lora.path} is not a usable adapter: {why}", _HINT)
