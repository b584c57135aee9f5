"""Ablation as a LoRA: a direction and the model's own weights -> a rank-1 adapter GGUF.

Does not know the engine: llama.cpp's own --lora-scaled loads the file with the same effect.

Every matrix ``W`` [d, n] that writes into the residual stream, and a unit direction ``r`` [d]:

    W' = W - s r (r^T W)        <=>        W + s B A,   A = r^T W [1, n],   B = -r [d, 1],   alpha 1

so the scale ``s`` of the adapter is the share that is taken out: 0 nothing, 1 all of it. This is
weight orthogonalisation (Arditi et al. 2024, "Refusal in language models is mediated by a single
direction", arXiv:2406.11717, section 4) with ``W`` as the file's quantised weights give it.

Where a norm with gain ``g`` stands between ``W`` and the residual stream (gemma 2 and 3, olmo 2)
what is added is ``g * norm(W x)``, and ``r . (g * y) = (g * r) . y``: there ``g * r``, at unit
length, takes the place of ``r``. At ``s`` = 1 that is exact too; between, the norm shifts what
is left.

The embeddings are never touched. In a model with tied embeddings llama.cpp uses the one matrix
twice and ends the process over such an adapter; so what the embedding of a token holds along ``r``
stays in the residual stream.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgesteer.atomic import write_atomic
from edgesteer.errors import (
    ArchitectureError,
    LayerError,
    ModelError,
    VectorFileError,
    VectorMismatchError,
)
from edgesteer.gguf_header import GgufHeader, TensorInfo, read_header
from edgesteer.identity import ModelIdentity, read_model_identity
from edgesteer.layers import LayerRange, as_layers
from edgesteer.vector import ControlVector

__all__ = ["LAYOUTS", "write_ablation"]

Wide = npt.NDArray[np.float64]

#: architecture -> the norms behind the attention and behind the feed-forward part ("" where what is
#: written goes into the residual stream as it is). Read from llama.cpp's graphs: the same tensor
#: names mean other things in other architectures.
_PLAIN = ("", "")
_POST = ("post_attention_norm", "post_ffw_norm")
LAYOUTS: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(
        (
            *("llama", "qwen2", "qwen2moe", "qwen3", "qwen3moe", "gemma", "phi3", "smollm3"),
            *("granite", "mistral3", "olmo", "internlm2", "minicpm", "command-r", "cohere2"),
        ),
        _PLAIN,
    ),
    **dict.fromkeys(("gemma2", "gemma3", "olmo2"), _POST),
}
_FORWARD = ("ffn_down", "ffn_down_exps", "ffn_down_shexp")
_NVFP4 = 40
_CHUNK = 1 << 20  # values that are dequantised at a time


@dataclass(frozen=True)
class _Writer:
    """A matrix that writes into the residual stream, and the norm behind it, if any."""

    block: int
    weight: TensorInfo
    norm: str


def write_ablation(
    direction: ControlVector | npt.ArrayLike,
    model: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    layers: LayerRange | str | int | Iterable[int] | None = None,
) -> Path:
    """Write the LoRA adapter that keeps a model from writing along a direction.

    Args:
        direction: one direction ``[n_embd]`` for all blocks, or a control vector, whose direction
            ``l`` is then used in block ``l`` (blocks that it carries nothing for are left as they
            are). Lengths do not matter.
        model: the GGUF file of the model; its weights are dequantised one tensor at a time.
        out: the file to write, all or nothing; equal arguments give equal bytes.
        layers: of a control vector, the blocks to edit; None is all that it carries.

    Returns:
        ``out``. The file holds ``<writer>.lora_a`` [1, n] and ``.lora_b`` [d, 1] in F32 for every
        ``blk.<l>.attn_output.weight`` and ``blk.<l>.ffn_down.weight`` (mixtures of experts: also
        ``ffn_down_exps``, one pair an expert, and ``ffn_down_shexp``).

    Raises:
        NotFoundError, ModelError: no model file, or weights that can not be read (NVFP4 among
            them: llama.cpp takes no adapter on those) or that are split into several files.
        ArchitectureError: it is not known what the writers of this architecture are.
        VectorMismatchError: the direction has another width, or belongs to another model.
        VectorFileError: the direction is zero, NaN or infinite.
        LayerError: layers that do not exist or are not carried.
        FileWriteError: the system refused.
    """
    where = Path(model)
    identity = read_model_identity(where)
    units = _units(direction, identity, layers)
    header = read_header(where)
    writers = [w for w in _writers(header, identity) if w.block in units]
    facts = {
        "edgesteer.operation": "ablate",
        "edgesteer.layers.recommended": str(LayerRange.of(units)) if 0 not in units else "all",
        "edgesteer.model.weights_id": identity.weights_id,
    }
    name = direction.name if isinstance(direction, ControlVector) else ""
    pairs = ((w.weight.name, *_pair(header, w, units[w.block])) for w in writers)
    return write_atomic(out, lambda temp: _write(temp, identity, name, facts, pairs))


def _write(
    path: Path,
    identity: ModelIdentity,
    name: str,
    facts: Mapping[str, str],
    pairs: Iterable[tuple[str, Wide, Wide]],
) -> None:
    from gguf import GGUFWriter

    writer = GGUFWriter(path, identity.architecture)
    try:
        writer.add_type("adapter")
        writer.add_string("general.name", f"ablation of {name or 'a direction'}")
        writer.add_string("adapter.type", "lora")
        writer.add_float32("adapter.lora.alpha", 1.0)
        for key, value in facts.items():
            writer.add_string(key, value)
        for base, a, b in pairs:
            writer.add_tensor(f"{base}.lora_a", np.ascontiguousarray(a, np.float32))
            writer.add_tensor(f"{base}.lora_b", np.ascontiguousarray(b, np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


# -- directions


def _units(
    direction: ControlVector | npt.ArrayLike,
    identity: ModelIdentity,
    layers: LayerRange | str | int | Iterable[int] | None,
) -> dict[int, Wide]:
    """block -> unit direction, float64 [n_embd]."""
    if isinstance(direction, ControlVector):
        if direction.model is not None:
            identity.check_fits(direction.model)
        carried = LayerRange.of(direction.layers).resolve(identity.n_layer)
        wanted = carried if layers is None else as_layers(layers).resolve(identity.n_layer)
        blocks = [n for n in wanted if n in carried]
        if not blocks:
            raise LayerError(
                f"{direction.name or 'the vector'} carries nothing at {as_layers(layers or ())}",
                f"it carries the layers {LayerRange.of(carried)}",
            )
        return {n: _unit(direction.directions[n], identity, f" of layer {n}") for n in blocks}
    if layers is not None:
        raise LayerError(
            "one direction is taken out of all blocks", "leave the layers out, or give a vector"
        )
    unit = _unit(direction, identity, "")
    return dict.fromkeys(range(identity.n_layer), unit)


def _unit(direction: npt.ArrayLike, identity: ModelIdentity, what: str) -> Wide:
    row = np.asarray(direction, np.float64)
    if row.shape != (identity.n_embd,):
        raise VectorMismatchError(
            f"the direction{what} has the shape {row.shape}, the model {identity} is "
            f"{identity.n_embd} wide",
            "extract the direction on this model",
        )
    norm = float(np.linalg.norm(row))
    if not np.isfinite(norm) or norm == 0:
        why = "is zero" if norm == 0 else "holds NaN or infinity"
        raise VectorFileError(f"the direction{what} {why}", "extract it again, or leave it out")
    return row / norm


# -- the model's side


def _writers(header: GgufHeader, identity: ModelIdentity) -> list[_Writer]:
    """The writers of all blocks, in order, after a check that none can be missing."""
    if header.kv.get("split.count", 0) not in (0, 1):
        raise ModelError(
            f"{header.path} is one of several files of a split model",
            "join them first: llama-gguf-split --merge",
        )
    layout = LAYOUTS.get(identity.architecture)
    if layout is None:
        raise ArchitectureError(
            f"it is not known which weights of the architecture {identity.architecture!r} write "
            "into the residual stream",
            f"Known are {', '.join(sorted(LAYOUTS))}; ablate:NAME works on every model.",
        )
    found: list[_Writer] = []
    for block in range(identity.n_layer):
        kinds = ("attn_output", *(k for k in _FORWARD if _name(block, k) in header.tensors))
        if len(kinds) < 2 or _name(block, "attn_output") not in header.tensors:
            raise _unknown(header, f"block {block} lacks attn_output or ffn_down")
        for kind in kinds:
            norm = layout[kind != "attn_output"]
            found.append(_writer(header, block, kind, norm, identity.n_embd))
    for norm in _POST:
        if norm not in layout and any(f".{norm}." in name for name in header.tensors):
            raise _unknown(header, f"it has {norm}, which {identity.architecture} has not")
    return found


def _writer(header: GgufHeader, block: int, kind: str, norm: str, n_embd: int) -> _Writer:
    weight = header.tensors[_name(block, kind)]
    bias = weight.name.replace(".weight", ".bias")
    if bias in header.tensors:
        raise _unknown(header, f"{bias} is a constant, which no LoRA can take out")
    experts = kind == "ffn_down_exps"
    if len(weight.dims) != (3 if experts else 2) or weight.dims[1] != n_embd:
        raise _unknown(header, f"{weight.name} has the dimensions {list(weight.dims)}")
    if weight.type == _NVFP4 or weight.nbytes is None:
        kind = "NVFP4, on which llama.cpp takes no adapter" if weight.type == _NVFP4 else "unknown"
        raise ModelError(
            f"{header.path}: the type of {weight.name} is {kind}",
            "use a file in another quantisation, or steer with ablate:NAME, which needs no adapter",
        )
    if norm:
        norm = f"blk.{block}.{norm}.weight"
        if norm not in header.tensors:
            raise _unknown(header, f"{norm} is missing")
    return _Writer(block, weight, norm)


def _name(block: int, kind: str) -> str:
    return f"blk.{block}.{kind}.weight"


def _unknown(header: GgufHeader, why: str) -> ArchitectureError:
    return ArchitectureError(
        f"{header.path} is not laid out as its architecture says: {why}",
        "Steer with ablate:NAME, which needs no adapter.",
    )


def _pair(header: GgufHeader, writer: _Writer, unit: Wide) -> tuple[Wide, Wide]:
    """(A, B) of one writer: [1, n] and [d, 1], or [experts, 1, n] and [experts, d, 1]."""
    if writer.norm:
        gain = header.tensor_f32(writer.norm).astype(np.float64)
        if gain.shape != unit.shape:
            raise _unknown(header, f"{writer.norm} has the shape {gain.shape}")
        norm = float(np.linalg.norm(gain * unit))
        if not np.isfinite(norm) or norm == 0:
            raise _unknown(header, f"the gain {writer.norm} makes nothing of the direction")
        unit = gain * unit / norm
    n, d, *experts = writer.weight.dims
    rows = np.zeros((*experts, 1, n), np.float64)
    flat = rows.reshape(-1, n)
    for expert, start, block in _weights(header, writer.weight, n, d):
        flat[expert] += unit[start : start + len(block)] @ block
    if not np.isfinite(rows).all():
        raise ModelError(
            f"{header.path}: {writer.weight.name} holds NaN or infinity", "get it anew"
        )
    return rows, np.broadcast_to(-unit[:, None], (*experts, d, 1))


def _weights(
    header: GgufHeader, info: TensorInfo, n: int, d: int
) -> Iterator[tuple[int, int, Wide]]:
    """(expert, first row, float64 rows) of a weight, some rows at a time."""
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize

    total = int(np.prod(info.dims[1:]))
    row_bytes = (info.nbytes or 0) // total
    step = max(1, min(d, _CHUNK // n))
    try:
        kind = GGMLQuantizationType(info.type)
        with header.path.open("rb") as file:
            file.seek(info.start)
            for expert in range(total // d):
                for start in range(0, d, step):
                    count = min(step, d - start)
                    raw = np.frombuffer(file.read(count * row_bytes), np.uint8)
                    rows = dequantize(raw.reshape(count, row_bytes), kind)
                    yield expert, start, rows.astype(np.float64)
    except (NotImplementedError, ValueError, OSError) as error:
        raise ModelError(
            f"{header.path}: {info.name} can not be read: {error}",
            "use a file in another quantisation, such as Q8_0",
        ) from error
