"""What an audit found: figures of detectors on kinds of text, as values and as plain data.

Does not know how they are measured (audit.py), put into words (verdict.py) or shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from edgesteer.measure.stats import Interval

__all__ = ["Audit", "Cell", "Curve", "Family"]


@dataclass(frozen=True)
class Cell:
    """One detector, trained on one family, judged on one.

    `kind` is "readout" (as it is kept), "direction" (mean difference), "length" or "words"; `beats`
    is, for a read-out or direction, its AUROC less that of the better baseline trained on the same
    texts; None for a read-out on texts that may not have been left out.
    """

    kind: str
    trained_on: str
    judged_on: str
    auroc: Interval
    beats: Interval | None = None

    @property
    def within(self) -> bool:
        """Whether it is judged on the family that it was trained on."""
        return self.trained_on == self.judged_on


@dataclass(frozen=True)
class Curve:
    """AUROC of one family's direction by layer: within the family, and the mean over the others."""

    trained_on: str
    layers: tuple[int, ...]
    within: tuple[float, ...]
    across: tuple[float, ...]


@dataclass(frozen=True)
class Family:
    """One kind of text.

    length       the AUROC of length alone, whichever side is the longer one
    length_rank  how the read-out's score goes with the length of a text among texts of one class,
                 from -1 to 1 (Spearman's rank correlation)
    """

    name: str
    n_positive: int
    n_negative: int
    length: float
    length_rank: float


@dataclass(frozen=True)
class Audit:
    """The findings.

    own       the read-out's own family
    words     what the bag of words of each family goes by: for the positive side, for the negative
    steering  what steering along the vector does, {} when it was not measured
    apart     whether the own texts that judge the read-out are known to have had no part in it: its
              vector was not made of them, and neither its layer nor its scale was chosen on them
    """

    name: str
    model: str
    layer: int
    positions: str
    fitted: bool
    own: str
    families: tuple[Family, ...]
    cells: tuple[Cell, ...]
    curves: tuple[Curve, ...]
    words: Mapping[str, tuple[list[str], list[str]]]
    steering: Mapping[str, Any] = field(default_factory=dict)
    apart: bool = False

    def cell(self, kind: str, trained_on: str, judged_on: str) -> Cell | None:
        """That cell, None when it was not measured."""
        for cell in self.cells:
            if (cell.kind, cell.trained_on, cell.judged_on) == (kind, trained_on, judged_on):
                return cell
        return None

    @property
    def others(self) -> tuple[str, ...]:
        """The families that the read-out was not made from."""
        return tuple(family.name for family in self.families if family.name != self.own)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {**asdict(self), "words": {k: list(v) for k, v in self.words.items()}}
