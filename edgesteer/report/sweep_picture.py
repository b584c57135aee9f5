"""Pictures of a sweep: layers by strength with the damage drawn over it, dose curves, candidates.

Knows nothing of how a sweep is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgesteer.report.picture import (
    ACCENT,
    COOL,
    GROUND,
    INK,
    SERIES,
    SOFT,
    WARM,
    drawing,
    page_svg,
    save_picture,
)

if TYPE_CHECKING:
    from edgesteer.measure.candidate import Measured
    from edgesteer.measure.jobs import Result
    from edgesteer.measure.sweep import Sweep, Tested

__all__ = ["candidates_svg", "dose_svg", "layers_svg", "save_sweep_picture"]

Wide = npt.NDArray[np.float64]
#: Strengths, of the vector in its natural proportions, that calibration calls 1, by role.
Calibrated = Mapping[str, float]
_CONTOURS = (0.05, 0.1, 0.2, 0.4)


def layers_svg(found: Sweep, key: str) -> str:
    """The map of single layers as SVG for a page; "" when fewer than two were measured.

    Raises MissingExtraError without matplotlib, as all of these do.
    """
    if len(found.singles) < 2:
        return ""
    with drawing(7.2, 3.8) as (figure, axes):
        _draw_layers(axes, found)
        return page_svg(figure, key)


def dose_svg(found: Sweep, key: str, calibrated: Calibrated | None = None) -> str:
    """Strength against effect and damage on test items; "" without test items."""
    if not found.tested:
        return ""
    with drawing(7.2, 3.4) as (figure, axes):
        _draw_dose(axes, found, calibrated)
        return page_svg(figure, key)


def candidates_svg(found: Sweep, key: str) -> str:
    """Every candidate by where its weight lies and by its effect."""
    with drawing(7.2, 3.2) as (figure, axes):
        _draw_candidates(axes, found)
        return page_svg(figure, key)


def save_sweep_picture(
    found: Sweep, path: Path, *, title: str, calibrated: Calibrated | None = None
) -> Path:
    """Writes an .svg or .png file with all of them. Raises InputError and FileWriteError."""
    draws: list[Callable[[Any, Sweep], None]] = [_draw_candidates]
    if found.tested:
        draws.insert(0, partial(_draw_dose, calibrated=calibrated))
    if len(found.singles) > 1:
        draws.insert(0, _draw_layers)
    with drawing(7.2, 3.5 * len(draws)) as (figure, _):
        figure.clear()
        for draw, axes in zip(draws, np.atleast_1d(figure.subplots(len(draws))), strict=True):
            draw(axes, found)
        figure.suptitle(title, x=0.02, ha="left")
        return save_picture(path, figure)


def _draw_layers(axes: Any, found: Sweep) -> None:
    """Effect as colour over layer and strength; lines of equal KL; each layer's own grid."""
    from matplotlib.colors import LinearSegmentedColormap

    layers = [c.weights.layers[0] for c in found.singles]
    grids = [_grid(c.result, c.measured) for c in found.singles]
    x = np.tile(np.asarray(layers, float), (len(grids[0][0]), 1))
    y, effect, cost = (np.stack([grid[i] for grid in grids], axis=1) for i in range(3))
    limit = float(np.nanmax(np.abs(effect))) or 1.0
    colours = LinearSegmentedColormap.from_list("effect", [COOL, GROUND, WARM])
    # not rasterised: a page must not carry an image in a colour that its dark side can not change
    mesh = axes.contourf(x, y, effect, levels=np.linspace(-limit, limit, 15), cmap=colours)
    lines = axes.contour(x, y, cost, levels=_CONTOURS, colors=INK, linewidths=0.8)
    axes.clabel(lines, fmt="%g", fontsize=8)
    axes.plot(x.ravel(), y.ravel(), ".", color=SOFT, markersize=2.5)
    best = max(found.singles, key=lambda c: c.measured.effect)
    axes.plot(best.weights.layers[0], best.measured.strength, "o", color=ACCENT, markersize=6)
    axes.set_xlabel("layer")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_ylabel("strength")
    axes.set_title("Single layers: effect, and KL on neutral text as lines")
    axes.grid(visible=False)
    bar = axes.figure.colorbar(mesh, ax=axes, pad=0.02)
    bar.set_label("shift of m, nats")
    bar.outline.set_visible(False)


