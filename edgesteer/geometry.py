"""Geometry of several vectors: their cosines, and one of them without what it shares with others.

Does not know what the vectors do to a model: directions that are alike may act differently.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesteer.errors import InputError, LayerError, SteeringError, VectorMismatchError
from edgesteer.layers import LayerRange, as_layers
from edgesteer.vector import ControlVector

__all__ = ["Orthogonal", "Overlap", "orthogonal_to", "overlap"]

_NOTHING = 1e-6  # of the norm: what is left below it is rounding


@dataclass(frozen=True)
class Overlap:
    """How alike some vectors are.

    names     as given
    layers    the layers that all of them carry, ascending
    cosines   float64 [L, n, n]; 0 where a direction is zero
    chance    95 % of pairs of random directions of this width have a cosine within +-chance
    """

    names: tuple[str, ...]
    layers: tuple[int, ...]
    cosines: NDArray[np.float64]
    chance: float

    @property
    def mean(self) -> NDArray[np.float64]:
        """float64 [n, n]: the mean over the layers, every layer counting alike."""
        matrix: NDArray[np.float64] = self.cosines.mean(axis=0)
        return matrix


def overlap(
    vectors: Sequence[ControlVector],
    layers: LayerRange | str | None = None,
    names: Sequence[str] | None = None,
) -> Overlap:
    """The cosines of two vectors or more, at those of `layers` that all of them carry.

    Raises InputError for fewer than two, VectorMismatchError for vectors of different models and
    LayerError when they share no layer.

    >>> a, b = ControlVector({1: [1.0, 0.0]}), ControlVector({1: [3.0, 4.0]})
    >>> round(float(overlap([a, b]).mean[0, 1]), 3)
    0.6
    """
    if len(vectors) < 2:
        raise InputError("an overlap needs two vectors or more", "name another one")
    _check_alike(vectors)
    shared = set(vectors[0].layers).intersection(*(vector.layers for vector in vectors))
    if layers is not None:
        model = next((v.model for v in vectors if v.model), None)
        n_layer = model.n_layer if model else max(v.layers[-1] for v in vectors) + 1
        shared &= set(as_layers(layers).resolve(n_layer))
    if not shared:
        carried = "; ".join(str(LayerRange.of(vector.layers)) for vector in vectors)
        raise LayerError("the vectors share no such layer", f"they carry the layers {carried}")
    chosen = tuple(sorted(shared))
    rows = np.stack([[v.directions[n] for v in vectors] for n in chosen]).astype(np.float64)
    norms = np.linalg.norm(rows, axis=2, keepdims=True)
    units = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)
    cosines = np.clip(units @ units.transpose(0, 2, 1), -1.0, 1.0)
    labels = tuple(names or (vector.name or "unnamed" for vector in vectors))
    return Overlap(labels, chosen, cosines, 1.96 / math.sqrt(vectors[0].n_embd))


@dataclass(frozen=True)
class Orthogonal:
    """A vector without what it shared with others.

    `removed` is the share of its squared norm that went, by layer, 0 to 1.
    """

    vector: ControlVector
    removed: dict[int, float]


def orthogonal_to(vector: ControlVector, others: Sequence[ControlVector]) -> Orthogonal:
    """The vector minus its projection on the span of the others' directions, layer by layer.

    v - (v.r) r for one other with the unit direction r; with several r is an orthonormal basis of
    what they span (by SVD). Layers that no other carries stay as they are; layers of which nothing
    is left are dropped. Calibration is dropped: it was measured on another vector.

    Raises VectorMismatchError for vectors of different models and SteeringError when nothing is
    left.
    """
    _check_alike([vector, *others])
    kept, removed = {}, {}
    for layer, row in vector.directions.items():
        wide = row.astype(np.float64)
        beside = [o.directions[layer] for o in others if layer in o.directions]
        rest = wide - _projected(wide, beside)
        before, after = float(wide @ wide), float(rest @ rest)
        removed[layer] = max(0.0, 1.0 - after / before) if before else 0.0
        if after > _NOTHING**2 * before:
            kept[layer] = rest.astype(np.float32)
    if not kept:
        raise SteeringError(
            "nothing is left: the vector lies within what it is to be orthogonal to",
            "'edgesteer vectors overlap A B' shows how alike they are",
        )
    return Orthogonal(vector.with_(directions=kept, calibration=None), removed)


def _projected(
    row: NDArray[np.float64], beside: Sequence[NDArray[np.float32]]
) -> NDArray[np.float64]:
    """The part of a row that lies in the span of others; directions count whatever their norms."""
    norms = [float(np.linalg.norm(other.astype(np.float64))) for other in beside]
    units = [o.astype(np.float64) / n for o, n in zip(beside, norms, strict=True) if n > 0]
    if not units:
        return np.zeros_like(row)
    _, sizes, basis = np.linalg.svd(np.stack(units), full_matrices=False)
    basis = basis[sizes > _NOTHING * sizes[0]]
    part: NDArray[np.float64] = (basis @ row) @ basis
    return part


def _check_alike(vectors: Sequence[ControlVector]) -> None:
    models = [vector.model for vector in vectors if vector.model is not None]
    for model in models[1:]:
        models[0].check_fits(model)
    widths = {vector.n_embd for vector in vectors}
    if len(widths) > 1:
        raise VectorMismatchError(
            f"the vectors have different widths: {', '.join(map(str, sorted(widths)))}",
            "take vectors of one model",
        )
