"""Control-vector GGUF <-> ControlVector.

Does not know the library, nor whether a vector does what its name says.

The format is llama.cpp's, so that its own tools read our files with the same effect:

    tensors  direction.<l>, l = 1 .. n_layer-1 without leading zeros; F32, 1-D, all of one width.
             What direction.<l> is added to is stated in layers.py. Layers left out are zero.
    general.architecture       "controlvector"
    controlvector.model_hint   the architecture of the model, "unknown" when it is not known
    controlvector.layer_count  u32, how many directions the file holds

Our own facts, which other tools pass over. A file without edgesteer.version is foreign.

    edgesteer.version                 u32, 1
    edgesteer.layer_convention        "block_output"
    edgesteer.operation               "add": a vector to be added, never projected out
    edgesteer.name                    text, left out when empty
    edgesteer.model.architecture, .name, .n_layer (u32), .n_embd (u32), .weights_id
    edgesteer.layers.recommended      text, such as 8-16
    edgesteer.strength.low, .high     f64, the calibrated band
    edgesteer.calibration             JSON text, the evidence of the band
    edgesteer.meta                    JSON text, keys sorted

The same value gives the same bytes. Foreign files (repeng, llama.cpp's cvector-generator, others)
are read with model None, the file's stem as the name, and what their keys say in meta["foreign"]:
model_hint, layer_count and layer_count_type ("i32" is what cvector-generator writes, whose
directions sit one layer too high). A file that says of its directions that they are not added, but
projected out (a key such as glp.mode or x.operation), is refused.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, NoReturn

from edgesteer.atomic import write_atomic
from edgesteer.errors import InputError, VectorFileError, VectorMismatchError
from edgesteer.gguf_header import F32, GgufHeader, clip, read_header
from edgesteer.identity import ModelIdentity
from edgesteer.layers import FIRST_LAYER, LayerRange
from edgesteer.names import check_name
from edgesteer.vector import Calibration, ControlVector

__all__ = [
    "CONVENTION",
    "check_kind",
    "foreign_facts",
    "load_vector",
    "operation_of",
    "read_directions",
    "save_plain",
    "save_vector",
]

VERSION = 1
CONVENTION = "block_output"
_TENSOR = re.compile(r"direction\.(0|[1-9][0-9]{0,5})")
_TYPES = {0: "u8", 1: "i8", 2: "u16", 3: "i16", 4: "u32", 5: "i32", 10: "u64", 11: "i64"}
_CHECK = "edgesteer vectors check FILE lists what is wrong; get the file again or extract it anew"


def save_vector(vector: ControlVector, path: str | os.PathLike[str]) -> None:
    """Writes the vector to `path`, all or nothing. Raises FileWriteError."""
    write_atomic(path, lambda temp: _write(vector, temp))


def load_vector(path: str | os.PathLike[str]) -> ControlVector:
    """Reads a control-vector GGUF file, our own or foreign.

    Raises NotFoundError when there is no such file and VectorFileError for everything else.
    """
    header = read_header(path)
    check_kind(header)
    _check_added(header)
    own = "edgesteer.version" in header.kv
    directions = read_directions(header)
    try:
        if own:
            _check_own(header, len(directions))
            return ControlVector(directions, **_own_facts(header))
        return ControlVector(directions, **_foreign_values(header))
    except (InputError, VectorMismatchError) as error:
        raise VectorFileError(f"{header.path}: {error.message}", error.hint or _CHECK) from error
    except VectorFileError as error:
        if str(header.path) in error.message:
            raise
        raise VectorFileError(f"{header.path}: {error.message}", error.hint or _CHECK) from error


def save_plain(vector: ControlVector, path: str | os.PathLike[str]) -> None:
    """Writes the vector without any key of ours, as other tools write it, all or nothing.

    What only those keys say is lost: which model it fits, which layers are recommended, the band.
    Raises FileWriteError.
    """
    write_atomic(path, lambda temp: _write(vector, temp, own=False))


def _write(vector: ControlVector, path: Path, *, own: bool = True) -> None:
    from gguf import GGUFWriter

    model = vector.model
    writer = GGUFWriter(path, "controlvector")
    try:
        writer.add_string(
            "controlvector.model_hint", model.architecture if model else _hint(vector)
        )
        writer.add_uint32("controlvector.layer_count", len(vector.layers))
        if own:
            _write_own(writer, vector)
        for layer in vector.layers:
            writer.add_tensor(f"direction.{layer}", vector.directions[layer])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def _write_own(writer: Any, vector: ControlVector) -> None:
    """The keys that stand under edgesteer."""
    writer.add_uint32("edgesteer.version", VERSION)
    writer.add_string("edgesteer.layer_convention", CONVENTION)
    writer.add_string("edgesteer.operation", "add")
    writer.add_string("edgesteer.name", vector.name)
    if model := vector.model:
        writer.add_string("edgesteer.model.architecture", model.architecture)
        writer.add_string("edgesteer.model.name", model.name)
        writer.add_uint32("edgesteer.model.n_layer", model.n_layer)
        writer.add_uint32("edgesteer.model.n_embd", model.n_embd)
        writer.add_string("edgesteer.model.weights_id", model.weights_id)
    if vector.recommended:
        writer.add_string("edgesteer.layers.recommended", str(vector.recommended))
    if vector.calibration:
        writer.add_float64("edgesteer.strength.low", vector.calibration.low)
        writer.add_float64("edgesteer.strength.high", vector.calibration.high)
        writer.add_string("edgesteer.calibration", _json(vector.calibration.evidence))
    if meta := vector.meta:
        writer.add_string("edgesteer.meta", _json(meta))


def _hint(vector: ControlVector) -> str:
    """The model hint of a foreign vector, kept so that other tools still find it."""
    foreign = vector.meta.get("foreign")
    hint = foreign.get("model_hint") if isinstance(foreign, dict) else None
    return hint if isinstance(hint, str) and hint else "unknown"


def _json(data: Any) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


def check_kind(header: GgufHeader, architectures: tuple[str, ...] = ("controlvector",)) -> None:
    """Returns when the file calls itself a control vector. Raises VectorFileError."""
    architecture = header.kv.get("general.architecture")
    if architecture in architectures:
        return
    hint = _CHECK
    if "tokenizer.ggml.model" in header.kv:
        hint = "this is a model: use it with -m"
    elif architecture == "steeringvector":
        hint = f"edgesteer vectors import {header.path.name} -m MODEL reads it"
    what = clip(architecture) if isinstance(architecture, str) else "nothing"
    _refuse(header, f"its architecture is {what}, not 'controlvector'", hint)


def operation_of(header: GgufHeader) -> str:
    """What the file says is to be done with its directions: "add" where it says nothing.

    GLP files (weightless, ds4) say it in glp.mode or dspark.mode, others in *.operation.
    """
    for key, value in header.kv.items():
        if key.split(".")[-1] in ("operation", "mode") and value != "add":
            return clip(value) if isinstance(value, str) else repr(value)
    return "add"


def _check_added(header: GgufHeader) -> None:
    if (operation := operation_of(header)) != "add":
        _refuse(
            header,
            f"its operation is {operation}: it has projection semantics or another meaning than "
            "a vector that is added",
            f"edgesteer vectors import {header.path.name} -m MODEL --ablate takes it as a "
            "direction to take out",
        )


def read_directions(header: GgufHeader, first: int = FIRST_LAYER) -> dict[int, Any]:
    """{layer: float32 [n_embd]}, by the file's own numbers, which `first` is the least of.

    Raises VectorFileError.
    """
    layers: dict[int, str] = {}
    for name, info in header.tensors.items():
        match = _TENSOR.fullmatch(name)
        if not match:
            _refuse(header, f"the tensor {clip(name)} is not a direction.<layer>", _CHECK)
        if int(match[1]) < first:
            _refuse(
                header, f"it has {clip(name)}: layer 0 can not be steered", _import_hint(header)
            )
        if info.type != F32:
            _refuse(header, f"{name} is not F32", "convert its directions to float32")
        if len(info.dims) != 1 or info.dims[0] == 0:
            _refuse(header, f"{name} has the dimensions {list(info.dims)}, not [n_embd]", _CHECK)
        layers[int(match[1])] = name
    if not layers:
        _refuse(header, "it holds no direction", _CHECK)
    widths = sorted({info.dims[0] for info in header.tensors.values()})
    if len(widths) > 1:
        _refuse(header, f"its directions have different widths: {widths[:4]}", _CHECK)
    return {layer: header.tensor_f32(layers[layer]) for layer in sorted(layers)}


def _import_hint(header: GgufHeader) -> str:
    return (
        f"edgesteer vectors import {header.path.name} -m MODEL reads it and says what it leaves out"
    )


def _check_own(header: GgufHeader, n_directions: int) -> None:
    version = _whole(header, "edgesteer.version")
    if version != VERSION:
        _refuse(header, f"it has format version {version}", "update edgesteer to read it")
    convention = header.kv.get("edgesteer.layer_convention")
    if convention != CONVENTION:
        _refuse(header, f"it counts layers as {str(convention)[:40]!r}", _CHECK)
    if header.kv.get("edgesteer.operation") != "add":
        _refuse(header, "it does not say that its directions are to be added", _CHECK)
    if _whole(header, "controlvector.layer_count") != n_directions:
        _refuse(header, f"it holds {n_directions} directions and says otherwise", _CHECK)


def _own_facts(header: GgufHeader) -> dict[str, Any]:
    model = None
    if "edgesteer.model.architecture" in header.kv:
        model = ModelIdentity(
            _text(header, "edgesteer.model.architecture"),
            _whole(header, "edgesteer.model.n_layer"),
            _whole(header, "edgesteer.model.n_embd"),
            _text(header, "edgesteer.model.name"),
            _text(header, "edgesteer.model.weights_id"),
        )
    calibration = None
    if "edgesteer.strength.low" in header.kv or "edgesteer.strength.high" in header.kv:
        calibration = Calibration(
            _number(header, "edgesteer.strength.low"),
            _number(header, "edgesteer.strength.high"),
            _from_json(header, "edgesteer.calibration"),
        )
    recommended = _text(header, "edgesteer.layers.recommended")
    return {
        "model": model,
        "name": _text(header, "edgesteer.name"),
        "recommended": LayerRange.parse(recommended) if recommended else None,
        "calibration": calibration,
        "meta": _from_json(header, "edgesteer.meta"),
    }


def foreign_facts(header: GgufHeader, kind: str = "controlvector") -> dict[str, Any]:
    """What the keys of another tool's file say: model_hint, layer_count, layer_count_type."""
    facts: dict[str, Any] = {}
    hint = header.kv.get(f"{kind}.model_hint")
    if isinstance(hint, str):
        facts["model_hint"] = hint
    count = header.kv.get(f"{kind}.layer_count")
    if isinstance(count, int):
        facts["layer_count"] = count
        facts["layer_count_type"] = _TYPES.get(header.kinds[f"{kind}.layer_count"], "?")
    return facts


def _foreign_values(header: GgufHeader) -> dict[str, Any]:
    stem = header.path.stem
    name = stem if stem.isprintable() and stem.strip() else "vector"
    return {"name": check_name(name), "meta": {"foreign": foreign_facts(header)}}


def _text(header: GgufHeader, key: str) -> str:
    value = header.kv.get(key, "")
    if not isinstance(value, str):
        _refuse(header, f"{key} is not text", _CHECK)
    return value


def _whole(header: GgufHeader, key: str) -> int:
    value = header.kv.get(key)
    if isinstance(value, bool) or not isinstance(value, int):
        _refuse(header, f"{key} is missing or not a whole number", _CHECK)
    return value


def _number(header: GgufHeader, key: str) -> float:
    value = header.kv.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        _refuse(header, f"{key} is missing or not a number", _CHECK)
    return float(value)


def _from_json(header: GgufHeader, key: str) -> dict[str, Any]:
    text = _text(header, key)
    if not text:
        return {}
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        _refuse(header, f"{key} is not a JSON object", _CHECK)
    return data


def _refuse(header: GgufHeader, why: str, hint: str) -> NoReturn:
    raise VectorFileError(f"{header.path} is not a usable control vector: {why}", hint)
