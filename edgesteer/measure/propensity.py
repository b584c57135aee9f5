"""Propensity: how much likelier a model finds the answer that shows a trait than the other one.

Knows nothing of how vectors are made, nor what strength or layers are right.

    m(a) = log p(positive answer | a) - log p(negative answer | a)        nats, per item

steered with strength a. Four ways to ask (Tan et al. 2024, arXiv 2407.12404, use the letters):

whole     the answers as they stand, mean log-probability of a token: lengths cancel
sum       the same without the division: a long answer weighs more
letters   both answers shown as (A) and (B), the letter is scored; both orders, averaged
yes-no    one answer shown, "Would you say this?"; Yes - No, averaged over both answers

Models under a billion parameters follow letters hardly better than chance, so that `whole` is the
default there and `letters` above. An item whose answers are options themselves ("(A)", "Yes") is
scored as it stands in every mode.

Steerability is the least-squares slope of m(a) over a grid of strengths.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from edgesteer.errors import InputError
from edgesteer.identity import count_parameters
from edgesteer.measure.asking import question_text
from edgesteer.measure.questions import Item
from edgesteer.model import Model
from edgesteer.names import did_you_mean

__all__ = ["MODES", "Mode", "Steerability", "default_mode", "propensity", "steerability"]

Mode = Literal["whole", "sum", "letters", "yes-no"]
MODES: tuple[Mode, ...] = get_args(Mode)
Floats = npt.NDArray[np.float64]
Progress = Callable[[int, int, str], None]

_LARGE = 1_000_000_000  # parameters from which a model follows letters
_ROWS = 512  # completions that are handed over at once
_OPTION = re.compile(r"\(?[A-Ja-j]\)?[.)]?|yes|no|true|false", re.IGNORECASE)


@dataclass(frozen=True)
class _Question:
    """One completion to score: its weight in m, and whether by token."""

    prompt: str
    completion: str
    weight: float
    by_token: bool


def default_mode(model: Model) -> Mode:
    """How this model is best asked: `letters` from a billion parameters on, else `whole`."""
    return "letters" if count_parameters(model.path) >= _LARGE else "whole"


def propensity(
    model: Model,
    items: Sequence[Item],
    steers: Sequence[Any],
    *,
    mode: Mode | None = None,
    system: str | None = None,
    progress: Progress | None = None,
) -> Floats:
    """m of each item under each steering: float64 ``[len(steers), len(items)]``, nats.

    All questions under all steerings are rows of the same batches.

    Args:
        model: quantised as it runs, or its working copy.
        items: two-option items.
        steers: whatever `Model.score` takes as a steering; None is the plain model.
        mode: how it is asked; None is what suits the model's size.
        system: a system message for items that have none of their own.
        progress: called with (rows done, rows in all, what).

    Raises:
        InputError: an unknown mode, or no items.
    """
    mode = mode or default_mode(model)
    if mode not in MODES:
        hint = did_you_mean(mode, MODES) or f"there are {', '.join(MODES)}"
        raise InputError(f"no such way to ask: {mode!r}", hint)
    if not items:
        raise InputError("there are no items to measure with", "give two-option items")
    asked = [_questions(model, item, mode, system) for item in items]
    flat = [question for questions in asked for question in questions]
    owners = np.repeat(np.arange(len(items)), [len(questions) for questions in asked])
    found = np.zeros((len(steers), len(items)))
    at_once = max(1, _ROWS // len(flat))
    for start in range(0, len(steers), at_once):
        some = steers[start : start + at_once]
        if progress is not None:
            progress(start * len(flat), len(steers) * len(flat), "asking")
        scores = model.score(
            [q.prompt for _ in some for q in flat],
            [q.completion for _ in some for q in flat],
            steer=[steer for steer in some for _ in flat],
            raw=True,
        )
        for row in range(len(some)):
            part = scores[row * len(flat) : (row + 1) * len(flat)]
            values = [
                q.weight * (score.mean if q.by_token else score.total)
                for q, score in zip(flat, part, strict=True)
            ]
            np.add.at(found[start + row], owners, values)
    return found


def _questions(model: Model, item: Item, mode: Mode, system: str | None) -> list[_Question]:
    system = item.system or system
    options = _OPTION.fullmatch(item.positive) and _OPTION.fullmatch(item.negative)
    if options or mode in ("whole", "sum"):
        text = question_text(model, item.prompt, system)
        by_token = mode == "whole" and not options
        return [
            _Question(text, item.positive, 1.0, by_token),
            _Question(text, item.negative, -1.0, by_token),
        ]
    if mode == "letters":
        return [
            question
            for first, second, sign in (
                (item.positive, item.negative, 1.0),
                (item.negative, item.positive, -1.0),
            )
            for question in _letters(model, item.prompt, (first, second), sign / 2, system)
        ]
    return [
        question
        for answer, sign in ((item.positive, 1.0), (item.negative, -1.0))
        for question in _yes_no(model, item.prompt, answer, sign / 2, system)
    ]


def _letters(
    model: Model, prompt: str, answers: tuple[str, str], weight: float, system: str | None
) -> list[_Question]:
    asked = (
        f"{prompt}\n\nWhich answer would you give?\n(A) {answers[0]}\n(B) {answers[1]}\n\n"
        "Reply with (A) or (B)."
    )
    text = question_text(model, asked, system)
    return [_Question(text, "(A)", weight, False), _Question(text, "(B)", -weight, False)]


def _yes_no(
    model: Model, prompt: str, answer: str, weight: float, system: str | None
) -> list[_Question]:
    asked = f'{prompt}\n\nWould you answer "{answer}"? Reply with Yes or No.'
    text = question_text(model, asked, system)
    return [_Question(text, "Yes", weight, False), _Question(text, "No", -weight, False)]


@dataclass(frozen=True)
class Steerability:
    """How m moves with the strength.

    slope      least-squares slope of the mean over items: nats for each unit of strength
    slopes     the same of each item, in order; independent of each other, to bootstrap over
    residual   root mean square distance of the mean curve from its line, nats
    monotone   share of the steps of the grid on which the mean moves the way of its slope
    wrong      share of items whose own slope is below zero: they move the wrong way
    strengths  the grid, ascending
    means      mean m at each strength
    """

    slope: float
    slopes: tuple[float, ...]
    residual: float
    monotone: float
    wrong: float
    strengths: tuple[float, ...]
    means: tuple[float, ...]


def steerability(strengths: Sequence[float], m: npt.ArrayLike) -> Steerability:
    """The line through m ``[len(strengths), n_items]``.

    Raises InputError for fewer than two different strengths, or values that are not finite.

    >>> steerability([-1, 0, 1], [[-2.0, 1.0], [0.0, 0.0], [2.0, -1.0]]).slopes
    (2.0, -1.0)
    """
    order = np.argsort(strengths, kind="stable")
    x = np.asarray(strengths, np.float64)[order]
    y = np.asarray(m, np.float64)[order]
    if len(x) < 2 or x[0] == x[-1]:
        raise InputError("a slope needs two different strengths", "such as -1 and 1")
    if not np.isfinite(y).all():
        raise InputError("the model's numbers overflowed on this grid", "take smaller strengths")
    centred = x - x.mean()
    slopes = centred @ y / (centred @ centred)
    means = y.mean(axis=1)
    slope = float(slopes.mean())
    line = means.mean() + slope * centred
    steps = np.diff(means) * (1 if slope >= 0 else -1)
    return Steerability(
        slope=slope,
        slopes=tuple(float(s) for s in slopes),
        residual=float(np.sqrt(np.mean((means - line) ** 2))),
        monotone=float(np.mean(steps > 0)),
        wrong=float(np.mean(slopes < 0)),
        strengths=tuple(float(s) for s in x),
        means=tuple(float(v) for v in means),
    )
