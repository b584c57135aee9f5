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
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.confounds import Confounds
from convert.directions.axes import unit
from convert.directions.contrast import Contrast, Find, Found
from convert.turned import turned_pairs

__all__ = ["Quality", "judge"]

Array = NDArray[np.float32]
Figures = NDArray[np.float64]

FEW_PAIRS = 20
NO_AGREEMENT, LOW_AGREEMENT = 0.1, 0.2
NO_STABILITY, LOW_STABILITY = 0.35, 0.7
FOLDS = 5
SPLITS = 8
SEED = 20240
SHOWN = 4
NONE = Confounds()


@dataclass(frozen=True)
class Quality:
    """How good the directions of `layers` look: one figure per layer, and what to beware of.

    `judged_on` is "held-out pairs" or "folds"; `confounds` is what else tells the sides apart.
    """

    layers: tuple[int, ...]
    agreement: tuple[float, ...]
    discriminability: tuple[float, ...]
    stability: tuple[float, ...]
    n_pairs: int
    judged_on: str
    confounds: Confounds = NONE
    warnings: tuple[str, ...] = ()

    @property
    def score(self) -> float:
        """Agreement times stability at the best layer: what positions are chosen by."""
        i = self._best
        return max(self.agreement[i], 0.0) * max(self.stability[i], 0.0)

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

    def to_dict(self) -> dict[str, Any]:
        """A dict for JSON, figures rounded to four places."""
        return {
            "layers": list(self.layers),
            "agreement": [round(x, 4) for x in self.agreement],
            "discriminability": [round(x, 4) for x in self.discriminability],
            "stability": [round(x, 4) for x in self.stability],
            "best_layers": list(self.best_layers),
            "n_pairs": self.n_pairs,
            "judged_on": self.judged_on,
            "confounds": self.confounds.to_dict(),
            "warnings": list(self.warnings),
            "failed": self.failed,
            "verdict": self.verdict,
        }


def judge(
    contrast: Contrast,
    method: Find,
    *,
    found: Found | None = None,
    heldout: Contrast | None = None,
    confounds: Confounds | None = None,
    places: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Quality:
    """The quality of a method's directions from two pairs or more.

    found      what the method makes of the contrast, when that is known already
    heldout    other pairs, to judge on; without them folds are used, which never part a group
    confounds  what else tells the sides apart
    places     where each pair came from, for messages
    notes      further warnings to carry along
    """
    found = method(contrast) if found is None else found
    again = found.again or method
    figures = _by_folds(contrast, again) if heldout is None else _figures(found, heldout)
    agreement, apart = figures
    quality = Quality(
        layers=contrast.layers,
        agreement=tuple(agreement.tolist()),
        discriminability=tuple(apart.tolist()),
        stability=tuple(_stability(contrast, again).tolist()),
        n_pairs=len(contrast),
        judged_on="folds" if heldout is None else "held-out pairs",
        confounds=confounds or NONE,
    )
    n_groups = len(np.unique(contrast.group_of_pair))
    warnings = (
        *notes,
        *found.notes,
        *quality.confounds.warnings,
        *_turned(contrast, quality, places),
        *_warnings(quality, n_groups),
    )
    return replace(quality, warnings=warnings)


def _turned(contrast: Contrast, quality: Quality, places: Sequence[str]) -> list[str]:
    turned = turned_pairs(contrast, quality.best_layers)
    if not turned:
        return []
    named = [places[i] if places and places[i] else f"pair {i + 1}" for i in turned]
    shown = ", ".join(named[:SHOWN]) + (f" and {len(named) - SHOWN} more" if named[SHOWN:] else "")
    return [f"{len(turned)} pair(s) point the other way ({shown}): are their sides exchanged?"]


def _figures(found: Found, other: Contrast) -> tuple[Figures, Figures]:
    """Agreement and d' per layer, of directions [L, d] on pairs that they were not made of."""
    agreement = np.einsum("nld,ld->nl", unit(other.differences), unit(found.directions))
    reading = unit(found.read_with)
    reads = [np.einsum("nld,ld->nl", rows, reading) for rows in (other.positive, other.negative)]
    return agreement.mean(axis=0), discriminability(reads[0], reads[1])


def _by_folds(contrast: Contrast, method: Find) -> tuple[Figures, Figures]:
    n, n_layers, _ = contrast.positive.shape
    group = contrast.group_of_pair
    cosines = np.zeros((n, n_layers))
    reads = np.zeros((2, n, n_layers))
    names = np.unique(group)
    shuffled = np.random.default_rng(SEED).permutation(names)
    for fold in np.array_split(shuffled, min(FOLDS, len(names))):
        out = np.isin(group, fold)
        found, left = method(contrast.select(~out)), contrast.select(out)
        cosines[out] = np.einsum("nld,ld->nl", unit(left.differences), unit(found.directions))
        for side, rows in enumerate((left.positive, left.negative)):
            reads[side, out] = np.einsum("nld,ld->nl", rows, unit(found.read_with))
    return cosines.mean(axis=0), discriminability(reads[0], reads[1])


def discriminability(positive: Figures, negative: Figures) -> Figures:
    """The d' of each layer from read-outs [n, L]; 0 where nothing varies and nothing differs."""
    gap = positive.mean(axis=0) - negative.mean(axis=0)
    ddof = 1 if len(positive) > 1 else 0
    spread = np.sqrt((positive.var(axis=0, ddof=ddof) + negative.var(axis=0, ddof=ddof)) / 2)
    tiny = np.abs(gap) * 1e-6 + np.finfo(np.float64).tiny
    found: Figures = gap / np.maximum(spread, tiny)
    return found


def _stability(contrast: Contrast, method: Find) -> Figures:
    group = contrast.group_of_pair
    names = np.unique(group)
    random = np.random.default_rng(SEED)
    found = np.zeros((SPLITS, contrast.positive.shape[1]))
    for split in range(SPLITS):
        half = np.isin(group, random.permutation(names)[: len(names) // 2])
        one, other = (unit(method(contrast.select(part)).directions) for part in (half, ~half))
        found[split] = np.einsum("ld,ld->l", one, other)
    mean: Figures = found.mean(axis=0)
    return mean


def _warnings(quality: Quality, n_groups: int) -> list[str]:
    found = []
    if n_groups < FEW_PAIRS:
        what = "pairs" if n_groups == quality.n_pairs else "different stems"
        found.append(f"only {n_groups} {what}: {FEW_PAIRS} or more give a steadier direction")
    best = quality.layers.index(quality.best_layers[0])
    if quality.agreement[best] < LOW_AGREEMENT:
        found.append(
            f"low agreement ({quality.agreement[best]:.2f}): "
            "the pairs point different ways; make them differ in one trait only"
        )
    if quality.stability[best] < LOW_STABILITY:
        found.append(f"low split-half stability ({quality.stability[best]:.2f}): add pairs")
    return found
