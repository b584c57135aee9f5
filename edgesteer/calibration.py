"""Calibration: the band of strengths in which a vector works and does no harm.

Does not know how it was measured: the evidence is kept as it came.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from edgesteer.errors import InputError
from edgesteer.plain import plain_dict

__all__ = ["Calibration"]


@dataclass(frozen=True)
class Calibration:
    """The usable band of strengths, low to high; strength 1.0 is what the calibration aims at.

    `evidence` is what was measured to find it, plain JSON data. Raises InputError when the band is
    empty or not finite.
    """

    low: float
    high: float
    evidence: Mapping[str, object] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        low, high = float(self.low), float(self.high)
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise InputError(f"the band {low:g}..{high:g} is no band of strengths", "low <= high")
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)
        object.__setattr__(self, "evidence", plain_dict(self.evidence, "evidence"))

    def holds(self, strength: float) -> bool:
        """True when the strength is 0 or lies in the band."""
        return strength == 0 or self.low <= strength <= self.high

    def scaled(self, factor: float) -> Calibration:
        """The band of the same vector after all its directions were multiplied by `factor`.

        The evidence is in strengths of the vector that was measured, and stays behind.
        """
        ends = sorted((self.low / factor, self.high / factor))
        return Calibration(ends[0], ends[1], self.evidence if factor == 1 else {})
