"""Judge-free scores of an open answer: by word lists, lengths and marks, without a model.

Does not know any trait, model or steering. A trait file names its score (`score = "formality"`).

    find_score("formality")("I shall be delighted.")     0.5 or so: higher is more of the trait

Every score is deterministic, works offline, lies in -1..1 and is 0 for a text without words. A
phrase counts once, however often it stands there, against the length of the whole text: an answer
that falls into a loop does not score higher for it. All but `french` are about English answers.
"""

from __future__ import annotations

from importlib import import_module

from edgesteer.errors import NotFoundError
from edgesteer.measure.scores.base import Score
from edgesteer.names import did_you_mean

__all__ = ["Score", "find_score", "score_names"]

_KINDS = (
    "agreement",
    "brevity",
    "caution",
    "certainty",
    "concreteness",
    "exam",
    "fear",
    "formality",
    "french",
    "honesty",
    "poetry",
    "refusal",
    "sentiment",
    "steps",
    "temper",
)


def score_names() -> tuple[str, ...]:
    """The names that `find_score` knows, sorted."""
    return _KINDS


def find_score(name: str) -> Score:
    """The score of that name.

    Raises NotFoundError with the nearest names, MissingExtraError for `sentiment` without its
    library.

    >>> find_score("refusal")("I am sorry, but I can not help with that.") > 0
    True
    """
    if name not in _KINDS:
        near = did_you_mean(name, _KINDS)
        raise NotFoundError(
            f"no score called {name!r}", f"{near} known: {', '.join(_KINDS)}".strip()
        )
    score = import_module(f"{__name__}.{name}").SCORE
    if not isinstance(score, Score):
        raise TypeError(f"{name} holds no score")
    score("")  # an optional library that is missing is told now, not after an hour of answers
    return score
