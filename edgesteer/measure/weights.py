"""Weights of a vector's layers: windows with hard ends, and smooth profiles over the depth.

Knows nothing of models or effects. A weight multiplies the direction of its layer; only their
proportions matter, since strengths are compared at equal damage.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from edgesteer.errors import LayerError
from edgesteer.layers import LayerRange
from edgesteer.vector import ControlVector

__all__ = ["LayerWeights", "flat", "gaussian", "plateau"]

_LEAST = 0.05  # of the largest: smaller weights are left out


@dataclass(frozen=True)
class LayerWeights:
    """(layer, weight) ascending, the largest weight 1. `label` names the shape, for people."""

    weights: tuple[tuple[int, float], ...]
    label: str = field(default="", compare=False)

    @classmethod
    def of(cls, weights: Mapping[int, float], label: str = "") -> LayerWeights:
        """The weights, divided by the largest; those below 0.05 are left out.

        Raises LayerError when no weight is above zero.
        """
        top = max(weights.values(), default=0.0)
        if not (math.isfinite(top) and top > 0):
            raise LayerError("no layer has a weight above zero", "name a layer of the vector")
        kept = {n: round(w / top, 3) for n, w in weights.items() if w >= _LEAST * top}
        return cls(tuple(sorted(kept.items())), label or str(LayerRange.of(kept)))

    def __str__(self) -> str:
        return self.label

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers that take part."""
        return tuple(layer for layer, _ in self.weights)

    @property
    def is_flat(self) -> bool:
        """Whether all weights are 1: a plain range of layers says it all."""
        return all(weight == 1 for _, weight in self.weights)

    @property
    def centre(self) -> float:
        """The weighted mean layer."""
        return sum(n * w for n, w in self.weights) / sum(w for _, w in self.weights)

    def to_dict(self) -> dict[str, float]:
        """{layer as text: weight}, for JSON."""
        return {str(layer): weight for layer, weight in self.weights}

    @classmethod
    def from_dict(cls, data: Mapping[str, float], label: str = "") -> LayerWeights:
        """The weights in a dict of `to_dict`."""
        return cls.of({int(layer): float(weight) for layer, weight in data.items()}, label)

    def applied(self, vector: ControlVector) -> ControlVector:
        """The vector with these layers alone, each direction times its weight; not calibrated.

        Raises LayerError when it carries none of them.
        """
        rows = {n: vector.directions[n] * w for n, w in self.weights if n in vector.directions}
        if not rows:
            raise LayerError(
                f"the vector carries nothing at {LayerRange.of(self.layers)}",
                f"it carries the layers {LayerRange.of(vector.layers)}",
            )
        return vector.with_(directions=rows, recommended=None, calibration=None)


def flat(layers: Iterable[int]) -> LayerWeights:
    """The same weight on each of the layers.

    >>> flat(range(3, 6)).to_dict()
    {'3': 1.0, '4': 1.0, '5': 1.0}
    """
    return LayerWeights.of(dict.fromkeys(layers, 1.0))


def gaussian(peak: float, width: float, layers: Iterable[int]) -> LayerWeights:
    """A bell over the given layers: its peak's layer, its standard deviation in layers.

    >>> gaussian(4, 1, range(1, 8)).to_dict()
    {'2': 0.135, '3': 0.607, '4': 1.0, '5': 0.607, '6': 0.135}
    """
    bell = {n: math.exp(-0.5 * ((n - peak) / width) ** 2) for n in layers}
    return LayerWeights.of(bell, f"bell {peak:.3g}±{width:.3g}")


def plateau(first: float, last: float, edge: float, layers: Iterable[int]) -> LayerWeights:
    """Weight 1 from `first` to `last`, falling off on both sides as half a bell of width `edge`."""

    def weight(n: int) -> float:
        distance = max(first - n, n - last, 0.0)
        return math.exp(-0.5 * (distance / edge) ** 2)

    label = f"plateau {first:.3g}-{last:.3g}±{edge:.3g}"
    return LayerWeights.of({n: weight(n) for n in layers}, label)
