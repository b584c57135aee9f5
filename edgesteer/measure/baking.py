"""Weights of layers in a vector: multiplied in, read off, taken out again.

Does not know how weights are found, nor how strong the vector is to be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgesteer.layers import LayerRange
from edgesteer.measure.weights import LayerWeights
from edgesteer.vector import ControlVector

__all__ = ["WEIGHTS", "baked", "natural", "present_weights"]

WEIGHTS = "layer_weights"
"""Where a vector's meta keeps the weights that its directions were multiplied by."""


def natural(vector: ControlVector) -> ControlVector:
    """The vector without the weights that an earlier sweep multiplied its directions by."""
    weights = vector.meta.get(WEIGHTS)
    if not isinstance(weights, dict):
        return vector
    old = {int(layer): float(weight) for layer, weight in weights.items()}
    rows = {n: row / old.get(n, 1.0) for n, row in vector.directions.items()}
    meta = {key: value for key, value in vector.meta.items() if key != WEIGHTS}
    return vector.with_(directions=rows, calibration=None, meta=meta)


def present_weights(vector: ControlVector, n_layer: int) -> LayerWeights:
    """The weights as they are, at the layers that the vector recommends, else at all of its own."""
    chosen = vector.layers if vector.recommended is None else vector.recommended.resolve(n_layer)
    kept = vector.meta.get(WEIGHTS)
    old: Mapping[str, Any] = kept if isinstance(kept, dict) else {}
    norms = vector.norms()
    weights = {n: float(old.get(str(n), 1.0)) for n in chosen if norms.get(n)}
    return LayerWeights.of(weights, "" if not old else "as it is")


def baked(vector: ControlVector, weights: LayerWeights, note: Mapping[str, Any]) -> ControlVector:
    """A natural vector with the weights multiplied in and their layers recommended.

    Other layers keep their directions, unused. `note` is kept in its meta under "sweep". It is not
    calibrated: that comes next.
    """
    chosen = dict(weights.weights)
    rows = {n: row * chosen.get(n, 1.0) for n, row in vector.directions.items()}
    meta = {**vector.meta, "sweep": dict(note)}
    if not weights.is_flat:
        meta[WEIGHTS] = weights.to_dict()
    return vector.with_(
        directions=rows, recommended=LayerRange.of(weights.layers), calibration=None, meta=meta
    )
