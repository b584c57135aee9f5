"""Reads directions of the residual stream while a sequence runs: one Reading a token.

Knows nothing of vectors, thresholds or who looks at the readings; it never writes a row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Probe:
    """One thing to read: ``h . direction - offset`` behind block ``layer``, called ``name``."""

    name: str
    layer: int
    direction: FloatArray
    offset: float = 0.0


@dataclass(frozen=True)
class Reading:
    """What was read at one token.

    Attributes:
        position: where the token stands in the sequence, from 0.
        token: its id.
        text: a prompt token as it is written; of the answer, the text that came with the token.
        generated: whether it belongs to the answer.
        values: name -> reading. Empty for the end of an answer that the model never read itself:
            an answer cut off by its length ends in such a token.
    """

    position: int
    token: int
    text: str
    generated: bool
    values: Mapping[str, float] = field(default_factory=dict)


class Watch:
    """The probes of one request, by layer."""

    def __init__(self, probes: Sequence[Probe], piece: Callable[[int], str]) -> None:
        """``piece(token)`` is the text of a prompt token."""
        self.piece = piece
        self.layers = frozenset(probe.layer for probe in probes)
        self._names = [probe.name for probe in probes]
        self._offsets = np.array([probe.offset for probe in probes], np.float64)
        self._at = {
            layer: [i for i, probe in enumerate(probes) if probe.layer == layer]
            for layer in sorted(self.layers)
        }
        self._stacks = {
            layer: np.stack([probes[i].direction for i in those], axis=1)
            for layer, those in self._at.items()
        }

    def values(self, rows: Mapping[int, FloatArray], n: int) -> list[dict[str, float]]:
        """name -> reading for each of ``n`` tokens, whose rows ``[n, d]`` were captured by layer.

        The last block computes only the rows that logits are wanted of: of the others nothing can
        be read there.
        """
        table = np.full((n, len(self._names)), np.nan)
        for layer, those in self._at.items():
            block = rows[layer]
            if len(block):
                table[n - len(block) :, those] = block @ self._stacks[layer]
        table -= self._offsets
        return [
            {name: float(x) for name, x in zip(self._names, row, strict=True) if not np.isnan(x)}
            for row in table
        ]
