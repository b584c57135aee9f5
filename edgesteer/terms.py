"""Term: one line of a steering, what it does, where, when and how much.

Does not know the grammar of texts beyond its dicts, nor how a term is carried out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from edgesteer.errors import LayerError, SteeringError
from edgesteer.gate import Gate, Scope, gate_layer
from edgesteer.layers import LayerRange, as_layers
from edgesteer.names import OPERATIONS, check_name
from edgesteer.plain import shown
from edgesteer.steering_text import (
    MEANS,
    TERM_KEYS,
    check_number,
    parse_positions,
    suggest,
)

if TYPE_CHECKING:
    from edgesteer.vector import ControlVector

__all__ = ["Gate", "Means", "Operation", "Scope", "Term"]

Operation = Literal["add", "ablate", "clamp", "rotate", "keepnorm"]
Means = Literal["activations", "weights"]


@dataclass(frozen=True)
class Term:
    """One vector, applied in one way. With its `vector` attached it is bound.

    name       what the vector is called
    strength   add, keepnorm: the factor of the direction. ablate: the share that is taken out, 0 to
               1. clamp: what the projection on the unit direction is set to, in lengths of the
               vector. rotate: the angle in degrees, in the plane of `name` and `toward`
    layers     None is what the vector recommends, else all that it carries
    operation  add h + s*v; ablate h - s*(r.h)*r; clamp; rotate (norm kept); keepnorm, which adds
               and restores the norm; r is v at unit norm
    positions  all, prompt, generated, last:N (the last N prompt tokens and all generated ones), or
               A-B (token positions from 0, both included)
    decay      the factor falls linearly from 1 to 0 over so many generated tokens; None keeps it
    after      nothing happens before so many tokens were generated
    gate       when it acts at all
    toward     the second direction of a rotation
    by         what an ablation edits: "activations", or "weights", which keeps those layers' blocks
               from writing along their directions for a whole answer

    Raises SteeringError and LayerError for what makes no sense.

    >>> Term("calm", 1.2, LayerRange.parse("8-16"), positions="last:4").to_dict()
    {'vector': 'calm', 'strength': 1.2, 'layers': '8-16', 'positions': 'last:4'}
    """

    name: str
    strength: float = 1.0
    layers: LayerRange | None = None
    operation: Operation = "add"
    positions: str = "all"
    decay: int | None = None
    after: int = 0
    gate: Gate | None = None
    toward: str | None = None
    by: Means = "activations"
    vector: ControlVector | None = None
    toward_vector: ControlVector | None = None
    gate_vector: ControlVector | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        number = check_number(self.strength, f"the strength of {self.name}")
        object.__setattr__(self, "strength", number)
        if self.layers is not None:
            object.__setattr__(self, "layers", as_layers(self.layers))
        if self.operation not in OPERATIONS:
            raise SteeringError(
                f"{self.operation!r} is no operation", suggest(str(self.operation), OPERATIONS)
            )
        object.__setattr__(self, "positions", parse_positions(self.positions))
        _check_tokens("decay", self.decay, 1)
        _check_tokens("after", self.after, 0)
        if self.operation == "ablate" and not 0 <= number <= 1:
            raise SteeringError(
                f"ablate:{self.name} takes out a share of 0 to 1, not {number:g}",
                f"write ablate:{self.name}=1 to take all of it out",
            )
        self._check_toward()
        self._check_by()

    def _check_toward(self) -> None:
        if self.operation == "rotate" and self.toward is None:
            raise SteeringError(
                f"rotate:{self.name} needs a second direction",
                f"write rotate:{self.name}={self.strength:g}?toward=NAME",
            )
        if self.toward is not None:
            check_name(self.toward)
            if self.operation != "rotate":
                raise SteeringError(
                    f"toward={self.toward} belongs to rotate, not to {self.operation}",
                    f"write rotate:{self.name}={self.strength:g}?toward={self.toward}",
                )

    def _check_by(self) -> None:
        if self.by not in MEANS:
            raise SteeringError(f"{self.by!r} is nothing to edit", suggest(str(self.by), MEANS))
        whole = self.positions == "all" and self.decay is None and not (self.after or self.gate)
        if self.by == "weights" and (self.operation != "ablate" or not whole):
            raise SteeringError(
                f"by=weights of {self.name} edits the model: it can only ablate, at all positions",
                f"write ablate:{self.name}=1?by=weights, or leave by=weights out",
            )

    @property
    def bound(self) -> bool:
        """True when every vector that it needs is attached."""
        return (
            self.vector is not None
            and (self.gate is None or self.gate_vector is not None)
            and (self.toward is None or self.toward_vector is not None)
        )

    @property
    def static(self) -> bool:
        """True when it adds the same at every position: one native control vector can do it."""
        return (
            self.operation == "add"
            and self.positions == "all"
            and self.decay is None
            and self.after == 0
            and self.gate is None
        )

    @property
    def acts(self) -> bool:
        """False when it changes nothing: strength 0, but for a clamp, where 0 is a value."""
        return self.strength != 0 or self.operation == "clamp"

    def bind(self, find: Callable[[str], ControlVector]) -> Term:
        """The term with the vectors attached that `find` gives for its names; found ones stay."""
        if self.bound:
            return self
        vector = self.vector or find(self.name)
        gate, toward = self.gate_vector, self.toward_vector
        if self.gate and gate is None:
            gate = find(self.gate.vector)
        if self.toward and toward is None:
            toward = find(self.toward)
        return replace(self, vector=vector, gate_vector=gate, toward_vector=toward)

    def resolved_layers(self, n_layer: int) -> tuple[int, ...]:
        """The layers that it acts on in a model with `n_layer` layers, never empty.

        Of a bound term only layers that its vector carries. Raises LayerError when none is left or
        one does not exist, SteeringError when neither layers nor a vector are known.
        """
        wanted = self.layers
        if self.vector is None:
            if wanted is None:
                raise SteeringError(
                    f"the layers of {self.name} are not known before its vector is",
                    "bind the steering first, or name the layers: @8-16",
                )
            return wanted.resolve(n_layer)
        carried = LayerRange.of(self.vector.layers).resolve(n_layer)
        wanted = wanted or self.vector.recommended
        if wanted is None:
            return carried
        kept = tuple(sorted(set(wanted.resolve(n_layer)).intersection(carried)))
        if not kept:
            raise LayerError(
                f"{self.name} carries nothing at the layers {wanted}",
                f"it carries the layers {LayerRange.of(carried)}",
            )
        return kept

    def gate_layer(self, n_layer: int) -> int:
        """The layer at which the gate is read: below all layers that the term acts on.

        See `edgesteer.gate.gate_layer`. Raises LayerError when there is none, SteeringError without
        a gate or without its vector.
        """
        if self.gate is None:
            raise SteeringError(f"{self.name} has no gate", "write ?if=NAME>0.3")
        if self.gate_vector is None:
            raise SteeringError(f"the gate {self.gate} has no vector yet", "bind the steering")
        first = self.resolved_layers(n_layer)[0]
        return gate_layer(self.gate, self.gate_vector, self.name, first, n_layer)

    def span(self, n_prompt: int) -> tuple[int, int | None]:
        """The token positions it acts on, [first, end), for a prompt of `n_prompt` tokens.

        `end` is None when it never ends.
        """
        if self.positions == "all":
            return 0, None
        if self.positions == "prompt":
            return 0, n_prompt
        if self.positions == "generated":
            return n_prompt, None
        if self.positions.startswith("last:"):
            return max(0, n_prompt - int(self.positions[5:])), None
        first, last = self.positions.split("-")
        return int(first), int(last) + 1

    def factor(self, generated: int) -> float:
        """What the schedule multiplies the strength by at the generated token of that number.

        Tokens of the prompt are those below 0: they get 1, or 0 when `after` is set.
        """
        if generated < self.after:
            return 0.0 if self.after else 1.0
        if self.decay is None:
            return 1.0
        return max(0.0, 1.0 - (generated - self.after) / self.decay)

    def to_dict(self) -> dict[str, Any]:
        """A plain dict; `vector` is the name. What says nothing is left out."""
        data: dict[str, Any] = {"vector": self.name, "strength": self.strength}
        if self.layers is not None:
            data["layers"] = str(self.layers)
        if self.operation != "add":
            data["operation"] = self.operation
        if self.positions != "all":
            data["positions"] = self.positions
        if self.decay is not None:
            data["decay"] = self.decay
        if self.after:
            data["after"] = self.after
        if self.gate is not None:
            data |= self.gate.to_dict()
        if self.toward is not None:
            data["toward"] = self.toward
        if self.by != "activations":
            data["by"] = self.by
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Term:
        """The term in a dict of `to_dict`. Unknown keys are refused. Raises InputError."""
        known = (*TERM_KEYS, "on")
        for key in data:
            if key not in known:
                raise SteeringError(
                    f"a steering term has no {str(key)[:40]!r}", suggest(str(key), known)
                )
        if "vector" not in data:
            raise SteeringError("a steering term names no vector", 'add vector = "calm"')
        if "on" in data and "positions" in data:
            raise SteeringError("'on' and 'positions' are the same", "keep one of them")
        values: dict[str, Any] = {"name": data["vector"]}
        for key in ("strength", "operation", "decay", "after", "toward", "by"):
            if key in data:
                values[key] = data[key]
        if data.get("layers", "recommended") not in ("recommended", None):
            values["layers"] = as_layers(data["layers"])
        values["positions"] = data.get("positions", data.get("on", "all"))
        values["gate"] = Gate.from_dict(data)
        return cls(**values)


def _check_tokens(what: str, value: object, least: int) -> None:
    if value is None and what == "decay":
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise SteeringError(
            f"{what} must be a number of tokens, {least} or more, not {shown(value)}", f"{what}=64"
        )
