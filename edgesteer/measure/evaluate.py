"""evaluate: the report card of one or several vectors on the model that they steer.

Does not know the parts in detail (card/), how a card looks (edgesteer.report) nor terminals.

    card = evaluate(model, ["calm"], settings=QUICK)
    print(card.verdicts[0].headline)
    card.save("calm.json")

Without a judge model, offline; every figure can be computed again from the JSON.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Sequence
from typing import Any

from edgesteer.errors import InputError, StrengthWarning, VectorMismatchError
from edgesteer.measure.card import parts
from edgesteer.measure.card.alternatives import ALTERNATIVES, ask_alternatives, check_alternatives
from edgesteer.measure.card.asker import Asker, Progress
from edgesteer.measure.card.controls import Control
from edgesteer.measure.card.overlap import cosines
from edgesteer.measure.card.raw import Raw
from edgesteer.measure.card.refusal import refusing_direction
from edgesteer.measure.card.report_card import ReportCard
from edgesteer.measure.card.settings import FULL, QUICK, Settings
from edgesteer.measure.card.subject import Judge, Source, Subject, find_subjects
from edgesteer.measure.propensity import Mode, default_mode
from edgesteer.measure.questions import QuestionSet
from edgesteer.model import Model
from edgesteer.steering import Steering

__all__ = ["ALTERNATIVES", "FULL", "QUICK", "ReportCard", "Settings", "evaluate"]

_ONE = (str, os.PathLike, QuestionSet)


def evaluate(
    model: Model,
    vectors: Any,
    *,
    questions: Source | Sequence[Source] = (),
    pairs: str | os.PathLike[str] | None = None,
    judge: Judge | None = None,
    refusal: Any = None,
    also: Model | None = None,
    compare: Sequence[str] = (),
    mode: Mode | None = None,
    settings: Settings = FULL,
    progress: Progress | None = None,
) -> ReportCard:
    """Measure what vectors do to a model, what they cost, and what controls do in their place.

    Args:
        model: the model as it runs.
        vectors: one or a list of what `as_steering` takes, one term each; its strength is what the
            card calls 1.
        questions: a question set, its file, or one for each vector (docs/evaluation.md); default
            that of the built-in trait that a vector was made from.
        pairs: the contrast pairs of a vector that comes from no built-in trait, for personas and
            the label-shuffled control. They count for the vectors that were made from them.
        judge: any function of an answer's text to a number, higher for more of the trait; default
            the trait's own judge-free score.
        refusal: a refusing direction, for the overlap, or the name of a trait to make one of;
            default one of the library that is called so.
        also: a second file of the same weights, for the quantisation gap.
        compare: other ways to get at the trait, at equal damage: see `ALTERNATIVES`.
        mode: how items are asked (see propensity); default by the model's size.
        settings: `FULL`, `QUICK` or your own.
        progress: called with (done, total, what).

    Raises:
        InputError, NotFoundError, PairsError: vectors, questions or pairs that can not be used.
        VectorMismatchError: a vector belongs to another model.
    """
    started, asked_mode = time.monotonic(), mode or default_mode(model)
    listed = list(vectors) if isinstance(vectors, (list, tuple)) else [vectors]
    sources: list[Source] = [questions] if isinstance(questions, _ONE) else list(questions)
    subjects = find_subjects(model, listed, questions=sources, pairs=pairs, judge=judge)
    kinds = check_alternatives(compare) if compare else ()
    second = "" if also is None else _second_name(model, also)
    refusing = refusing_direction(model, refusal)
    raw = Raw()
    asker = Asker(model, settings, raw, progress, asked_mode)
    notes = [f"{s.name}: {note}" for s in subjects for note in s.notes]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StrengthWarning)  # it goes beyond the band on purpose
        facts = _ask_all(asker, subjects, kinds, notes)
        if also is not None:
            parts.ask_quantisation(asker, subjects, also, second)
    _take_cosines(asker, subjects, refusing, notes)
    raw.facts |= {
        "model": {
            **model.identity.to_dict(),
            "called": model.name,
            "file": model.path.name,
            "about": model.description,
        },
        "mode": asked_mode,
        "subjects": [_facts(asker, subject) for subject in subjects],
        **facts,
        "also": second,
        "notes": notes,
        "seconds": round(time.monotonic() - started, 1),
    }
    return ReportCard(raw, settings)


def _ask_all(
    asker: Asker, subjects: Sequence[Subject], kinds: Sequence[str], notes: list[str]
) -> dict[str, Any]:
    """Ask everything of the first file; returns what the controls and alternatives were."""
    settings, controls = asker.settings, list[Control]()
    for subject in subjects:
        asker.add_set(subject.set_name, subject.questions.test, settings.items, settings.open)
    for subject in subjects:
        parts.ask_effect(asker, subject)
        controls += parts.ask_controls(asker, subject, notes)
        parts.ask_prompt(asker, subject)
        parts.ask_styles(asker, subject)
    parts.ask_knowledge(asker, subjects)
    tried = [one for s in subjects if kinds for one in ask_alternatives(asker, s, kinds, notes)]
    traits = parts.ask_side_effects(asker, subjects, notes)
    parts.ask_together(asker, subjects)
    return {
        "controls": [control.to_dict() for control in controls],
        "alternatives": tried,
        "traits": traits,
    }


def _facts(asker: Asker, subject: Subject) -> dict[str, Any]:
    vector, calibration = subject.vector, subject.vector.calibration
    questions = subject.questions
    return {
        "name": subject.name,
        "steering": str(subject.steering),
        "digest": vector.digest,
        "layers": list(subject.layers),
        "calibrated": None if calibration is None else [calibration.low, calibration.high],
        "method": vector.meta.get("method", ""),
        "n_pairs": vector.meta.get("n_pairs"),
        "seen": subject.seen,
        "questions": subject.set_name,
        "description": questions.description,
        "available": {"items": len(questions.test.items), "open": len(questions.test.open)},
        "judge": subject.judge_name,
        "personas": list(subject.personas or ()),
        "styles": [
            {"name": style.name, "about": style.about, "resist": style.resist}
            for style in parts.chosen_styles(asker, subject)
        ],
    }


def _take_cosines(
    asker: Asker, subjects: Sequence[Subject], direction: Steering | None, notes: list[str]
) -> None:
    """Cosines between all subjects, and to a refusing direction if there is one."""
    model, refusing = asker.model, ""
    named = [(subject.name, subject.steering) for subject in subjects]
    if direction is None:
        notes.append("no refusing direction is at hand (--refusal): its overlap was not looked at")
    elif str(direction) not in [str(steering) for _, steering in named]:
        called = direction.labels[0]
        named.append((called if called not in dict(named) else f"{called} (refusing)", direction))
        refusing = named[-1][0]
    for i, (name, steering) in enumerate(named):
        for other, second in named[i + 1 :]:
            asker.raw.cosines[f"{name}|{other}"] = cosines(model, steering, second)
    asker.raw.facts["refusing"] = refusing


def _second_name(model: Model, also: Model) -> str:
    """What the second file is called. Raises InputError when it holds other weights."""
    try:
        model.identity.check_fits(also.identity)
    except VectorMismatchError as error:
        raise InputError(
            f"{also.name} holds other weights than {model.name}: {also.identity}",
            "name another quantisation of the same model",
        ) from error
    if also.name != model.name:
        return also.name
    name = also.path.name
    return name if name != model.path.name else f"{also.path.parent.name}/{name}"
