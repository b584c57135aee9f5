"""The subjects of an evaluation: vectors, each with the questions, personas and pairs of its trait.

Does not know what is asked under which condition.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgesteer.compose import vector_of
from edgesteer.errors import InputError, NotFoundError, PairsError, SteeringError
from edgesteer.library import builtin_traits
from edgesteer.measure.card.origin import find_origin, seen_items
from edgesteer.measure.questions import QuestionSet, load_questions
from edgesteer.measure.scores import find_score
from edgesteer.model import Model
from edgesteer.names import looks_like_path
from edgesteer.steering import Steering, Term, as_steering
from edgesteer.vector import ControlVector

if TYPE_CHECKING:
    from convert.pairs import ContrastPairs

__all__ = ["Judge", "Source", "Subject", "find_subjects"]

Judge = Callable[[str], float]
Source = str | os.PathLike[str] | QuestionSet
FEW_ITEMS = 2


@dataclass(frozen=True)
class Subject:
    """One vector as it is evaluated.

    name       what the report calls it, unique within the report
    steering   its one term, bound: what the report calls strength 1
    vector     the vector of that term
    layers     where it acts
    questions  the question set of its trait
    set_name   what the raw numbers call that set, unique among all sets of the report
    personas   a system message with the trait and one with its opposite; None: not known
    pairs      the contrast pairs that it was made from; None: not known, or changed since
    seen       test items that are among these pairs
    judge      scores an open answer; None: nobody does
    notes      what a reader should know about how these were found
    """

    name: str
    steering: Steering
    vector: ControlVector
    layers: tuple[int, ...]
    questions: QuestionSet
    set_name: str
    personas: tuple[str, str] | None = None
    pairs: ContrastPairs | None = None
    seen: int = 0
    judge: Judge | None = None
    judge_name: str = ""
    notes: tuple[str, ...] = ()

    def at(self, strength: float) -> Steering | None:
        """The steering at a strength of the report; None where that is nothing."""
        return self.steering * strength if strength else None

    def with_directions(self, directions: dict[int, Any], name: str) -> Steering:
        """The same term with other directions: a control in place of the vector."""
        other = ControlVector(directions, self.vector.model, name=name)
        return Steering((replace(self.steering.terms[0], name=name, vector=other),))


def find_subjects(
    model: Model,
    vectors: Sequence[Any],
    *,
    questions: Sequence[Source] = (),
    pairs: str | os.PathLike[str] | None = None,
    judge: Judge | None = None,
) -> list[Subject]:
    """The subjects of some vectors, each with what belongs to it.

    Args:
        model: the model that is steered.
        vectors: whatever `as_steering` takes, one term each: a vector, "calm", "calm=0.8@8-16".
        questions: one question set for each, or one for all; default that of the built-in trait
            whose pairs it was made from, or whose name it has.
        pairs: contrast pairs that are no built-in trait; they count for the vectors made from them.
        judge: scores open answers instead of the trait's own score.

    Raises:
        InputError: nothing to evaluate, or a term that is no plain addition.
        NotFoundError, PairsError: questions or pairs that are not there.
    """
    if not vectors:
        raise InputError("there is no vector to evaluate", "name one: edgesteer evaluate calm")
    if questions and len(questions) not in (1, len(vectors)):
        raise InputError(
            f"{len(questions)} question sets for {len(vectors)} vectors", "give one, or one each"
        )
    named = None if pairs is None else _given_pairs(pairs)
    given = list(questions) * len(vectors) if len(questions) == 1 else list(questions)
    bound = [_term(model, vector) for vector in vectors]
    labels = Steering(tuple(map(_named, bound))).labels
    found, names = list[Subject](), dict[str, QuestionSet]()
    for i, (steering, label) in enumerate(zip(bound, labels, strict=True)):
        one = _subject(model, steering, label, given[i] if given else None, named, judge)
        found.append(replace(one, set_name=_free_name(one, names)))
    return found


def _given_pairs(source: str | os.PathLike[str]) -> ContrastPairs:
    from convert.pairs import ContrastPairs

    return ContrastPairs.load(source)


def _named(steering: Steering) -> Term:
    """Its term, by the vector's own name where a file was named."""
    term = steering.terms[0]
    if not looks_like_path(term.name, ".gguf"):
        return term
    return replace(term, name=vector_of(term).name or Path(term.name).stem)


def _free_name(subject: Subject, taken: dict[str, QuestionSet]) -> str:
    """The name of its set: a built-in trait's own, or one that no other set has."""
    questions, name = subject.questions, subject.questions.name
    if name in builtin_traits() and load_questions(name) != questions:
        name = f"{name} (given)"
    first, count = name, 1
    while taken.setdefault(name, questions) != questions:
        count += 1
        name = f"{first} {count}"
    return name


def _term(model: Model, vector: Any) -> Steering:
    steering = model.bind(as_steering(vector))
    if len(steering.terms) != 1:
        raise InputError(
            f"a subject is one vector, not {str(steering) or 'nothing'!r}",
            "give several vectors as several arguments",
        )
    term = steering.terms[0]
    if not term.static or not term.acts:
        raise SteeringError(
            f"{steering} is no plain addition of a vector, and has no control of equal norm",
            "evaluate the vector itself, with a strength and layers at most",
        )
    return steering


def _subject(
    model: Model,
    steering: Steering,
    name: str,
    source: Source | None,
    pairs: ContrastPairs | None,
    judge: Judge | None,
) -> Subject:
    vector = vector_of(steering.terms[0])
    trait = _trait_of(vector, name)
    source = trait if source is None else source
    if not source:
        raise NotFoundError(
            f"{name} has no questions: it comes from no built-in trait",
            "give them: --questions FILE.jsonl (docs/evaluation.md)",
        )
    questions = source if isinstance(source, QuestionSet) else load_questions(source)
    asked = source.name if isinstance(source, QuestionSet) else source
    if len(questions.test.items) < FEW_ITEMS:
        raise PairsError(
            f"{questions.name}: {len(questions.test.items)} test item(s) are not enough",
            "give four items or more: of a file without a division, every second one is for tests",
        )
    origin = find_origin(vector, given=pairs, asked=asked, trait=trait)
    seen = 0 if origin.pairs is None else seen_items(questions.test.items, origin.pairs)
    notes = list(origin.notes)
    if seen:
        notes.insert(0, f"{seen} test item(s) are among the pairs that the vector was made from")
    scorer, scorer_name = _judge(questions, judge)
    return Subject(
        name,
        steering,
        vector,
        steering.terms[0].resolved_layers(model.n_layer),
        questions,
        questions.name,
        origin.personas,
        origin.pairs,
        seen,
        scorer,
        scorer_name,
        tuple(notes),
    )


def _trait_of(vector: ControlVector, name: str) -> str:
    """The built-in trait of the vector; "" where it is of none."""
    names = (str(vector.meta.get("pairs", "")), vector.name, name.partition("#")[0])
    return next((found for found in names if found in builtin_traits()), "")


def _judge(questions: QuestionSet, judge: Judge | None) -> tuple[Judge | None, str]:
    if judge is not None:
        return judge, getattr(judge, "__name__", type(judge).__name__)
    if not questions.score:
        return None, ""
    score = find_score(questions.score)
    return score, score.name
