"""Quality of a direction before anything is steered: three figures per layer, and warnings.

Does not know whether the vector steers: these figures pre-filter, they never score an effect.

All are taken on rows that the direction has not seen: on held-out pairs where there are some, else
by folds that leave whole groups out. With fewer pairs than dimensions, any labelling separates the
rows that it was made from.

agreement          mean_i cos(D_i, u): do single pairs point where the direction points?
discriminability   d' = (mean(H+ u) - mean(H- u)) / sqrt((var(H+ u) + var(H- u)) / 2)
stability          cos of the directions from two halves of the pairs, mean over several splits

Agreement and stability give the verdict. A low d' says that the read-out does not tell the sides
apart across prompts: such a direction can steer well and monitors badly.

Agreement and d' predict effects on multiple-choice answers and less on open ones: Tan et al. 2024,
arXiv 2407.12404; Braun et al. 2025, arXiv 2505.22637.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convert.directions import Method

__all__ = ["Quality", "judge", "length_auroc"]

Array = NDArray[np.float32]
Figures = NDArray[np.float64]

FEW_PAIRS = 20
NO_AGREEMENT, LOW_AGREEMENT = 0.1, 0.2
NO_STABILITY, LOW_STABILITY = 0.35, 0.7
LENGTH_CONFOUND = 0.25
FOLDS = 5
SPLITS = 8
SEED = 20240


@dataclass(frozen=True)
class Quality:
    """How good the directions of `layers` look: one figure per layer, and what to beware of.

    `judged_on` is "held-out pairs" or "folds"; `length_auroc` is the chance that a positive text is
    longer than a negative one (0.5: length tells nothing).
    """

    layers: tuple[int, ...]
    agreement: tuple[float, ...]
    discriminability: tuple[float, ...]
    stability: tuple[float, ...]
    n_pairs: int
    judged_on: str
    length_auroc: float
    warnings: tuple[str, ...] = ()

    @property
    def best_layers(self) -> tuple[int, ...]:
        """The three layers with the highest product of agreement and stability, best first."""
        score = np.maximum(self.agreement, 0) * np.maximum(self.stability, 0)
        order = np.argsort(-score, kind="stable")[:3]
        return tuple(self.layers[i] for i in order)

    @property
    def failed(self) -> bool:
        """Whether no layer shows a common direction: such a vector is not worth trying."""
        best = self._best
        return self.agreement[best] < NO_AGREEMENT or self.stability[best] < NO_STABILITY

    @property
    def verdict(self) -> str:
        """One sentence for people."""
        i = self._best
        figures = (
            f"at layer {self.layers[i]}: agreement {self.agreement[i]:.2f}, "
            f"d' {self.discriminability[i]:.1f}, split-half {self.stability[i]:.2f}"
        )
        if self.failed:
            return f"failed: the pairs do not share a direction ({figures})"
        weak = self.stability[i] < LOW_STABILITY or self.agreement[i] < LOW_AGREEMENT
        word = "weak" if weak else "usable" if self.warnings else "good"
        return f"{word}: {figures}"

    @property
    def _best(self) -> int:
        return self.layers.index(self.best_layers[0])

    def to_dict(self) -> dict[str, str | int | float | bool | list[int] | list[float] | list[str]]:
        """A flat dict for JSON, figures rounded to four places."""
        return {
            "layers": list(self.layers),
            "agreement": [round(x, 4) for x in self.agreement],
            "discriminability": [round(x, 4) for x in self.discriminability],
            "stability": [round(x, 4) for x in self.stability],
            "best_layers": list(self.best_layers),
            "n_pairs": self.n_pairs,
            "judged_on": self.judged_on,
            "length_auroc": round(self.length_auroc, 4),
            "warnings": list(self.warnings),
            "failed": self.failed,
            "verdict": self.verdict,
        }


def judge(
    positive: Array,
    negative: Array,
    method: Method,
    layers: Sequence[int],
    *,
    groups: Sequence[int] | None = None,
    heldout: tuple[Array, Array] | None = None,
    lengths: tuple[Sequence[int], Sequence[int]] | None = None,
    notes: Sequence[str] = (),
) -> Quality:
    """The quality of `method`'s directions from paired rows float32 [n, L, d], n >= 2.

    groups   the group of each pair; pairs of one group always stay together (default: each alone)
    heldout  paired rows of other pairs, to judge on; without them folds are used
    lengths  token counts of the positive and the negative texts
    notes    further warnings to carry along
    """
    n = len(positive)
    group = np.arange(n) if groups is None else np.asarray(groups)
    if len(np.unique(group)) < 2:
        group = np.arange(n)
    if heldout is not None:
        figures = _figures(method(positive, negative), *heldout)
    else:
        figures = _by_folds(positive, negative, method, group)
    auroc = length_auroc(*lengths) if lengths is not None else 0.5
    agreement, discriminability = figures
    stability = _stability(positive, negative, method, group)
    found = Quality(
        layers=tuple(layers),
        agreement=tuple(agreement.tolist()),
        discriminability=tuple(discriminability.tolist()),
        stability=tuple(stability.tolist()),
        n_pairs=n,
        judged_on="folds" if heldout is None else "held-out pairs",
        length_auroc=auroc,
    )
    warnings = (*notes, *_warnings(found, len(np.unique(group))))
    return Quality(**{**vars(found), "warnings": warnings})


def length_auroc(positive: Sequence[int], negative: Sequence[int]) -> float:
    """The chance that a positive text is longer than a negative one, ties counting half.

    >>> length_auroc([5, 6, 7], [5, 6, 7]), length_auroc([9, 9], [2, 3])
    (0.5, 1.0)
    """
    a, b = np.asarray(positive)[:, None], np.asarray(negative)[None, :]
    return float(np.mean((a > b) + 0.5 * (a == b)))


def _figures(directions: Array, positive: Array, negative: Array) -> tuple[Figures, Figures]:
    """Agreement and d' per layer, of directions [L, d] on paired rows [n, L, d]."""
    unit = _unit(directions)
    agreement = np.einsum("nld,ld->nl", _unit(positive.astype(np.float64) - negative), unit)
    reads = [np.einsum("nld,ld->nl", rows, unit) for rows in (positive, negative)]
    return agreement.mean(axis=0), _discriminability(reads[0], reads[1])


