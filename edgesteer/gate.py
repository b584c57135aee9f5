"""Gate: a read-out that opens a steering term, and at which layer and in which unit it is read.

Does not know how a gate is carried out (engine/rows.py).
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from edgesteer.errors import LayerError, SteeringError
from edgesteer.layers import LayerRange, check_layer
from edgesteer.names import check_name
from edgesteer.plain import is_whole, shown
from edgesteer.steering_text import (
    SCOPES,
    UNITS,
    check_number,
    format_gate,
    format_number,
    parse_gate,
    suggest,
)

if TYPE_CHECKING:
    from edgesteer.monitor.readout import Readout
    from edgesteer.vector import ControlVector

__all__ = ["GATE_KEYS", "Gate", "Scope", "Unit", "gate_layer", "gate_readout"]

Scope = Literal["last", "mean", "token"]
Unit = Literal["score", "raw"]

GATE_KEYS = ("if", "scope", "unit", "close", "hold")
"""The keys of a term's dict that say what its gate is."""


@dataclass(frozen=True)
class Gate:
    """A term with a gate acts only while a read-out passes a threshold.

    vector     the direction that is read
    threshold  compared with the reading, in its unit
    layer      where it is read; None lets the term choose (see `gate_layer`)
    above      True opens it above the threshold, False below
    scope      what is read: the prompt's last token, the mean over the prompt, or each token
    unit       "score": of the read-out kept with the vector. "raw": the residual stream projected
               on the vector's unit direction. None: score where a read-out is kept, else raw
    close      of each token: once open, it stays so until a reading does not even pass this
    hold       of each token: for so many tokens after it would have closed it stays open

    Raises SteeringError and LayerError.
    """

    vector: str
    threshold: float
    layer: int | None = None
    above: bool = True
    scope: Scope = "last"
    unit: Unit | None = None
    close: float | None = None
    hold: int = 0

    def __post_init__(self) -> None:
        check_name(self.vector)
        object.__setattr__(self, "threshold", check_number(self.threshold, "a gate's threshold"))
        if self.layer is not None:
            object.__setattr__(self, "layer", check_layer(self.layer))
        if self.scope not in SCOPES:
            raise SteeringError(f"{self.scope!r} is no scope", suggest(str(self.scope), SCOPES))
        if self.unit is not None and self.unit not in UNITS:
            raise SteeringError(
                f"{shown(self.unit)} is no unit of a reading", suggest(str(self.unit), UNITS)
            )
        if not is_whole(self.hold) or self.hold < 0:
            raise SteeringError(
                f"hold must be a number of tokens, 0 or more, not {shown(self.hold)}", "hold=8"
            )
        self._check_close()
        if self.sticky and self.scope != "token":
            raise SteeringError(
                f"the gate {self} reads the prompt once: there is nothing to hold open",
                "close and hold belong to scope=token",
            )

    def _check_close(self) -> None:
        if self.close is None:
            return
        close = check_number(self.close, "where a gate closes")
        object.__setattr__(self, "close", close)
        if (close > self.threshold) if self.above else (close < self.threshold):
            side, other = ("above", "below") if self.above else ("below", "above")
            raise SteeringError(
                f"the gate {self} opens {side} {self.threshold:g}: it can not close at {close:g}, "
                "before it opens",
                f"let it close {other} what opens it, such as close={self.threshold:g}",
            )

    @property
    def sticky(self) -> bool:
        """Whether it depends on earlier readings of each token."""
        return self.close is not None or self.hold > 0

    def __str__(self) -> str:
        return format_gate(self.vector, self.threshold, self.layer, self.above)

    def to_dict(self) -> dict[str, Any]:
        """Its part of a term's dict; what says nothing is left out."""
        data: dict[str, Any] = {"if": str(self)}
        if self.scope != "last":
            data["scope"] = self.scope
        if self.unit is not None:
            data["unit"] = self.unit
        if self.close is not None:
            data["close"] = self.close
        if self.hold:
            data["hold"] = self.hold
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Gate | None:
        """The gate in a term's dict, None when there is none. Raises SteeringError."""
        if "if" not in data:
            for key in GATE_KEYS:
                if key in data:
                    raise SteeringError(
                        f"{key} belongs to a gate", f"add if=NAME>0.3, or leave {key} out"
                    )
            return None
        if not isinstance(data["if"], str):
            raise SteeringError("a gate is text", "write if=NAME>0.3")
        vector, threshold, layer, above = parse_gate(data["if"])
        return cls(
            vector,
            threshold,
            layer,
            above,
            data.get("scope", "last"),
            data.get("unit"),
            data.get("close"),
            data.get("hold", 0),
        )


def gate_readout(gate: Gate, vector: ControlVector) -> Readout | None:
    """The read-out that a gate's threshold is a score of; None when it is in raw units.

    Raises SteeringError when it asks for a score and none is kept with the vector, InputError when
    the one that is kept can not be used.
    """
    if gate.unit == "raw":
        return None
    from edgesteer.monitor.readout import Readout

    readout = Readout.of(vector)
    if readout is None and gate.unit == "score":
        raise SteeringError(
            f"the gate {gate} asks for a score, but no read-out is kept with {gate.vector}",
            f"fit one: edgesteer monitor {gate.vector} --fit; or write unit=raw",
        )
    return readout


def gate_layer(gate: Gate, vector: ControlVector, name: str, first: int, n_layer: int) -> int:
    """The layer at which a gate is read, below `first`, the first that the term `name` acts on.

    A score is read where its read-out was fitted. Raw, a gate that names no layer is read at the
    last one there that its vector recommends, else carries. Raises LayerError when there is none.
    """
    readout = gate_readout(gate, vector)
    if readout is not None:
        return _layer_of(readout, gate, name, first, n_layer)
    usable = [n for n in vector.layers if n < first]
    if gate.layer is None:
        wanted = vector.recommended.resolve(n_layer) if vector.recommended else ()
        preferred = [n for n in usable if n in wanted] or usable
        if preferred:
            return preferred[-1]
    elif gate.layer in usable:
        return gate.layer
    where = "" if gate.layer is None else f" at layer {gate.layer}"
    raise LayerError(
        f"the gate {gate} can not be read{where}, below layer {first} where {name} starts",
        f"{gate.vector} carries the layers {LayerRange.of(vector.layers)}: "
        f"name one below {first}, or start {name} later",
    )


def _layer_of(readout: Readout, gate: Gate, name: str, first: int, n_layer: int) -> int:
    at = readout.layer
    if gate.layer not in (None, at):
        raise LayerError(
            f"the gate {gate} names layer {gate.layer}, but the read-out of {gate.vector}, whose "
            f"score the threshold {format_number(gate.threshold)} is, was fitted at layer {at}",
            f"write @{at}, fit it there (edgesteer monitor {gate.vector} --fit --layers "
            f"{gate.layer}), or write unit=raw for a threshold in raw units",
        )
    if at >= first:
        cures = []
        if at + 1 < n_layer:
            cures.append(f"steer later layers, such as @{at + 1}-{n_layer - 1}")
        if first > 1:
            fit = f"edgesteer monitor {shlex.quote(gate.vector)} --fit --layers 1-{first - 1}"
            cures.append(f"fit the read-out below, in place of the one that is kept: {fit}")
        raise LayerError(
            f"the gate {gate} is read at layer {at}, where the read-out of {gate.vector} was "
            f"fitted: not below layer {first} where {name} starts",
            "; or ".join(cures) or f"fit the read-out lower, and start {name} later",
        )
    return at
