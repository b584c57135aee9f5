"""How much is asked for a report card: items, strengths, controls; a quick and a full set.

Knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from edgesteer.errors import InputError

__all__ = ["FULL", "QUICK", "Settings"]


@dataclass(frozen=True)
class Settings:
    """The size of an evaluation.

    items        test items of the vector's own trait, for effect and controls
    strengths    the dose curve; -1, 0 and 1 are always in it
    side_items   items of each other trait
    style_items  items for each prompt style
    styles       names of the prompt styles; None is all
    knowledge    two-option questions of general knowledge
    open         open questions, answered greedily
    tokens       length of an open answer
    randoms      random vectors, each at equal norm and at equal KL
    shuffles     label-shuffled vectors, each at equal norm and at equal KL
    seed         of items drawn, random vectors, shuffles and resampling
    level        of the intervals
    """

    items: int = 24
    strengths: tuple[float, ...] = (-1.0, -0.5, 0.0, 0.5, 1.0)
    side_items: int = 10
    style_items: int = 12
    styles: tuple[str, ...] | None = None
    knowledge: int = 48
    open: int = 8
    tokens: int = 48
    randoms: int = 3
    shuffles: int = 2
    seed: int = 0
    level: float = 0.95

    def __post_init__(self) -> None:
        least = {"items": 2, "side_items": 1, "style_items": 2, "tokens": 1, "open": 0}
        least |= {"knowledge": 0, "randoms": 0, "shuffles": 0, "seed": 0}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise InputError(f"{name} must be {low} or more, not {getattr(self, name)}")
        if not {-1.0, 0.0, 1.0} <= set(self.strengths):
            raise InputError("the strengths of an evaluation hold -1, 0 and 1", "add them")
        if not 0.5 <= self.level < 1:
            raise InputError(f"an interval of level {self.level:g}", "take 0.95")
        object.__setattr__(self, "strengths", tuple(sorted(set(map(float, self.strengths)))))

    def with_items(self, items: int | None) -> Settings:
        """The same with so many test items, and the other counts in proportion."""
        if items is None:
            return self
        share = items / self.items
        side, style = round(self.side_items * share), round(self.style_items * share)
        return replace(self, items=items, side_items=max(side, 1), style_items=max(style, 2))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        found = asdict(self)
        found["strengths"] = list(self.strengths)
        found["styles"] = None if self.styles is None else list(self.styles)
        return found

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Settings:
        """The settings in a dict of `to_dict`. Raises InputError."""
        try:
            values = dict(data)
            values["strengths"] = tuple(values["strengths"])
            values["styles"] = None if values["styles"] is None else tuple(values["styles"])
            return cls(**values)
        except (TypeError, KeyError) as error:
            raise InputError(f"these are no settings of an evaluation: {error}") from error


FULL = Settings()
QUICK = Settings(
    items=8,
    strengths=(-1.0, 0.0, 1.0),
    side_items=3,
    style_items=4,
    styles=("persona against", "paraphrase", "base64", "asked to resist"),
    knowledge=16,
    open=4,
    tokens=32,
    randoms=2,
    shuffles=1,
)