def _by_folds(
    positive: Array, negative: Array, method: Method, group: NDArray[np.int64]
) -> tuple[Figures, Figures]:
    n, n_layers, _ = positive.shape
    cosines = np.zeros((n, n_layers))
    reads = np.zeros((2, n, n_layers))
    names = np.unique(group)
    shuffled = np.random.default_rng(SEED).permutation(names)
    folds = np.array_split(shuffled, min(FOLDS, len(names)))
    for fold in folds:
        out = np.isin(group, fold)
        unit = _unit(method(positive[~out], negative[~out]))
        differences = _unit(positive[out].astype(np.float64) - negative[out])
        cosines[out] = np.einsum("nld,ld->nl", differences, unit)
        for side, rows in enumerate((positive, negative)):
            reads[side, out] = np.einsum("nld,ld->nl", rows[out], unit)
    return cosines.mean(axis=0), _discriminability(reads[0], reads[1])


def _discriminability(positive: Figures, negative: Figures) -> Figures:
    """The d' of each layer from read-outs [n, L]; 0 where nothing varies and nothing differs."""
    gap = positive.mean(axis=0) - negative.mean(axis=0)
    ddof = 1 if len(positive) > 1 else 0
    spread = np.sqrt((positive.var(axis=0, ddof=ddof) + negative.var(axis=0, ddof=ddof)) / 2)
    tiny = np.abs(gap) * 1e-6 + np.finfo(np.float64).tiny
    found: Figures = gap / np.maximum(spread, tiny)
    return found


def _stability(
    positive: Array, negative: Array, method: Method, group: NDArray[np.int64]
) -> Figures:
    names = np.unique(group)
    random = np.random.default_rng(SEED)
    found = np.zeros((SPLITS, positive.shape[1]))
    for split in range(SPLITS):
        half = np.isin(group, random.permutation(names)[: len(names) // 2])
        one, other = (_unit(method(positive[part], negative[part])) for part in (half, ~half))
        found[split] = np.einsum("ld,ld->l", one, other)
    mean: Figures = found.mean(axis=0)
    return mean


def _unit(rows: NDArray[np.floating]) -> Figures:
    wide = rows.astype(np.float64)
    norms = np.linalg.norm(wide, axis=-1, keepdims=True)
    unit: Figures = np.divide(wide, norms, out=np.zeros_like(wide), where=norms > 0)
    return unit


def _warnings(quality: Quality, n_groups: int) -> list[str]:
    found = []
    if n_groups < FEW_PAIRS:
        what = "pairs" if n_groups == quality.n_pairs else "different stems"
        found.append(f"only {n_groups} {what}: {FEW_PAIRS} or more give a steadier direction")
    if abs(quality.length_auroc - 0.5) >= LENGTH_CONFOUND:
        longer = "longer" if quality.length_auroc > 0.5 else "shorter"
        found.append(
            f"positive texts are {longer} (AUROC {quality.length_auroc:.2f}): "
            "the direction may read length; match the lengths"
        )
    best = quality.layers.index(quality.best_layers[0])
    if quality.agreement[best] < LOW_AGREEMENT:
        found.append(
            f"low agreement ({quality.agreement[best]:.2f}): "
            "the pairs point different ways; make them differ in one trait only"
        )
    if quality.stability[best] < LOW_STABILITY:
        found.append(f"low split-half stability ({quality.stability[best]:.2f}): add pairs")
    return found
