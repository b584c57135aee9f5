"""Confounds: what else tells the two sides of the pairs apart: a direction may stand for it.

Does not know activations: it looks at the texts. Four suspicions:

length        positive texts are longer or shorter
words         one word, or the bag of all words, tells left-out texts of the two sides apart
options       the answers are option letters, or Yes and No, and one of them is mostly positive
duplicates    two pairs say almost the same

Words are those of the answers. Where the two sides differ in the persona alone there are none to
compare: then the persona is the trait. A word's figure is an AUROC on texts that it was not chosen
on: 0.5 tells nothing, 1 tells everything. The bag of words is a naive Bayes classifier.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convert.pairs import ContrastPairs, Pair, Side

__all__ = ["Confounds", "auroc", "examine"]

Figures = NDArray[np.float64]

LENGTH_CONFOUND = 0.25
WORD_CONFOUND = 0.8
OPTION_CONFOUND = 0.4
ENDING_CONFOUND = 0.6
NEAR = 0.8
FEW = 8
FOLDS = 5
MOST_COMPARED = 2000
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_OPTION = re.compile(r"\(?([a-e1-5]|yes|no|true|false)\b[).:,]?", re.IGNORECASE)


@dataclass(frozen=True)
class Confounds:
    """What else tells the sides apart, as AUROC (0.5: nothing), and pairs that are alike.

    word      the most telling single word, "" when there are too few texts to compare
    ending    the sign that ends one side's texts most one-sidedly, and how much more often it ends
              positive ones than negative ones
    option    the option that is positive most one-sidedly, and how much more often than negative
    near      places of pairs that say almost the same
    """

    length_auroc: float = 0.5
    word: str = ""
    word_auroc: float = 0.5
    bag_auroc: float = 0.5
    option: str = ""
    option_share: float = 0.0
    near: tuple[tuple[str, str], ...] = ()
    ending: str = ""
    ending_share: float = 0.0

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should look at."""
        found = []
        if self.near:
            (one, other), n = self.near[0], len(self.near)
            found.append(f"{n} near-duplicate pair(s) ({one} and {other}): vary the texts")
        if abs(self.length_auroc - 0.5) >= LENGTH_CONFOUND:
            longer = "longer" if self.length_auroc > 0.5 else "shorter"
            found.append(
                f"positive texts are {longer} (AUROC {self.length_auroc:.2f}): "
                "the direction may read length; match the lengths"
            )
        if self.option and self.option_share >= OPTION_CONFOUND:
            found.append(
                f"the answer {self.option!r} stands on the positive side "
                f"{100 * self.option_share:.0f} % more often than on the negative one: the "
                "direction may stand for the option; exchange the options in half of the pairs"
            )
        elif self.word_auroc >= WORD_CONFOUND:
            found.append(
                f"the word {self.word!r} alone tells the sides apart (AUROC {self.word_auroc:.2f} "
                "on left-out texts): the direction may stand for that word; vary the wording"
            )
        if self.ending and abs(self.ending_share) >= ENDING_CONFOUND:
            side = "positive" if self.ending_share > 0 else "negative"
            found.append(
                f"{self.ending!r} ends {side} texts {100 * abs(self.ending_share):.0f} % "
                "more often than the others: the direction may stand for that sign; end both sides "
                "alike, or read the whole answer (--positions answer)"
            )
        return tuple(found)

    def to_dict(self) -> dict[str, str | float | int]:
        """A flat dict for JSON, figures rounded to four places."""
        return {
            "length_auroc": round(self.length_auroc, 4),
            "word": self.word,
            "word_auroc": round(self.word_auroc, 4),
            "bag_of_words_auroc": round(self.bag_auroc, 4),
            "option": self.option,
            "option_share": round(self.option_share, 4),
            "near_duplicates": len(self.near),
            "ending": self.ending,
            "ending_share": round(self.ending_share, 4),
        }


def examine(pairs: ContrastPairs, lengths: tuple[ArrayLike, ArrayLike] | None = None) -> Confounds:
    """What else tells the sides of `pairs` apart; `lengths` are token counts of either side."""
    length = auroc(*lengths) if lengths is not None else 0.5
    told, held = (
        [pair for pair in part[:MOST_COMPARED] if pair.positive.answer != pair.negative.answer]
        for part in (pairs.pairs, pairs.heldout)
    )
    near = _near_duplicates(pairs.pairs)
    if len(told) < FEW:
        return Confounds(length, near=near)
    option, share = _option(told)
    word, word_auroc, bag_auroc = _by_words(told, held)
    return Confounds(length, word, word_auroc, bag_auroc, option, share, near, *_ending(told))


def _ending(told: list[Pair]) -> tuple[str, float]:
    """The last sign, no letter or digit, that differs most between the sides, and by how much."""
    texts = [[p.positive.answer for p in told], [p.negative.answer for p in told]]
    ends = [[text.rstrip()[-1:] for text in side] for side in texts]
    sides = [Counter(sign for sign in side if not sign.isalnum()) for side in ends]
    signs = sorted(sides[0] | sides[1])
    if not signs:
        return "", 0.0
    best = max(signs, key=lambda sign: abs(sides[0][sign] - sides[1][sign]))
    return best, (sides[0][best] - sides[1][best]) / len(told)


