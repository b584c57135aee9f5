"""Own answers: contrast pairs whose texts the model writes itself, under personas it then forgets.

Does not know how activations are read: the pairs go the same way as any others (extract.py), best
with the mean over the answer.

Each question is answered under a positive persona and under its negative counterpart. A pair of
answers is kept when neither is empty or repeats itself, and when the judge-free score of the trait
puts the positive one above the negative one. What is kept carries no persona: the question and the
answer alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from convert.capture import Progress
from convert.capture.llama import LlamaCapture
from convert.pairs import ContrastPairs, Pair, Side
from convert.rendering import render_pairs
from edgesteer.errors import InputError, PairsError
from edgesteer.measure.damage import repetition
from edgesteer.measure.scores import find_score

if TYPE_CHECKING:
    from edgesteer.model import Model

__all__ = ["OwnAnswers", "ask_for_pairs"]

HELD_OUT = 5
"""The answers to every fifth question are for judging only."""

_FEWEST_KEPT = 8
_FEWEST_WORDS = 3
_MOST_REPEATED = 0.2  # share of three-word runs that occur before
_MARGIN = 0.1
_AT_ONCE = 16

EMPTY, REPEATS, UNSHOWN, AGAIN = (
    "too short",
    "repeating themselves",
    "not showing the trait",
    "said before",
)


@dataclass(frozen=True)
class OwnAnswers:
    """What was kept of a model's answers, and why the others were not.

    pairs     the kept pairs, without personas; the answers to every fifth question are held out
    asked     how many pairs of answers were written
    dropped   how many pairs for each reason
    score     the name of the score that judged them, "" when the trait has none
    settings  how they were asked for: seed, temperature, max_tokens
    """

    pairs: ContrastPairs
    asked: int
    dropped: dict[str, int]
    score: str
    settings: Mapping[str, float]

    def __str__(self) -> str:
        kept = self.asked - sum(self.dropped.values())
        why = ", ".join(f"{count} {reason}" for reason, count in self.dropped.items())
        judge = f"score {self.score!r}" if self.score else "no score to judge them by"
        return f"own answers: kept {kept} of {self.asked} pairs ({why or 'all fit'}; {judge})"

    @property
    def meta(self) -> dict[str, object]:
        """For the vector's metadata."""
        return {
            "written_by": "the model",
            "asked": self.asked,
            "dropped": dict(self.dropped),
            "score": self.score,
            **self.settings,
        }


def ask_for_pairs(
    model: Model,
    trait: ContrastPairs,
    *,
    score: Callable[[str], float] | None = None,
    n_pairs: int = 64,
    max_tokens: int = 48,
    temperature: float = 0.8,
    seed: int = 0,
    progress: Progress | None = None,
) -> OwnAnswers:
    """Lets the model answer under both personas of a trait until enough pairs of answers are kept.

    Args:
        model: the model that answers; unsteered.
        trait: gives the personas, and the questions: what users say in its pairs, and those of its
            open questions that nothing is reported on.
        score: judges the answers; default the trait's own, see `edgesteer.measure.scores`.
        n_pairs: how many pairs to keep, beside those held out.
        max_tokens: where an answer is cut.
        temperature, seed: how answers are drawn. The same seed gives the same pairs where the model
            rounds alike: what else is in a batch or in the cache can turn a token.
        progress: told how many pairs are kept.

    Raises PairsError: the trait has no personas, or hardly any answer shows it. NotFoundError and
    MissingExtraError from the score.
    """
    if n_pairs < 2:
        raise InputError(f"{n_pairs} pairs are too few", "at least 2 are needed")
    judge = score or (find_score(trait.score) if trait.score else None)
    settings: dict[str, float] = {
        "seed": seed,
        "temperature": temperature,
        "max_tokens": max_tokens,
    }
    gathered = _Gathered(judge)
    wanted = n_pairs + n_pairs // (HELD_OUT - 1)
    questions = _questions(trait)
    while len(gathered.kept) < wanted and (some := list(islice(questions, _AT_ONCE))):
        for asked, answers in zip(some, _answers(model, some, settings), strict=True):
            gathered.add(asked, *answers)
        if progress is not None:
            progress(min(len(gathered.kept), wanted), wanted, "own answers")
    name = getattr(judge, "name", "custom") if judge else ""
    return OwnAnswers(_pairs(trait, gathered), gathered.asked, gathered.dropped, name, settings)


