"""The figures of alternatives to adding, computed from raw numbers alone, each beside adding.

Does not know the model, nor how the alternatives steer (alternatives.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgesteer.measure import stats
from edgesteer.measure.card.figures import Frame
from edgesteer.measure.card.raw import KNOWLEDGE_SET, Condition
from edgesteer.measure.card.styles import AGAINST, FOR
from edgesteer.measure.stats import Interval

SURE = 0.05  # p-value corrected for the number of comparisons
_DEARER = 1.5  # times the KL on own answers

__all__ = ["SURE", "Beside", "alternatives", "best_tool"]


@dataclass(frozen=True)
class Beside:
    """One way to get at the trait, at the KL of the added vector.

    up, down   what it adds to m towards the trait, and away from it; None: it has no such side
    lead       up less that of adding, same items
    p_holm     of the lead, by sign flips, corrected for the number of alternatives; None for adding
    kl         on neutral text; None where it can not be measured; own_p95 on own answers
    reached    whether the KL of the added vector was reached
    score      change of the score of open answers
    knowledge  share right
    """

    kind: str
    steering: str
    dose: float | None
    kl: float | None
    reached: bool
    own_p95: float | None
    n: int
    up: Interval
    down: Interval | None
    lead: Interval
    score: Interval | None
    knowledge: float | None
    p_holm: float | None = None


def alternatives(frame: Frame, facts: Sequence[Mapping[str, Any]]) -> list[Beside]:
    """Every alternative that was asked, in order; the first is adding."""
    found, added, leads = list[Beside](), None, dict[str, Any]()
    for one in facts:
        prompt = one["kind"] == "prompt"
        up = frame.at(0.0, FOR) if prompt else _at(frame, one["label"], 1.0)
        down = frame.at(0.0, AGAINST) if prompt else _at(frame, one["label"], -1.0)
        m = frame.raw.paired([frame.at(0.0), up])
        if m is None:
            continue
        change = m[1] - m[0]
        added = change if added is None else added
        n = min(len(change), len(added))
        leads[one["kind"]] = change[:n] - added[:n]
        away = frame.raw.paired([frame.at(0.0), down])
        found.append(
            Beside(
                kind=one["kind"],
                steering=one.get("steering", ""),
                dose=one.get("dose"),
                kl=one.get("kl"),
                reached=bool(one.get("reached", False)),
                own_p95=one.get("own_p95"),
                n=n,
                up=frame.mean(change),
                down=None if away is None else frame.mean(away[0] - away[1]),
                lead=frame.mean(change[:n] - added[:n]),
                score=_score(frame, up),
                knowledge=None if prompt else _knowledge(frame, one["label"]),
            )
        )
    p = [stats.sign_flip(leads[one.kind], seed=frame.seed) for one in found[1:]]
    return [
        *found[:1],
        *(replace(o, p_holm=h) for o, h in zip(found[1:], stats.holm(p), strict=True)),
    ]


def best_tool(found: Sequence[Beside]) -> str:
    """In a sentence: whether adding is the right tool; "" where it is not shown to work."""
    if not found or found[0].up.low <= 0:
        return ""
    reached = [one for one in found[1:] if one.reached]
    fair = [one for one in reached if not _dearer(one, found[0])]
    dear = [one.kind for one in reached if one not in fair]
    besides = f"; {', '.join(dear)} cost its own answers more: not compared" if dear else ""
    ahead = [one for one in fair if one.lead.low > 0 and (one.p_holm or 0.0) < SURE]
    if ahead:
        best = max(ahead, key=lambda one: one.lead.value)
        return f"{best.kind} does more at equal damage: ahead of adding by {best.lead}{besides}"
    if not fair:
        return f"no alternative could be brought to equal damage{besides}"
    names = ", ".join(one.kind for one in fair)
    text = f"nothing that was tried at equal damage does clearly more than adding ({names})"
    return text + besides


def _dearer(one: Beside, added: Beside) -> bool:
    """Whether the model's own answers, where neutral text says the same, tell another cost."""
    if one.own_p95 is None or added.own_p95 is None:
        return False
    return one.own_p95 > _DEARER * added.own_p95


def _at(frame: Frame, label: str, strength: float) -> Condition:
    return Condition(frame.questions, "plain", label, strength)


def _score(frame: Frame, condition: Condition) -> Interval | None:
    plain = frame.raw.answers.get(frame.at(0.0))
    other = frame.raw.answers.get(condition)
    if plain is None or other is None or not plain.scores or not other.scores:
        return None
    return frame.mean(np.array(other.scores) - np.array(plain.scores))


def _knowledge(frame: Frame, label: str) -> float | None:
    found = frame.raw.m(Condition(KNOWLEDGE_SET, "plain", label, 1.0))
    return None if found is None else float((found > 0).mean())
