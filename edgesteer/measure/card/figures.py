"""The figures of one vector, computed from raw numbers alone: effect, controls, prompt, styles.

Does not know the model, nor what counts as good (verdict.py). Items are the independent units: what
belongs to an item (strengths, conditions) stays together when items are resampled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesteer.measure import stats
from edgesteer.measure.card.controls import ENDS
from edgesteer.measure.card.raw import Condition, Raw
from edgesteer.measure.card.styles import AGAINST, FOR
from edgesteer.measure.propensity import steerability
from edgesteer.measure.stats import Interval

__all__ = [
    "Against",
    "Controlled",
    "Effect",
    "OpenAnswers",
    "Prompted",
    "Styled",
    "controlled",
    "effect",
    "half_span",
    "open_answers",
    "prompted",
    "styled",
]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Frame:
    """What all figures of one vector share: the numbers, its name, its question set, the seed."""

    raw: Raw
    name: str
    questions: str
    seed: int
    level: float

    def at(self, strength: float, style: str = "plain", model: str = "") -> Condition:
        """The condition of the vector at a strength."""
        steer = self.name if strength else ""
        return Condition(self.questions, style, steer, strength, model)

    def mean(self, rows: npt.ArrayLike) -> Interval:
        """The mean of items with its interval."""
        return stats.mean_interval(rows, seed=self.seed, level=self.level)


@dataclass(frozen=True)
class Effect:
    """The dose curve of the vector's own trait, in nats (a token, where answers are read whole).

    slope     least-squares slope of m over the strengths, a mean over items
    p         sign-flip test of the items' slopes
    curve     m at each strength less m at 0
    up, down  what the two sides add, both positive where it works: m(1)-m(0) and m(0)-m(-1)
    wrong     share of items whose own slope is below zero
    """

    n: int
    strengths: tuple[float, ...]
    slope: Interval
    p: float
    curve: tuple[Interval, ...]
    up: Interval
    down: Interval
    wrong: Interval
    residual: float
    monotone: float


def effect(frame: Frame, strengths: Sequence[float]) -> Effect | None:
    """The dose curve; None when it was not asked."""
    m = frame.raw.paired([frame.at(strength) for strength in strengths])
    if m is None:
        return None
    line = steerability(strengths, m)
    slopes = np.array(line.slopes)
    zero, plus, minus = (list(strengths).index(x) for x in (0.0, 1.0, -1.0))
    return Effect(
        n=len(slopes),
        strengths=tuple(strengths),
        slope=frame.mean(slopes),
        p=stats.sign_flip(slopes, seed=frame.seed),
        curve=tuple(frame.mean(row - m[zero]) for row in m),
        up=frame.mean(m[plus] - m[zero]),
        down=frame.mean(m[zero] - m[minus]),
        wrong=stats.share_interval(slopes < 0, level=frame.level),
        residual=line.residual,
        monotone=line.monotone,
    )


@dataclass(frozen=True)
class OpenAnswers:
    """Trait scores of open answers: plain, what strengths 1 and -1 change, and the whole span."""

    n: int
    judge: str
    plain: Interval
    up: Interval
    down: Interval
    span: Interval


def open_answers(frame: Frame, judge: str) -> OpenAnswers | None:
    """The scores of the open answers; None without answers or without a judge."""
    found = [frame.raw.answers.get(frame.at(strength)) for strength in (-1.0, 0.0, 1.0)]
    if not judge or any(answers is None or not answers.scores for answers in found):
        return None
    minus, plain, plus = (np.array(answers.scores) for answers in found if answers is not None)
    return OpenAnswers(
        n=len(plain),
        judge=judge,
        plain=frame.mean(plain),
        up=frame.mean(plus - plain),
        down=frame.mean(minus - plain),
        span=frame.mean(plus - minus),
    )


def half_span(frame: Frame, steer: str, style: str = "plain", model: str = "") -> Floats | None:
    """(m(1) - m(-1)) / 2 of each item: what one unit of strength does, read at both ends."""
    ends = [Condition(frame.questions, style, steer, x, model) for x in (-1.0, 1.0)]
    m = frame.raw.paired(ends)
    return None if m is None else (m[1] - m[0]) / 2


@dataclass(frozen=True)
class Against:
    """One control beside the vector. `lead`: the vector's effect less the control's own size.

    The control's sign is taken in its favour: a random vector has no right way round. `kl` is the
    mean over the strengths of the effects, -1 and 1.
    """

    label: str
    kind: str
    match: str
    factor: float
    kl: float | None
    effect: Interval
    lead: Interval


@dataclass(frozen=True)
class Controlled:
    """All controls of a kind and match: the strongest decides.

    beaten  the interval of the lead over the strongest lies above zero
    p       (1 + controls at least as strong) / (1 + controls): can not fall below 1 / (1 + count)
    """

    kind: str
    match: str
    count: int
    strongest: str
    size: float
    lead: Interval
    beaten: bool
    p: float


def controlled(
    frame: Frame, controls: Sequence[Mapping[str, Any]]
) -> tuple[list[Against], list[Controlled]]:
    """Every control beside the vector, and the strongest of each kind and match."""
    own = half_span(frame, frame.name)
    each, sizes = list[Against](), dict[str, float]()
    if own is None:
        return [], []
    for control in controls:
        found = half_span(frame, control["label"])
        if found is None:
            continue
        n = min(len(found), len(own))
        sign = 1.0 if found.mean() >= 0 else -1.0
        keys = [(control["label"], end, "") for end in ENDS]
        costs = [cost.kl_mean for key in keys if (cost := frame.raw.damage.get(key))]
        sizes[control["label"]] = abs(float(found.mean()))
        each.append(
            Against(
                label=control["label"],
                kind=control["kind"],
                match=control["match"],
                factor=control["factor"],
                kl=float(np.mean(costs)) if len(costs) == len(keys) else None,
                effect=frame.mean(found),
                lead=frame.mean(own[:n] - sign * found[:n]),
            )
        )
    summaries = []
    for kind, match in dict.fromkeys((one.kind, one.match) for one in each):
        group = [one for one in each if (one.kind, one.match) == (kind, match)]
        worst = max(group, key=lambda one: sizes[one.label])
        stronger = sum(sizes[one.label] >= float(own.mean()) for one in group)
        summaries.append(
            Controlled(
                kind,
                match,
                len(group),
                worst.label,
                sizes[worst.label],
                worst.lead,
                worst.lead.low > 0,
                (1 + stronger) / (1 + len(group)),
            )
        )
    return each, summaries


@dataclass(frozen=True)
class Prompted:
    """A plain system prompt beside the vector, one side: what each adds to m, both ways up.

    `instead` is vector less prompt, `besides` what the vector adds to the prompt.
    """

    side: str
    n: int
    prompt: Interval
    vector: Interval
    both: Interval
    instead: Interval
    besides: Interval
    score: Interval | None


def prompted(frame: Frame) -> list[Prompted]:
    """The prompt baseline, for and against the trait; empty when no persona is known."""
    found = []
    for style, sign in ((FOR, 1.0), (AGAINST, -1.0)):
        m = frame.raw.paired(
            [
                frame.at(0.0),
                frame.at(sign),
                frame.at(0.0, style),
                frame.at(sign, style),
            ]
        )
        if m is None:
            continue
        plain, vector, prompt, both = m * sign
        found.append(
            Prompted(
                side=style,
                n=len(plain),
                prompt=frame.mean(prompt - plain),
                vector=frame.mean(vector - plain),
                both=frame.mean(both - plain),
                instead=frame.mean(vector - prompt),
                besides=frame.mean(both - prompt),
                score=_prompt_score(frame, style, sign),
            )
        )
    return found


def _prompt_score(frame: Frame, style: str, sign: float) -> Interval | None:
    plain = frame.raw.answers.get(frame.at(0.0))
    told = frame.raw.answers.get(frame.at(0.0, style))
    if plain is None or told is None or not plain.scores or not told.scores:
        return None
    return frame.mean(sign * (np.array(told.scores) - np.array(plain.scores)))


@dataclass(frozen=True)
class Styled:
    """The effect in one prompt style, and its share of the effect of the plain question.

    relative  mean slope in this style / mean slope of the plain question, same items; None where
              the plain slope can not be told from zero
    shift     what the style alone does to m, unsteered
    """

    style: str
    resist: bool
    n: int
    slope: Interval
    relative: Interval | None
    shift: Interval


def styled(frame: Frame, styles: Sequence[Mapping[str, Any]]) -> list[Styled]:
    """Every prompt style that was asked."""
    found = []
    for style in styles:
        name = style["name"]
        rows = [frame.at(x, s) for s in ("plain", name) for x in (-1.0, 0.0, 1.0)]
        m = frame.raw.paired(rows)
        if m is None:
            continue
        plain, own = (m[2] - m[0]) / 2, (m[5] - m[3]) / 2
        relative = None
        if frame.mean(plain).clear_of_zero:
            relative = stats.bootstrap(
                np.stack([own, plain], axis=1), _ratio, seed=frame.seed, level=frame.level
            )
        found.append(
            Styled(
                style=name,
                resist=bool(style["resist"]),
                n=len(own),
                slope=frame.mean(own),
                relative=relative,
                shift=frame.mean(m[4] - m[1]),
            )
        )
    return found


def _ratio(rows: Floats) -> float:
    above, below = rows.mean(axis=0)
    return float(above / below) if below else 0.0
