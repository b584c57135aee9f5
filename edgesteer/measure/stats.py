"""Statistics of measurements: bootstrap intervals over items, paired tests, ranks, slopes.

Knows nothing of models, vectors or what the numbers mean. Everything is seeded: the same numbers
and the same seed give the same figures, so that a report can be recomputed from its raw numbers.

Sources: BCa intervals, Efron 1987 (JASA 82); sign-flip test, Fisher's exact idea for paired data;
Holm 1979 (Scand. J. Statist. 6); AUROC as the Mann-Whitney statistic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesteer.errors import InputError

__all__ = [
    "Interval",
    "Slope",
    "auroc",
    "bootstrap",
    "holm",
    "mean_interval",
    "ranks",
    "share_interval",
    "sign_flip",
    "slope",
    "spearman",
]

Floats = npt.NDArray[np.float64]
Statistic = Callable[[Floats], float]
RESAMPLES = 2000
LEVEL = 0.95
_EXACT = 13  # items up to which all 2^n sign flips are tried


@dataclass(frozen=True)
class Interval:
    """An estimate with its bootstrap interval; `n` is the number of independent items."""

    value: float
    low: float
    high: float
    n: int
    level: float = LEVEL

    @property
    def clear_of_zero(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def bootstrap(
    items: npt.ArrayLike,
    statistic: Statistic,
    *,
    seed: int,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> Interval:
    """A statistic of items with its BCa bootstrap interval.

    Args:
        items: float ``[n]`` or ``[n, ...]``: the first axis is drawn from, with replacement; what
            belongs to one item (both option orders, several strengths) stays together.
        statistic: takes ``[n, ...]`` and returns a number.
        seed: of the resampling.
        level: of the interval, 0.95 as a rule.
        resamples: how many.

    Returns:
        The interval. With fewer than two items, or when all resamples are equal, its ends are the
        value itself: there is nothing to judge a spread by, and `n` says so.

    Raises:
        InputError: no items, or a number that is not finite.
    """
    rows = _checked(items)
    value, n = float(statistic(rows)), len(rows)
    if n < 2:
        return Interval(value, value, value, n, level)
    drawn = np.random.default_rng(seed).integers(0, n, (resamples, n))
    found = np.array([statistic(rows[index]) for index in drawn])
    jack = np.array([statistic(np.delete(rows, i, axis=0)) for i in range(n)])
    low, high = _bca(value, found, jack, level)
    return Interval(value, low, high, n, level)


def mean_interval(
    items: npt.ArrayLike, *, seed: int, level: float = LEVEL, resamples: int = RESAMPLES
) -> Interval:
    """The mean of items ``[n]`` with its BCa interval; for paired data, give the differences."""
    rows = _checked(items)
    if rows.ndim != 1:
        raise InputError(f"a mean is of one number an item, not of rows {list(rows.shape[1:])}")
    n, value = len(rows), float(rows.mean())
    if n < 2:
        return Interval(value, value, value, n, level)
    drawn = np.random.default_rng(seed).integers(0, n, (resamples, n))
    jack = (rows.sum() - rows) / (n - 1)
    low, high = _bca(value, rows[drawn].mean(axis=1), jack, level)
    return Interval(value, low, high, n, level)


def share_interval(hits: npt.ArrayLike, *, level: float = LEVEL) -> Interval:
    """The share of true values ``[n]`` with Wilson's interval, which is honest at 0 and 1, too.

    >>> str(share_interval([False] * 13))
    '0.00 [0.00, 0.23]'
    """
    rows = _checked(np.asarray(hits, np.float64))
    n, share = len(rows), float(rows.mean())
    z = NormalDist().inv_cdf((1 + level) / 2)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = max(middle - half, 0.0), min(middle + half, 1.0)
    return Interval(share, min(low, share), max(high, share), n, level)


def _bca(value: float, found: Floats, jack: Floats, level: float) -> tuple[float, float]:
    """Bias-corrected and accelerated ends; plain percentiles where the correction is undefined."""
    normal, tails = NormalDist(), ((1 - level) / 2, (1 + level) / 2)
    below = float((found < value).mean() + (found == value).mean() / 2)
    bend = jack.mean() - jack
    spread = float((bend**2).sum()) ** 1.5
    if 0 < below < 1 and spread > 0:
        bias, speed = normal.inv_cdf(below), float((bend**3).sum()) / (6 * spread)
        shifted = [bias + normal.inv_cdf(tail) for tail in tails]
        if all(abs(speed * z) < 1 for z in shifted):
            tails = (
                normal.cdf(bias + shifted[0] / (1 - speed * shifted[0])),
                normal.cdf(bias + shifted[1] / (1 - speed * shifted[1])),
            )
    low, high = np.quantile(found, tails)
    return float(low), float(high)


def sign_flip(differences: npt.ArrayLike, *, seed: int, draws: int = 10_000) -> float:
    """Two-sided p-value that paired differences ``[n]`` are symmetric around zero.

    Every pattern of signs is tried up to 13 items, else `draws` random ones, the one that was
    observed included.
    """
    rows = _checked(differences)
    n = len(rows)
    if n <= _EXACT:
        bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        signs = 1.0 - 2.0 * bits
    else:
        signs = np.random.default_rng(seed).choice((-1.0, 1.0), (draws, n))
        signs[0] = 1.0
    flipped = np.abs(signs @ rows)
    slack = 1e-12 * max(float(np.abs(rows).sum()), 1e-300)
    return float((flipped >= abs(float(rows.sum())) - slack).mean())


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number by Holm's step-down rule, in the same order."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = highest
    return corrected


@dataclass(frozen=True)
class Slope:
    """A least-squares line ``y = slope x + intercept``; `residual` is the root mean square left.

    `r2` is the share of the variance of y that the line explains; 1.0 where y does not vary.
    """

    slope: float
    intercept: float
    residual: float
    r2: float


def slope(x: npt.ArrayLike, y: npt.ArrayLike) -> Slope:
    """The least-squares line through points ``x [n]``, ``y [n]``. Raises InputError."""
    xs, ys = _pair(x, y)
    dx, dy = xs - xs.mean(), ys - ys.mean()
    if not (dx**2).sum() > 0:
        raise InputError("a slope needs two different values of x")
    tilt = float((dx * dy).sum() / (dx**2).sum())
    left = dy - tilt * dx
    varied = float((dy**2).sum())
    r2 = 1.0 - float((left**2).sum()) / varied if varied > 0 else 1.0
    height = float(ys.mean() - tilt * xs.mean())
    return Slope(tilt, height, float(np.sqrt((left**2).mean())), r2)


def ranks(values: npt.ArrayLike) -> Floats:
    """Ranks 1..n of ``values [n]``, ties sharing their mean rank."""
    rows = _checked(values)
    _, inverse, counts = np.unique(rows, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    shared: Floats = (ends - (counts - 1) / 2)[inverse]
    return shared


def spearman(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Spearman's rank correlation; 0.0 where one side does not vary."""
    xs, ys = _pair(x, y)
    a, b = ranks(xs), ranks(ys)
    a, b = a - a.mean(), b - b.mean()
    scale = math.sqrt(float((a**2).sum()) * float((b**2).sum()))
    return float((a * b).sum()) / scale if scale else 0.0


def auroc(positive: npt.ArrayLike, negative: npt.ArrayLike) -> float:
    """The chance that a positive score lies above a negative one, ties counted as half."""
    high, low = _checked(positive), _checked(negative)
    n, m = len(high), len(low)
    above = float(ranks(np.concatenate([high, low]))[:n].sum()) - n * (n + 1) / 2
    return above / (n * m)


def _checked(values: npt.ArrayLike) -> Floats:
    rows = np.asarray(values, np.float64)
    if rows.ndim == 0 or not len(rows):
        raise InputError("there are no items to take a figure of")
    if not np.isfinite(rows).all():
        raise InputError("a figure of items needs finite numbers", "look for NaN in the scores")
    return rows


def _pair(x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Floats, Floats]:
    xs, ys = _checked(x), _checked(y)
    if xs.shape != ys.shape or xs.ndim != 1:
        raise InputError(f"x {list(xs.shape)} and y {list(ys.shape)} are not two equal lists")
    return xs, ys