def _grid(result: Result, measured: Measured) -> tuple[Wide, Wide, Wide]:
    """Strengths ascending with the plain model between them, shift of mean m, KL."""
    curve = measured.curve
    plain = curve.means[curve.strengths.index(0.0)]
    cost = {0.0: 0.0, **dict(zip(result["strengths"], result["kl"], strict=True))}
    kl = [np.nan if cost[x] is None else cost[x] for x in curve.strengths]
    return np.asarray(curve.strengths), np.asarray(curve.means) - plain, np.asarray(kl, float)


def _draw_dose(axes: Any, found: Sweep, calibrated: Calibrated | None = None) -> None:
    """Shift of m on test items with its interval, for each role; KL of the choice beside it."""
    from edgesteer.measure.stats import mean_interval

    marks = calibrated or {}
    for colour, tested in zip(SERIES, found.tested, strict=False):
        x, rows = _shifts(tested)
        bands = [mean_interval(row, seed=1) for row in rows]
        label = f"{tested.role}: {tested.weights}"
        width = 2.2 if tested.role == "chosen" else 1.2
        axes.plot(x, [b.value for b in bands], color=colour, linewidth=width, label=label)
        if tested.role in marks:
            at = marks[tested.role] / tested.measured.strength
            height = float(np.interp(at, x, [b.value for b in bands]))
            axes.plot(at, height, "o", color=colour, markersize=7, zorder=4)
            axes.annotate("strength 1", (at, height), (6, -12), textcoords="offset points")
        if tested.role == "chosen":
            low, high = [b.low for b in bands], [b.high for b in bands]
            axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
    axes.axvline(1.0, color=INK, linewidth=0.8, linestyle=":")
    axes.axhline(0.0, color=SOFT, linewidth=0.8)
    axes.set_xlabel(f"strength, 1 costs {found.work.kl:g} nats on neutral text")
    axes.set_ylabel("shift of m, nats")
    axes.set_title("Test items: dose and effect")
    axes.legend(loc="upper left")
    chosen = found.test("chosen")
    if chosen is not None:
        beside = axes.twinx()
        cost = {0.0: 0.0, **dict(zip(chosen.result["strengths"], chosen.result["kl"], strict=True))}
        ends = sorted(x for x, value in cost.items() if value is not None)
        beside.plot(
            [x / chosen.measured.strength for x in ends],
            [cost[x] for x in ends],
            color=SOFT,
            linestyle="--",
            linewidth=1.0,
        )
        beside.set_ylabel("KL of the choice (dashed)")
        beside.grid(visible=False)


def _shifts(tested: Tested) -> tuple[list[float], list[Wide]]:
    """(strength as a share of that at equal KL, shift of m of each item), ascending, with 0."""
    result, plain = tested.result, np.asarray(tested.result["plain"], float)
    rows = [(0.0, np.zeros(len(plain)))]
    for x, m in zip(result["strengths"], result["m"], strict=True):
        if None not in m:
            rows.append((x / tested.measured.strength, np.asarray(m, float) - plain))
    rows.sort(key=lambda row: row[0])
    return [x for x, _ in rows], [row for _, row in rows]


def _draw_candidates(axes: Any, found: Sweep) -> None:
    """A line from the first to the last layer of each candidate, at the height of its effect."""
    kinds = {"single layer": SERIES[0], "window": SERIES[1], "smooth": SERIES[3]}
    for c in found.candidates:
        layers = c.weights.layers
        kind = "smooth" if not c.weights.is_flat else "window"
        kind = "single layer" if len(layers) == 1 else kind
        axes.plot(
            [layers[0], layers[-1]],
            [c.measured.effect] * 2,
            color=kinds[kind],
            linewidth=1.0,
            alpha=0.7,
        )
        axes.plot(c.weights.centre, c.measured.effect, "o", color=kinds[kind], markersize=4)
    for kind, colour in kinds.items():
        axes.plot([], [], "-o", color=colour, markersize=4, label=kind)
    best = found.choice
    axes.plot(
        best.weights.centre, best.measured.effect, "o", markersize=10, mfc="none", mec=INK, mew=1.4
    )
    axes.set_xlabel("layer")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_ylabel("effect, nats")
    axes.set_title(f"Validation items: every candidate at KL {found.work.kl:g}")
    axes.legend(loc="best")
