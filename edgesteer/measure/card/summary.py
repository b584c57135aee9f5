"""All figures of an evaluation, one value a vector, computed from raw numbers and nothing else.

Does not know the model, nor what counts as good (verdict.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgesteer.errors import InputError
from edgesteer.measure.card import beside
from edgesteer.measure.card import costs as cost
from edgesteer.measure.card import figures as fig
from edgesteer.measure.card.raw import KNOWLEDGE_SET, TOGETHER, Raw
from edgesteer.measure.card.settings import Settings

__all__ = ["Summary", "VectorFigures", "summarise"]


@dataclass(frozen=True)
class VectorFigures:
    """The figures of one vector; None and empty lists where something was not asked.

    `unit` is what m is in: nats a token where answers are read whole, else nats.
    """

    name: str
    unit: str
    facts: Mapping[str, Any]
    effect: fig.Effect
    open: fig.OpenAnswers | None
    controls: list[fig.Against]
    controlled: list[fig.Controlled]
    prompted: list[fig.Prompted]
    styles: list[fig.Styled]
    side_effects: cost.SideEffects
    knowledge: cost.Knowledge | None
    costs: list[cost.Cost]
    quantised: cost.Quantised | None
    together: cost.Together | None
    beside: list[beside.Beside]

    def cost_at(self, strength: float) -> cost.Cost | None:
        """What a strength costs; None when it was not measured."""
        return next((one for one in self.costs if one.strength == strength), None)

    def control(self, kind: str, match: str) -> fig.Controlled | None:
        """The controls of a kind and match; None when there were none."""
        both = ((one.kind, one.match) for one in self.controlled)
        return dict(zip(both, self.controlled, strict=True)).get((kind, match))


@dataclass(frozen=True)
class Summary:
    """All vectors, their cosines, and what all of them together spend of the budget."""

    vectors: list[VectorFigures]
    overlaps: list[cost.Overlap]
    together: cost.Cost | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return asdict(self)


def summarise(raw: Raw, settings: Settings) -> Summary:
    """The figures of the raw numbers. The same numbers and settings give the same figures.

    Raises InputError when the numbers hold no vector.
    """
    subjects = raw.facts.get("subjects")
    if not isinstance(subjects, list) or not subjects:
        raise InputError("these raw numbers are about no vector", "evaluate again")
    vectors = [_vector(raw, settings, facts) for facts in subjects]
    total = raw.damage.get((TOGETHER, 1.0, ""))
    return Summary(vectors, cost.overlaps(raw), None if total is None else cost.cost_of(1.0, total))


def _vector(raw: Raw, settings: Settings, facts: Mapping[str, Any]) -> VectorFigures:
    frame = fig.Frame(raw, facts["name"], facts["questions"], settings.seed, settings.level)
    effect = fig.effect(frame, settings.strengths)
    if effect is None:
        raise InputError(f"{facts['name']} has no dose curve", "evaluate again")
    controls = [c for c in raw.facts.get("controls", ()) if c["subject"] == facts["name"]]
    tried = [a for a in raw.facts.get("alternatives", ()) if a["subject"] == facts["name"]]
    each, strongest = fig.controlled(frame, controls)
    return VectorFigures(
        name=facts["name"],
        unit="nats a token" if raw.facts.get("mode") == "whole" else "nats",
        facts=facts,
        effect=effect,
        open=fig.open_answers(frame, facts.get("judge", "")),
        controls=each,
        controlled=strongest,
        prompted=fig.prompted(frame),
        styles=fig.styled(frame, facts.get("styles", ())),
        side_effects=cost.side_effects(frame, raw.facts.get("traits", ())),
        knowledge=cost.knowledge(frame, KNOWLEDGE_SET),
        costs=cost.costs(frame, settings.strengths),
        quantised=cost.quantised(frame, raw.facts.get("also", "")),
        together=cost.together(frame, TOGETHER),
        beside=beside.alternatives(frame, tried),
    )
