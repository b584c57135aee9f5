"""Steers along a vector in both directions, beside random vectors of equal norm.

Does not know read-outs: it asks whether the direction also moves what the model finds likely.

The effect is half of m(+s) - m(-s), m the log-probability of an item's positive answer less that of
its negative one (measure/propensity.py). The random vectors are the vector itself, turned by random
rotations: their norms at each layer are the same, and how their layers lie to one another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from edgesteer.measure.card.controls import random_rotation
from edgesteer.measure.propensity import default_mode, propensity
from edgesteer.measure.questions import Item
from edgesteer.measure.stats import mean_interval
from edgesteer.model import Model
from edgesteer.steering import Steering
from edgesteer.terms import Term
from edgesteer.vector import ControlVector

__all__ = ["steered"]

SEED = 20252
Progress = Callable[[int, int, str], None]


def steered(
    model: Model,
    vector: ControlVector,
    items: Sequence[Item],
    *,
    strength: float = 1.0,
    randoms: int = 8,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """What steering by +-strength does to the items, and what random vectors do, as JSON data.

    Keys: strength, mode, n_items, effect (an interval, nats), up and down (the mean change either
    way from the plain model, nats), randoms (the effect of each) and beyond (how many of those are
    smaller than the vector's, in size).

    Raises InputError without items, and what steering raises.
    """
    layers = [
        layer for layer in Term("x", vector=vector).resolved_layers(model.n_layer)
        if layer in vector.directions
    ]  # fmt: skip
    rows = np.stack([vector.directions[layer] for layer in layers])
    steers: list[Steering | None] = [None]
    for number in range(randoms + 1):
        turned = rows if not number else random_rotation(rows, (SEED, number))
        name = "vector" if not number else f"random-{number}"
        one = ControlVector(dict(zip(layers, turned, strict=True)), vector.model, name=name)
        steers += [one * strength, one * -strength]
    mode = default_mode(model)
    found = propensity(model, items, steers, mode=mode, progress=progress)
    halves = (found[1::2] - found[2::2]) / 2
    effect = mean_interval(halves[0], seed=SEED)
    others = halves[1:].mean(axis=1)
    return {
        "strength": strength,
        "mode": mode,
        "n_items": len(items),
        "effect": asdict(effect),
        "up": float((found[1] - found[0]).mean()),
        "down": float((found[2] - found[0]).mean()),
        "randoms": [float(x) for x in others],
        "beyond": int((np.abs(others) < abs(effect.value)).sum()),
    }
