"""ModelIdentity: which model a vector was made for, read from the model file's own header.

Does not know llama.cpp: nothing is loaded, only the header and the small norm tensors are read.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from edgesteer.errors import InputError, ModelError, VectorFileError, VectorMismatchError
from edgesteer.gguf_header import F32, GgufHeader, clip, read_header

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ModelIdentity", "count_parameters", "read_model_identity", "weights_id"]

_SHARD = re.compile(r"(.*)-([0-9]{5})-of-([0-9]{5})\.gguf")
_MOST_LAYERS, _MOST_WIDTH = 100_000, 1_000_000


@dataclass(frozen=True)
class ModelIdentity:
    """What a vector must agree with.

    architecture  the GGUF's general.architecture, such as "llama"
    n_layer       blocks of the main model; blocks that only predict further tokens are not counted
    n_embd        width of the residual stream
    name          for people; never compared
    weights_id    SHA-256 (hex) over the F32 norm weights, the same for every quantisation of the
                  same weights; "" when it is not known
    """

    architecture: str
    n_layer: int
    n_embd: int
    name: str = ""
    weights_id: str = ""

    def __post_init__(self) -> None:
        for label, value, most in (
            ("n_layer", self.n_layer, _MOST_LAYERS),
            ("n_embd", self.n_embd, _MOST_WIDTH),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
                raise InputError(
                    f"{label} of a model must lie within 1 and {most}, not {value!r}",
                    "is the model file damaged?",
                )
        for label in ("architecture", "name", "weights_id"):
            if not _is_text(getattr(self, label)):
                raise InputError(f"{label} of a model must be text", "is the file damaged?")
        if not self.architecture:
            raise InputError("a model needs an architecture", "such as 'llama' or 'qwen2'")

    def __str__(self) -> str:
        label = f"{self.name} " if self.name else ""
        known = f", weights {self.weights_id[:12]}" if self.weights_id else ""
        return f"{label}({self.architecture}, {self.n_layer} layers, width {self.n_embd}{known})"

    def check_fits(self, other: ModelIdentity) -> None:
        """Returns when directions of `other` are directions of this model too.

        Raises VectorMismatchError, which names both sides, otherwise.
        """
        for label in ("architecture", "n_embd", "n_layer"):
            if getattr(self, label) != getattr(other, label):
                break
        else:
            if not (self.weights_id and other.weights_id) or self.weights_id == other.weights_id:
                return
            label = "weights_id"
        what = {
            "architecture": "the architectures differ",
            "n_embd": "the widths differ",
            "n_layer": "the layer counts differ",
            "weights_id": "these are different weights of one shape",
        }[label]
        raise VectorMismatchError(
            f"the vector was made for {other}, the model is {self}: {what}",
            "extract the vector again on this model, or open the model it was made for",
        )

    def to_dict(self) -> dict[str, str | int]:
        """A plain dict, for JSON."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> ModelIdentity:
        """The identity in a dict of `to_dict`; keys that it does not know are left aside.

        Raises InputError.
        """
        known = {field.name: data[field.name] for field in fields(cls) if field.name in data}
        missing = {"architecture", "n_layer", "n_embd"} - known.keys()
        if missing:
            raise InputError(f"the model identity lacks {', '.join(sorted(missing))}", "add them")
        return cls(**known)  # type: ignore[arg-type]


def read_model_identity(path: str | os.PathLike[str]) -> ModelIdentity:
    """The identity of the model in a GGUF file (or in the first file of a split model).

    Raises NotFoundError when there is no such file and ModelError when it holds no model.
    """
    where = Path(path)
    try:
        headers = [read_header(part) for part in _parts(where)]
    except VectorFileError as error:
        raise ModelError(error.message, error.hint) from error
    kv = headers[0].kv
    architecture = kv.get("general.architecture")
    if architecture == "controlvector":
        raise ModelError(f"{where} is a control vector, not a model", "use it with -s, not -m")
    if not isinstance(architecture, str) or f"{architecture}.block_count" not in kv:
        raise ModelError(f"{where} holds no language model", "give the GGUF file of a model")
    blocks = _whole(kv, f"{architecture}.block_count", where)
    extra = kv.get(f"{architecture}.nextn_predict_layers", 0)
    name = kv.get("general.name")
    try:
        return ModelIdentity(
            architecture,
            blocks - (extra if isinstance(extra, int) else 0),
            _whole(kv, f"{architecture}.embedding_length", where),
            name if isinstance(name, str) and name.strip() else where.stem,
            _weights_id(headers),
        )
    except (InputError, VectorFileError) as error:
        raise ModelError(f"{where}: {error.message}", error.hint) from error


def count_parameters(path: str | os.PathLike[str]) -> int:
    """How many weights the model in a GGUF file (or in all files of a split model) has."""
    headers = [read_header(part) for part in _parts(Path(path))]
    return sum(math.prod(info.dims) for header in headers for info in header.tensors.values())


def _is_text(value: object) -> bool:
    """True for text that UTF-8 can hold (half a surrogate pair it can not)."""
    try:
        return isinstance(value, str) and value.encode("utf-8") is not None
    except UnicodeEncodeError:
        return False


def _weights_id(headers: list[GgufHeader]) -> str:
    return weights_id(
        {
            name: header.tensor_f32(name)
            for header in headers
            for name, info in header.tensors.items()
            if name.endswith("_norm.weight") and info.type == F32
        }
    )


def weights_id(norms: Mapping[str, NDArray[np.float32]]) -> str:
    """SHA-256 over names and bytes of the F32 *_norm.weight tensors, sorted by name; "" for none.

    `norms` maps GGUF tensor names to float32 arrays.
    """
    digest = hashlib.sha256()
    for name in sorted(norms):
        digest.update(name.encode("utf-8") + b"\0")
        digest.update(norms[name].astype("<f4", copy=False).tobytes())
    return digest.hexdigest() if norms else ""


def _parts(path: Path) -> list[Path]:
    """All files of a split model in order, or the one file itself."""
    match = _SHARD.fullmatch(path.name)
    if not match:
        return [path]
    stem, total = match[1], int(match[3])
    parts = [path.with_name(f"{stem}-{n:05d}-of-{total:05d}.gguf") for n in range(1, total + 1)]
    missing = [part.name for part in parts if not part.exists()]
    if missing and path.exists():
        raise ModelError(
            f"the split model {path} lacks {clip(missing[0])}", "put all its files in one folder"
        )
    return parts if not missing else [path]


def _whole(kv: dict[str, object], key: str, path: Path) -> int:
    value = kv.get(key)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ModelError(f"{path} holds no language model: {key} is missing", "is it damaged?")
    return value
