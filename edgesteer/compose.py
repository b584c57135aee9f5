"""Terms -> one float32 buffer, and what a fingerprint is made of.

Does not know the engine: the buffer is laid out as layers.py says.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgesteer.errors import SteeringError, VectorMismatchError
from edgesteer.gate import gate_readout
from edgesteer.layers import ALL, FIRST_LAYER
from edgesteer.terms import Term

if TYPE_CHECKING:
    from edgesteer.vector import ControlVector

__all__ = ["acting_fields", "check_width", "compose_terms", "least_layers", "vector_of"]


def compose_terms(terms: tuple[Term, ...], n_layer: int, n_embd: int) -> NDArray[np.float32]:
    """The sum that `Steering.compose` promises; the terms that act are all static."""
    # Strengths are summed per (vector, layer) first, in a fixed order: so opposite ones cancel
    # exactly, and the sum does not depend on how the terms are ordered.
    vectors: dict[str, ControlVector] = {}
    shares: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for term in terms:
        if not term.acts:
            continue
        vector = vector_of(term)
        check_width(vector, n_embd)
        vectors[vector.digest] = vector
        for layer in term.resolved_layers(n_layer):
            shares[vector.digest][layer].append(term.strength)
    buffer = np.zeros((n_layer - 1, n_embd), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for digest in sorted(shares):
            vector, of_layer = vectors[digest], shares[digest]
            weights = np.array(
                [math.fsum(of_layer[n]) if n in of_layer else 0.0 for n in vector.layers],
                np.float32,
            )
            buffer[_rows(vector.layers)] += weights[:, None] * vector.matrix
        if not np.isfinite(buffer).all():
            raise SteeringError("the steering overflows float32", "lower the strengths")
    buffer.setflags(write=False)
    return buffer


def _rows(layers: tuple[int, ...]) -> slice | list[int]:
    """The buffer rows of these layers; a slice where there is no gap, which saves a copy."""
    first, last = layers[0] - FIRST_LAYER, layers[-1] - FIRST_LAYER
    if last - first + 1 == len(layers):
        return slice(first, last + 1)
    return [layer - FIRST_LAYER for layer in layers]


def acting_fields(term: Term, n_layer: int, n_embd: int) -> list[Any]:
    """What a term other than a static one does, as JSON data; names are not part of it."""
    vector = vector_of(term)
    used = (vector, term.toward_vector, term.gate_vector)
    for one in used:
        if one is not None:
            check_width(one, n_embd)
    gate: list[Any] = []
    if term.gate:
        gate = _gate_fields(term, n_layer)
    return [
        term.operation,
        term.strength,
        term.resolved_layers(n_layer),
        term.positions,
        term.decay,
        term.after,
        term.by,
        gate,
        [one.digest if one is not None else "" for one in used],
    ]


def _gate_fields(term: Term, n_layer: int) -> list[Any]:
    gate, vector = term.gate, term.gate_vector
    if gate is None or vector is None:
        return []
    readout = gate_readout(gate, vector)
    return [
        gate.threshold,
        term.gate_layer(n_layer),
        gate.above,
        gate.scope,
        gate.close,
        gate.hold,
        readout.key if readout else "raw",
    ]


def least_layers(terms: tuple[Term, ...]) -> int:
    """How many layers a model needs for the terms that act, where no vector names its model.

    Raises SteeringError for percentages, which only a model can resolve.
    """
    most = 0
    for term in terms:
        if not term.acts:
            continue
        vector = vector_of(term)
        layers = term.layers or vector.recommended
        if layers and layers.bands and layers != ALL:
            raise SteeringError(
                f"{term.name} acts at {layers}, and no vector says how many layers its model has",
                "name layers by number, or bind it: edgesteer vectors import FILE -m MODEL",
            )
        most = max(most, vector.layers[-1])
    return most + 1


def vector_of(term: Term) -> ControlVector:
    """The vector of a bound term. Raises SteeringError when it is not bound."""
    if term.vector is None or not term.bound:
        raise SteeringError(
            f"{term.name} has no vector yet: only its name is known",
            "bind the steering, or let a Model look the name up in the library",
        )
    return term.vector


def check_width(vector: ControlVector, n_embd: int) -> None:
    """Returns when the vector is `n_embd` wide. Raises VectorMismatchError."""
    if vector.n_embd != n_embd:
        raise VectorMismatchError(
            f"{vector.name or 'the vector'} is {vector.n_embd} wide, the model is {n_embd} wide",
            "extract the vector again on this model, or open the model it was made for",
        )
