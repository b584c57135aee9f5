"""Planted directions: how much noise each method bears before it points elsewhere.

Knows nothing of real models: the rows are made here, around a direction that is known.

python -m bench planted

Pairs of rows differ by a step of length 1 along a planted direction, and share what the pair is
about, five times as long. Noise is added to every row, of a length that is raised until the cosine
between what a method finds and what was planted falls below 0.9. Four kinds of it:

even       the same in all directions
lopsided   in a few directions much more than in others, as in a real residual stream
wild       even, and every tenth pair lies far off, towards one side
graded     even, and the pairs show the trait to different degrees, from none to twice the step
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.directions import METHODS, Contrast, Method
from convert.directions.axes import cosines
from edgesteer.report.picture import INK, SERIES, drawing, save_picture

WIDTH, PAIRS, TRIALS = 256, 64, 12
LEVELS = tuple(float(x) for x in np.round(np.geomspace(0.125, 16, 29), 4))
GOAL = 0.9
KINDS = ("even", "lopsided", "wild", "graded")
PICTURE = Path(__file__).parent / "out" / "planted.svg"

Rows = NDArray[np.float64]


def measure() -> dict[str, Any]:
    """By kind of noise: the level at which each method falls below the goal; and a picture."""
    curves = {kind: {name: curve(m, kind) for name, m in METHODS.items()} for kind in KINDS}
    PICTURE.parent.mkdir(exist_ok=True)
    draw(curves, PICTURE)
    return {
        f"noise borne, {kind}": {name: shown(level_of(line)) for name, line in lines.items()}
        for kind, lines in curves.items()
    }


def curve(method: Method, kind: str) -> list[float]:
    """The mean cosine over all trials at each noise level."""
    found = []
    for level in LEVELS:
        contrast, planted = planted_rows(kind, level)
        kept = cosines(method(contrast).directions, planted)
        found.append(float(np.mean(kept)))
    return found


def planted_rows(kind: str, level: float) -> tuple[Contrast, Rows]:
    """A contrast whose layers are trials of their own, and its directions float64 [trials, d]."""
    rng = np.random.default_rng([KINDS.index(kind), PAIRS, WIDTH])

    def vectors(*shape: int) -> Rows:
        rows = rng.standard_normal((*shape, WIDTH))
        return rows / np.sqrt(WIDTH)

    step = vectors(TRIALS)
    step /= np.linalg.norm(step, axis=1, keepdims=True)
    about = 5 * vectors(PAIRS, TRIALS)
    noise = vectors(3, PAIRS, TRIALS)
    if kind == "lopsided":
        scales = 1 / np.arange(1, WIDTH + 1)
        scales *= np.sqrt(WIDTH / np.sum(scales**2))
        noise, about = noise * scales, about * scales
    noise *= level
    degree = rng.uniform(0, 2, (PAIRS, TRIALS, 1)) if kind == "graded" else 1.0
    half = degree * step / 2
    if kind == "wild":
        lean = vectors(TRIALS)
        far = 8 * level * lean / np.linalg.norm(lean, axis=1, keepdims=True)
        noise[0, ::10] += far
    positive, negative = about + half + noise[0], about - half + noise[1]
    contrast = Contrast(
        positive.astype(np.float32),
        negative.astype(np.float32),
        neutral=(about + noise[2]).astype(np.float32),
        baseline=np.arange(PAIRS),
    )
    return contrast, step


def level_of(line: list[float]) -> float:
    """The first level at which the line falls below the goal, between two levels by proportion."""
    below = [i for i, cosine in enumerate(line) if cosine < GOAL]
    if not below:
        return float("inf")
    i = below[0]
    if i == 0:
        return 0.0
    share = (line[i - 1] - GOAL) / (line[i - 1] - line[i])
    return float(np.exp(np.log(LEVELS[i - 1]) + share * np.log(LEVELS[i] / LEVELS[i - 1])))


def shown(level: float) -> str:
    """A level for the table."""
    if level == 0:
        return f"below {LEVELS[0]:g}"
    return f"above {LEVELS[-1]:g}" if np.isinf(level) else f"{level:.2f}"


def draw(curves: dict[str, dict[str, list[float]]], path: Path) -> None:
    """One panel a kind of noise, one line a method."""
    styles: list[Any] = ["-", "--"]
    with drawing(9.2, 6.6) as (figure, first):
        figure.delaxes(first)
        panels = figure.subplots(2, 2, sharex=True, sharey=True)
        for axes, (kind, lines) in zip(panels.flat, curves.items(), strict=True):
            for i, (name, line) in enumerate(lines.items()):
                colour = SERIES[i % len(SERIES)]
                axes.plot(LEVELS, line, styles[i // len(SERIES)], color=colour, label=name)
            axes.axhline(GOAL, color=INK, linewidth=0.8)
            axes.set_xscale("log")
            axes.set_title(kind)
            axes.set_ylim(-0.02, 1.02)
            axes.set_xticks([0.125, 0.5, 2, 8], ["0.125", "0.5", "2", "8"])
        for axes in panels[:, 0]:
            axes.set_ylabel("cosine to what was planted")
        for axes in panels[1]:
            axes.set_xlabel("length of the noise / length of the step")
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=5)
        save_picture(path, figure)
