"""Raw numbers of an evaluation: what the model said under each condition, before any figure.

Does not know what the numbers mean. Whatever the report card states is computed from this value,
which is what its JSON holds.

A condition is told by four words: the question set, the prompt style, what steers (a label; "" is
nothing) and its strength; `model` is "" for the model itself, and the name of a second file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesteer.errors import InputError

__all__ = ["KNOWLEDGE_SET", "TOGETHER", "Answers", "Condition", "Damage", "Raw"]

#: Names that the raw numbers use besides those of vectors and traits.
KNOWLEDGE_SET, TOGETHER = "general knowledge", "all together"

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, order=True)
class Condition:
    """Under what something was asked."""

    questions: str
    style: str = "plain"
    steer: str = ""
    strength: float = 0.0
    model: str = ""


@dataclass(frozen=True)
class Answers:
    """Open answers, one a question, with their trait scores (none: nobody scored them)."""

    texts: tuple[str, ...]
    scores: tuple[float, ...] = ()


@dataclass(frozen=True)
class Damage:
    """What a steering costs, in nats a token; None: not measured, infinite: the numbers overflowed.

    own_p95, kl_mean          as for the calibration: on own answers, on neutral text
    kl_p95, cross_entropy     on neutral text
    perplexity, repetition    of own answers, under the unsteered model; repeated 4-grams
    """

    kl_mean: float
    kl_p95: float
    cross_entropy: float
    own_p95: float | None = None
    perplexity: float | None = None
    repetition: float | None = None


@dataclass
class Raw:
    """All raw numbers of one evaluation, filled while it runs.

    margins   m of the items of a question set, in the order of `items`; a condition may hold fewer
              than there are, and then it holds the first
    items     what the items say: prompt, positive, negative, system
    answers   open answers to `asked`
    damage    by (steer, strength, model)
    cosines   {"a|b": {layer: cosine}}
    facts     further plain data: subjects, controls, what was left out and why
    """

    margins: dict[Condition, tuple[float, ...]] = field(default_factory=dict)
    items: dict[str, list[dict[str, str | None]]] = field(default_factory=dict)
    answers: dict[Condition, Answers] = field(default_factory=dict)
    asked: dict[str, list[str]] = field(default_factory=dict)
    damage: dict[tuple[str, float, str], Damage] = field(default_factory=dict)
    cosines: dict[str, dict[str, float]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def m(self, condition: Condition) -> Floats | None:
        """The margins under a condition; None when it was not asked, or the numbers overflowed."""
        found = np.array(self.margins.get(condition, (np.nan,)))
        return found if np.isfinite(found).all() else None

    def paired(self, conditions: Iterable[Condition]) -> Floats | None:
        """``[len(conditions), n]``: margins of the items that all have; None when one is missing.

        Margins are kept for the first items of a set, so that the first n are the same items.
        """
        rows = [self.m(condition) for condition in conditions]
        known = [row for row in rows if row is not None]
        if len(known) < len(rows) or not known:
            return None
        n = min(map(len, known))
        return np.stack([row[:n] for row in known])

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data. Margins and scores that overflowed are null, costs are "inf"."""
        return {
            "margins": [
                {**asdict(condition), "values": [_number(v) for v in values]}
                for condition, values in sorted(self.margins.items())
            ],
            "items": self.items,
            "answers": [
                {**asdict(c), "texts": list(a.texts), "scores": [_number(s) for s in a.scores]}
                for c, a in sorted(self.answers.items(), key=lambda pair: pair[0])
            ],
            "asked": self.asked,
            "damage": [
                {
                    "steer": steer,
                    "strength": strength,
                    "model": model,
                    **{k: _cost(v) for k, v in asdict(cost).items()},
                }
                for (steer, strength, model), cost in sorted(self.damage.items())
            ],
            "cosines": self.cosines,
            "facts": _facts(self.facts, _cost),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Raw:
        """The numbers in a dict of `to_dict`. Raises InputError."""
        try:
            return cls(
                margins={
                    _condition(row): tuple(map(_float, row["values"])) for row in data["margins"]
                },
                items=dict(data["items"]),
                answers={
                    _condition(row): Answers(tuple(row["texts"]), tuple(map(_float, row["scores"])))
                    for row in data["answers"]
                },
                asked=dict(data["asked"]),
                damage={
                    (row["steer"], row["strength"], row["model"]): _damage(row)
                    for row in data["damage"]
                },
                cosines=dict(data["cosines"]),
                facts=_facts(data["facts"], _read_cost),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"these are no raw numbers of a report card: {error}", "evaluate again"
            ) from error


def _condition(row: Mapping[str, Any]) -> Condition:
    names = ("questions", "style", "steer", "strength", "model")
    return Condition(**{name: row[name] for name in names})


def _damage(row: Mapping[str, Any]) -> Damage:
    kl_mean, kl_p95, rise = (_float(row[key]) for key in ("kl_mean", "kl_p95", "cross_entropy"))
    own, perplexity, repetition = (
        _read_cost(row[key]) for key in ("own_p95", "perplexity", "repetition")
    )
    if own is None and repetition is not None:
        own = math.inf  # of an older card: both are measured or none
    return Damage(kl_mean, kl_p95, rise, own, perplexity, repetition)


def _facts(facts: Mapping[str, Any], change: Callable[[Any], float | str | None]) -> dict[str, Any]:
    """The facts, with the costs of alternatives written for JSON or read from it."""
    found = dict(facts)
    if "alternatives" in found:
        found["alternatives"] = [
            one | {key: change(one[key]) for key in ("dose", "kl", "own_p95") if key in one}
            for one in found["alternatives"]
        ]
    return found


def _cost(value: float | None) -> float | str | None:
    """A number for JSON, in which None is "not measured"; one that is not finite is "inf"."""
    if value is None:
        return None
    return float(value) if np.isfinite(value) else "inf"


def _read_cost(value: float | str | None) -> float | None:
    return None if value is None else float(value)


def _number(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)


def _float(value: float | None) -> float:
    return float("inf") if value is None else float(value)
