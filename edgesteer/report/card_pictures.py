"""The pictures of a report card: dose curve, effects with intervals, matrices, brittleness.

Does not know how figures are computed; takes plain numbers and names, and gives SVG for the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgesteer.measure.stats import Interval
from edgesteer.report import picture as look

__all__ = ["bars", "dose_curve", "matrix"]


def dose_curve(
    key: str,
    strengths: Sequence[float],
    curve: Sequence[Interval],
    cost: Sequence[tuple[float, float]],
    unit: str,
    band: Sequence[float] | None = None,
) -> str:
    """The change of m over the strength with its interval, and KL on neutral text below it.

    `cost` are (strength, mean KL) pairs; `band` is the calibrated band, shaded.
    """
    with look.drawing(7.2, 4.6) as (figure, first):
        first.remove()
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2.2, 1))
        above.fill_between(
            strengths,
            [one.low for one in curve],
            [one.high for one in curve],
            color=look.ACCENT,
            alpha=0.18,
            linewidth=0,
        )
        above.plot(strengths, [c.value for c in curve], color=look.ACCENT, marker="o", ms=4)
        above.axhline(0, color=look.SOFT, linewidth=0.8)
        above.set_ylabel(unit)
        above.set_title("What the strength does to the answers")
        below.plot(*zip(*sorted(cost), strict=True), color=look.WARM, marker="o", ms=4)
        below.set_ylabel("KL, nats a token")
        below.set_ylim(bottom=0)
        below.set_xlabel("strength")
        below.set_title("What it costs on neutral text")
        for axes in (above, below):
            if band is not None:
                low, high = max(band[0], min(strengths)), min(band[1], max(strengths))
                axes.axvspan(low, high, color=look.GOOD, alpha=0.06, linewidth=0)
            axes.axvline(1.0, color=look.SOFT, linewidth=0.9, linestyle=":")
    return look.page_svg(figure, key)


def bars(
    key: str,
    rows: Sequence[tuple[str, Interval, str]],
    label: str,
    *,
    reference: float | None = None,
) -> str:
    """Points with intervals, one row a name; the third of a row is its colour.

    A dashed line stands at `reference`.
    """
    with look.drawing(7.2, 0.75 + 0.3 * len(rows)) as (figure, axes):
        for place, (_, interval, colour) in enumerate(reversed(rows)):
            axes.plot([interval.low, interval.high], [place, place], color=colour, linewidth=2.2)
            axes.plot([interval.value], [place], color=colour, marker="o", ms=5.5)
        axes.set_yticks(range(len(rows)), [name for name, _, _ in reversed(rows)])
        axes.tick_params(axis="y", length=0, labelcolor=look.INK)
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.axvline(0, color=look.SOFT, linewidth=0.8)
        if reference is not None:
            axes.axvline(reference, color=look.SOFT, linewidth=0.9, linestyle="--")
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(label)
    return look.page_svg(figure, key)


def matrix(
    key: str,
    rows: Sequence[str],
    columns: Sequence[str],
    values: Sequence[Sequence[float | None]],
    *,
    scale: float,
    marked: Sequence[Sequence[bool]] | None = None,
) -> str:
    """Numbers as tinted squares: warm above zero, cool below; full colour at `scale`.

    `marked` cells get a frame. A cell without a number stays empty.
    """
    width = min(7.6, 1.9 + 0.72 * len(columns))
    with look.drawing(width, 0.95 + 0.42 * len(rows) + 0.045 * _longest(columns)) as (figure, axes):
        for i, row in enumerate(values):
            for j, value in enumerate(row):
                framed = marked is not None and marked[i][j]
                _cell(axes, j, i, value, scale, framed)
        axes.set_xlim(-0.5, len(columns) - 0.5)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        turned = len(columns) > 4 or _longest(columns) > 9
        axes.set_xticks(
            range(len(columns)),
            columns,
            rotation=38 if turned else 0,
            ha="right" if turned else "center",
        )
        axes.set_yticks(range(len(rows)), rows)
        axes.tick_params(length=0, labelcolor=look.INK)
        axes.grid(visible=False)
        for spine in axes.spines.values():
            spine.set_visible(False)
    return look.page_svg(figure, key)


def _cell(axes: Any, x: int, y: int, value: float | None, scale: float, framed: bool) -> None:
    from matplotlib.patches import Rectangle

    if value is None:
        return
    share = min(abs(value) / scale, 1.0) if scale else 0.0
    colour = look.WARM if value > 0 else look.COOL
    corner = (x - 0.47, y - 0.46)
    axes.add_patch(Rectangle(corner, 0.94, 0.92, facecolor=colour, alpha=0.62 * share, linewidth=0))
    if framed:
        axes.add_patch(Rectangle(corner, 0.94, 0.92, fill=False, edgecolor=look.INK, linewidth=1.1))
    axes.text(x, y, f"{value:.2f}", ha="center", va="center", fontsize=8.5, color=look.INK)


def _longest(names: Sequence[str]) -> int:
    return max((len(name) for name in names), default=0)
