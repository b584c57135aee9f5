"""The baselines learn what they should, and nothing where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest

from edgesteer.measure.stats import auroc
from edgesteer.monitor.baselines import BagOfWords, Length, _logistic, folds, words_of


def texts(n: int, seed: int, mark: float) -> tuple[list[str], np.ndarray]:
    """Texts of random words; a positive one holds the word `exam` with that much more chance."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2 == 0
    words = [f"w{i}" for i in range(60)]
    made = []
    for label in labels:
        bag = list(rng.choice(words, 12))
        if rng.random() < (0.5 + mark if label else 0.5 - mark):
            bag.insert(3, "exam")
        made.append(" ".join(bag))
    return made, labels


def test_words_numbers_and_marks() -> None:
    assert words_of("Q1: It's\n\n10% (ok)") == [
        "q", "0", ":", "it", "'", "s", "\n", "0", "%", "(", "ok", ")",
    ]  # fmt: skip


def test_a_telling_word_is_found_and_carries_over() -> None:
    train, labels = texts(80, 1, 0.45)
    model = BagOfWords.trained(train, labels, [str(i) for i in range(80)])
    positive, _negative = model.telling()
    assert positive[0] == "exam"
    other, truth = texts(80, 2, 0.45)
    scores = model.scores(other)
    assert auroc(scores[truth], scores[~truth]) > 0.8


def test_without_a_telling_word_nothing_carries_over() -> None:
    train, labels = texts(80, 1, 0.0)
    other, truth = texts(200, 2, 0.0)
    scores = BagOfWords.trained(train, labels, [str(i) for i in range(80)]).scores(other)
    assert 0.35 < auroc(scores[truth], scores[~truth]) < 0.65


def test_the_weights_are_the_minimum_of_the_penalised_loss() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((30, 50))
    labels = rng.random(30) < 0.5
    weights = _logistic(rows, labels, 2.0)
    # with the constant as a further column, the gradient of the loss vanishes
    wide = np.column_stack([rows, np.full(30, np.sqrt(10.0))])
    kernel = wide @ wide.T
    alpha = np.linalg.lstsq(rows.T, weights, rcond=None)[0]
    f = kernel @ alpha
    p = 1 / (1 + np.exp(-f))
    assert rows.T @ (p - labels) + 2.0 * weights == pytest.approx(np.zeros(50), abs=1e-4)


def test_length_learns_its_side() -> None:
    long, short = "a b c d e f", "a b"
    up = Length.trained([long, short, long, short], np.array([True, False, True, False]))
    down = Length.trained([long, short, long, short], np.array([False, True, False, True]))
    assert (up.sign, down.sign) == (1.0, -1.0)
    assert down.scores([long, short]).tolist() == [-6.0, -2.0]


def test_folds_part_no_group_and_leave_out_each_text_once() -> None:
    groups = [str(i // 2) for i in range(23)]
    masks = folds(groups)
    assert np.sum(masks, axis=0).tolist() == [1] * 23
    for mask in masks:
        inside = {g for g, out in zip(groups, mask, strict=True) if out}
        assert not inside & {g for g, out in zip(groups, mask, strict=True) if not out}
    assert len(folds(["a", "b", "b"])) == 2