def auroc(positive: ArrayLike, negative: ArrayLike) -> float:
    """The chance that a positive score is above a negative one, ties counting half.

    >>> auroc([5, 6, 7], [5, 6, 7]), auroc([9, 9], [2, 3])
    (0.5, 1.0)
    """
    a, b = np.asarray(positive)[:, None], np.asarray(negative)[None, :]
    return float(np.mean((a > b) + 0.5 * (a == b)))


def words_of(text: str) -> frozenset[str]:
    """The words of a text in lower case.

    >>> sorted(words_of("It's 5 o'clock, it's late!"))
    ['5', "it's", 'late', "o'clock"]
    """
    return frozenset(word.replace("’", "'") for word in _WORD.findall(text.casefold()))


def _by_words(told: list[Pair], held: list[Pair]) -> tuple[str, float, float]:
    """The most telling word, its AUROC on left-out texts, and that of all words together."""
    texts = [(words_of(p.positive.answer), words_of(p.negative.answer)) for p in (*told, *held)]
    vocabulary = sorted(set().union(*(side for pair in texts for side in pair)))
    if not vocabulary:  # nothing but signs and pictures
        return "", 0.5, 0.5
    number = {word: i for i, word in enumerate(vocabulary)}
    has = np.zeros((2, len(texts), len(vocabulary)), np.bool_)
    for row, pair in enumerate(texts):
        for side, words in enumerate(pair):
            has[side, row, [number[word] for word in words]] = True
    n = len(told)
    overall = has[:, :n].mean(axis=1, dtype=np.float64)
    best = int(np.argmax(np.abs(overall[0] - overall[1])))
    if len(held) >= FEW:
        splits = [(np.arange(n), np.arange(n, len(texts)))]
    else:
        group = np.array([pair.group for pair in told])
        names = np.unique(group)
        parts = np.array_split(names, min(FOLDS, len(names)))
        left_out = [np.isin(group, part) for part in parts]
        splits = [(np.flatnonzero(~out), np.flatnonzero(out)) for out in left_out]
    scores = [_left_out(has, seen, out) for seen, out in splits if len(seen)]
    if not scores:
        return vocabulary[best], 0.5, 0.5
    single = [np.concatenate([score[0][side] for score in scores]) for side in (0, 1)]
    bag = [np.concatenate([score[1][side] for score in scores]) for side in (0, 1)]
    return vocabulary[best], auroc(single[0], single[1]), auroc(bag[0], bag[1])


def _left_out(
    has: NDArray[np.bool_], seen: NDArray[np.int64], out: NDArray[np.int64]
) -> tuple[Figures, Figures]:
    """Scores [2, n] of left-out texts, by the best word of the seen ones and by all their words."""
    shares = has[:, seen].mean(axis=1, dtype=np.float64)
    gap = shares[0] - shares[1]
    best = int(np.argmax(np.abs(gap)))
    smooth = (shares * len(seen) + 0.5) / (len(seen) + 1)
    logs = np.log(smooth[0] / smooth[1])
    absent = np.log((1 - smooth[0]) / (1 - smooth[1]))
    rows = has[:, out].astype(np.float64)
    return rows[:, :, best] * np.sign(gap[best]), rows @ (logs - absent) + absent.sum()


def _option(told: list[Pair]) -> tuple[str, float]:
    """The option that is positive more often than negative, and by how much; "" without options."""
    sides = [[_option_of(side) for side in (pair.positive, pair.negative)] for pair in told]
    chosen = [pair for pair in sides if all(pair)]
    if len(chosen) * 2 < len(told):
        return "", 0.0
    more = Counter(pair[0] for pair in chosen)
    more.subtract(pair[1] for pair in chosen)
    option, count = max(more.items(), key=lambda item: (item[1], item[0]))
    return option, max(count, 0) / len(chosen)


def _option_of(side: Side) -> str:
    match = _OPTION.match(side.answer.strip())
    return match[1].casefold() if match else ""


def _near_duplicates(pairs: Sequence[Pair]) -> tuple[tuple[str, str], ...]:
    """Places of pairs of different stems whose words are almost the same, each pair once."""
    kept = pairs[:MOST_COMPARED]
    texts = [words_of(_all_text(pair)) for pair in kept]
    vocabulary = {word: i for i, word in enumerate(sorted(set().union(*texts)))}
    has = np.zeros((len(kept), len(vocabulary)), np.float32)
    for row, words in enumerate(texts):
        has[row, [vocabulary[word] for word in words]] = 1
    counts = has.sum(axis=1)
    common = has @ has.T
    alike = common >= NEAR * np.maximum(counts[:, None] + counts[None, :] - common, 1)
    group = np.array([pair.group for pair in kept])
    alike &= group[:, None] != group[None, :]
    found, told = [], set[int]()
    for i, j in np.argwhere(np.triu(alike, 1)).tolist():
        if j not in told:
            told.add(j)
            found.append((kept[i].where or f"pair {i + 1}", kept[j].where or f"pair {j + 1}"))
    return tuple(found)


def _all_text(pair: Pair) -> str:
    """User and answers, without personas: those repeat by intention."""
    sides = (pair.positive, pair.negative)
    return "\n".join(dict.fromkeys(part or "" for s in sides for part in (s.user, s.answer)))
