"""A vector's facts as plain JSON values.

Does not know how they are shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgesteer.library import VectorEntry
    from edgesteer.vector import ControlVector

__all__ = ["brief", "full"]


def brief(entry: VectorEntry) -> dict[str, Any]:
    """Name, path and what a list shows; a file that can not be read has a `problem` only."""
    facts: dict[str, Any] = {"name": entry.name, "path": str(entry.path)}
    if entry.vector is None:
        return {**facts, "problem": entry.problem}
    return {**facts, **_common(entry.vector)}


def full(name: str, path: str, vector: ControlVector) -> dict[str, Any]:
    """Everything there is to know about one vector, but for the directions themselves."""
    return {
        "name": name,
        "path": path,
        **_common(vector),
        "norms": {str(layer): norm for layer, norm in vector.norms().items()},
        "evidence": dict(vector.calibration.evidence) if vector.calibration else {},
        "meta": _meta(vector),
        "digest": vector.digest,
    }


def _meta(vector: ControlVector) -> dict[str, Any]:
    """The further facts; of a read-out all but its direction."""
    meta = vector.meta
    if isinstance(readout := meta.get("readout"), dict):
        from edgesteer.errors import InputError
        from edgesteer.monitor.readout import Readout

        kept = {key: value for key, value in readout.items() if key != "direction"}
        try:
            kept["verdict"] = str(Readout.of(vector))
        except InputError as error:
            kept["verdict"] = error.message
        meta["readout"] = kept
    return meta


def _common(vector: ControlVector) -> dict[str, Any]:
    from edgesteer.layers import LayerRange

    band = vector.calibration
    return {
        "layers": str(LayerRange.of(vector.layers)),
        "n_embd": vector.n_embd,
        "recommended": str(vector.recommended) if vector.recommended else None,
        "strength": {"low": band.low, "high": band.high} if band else None,
        "model": vector.model.to_dict() if vector.model else None,
    }
