"""How much of a reading the steering itself puts there: what is added along the direction read.

Does not know the engine, nor what later blocks make of what was added.
"""

from __future__ import annotations

from edgesteer.monitor.readout import Readout
from edgesteer.steering import Steering

__all__ = ["added_by"]


def added_by(steering: Steering, readout: Readout, n_layer: int) -> float:
    """What the plain additions of a bound steering put into a reading, in its unit.

    The residual stream carries on what is added at the layers up to that which is read:
    ``sum strength * v_l . direction / scale``. What blocks in between answer to it, and terms that
    do not simply add, are left out.
    """
    total = 0.0
    for term in steering.terms:
        if term.vector is None or term.operation != "add" or term.gate or not term.acts:
            continue
        for layer in term.resolved_layers(n_layer):
            if layer <= readout.layer:
                row = term.vector.directions[layer]
                total += term.strength * float(row @ readout.direction) / readout.scale
    return total
