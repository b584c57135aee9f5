"""The proof that a control vector acts: a random one must change the logits, a zero one must not.

Does not know the engine: an open model answers the questions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgesteer.vector import ControlVector

if TYPE_CHECKING:
    from edgesteer.model import Model

__all__ = ["Proof", "prove"]

PROMPT = "The weather today is"
SHARE = 0.5
"""Length of the random direction, as a share of the residual stream's norm at that layer."""
LEAST = 1e-3
"""A change of the logits below this share of their spread is no effect."""


@dataclass(frozen=True)
class Proof:
    """What was tried at `layer`: (what, passed, in figures), and whether all passed."""

    layer: int
    checks: tuple[tuple[str, bool, str], ...]

    @property
    def works(self) -> bool:
        """Whether every check passed."""
        return all(ok for _, ok, _ in self.checks)


def prove(model: Model) -> Proof:
    """Try a random direction at a middle layer: strength 1, strength 0, and plain.

    Raises what the model raises: ArchitectureError when its architecture ignores vectors.
    """
    layer = max(1, model.n_layer // 2)
    rows = model.capture([PROMPT], layers=[layer], positions="last").rows
    norm = float(np.linalg.norm(rows[0, 0]))
    random = np.random.default_rng(0).standard_normal(model.n_embd)
    direction = random / np.linalg.norm(random) * norm * SHARE
    steering = ControlVector({layer: direction}, model.identity, name="random").at(layer)
    plain = model.next_logits(PROMPT, raw=True)
    steered = model.next_logits(PROMPT, steering, raw=True)
    silent = model.next_logits(PROMPT, steering * 0.0, raw=True)
    spread = float(plain.max() - plain.min()) or 1.0
    change = float(np.abs(steered - plain).max())
    rest = float(np.abs(silent - plain).max())
    return Proof(
        layer,
        (
            (
                "a vector changes the output",
                bool(np.isfinite(steered).all()) and change > LEAST * spread,
                f"a random direction of length {SHARE * norm:.3g} at layer {layer} moves the "
                f"logits by up to {change:.3g} (their spread is {spread:.3g})",
            ),
            (
                "strength 0 changes nothing",
                rest == 0.0,
                f"the logits move by {rest:.3g}",
            ),
        ),
    )
