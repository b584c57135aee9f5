"""Writes a model's weights in another format, by llama.cpp's own quantiser.

Knows nothing of caches, of how fast a format is, or of how close the copy stays.
"""

from __future__ import annotations

import ctypes
import math
import os
import shutil
from pathlib import Path

from edgesteer.atomic import write_atomic
from edgesteer.engine.llama import C, default_threads
from edgesteer.errors import FileWriteError, InputError, ModelError
from edgesteer.gguf_header import GgufHeader, read_header
from edgesteer.identity import read_model_identity
from edgesteer.names import did_you_mean

__all__ = ["copy_size", "requantise"]

# format: (llama.cpp's file type, elements of a block, bytes of a block)
_FORMATS = {
    "q8_0": (C.LLAMA_FTYPE_MOSTLY_Q8_0, 32, 34),
    "bf16": (C.LLAMA_FTYPE_MOSTLY_BF16, 1, 2),
    "f16": (C.LLAMA_FTYPE_MOSTLY_F16, 1, 2),
    "q4_0": (C.LLAMA_FTYPE_MOSTLY_Q4_0, 32, 18),
}
_SLACK = 1.05  # of the estimate: some tensors are kept in a wider format


def requantise(source: Path, target: Path, format_name: str, *, threads: int | None = None) -> Path:
    """Write the model in `source` to `target` as "q8_0", "bf16", "f16" or "q4_0".

    The copy appears under its name when it is complete, on the disk and known to be of the same
    model (equal :class:`ModelIdentity`, so vectors of one fit the other); a run that is killed
    leaves a hidden temporary file. What the source has lost is not brought back.

    Raises:
        InputError: a format that this does not write, or that the model's widths do not allow.
        ModelError: the source is no model, lies in several files, or llama.cpp can not convert it.
        FileWriteError: not enough space on the disk, or the system refuses.
    """
    if format_name not in _FORMATS:
        raise InputError(
            f"a model is not written as {format_name!r}",
            f"{did_you_mean(format_name, _FORMATS)} Known: {', '.join(_FORMATS)}.".strip(),
        )
    identity = read_model_identity(source)
    header = read_header(source)
    if int(str(header.kv.get("split.count", 0))) > 1:
        raise ModelError(
            f"{source} is one of several files of a model", "join them with llama-gguf-split first"
        )
    _check_widths(header, format_name)
    _check_space(target.parent, copy_size(source, format_name))

    def write(temp: Path) -> None:
        params = C.llama_model_quantize_default_params()
        params.ftype = _FORMATS[format_name][0]
        params.allow_requantize = True
        params.nthread = threads or default_threads()
        rc = C.llama_model_quantize(os.fsencode(source), os.fsencode(temp), ctypes.byref(params))
        if rc != 0:
            _check_space(target.parent, 1 << 20)  # the usual reason, and then a better message
            raise ModelError(
                f"llama.cpp can not write {source} as {format_name}",
                "-vv shows llama.cpp's own messages",
            )
        if read_model_identity(temp).weights_id != identity.weights_id:
            raise ModelError(f"the {format_name} copy of {source} has other norm weights")

    return write_atomic(target, write)


def copy_size(source: Path, format_name: str) -> int:
    """About how many bytes the copy will have."""
    header = read_header(source)
    _, block, nbytes = _FORMATS[format_name]
    total = header.data_offset
    for info in header.tensors.values():
        count = math.prod(info.dims)
        total += count * 4 if len(info.dims) < 2 else count * nbytes // block
    return total


def _check_widths(header: GgufHeader, format_name: str) -> None:
    block = _FORMATS[format_name][1]
    for name, info in header.tensors.items():
        if len(info.dims) > 1 and name.endswith(".weight") and info.dims[0] % block:
            raise InputError(
                f"{format_name} needs widths that {block} divides; {name} has {info.dims[0]}",
                "use bf16 or f16",
            )


def _check_space(folder: Path, wanted: int) -> None:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise FileWriteError(f"{folder}: {error.strerror}", "choose another place") from error
    if free < wanted * _SLACK:
        raise FileWriteError(
            f"the copy needs {wanted * _SLACK / 1e6:.0f} MB in {folder}, {free / 1e6:.0f} are free",
            "free some space; EDGESTEER_HOME moves the library to another disk",
        )