@dataclass(frozen=True)
class _Question:
    """A question, its number, and the two personas that answer it."""

    user: str
    number: int
    positive: str
    negative: str


def _questions(trait: ContrastPairs) -> Iterator[_Question]:
    """Every question with every persona, in rounds, along diagonals: evenly at any number."""
    personas = trait.personas
    if not personas:
        raise PairsError(
            f"{trait.source or trait.name}: own answers need personas, and it has none",
            'write positive = ["You are ..."] and negative = [...], or use --answers given',
        )
    users = [pair.positive.user for pair in trait.pairs if pair.positive.user == pair.negative.user]
    users += trait.questions[::2]  # the others are for reports
    different = list(dict.fromkeys(user for user in users if user))
    for turn in range(len(personas)):
        for number, user in enumerate(different):
            positive, negative = personas[(number + turn) % len(personas)]
            yield _Question(user, number, positive, negative)


def _answers(
    model: Model, questions: Sequence[_Question], settings: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """The answers to each question under its two personas, all in one batch."""
    pairs = [Pair(Side("", q.user, q.positive), Side("", q.user, q.negative)) for q in questions]
    template = LlamaCapture(model).render if model.has_chat_template else None
    rendered = render_pairs(pairs, template)
    prompts = [passage.text for passage in rendered.passages]
    replies = iter(model.ask_many(prompts, raw=True, **settings))
    for positive, negative in zip(replies, replies, strict=True):
        yield positive.text.strip(), negative.text.strip()


@dataclass
class _Gathered:
    """The pairs kept so far, and how many were not, for each reason."""

    judge: Callable[[str], float] | None
    kept: dict[tuple[str, str, str], int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    asked: int = 0

    def add(self, question: _Question, positive: str, negative: str) -> None:
        self.asked += 1
        key = (question.user, positive, negative)
        reason = AGAIN if key in self.kept else self._reason(positive, negative)
        if reason:
            self.dropped[reason] = self.dropped.get(reason, 0) + 1
        else:
            self.kept[key] = question.number

    def _reason(self, positive: str, negative: str) -> str:
        both = (positive.split(), negative.split())
        if min(map(len, both)) < _FEWEST_WORDS:
            return EMPTY
        if max(repetition(words, 3) for words in both) > _MOST_REPEATED:
            return REPEATS
        shown = (
            positive != negative
            if self.judge is None
            else self.judge(positive) > self.judge(negative) + _MARGIN
        )
        return "" if shown else UNSHOWN


def _pairs(trait: ContrastPairs, gathered: _Gathered) -> ContrastPairs:
    made = [
        Pair(Side(positive, user), Side(negative, user), number, f"own answer {i}")
        for i, ((user, positive, negative), number) in enumerate(gathered.kept.items(), 1)
    ]
    heldout = tuple(pair for pair in made if pair.group % HELD_OUT == HELD_OUT - 1)
    rest = tuple(pair for pair in made if pair.group % HELD_OUT != HELD_OUT - 1)
    if len(rest) < _FEWEST_KEPT:
        raise PairsError(
            f"of {gathered.asked} pairs of own answers only {len(made)} could be kept: "
            + ", ".join(f"{count} {reason}" for reason, count in gathered.dropped.items()),
            "this model hardly plays these personas: use --answers given, or a larger model",
        )
    return replace(trait, pairs=rest, heldout=heldout)
