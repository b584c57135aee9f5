"""What can be told from the texts alone: by their length, and by counting their words.

Knows nothing of models: a read-out that does no better than these reads nothing that needs a model.

The bag of words is a logistic regression on counts of words, numbers (as one word) and marks, with
an L2 penalty that is chosen by folds of the texts that it is trained on.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesteer.measure.stats import auroc

__all__ = ["BagOfWords", "Length", "folds", "length_of", "words_of"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SEED = 20250
N_FOLDS = 5
PENALTIES = (0.1, 1.0, 10.0)
_PIECE = re.compile(r"[^\W\d_]+|\d+|[^\w\s]|\n+")
_STEPS = 30
_FLAT = 1e-5
#: Of the constant, whose own weight is hardly punished.
_CONSTANT = 10.0


def words_of(text: str) -> list[str]:
    """Words in small letters, "0" for any number, marks, and line breaks.

    >>> words_of("Question 12: Is it?")
    ['question', '0', ':', 'is', 'it', '?']
    """
    return ["0" if x[0].isdigit() else x.lower()[:1] if x.isspace() else x.lower()
            for x in _PIECE.findall(text)]  # fmt: skip


def length_of(text: str) -> float:
    """The number of words, numbers and marks."""
    return float(len(words_of(text)))


def folds(groups: Sequence[str], n: int = N_FOLDS) -> list[Bools]:
    """Masks bool [n_texts] of the texts left out in turn; texts of a group stay together."""
    names = list(dict.fromkeys(groups))
    order = np.random.default_rng(SEED).permutation(len(names))
    place = {names[j]: i % min(n, len(names)) for i, j in enumerate(order)}
    numbers = np.array([place[group] for group in groups])
    return [numbers == i for i in range(min(n, len(names)))]


@dataclass(frozen=True)
class Length:
    """Scores a text by its length, in the direction that was right for the texts it has seen."""

    sign: float

    @classmethod
    def trained(cls, texts: Sequence[str], labels: Bools) -> Length:
        """Learns which side is the longer one."""
        lengths = np.array([length_of(text) for text in texts])
        return cls(1.0 if auroc(lengths[labels], lengths[~labels]) >= 0.5 else -1.0)

    def scores(self, texts: Sequence[str]) -> Floats:
        """float64 [n]."""
        return self.sign * np.array([length_of(text) for text in texts])


@dataclass(frozen=True, eq=False)
class BagOfWords:
    """Logistic regression on how often each word occurs (log(1 + count))."""

    words: tuple[str, ...]
    weights: Floats
    penalty: float

    @classmethod
    def trained(
        cls,
        texts: Sequence[str],
        labels: Bools,
        groups: Sequence[str],
        penalty: float | None = None,
    ) -> BagOfWords:
        """Learns from labelled texts; the penalty by folds unless it is given."""
        counted = [Counter(words_of(text)) for text in texts]
        seen = Counter(word for bag in counted for word in bag)
        words = tuple(sorted(word for word, count in seen.items() if count > 1)) or ("",)
        rows = _rows(counted, words)
        if penalty is None:
            penalty = _best_penalty(rows, labels, groups)
        return cls(words, _logistic(rows, labels, penalty), penalty)

    def scores(self, texts: Sequence[str]) -> Floats:
        """float64 [n]: log odds, but for a constant."""
        found: Floats = (
            _rows([Counter(words_of(text)) for text in texts], self.words) @ self.weights
        )
        return found

    def telling(self, n: int = 8) -> tuple[list[str], list[str]]:
        """The words that speak most for the positive and for the negative side."""
        order = np.argsort(self.weights)
        positive = [self.words[i] for i in order[::-1][:n] if self.weights[i] > 0]
        return positive, [self.words[i] for i in order[:n] if self.weights[i] < 0]


def _rows(counted: Sequence[Counter[str]], words: Sequence[str]) -> Floats:
    place = {word: i for i, word in enumerate(words)}
    rows = np.zeros((len(counted), len(words)))
    for row, bag in zip(rows, counted, strict=True):
        for word, count in bag.items():
            if word in place:
                row[place[word]] = count
    return np.log1p(rows)


def _best_penalty(rows: Floats, labels: Bools, groups: Sequence[str]) -> float:
    found = {}
    for penalty in PENALTIES:
        scores = np.zeros(len(rows))
        for out in folds(groups):
            inside = labels[~out]
            if inside.all() or not inside.any():
                return 1.0
            scores[out] = rows[out] @ _logistic(rows[~out], inside, penalty)
        found[penalty] = auroc(scores[labels], scores[~labels])
    return max(found, key=lambda penalty: found[penalty])


def _logistic(rows: Floats, labels: Bools, penalty: float) -> Floats:
    """Weights [d] by Newton's method in the n-dimensional space of the rows (d is larger)."""
    n = len(rows)
    kernel = rows @ rows.T + _CONSTANT
    truth = labels.astype(np.float64)
    alpha = np.zeros(n)
    for _ in range(_STEPS):
        f = kernel @ alpha
        p = 1 / (1 + np.exp(-np.clip(f, -30, 30)))
        w = np.maximum(p * (1 - p), 1e-9)
        target = f + (truth - p) / w
        new = np.asarray(np.linalg.solve(kernel + penalty * np.diag(1 / w), target), np.float64)
        done = float(np.abs(new - alpha).max()) < _FLAT
        alpha = new
        if done:
            break
    weights: Floats = rows.T @ alpha
    return weights
