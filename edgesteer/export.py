"""A vector in the forms that other tools read: plain GGUF, .npz and .safetensors.

Does not know the library, nor how strengths are baked in (Steering.vector does that).

    .gguf          llama.cpp's control vector with the keys that llama.cpp and repeng know, no more
    .npz           one float32 array a layer, named direction.<l>
    .safetensors   the same, with the model and the layer convention in the metadata ("edgesteer")

In all of them l is a layer as layers.py counts. The same vector gives the same bytes.
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgesteer.atomic import write_atomic
from edgesteer.errors import InputError, MissingExtraError
from edgesteer.gguf_file import CONVENTION, save_plain

if TYPE_CHECKING:
    from edgesteer.vector import ControlVector

__all__ = ["FORMATS", "export_vector", "server_args"]

FORMATS = (".gguf", ".npz", ".safetensors")


def export_vector(vector: ControlVector, path: str | os.PathLike[str]) -> None:
    """Writes all directions of the vector, in the form that the file's ending names.

    Raises InputError for another ending, MissingExtraError where safetensors is not installed, and
    FileWriteError.
    """
    kind = Path(path).suffix.lower()
    if kind == ".gguf":
        save_plain(vector, path)
    elif kind == ".npz":
        write_atomic(path, _npz(vector))
    elif kind == ".safetensors":
        write_atomic(path, _safetensors(vector))
    else:
        raise InputError(
            f"{path} ends in none of {', '.join(FORMATS)}", "the ending of FILE names its form"
        )


def server_args(path: str | os.PathLike[str], model: str) -> list[str]:
    """The llama-server command line that applies an exported GGUF to a model file.

    Raises InputError where the path can not be written there: commas separate files.
    """
    text = os.fspath(path)
    if "," in text or '"' in text:
        raise InputError(
            f"llama-server reads {text!r} as several files", 'export to a path without , and "'
        )
    return ["llama-server", "-m", model, "--control-vector", text]


def _npz(vector: ControlVector) -> bytes:
    import numpy as np

    file = io.BytesIO()
    arrays = {f"direction.{layer}": row for layer, row in vector.directions.items()}
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def _safetensors(vector: ControlVector) -> bytes:
    try:
        from safetensors.numpy import save
    except ImportError as error:
        raise MissingExtraError(
            "safetensors is not installed", "pip install 'edgesteer[convert]', or export to .npz"
        ) from error
    facts: dict[str, Any] = {"layer_convention": CONVENTION, "name": vector.name}
    if vector.model:
        facts["model"] = vector.model.to_dict()
    # One key alone: the library writes several in an order that changes from run to run.
    metadata = {"edgesteer": json.dumps(facts, sort_keys=True)}
    arrays = {f"direction.{layer}": row for layer, row in vector.directions.items()}
    data: bytes = save(arrays, metadata=metadata)
    return data
