"""Foreign directions and a model -> a ControlVector of that model, and what was done on the way.

Does not know files, nor how a file was recognised (recognise.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from convert.foreign import Foreign
from convert.foreign.recognise import Recognised, recognise
from edgesteer.errors import (
    InputError,
    LayerError,
    VectorFileError,
    VectorMismatchError,
)
from edgesteer.identity import ModelIdentity
from edgesteer.layers import LayerRange, check_layer
from edgesteer.vector import ControlVector

__all__ = ["Imported", "bind"]

_POST_LAYER = "residual_stream_post_layer"


@dataclass(frozen=True)
class Imported:
    """A vector that was made of a foreign file.

    `notes` say what was recognised and done, `warnings` what a person should look at.
    """

    vector: ControlVector
    recognised: Recognised
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def bind(
    foreign: Foreign,
    identity: ModelIdentity,
    *,
    name: str = "",
    offset: int | None = None,
    layer: int | None = None,
    ablate: bool = False,
    force: bool = False,
) -> Imported:
    """The vector of that model that a file holds.

    Args:
        foreign: what the file holds.
        identity: the model; width and layers are held against it.
        name: what the vector is called; default the file's stem.
        offset: added to every number of the file; default what is recognised.
        layer: where the direction of a file with a single one belongs.
        ablate: take directions that are meant to be projected out.
        force: bind a vector that names another model all the same.

    Raises:
        VectorMismatchError: another model's width, layer count or, for our own files, weights.
        LayerError: nothing is left in the model, or `layer` is missing or too much.
        VectorFileError: the directions are meant for another operation, or all are zero.
    """
    warnings = _check_meaning(foreign, identity, ablate, force)
    if offset is None and layer is None:
        found = recognise(foreign, identity)
    elif offset is None:
        found = Recognised("not looked for", 0, f"--layer {layer} was given")
    else:
        found = Recognised("not looked for", offset, f"--layer-offset {offset} was given")
    numbered = _placed(foreign, identity, layer)
    moved = {number + found.offset: row for number, row in numbered.items()}
    kept, notes = _kept(foreign, identity, moved, found, force)
    last = identity.n_layer - 1
    recommended: LayerRange | None = None
    if found.post_norm and last in kept:
        sure = found.producer in ("repeng", "dialz") or foreign.layout == "stack"
        text = f"layer {last} {'was' if sure else 'may have been'} read behind the final norm"
        text += ", which is another basis than the residual stream"
        if sure and len(kept) > 1:
            recommended = LayerRange.of(sorted(kept)[:-1])
            text += "; it is kept, but not recommended"
        (warnings if sure else notes).append(text)
    warnings += found.doubts
    own = foreign.own
    same = found.offset == 0 and own is not None and _fits(identity, own)
    vector = ControlVector(
        kept,
        identity,
        name=name or (own.name if own else "") or foreign.path.stem,
        recommended=own.recommended if own and same else recommended,
        calibration=own.calibration if own and same else None,
        meta=_meta(foreign, found),
    )
    return Imported(vector, found, (_summary(found), *notes), tuple(warnings))


def _check_meaning(
    foreign: Foreign, identity: ModelIdentity, ablate: bool, force: bool
) -> list[str]:
    """Warnings about what the file says it is for. Raises where it must not be taken."""
    warnings: list[str] = []
    if foreign.operation != "add" and not ablate:
        raise VectorFileError(
            f"{foreign.path}: its directions are not to be added, its operation is "
            f"{foreign.operation}",
            "--ablate imports them as directions to take out, by ablate:NAME=1",
        )
    if foreign.operation != "add" and foreign.facts.get("hook_point", _POST_LAYER) != _POST_LAYER:
        warnings.append(
            f"it was made for another place ({foreign.facts['hook_point']}) than the output of a "
            "block: expect another strength"
        )
    if foreign.own is not None and not force and foreign.own.model is not None:
        try:
            identity.check_fits(foreign.own.model)
        except VectorMismatchError as error:
            hint = "give the model it was made for with -m, or --force to bind it all the same"
            raise VectorMismatchError(error.message, hint) from error
    width = next(iter(foreign.rows.values())).size
    if width != identity.n_embd:
        raise VectorMismatchError(
            f"{foreign.path} is {width} wide, the model {identity} is {identity.n_embd} wide",
            "give the model it was made for with -m",
        )
    kind = foreign.facts.get("model_hint")
    if isinstance(kind, str) and not _alike(kind, identity.architecture):
        warnings.append(
            f"it names the model type {kind[:40]!r}, this model is {identity.architecture!r}: it "
            "may belong to another model"
        )
    return warnings


def _fits(identity: ModelIdentity, own: ControlVector) -> bool:
    """Whether a vector of ours was made, and measured, on that model."""
    try:
        if own.model is not None:
            identity.check_fits(own.model)
    except VectorMismatchError:
        return False
    return own.model is not None


def _alike(hint: str, architecture: str) -> bool:
    """Whether transformers' model type may be that architecture: gemma3_text is gemma3.

    Models of Mistral run as llama in llama.cpp.
    """
    plain = "".join(c for c in hint.lower() if c.isalnum()).removesuffix("text")
    known = "".join(c for c in architecture.lower() if c.isalnum())
    return (
        hint == "unknown"
        or plain == known
        or (plain in ("mistral", "mixtral") and known == "llama")
    )


def _placed(foreign: Foreign, identity: ModelIdentity, layer: int | None) -> dict[int, Any]:
    """The rows by number, a lone one at `layer`."""
    if layer is None and foreign.layout == "single":
        raise LayerError(
            f"{foreign.path} holds one direction and does not say of which layer",
            f"--layer N says it: 1 to {identity.n_layer - 1}",
        )
    if layer is not None and len(foreign.rows) == 1:
        check_layer(layer, identity.n_layer)
        return {layer: next(iter(foreign.rows.values()))}
    if layer is not None:
        raise InputError(
            f"--layer is for a file with one direction, {foreign.path} has {len(foreign.rows)}",
            "leave it out; 'edgesteer vectors layers NAME 12' cuts a vector down",
        )
    return dict(foreign.rows)


def _kept(
    foreign: Foreign,
    identity: ModelIdentity,
    moved: dict[int, Any],
    found: Recognised,
    force: bool,
) -> tuple[dict[int, Any], list[str]]:
    """The directions inside the model that are not zero, and what was left out."""
    inside = {number: row for number, row in moved.items() if 1 <= number < identity.n_layer}
    steerable = f"the model can be steered at the layers 1-{identity.n_layer - 1}"
    if not inside:
        raise LayerError(
            f"no layer of {foreign.path} lies in the model after an offset of {found.offset:+d}",
            steerable,
        )
    if max(moved) > identity.n_layer and not force:
        raise VectorMismatchError(
            f"{foreign.path} reaches layer {max(moved)}, {steerable}",
            "give the model it was made for with -m, or --force to leave those layers out",
        )
    kept = {number: row for number, row in inside.items() if row.any()}
    if not kept:
        raise VectorFileError(f"{foreign.path}: every direction is zero", "make the vector again")
    notes: list[str] = []
    if 0 in moved:
        notes.append(
            f"left out: its number {-found.offset}, which is block 0: it can not be steered"
        )
    if lost := sorted(moved.keys() - inside.keys() - {0}):
        numbers = _numbers(number - found.offset for number in lost)
        notes.append(f"left out, since the model has no such layer: its numbers {numbers}")
    if empty := inside.keys() - kept.keys():
        notes.append(f"left out, since they are zero: layers {LayerRange.of(empty)}")
    return kept, notes


def _numbers(values: Iterable[int]) -> str:
    found = sorted(values)
    shown = ", ".join(map(str, found[:8]))
    return f"{shown}, ..." if len(found) > 8 else shown


def _summary(found: Recognised) -> str:
    shift = f"layers moved by {found.offset:+d}" if found.offset else "layers as numbered"
    return f"taken for: {found.producer}, {shift}; {found.why}"


def _meta(foreign: Foreign, found: Recognised) -> dict[str, Any]:
    """Where the vector came from, and what it was taken for."""
    old = foreign.own.meta if foreign.own else {}
    meta = {
        **old,
        "imported_from": foreign.path.name,
        "layer_offset": found.offset,
        "producer": found.producer,
        "recognised_by": found.why,
    }
    if foreign.facts:
        meta["foreign"] = dict(foreign.facts)
    if foreign.operation != "add":
        meta["meant_for"] = "ablate"
    return meta
