"""A picture of activation patching: layers by tokens, what each patch recovers as colour.

Knows nothing of how patches are made.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgesteer.report.picture import ACCENT, COOL, GROUND, WARM, drawing, page_svg, save_picture

if TYPE_CHECKING:
    from edgesteer.measure.patching import PatchMap

__all__ = ["patch_svg", "save_patch_picture"]

Wide = npt.NDArray[np.float64]


def patch_svg(found: PatchMap, key: str, *, along: bool = False) -> str:
    """The map as SVG for inside a page. Raises MissingExtraError without matplotlib."""
    with _size(found) as (figure, axes):
        _draw(axes, found, along=along)
        return page_svg(figure, key)


def save_patch_picture(found: PatchMap, path: Path, *, title: str) -> Path:
    """Writes an .svg or .png file. Raises MissingExtraError, InputError and FileWriteError."""
    with _size(found) as (figure, axes):
        _draw(axes, found, along=False)
        axes.set_title(title)
        return save_picture(path, figure)


def _size(found: PatchMap) -> Any:
    return drawing(2.2 + 0.45 * (len(found.tokens) + 1), 1.6 + 0.2 * max(len(found.layers), 6))


def _draw(axes: Any, found: PatchMap, *, along: bool) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    full, whole = (found.along, found.along_whole) if along else (found.full, found.whole)
    if full is None or whole is None:
        raise ValueError("this map has no patches along a vector")
    values = np.concatenate([full, whole[:, None]], axis=1)
    limit = max(float(np.abs(values).max()), 0.1)
    colours = LinearSegmentedColormap.from_list("patches", [COOL, GROUND, WARM])
    mesh = axes.pcolormesh(values, cmap=colours, vmin=-limit, vmax=limit, edgecolors="none")
    axes.axvline(len(found.tokens), color=ACCENT, linewidth=1.2)
    labels = [*(_label(token) for token in found.tokens), "all"]
    axes.set_xticks(np.arange(len(labels)) + 0.5, labels, rotation=60, ha="right")
    axes.set_yticks(np.arange(len(found.layers)) + 0.5, [str(n) for n in found.layers])
    axes.set_ylabel("layer")
    axes.grid(visible=False)
    bar = axes.figure.colorbar(mesh, ax=axes, pad=0.02)
    bar.set_label("recovered")
    bar.outline.set_visible(False)


def _label(token: str) -> str:
    return token.replace("\n", "⏎").replace("$", r"\$").strip() or "␣"
