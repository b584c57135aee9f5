"""Sentiment: a glad answer against a sad one, by VADER (Hutto and Gilbert, 2014).

Does not know what the answer is about: praise of a funeral counts as glad. Good on moods, weak on
irony; also used for anything where the mood is the effect.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from edgesteer.errors import MissingExtraError
from edgesteer.measure.scores.base import Score, sentences

_LOOP = re.compile(r"\b(\w+(?:\W+\w+){0,5})(?:\W+\1\b)+", re.IGNORECASE)
"""One to six words, said again at once: "happy, happy, happy" is no happier than "happy"."""


@cache
def _analyser() -> Any:
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    except ImportError as error:
        raise MissingExtraError(
            "the score 'sentiment' needs vaderSentiment", "pip install 'edgesteer[report]'"
        ) from error
    return SentimentIntensityAnalyzer()


def _measure(text: str) -> float:
    """The mean of VADER's compound value over the different sentences."""
    different = sentences(_LOOP.sub(r"\1", text))
    values = [float(_analyser().polarity_scores(part)["compound"]) for part in different]
    return sum(values) / max(len(values), 1)


class _Sentiment(Score):
    """As any score, but says at once when its library is missing."""

    def __call__(self, text: str) -> float:
        """The score of a text. Raises MissingExtraError."""
        _analyser()
        return super().__call__(text)


SCORE = _Sentiment("sentiment", "glad", "sad", _measure)
