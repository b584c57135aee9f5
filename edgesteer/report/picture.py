"""What all pictures share: one look, and figures as SVG for a page or as a file of their own.

Knows nothing of what a picture shows. The colours of the look stand in for the page's own: inside
a page `page_svg` replaces them by its CSS variables, so that one drawing serves dark and light.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgesteer.atomic import write_atomic
from edgesteer.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "ACCENT",
    "BAD",
    "CAUTION",
    "COOL",
    "FOURTH",
    "GOOD",
    "GRID",
    "GROUND",
    "INK",
    "SERIES",
    "SOFT",
    "THIRD",
    "WARM",
    "check_installed",
    "check_picture",
    "drawing",
    "page_svg",
    "save_picture",
]

INK, SOFT, GRID, GROUND = "#1d2125", "#5c646c", "#e7e5df", "#ffffff"
ACCENT, WARM, COOL, THIRD, FOURTH = "#0f6b72", "#c2571a", "#2a6fb0", "#7a5aa6", "#8a8f3a"
GOOD, BAD, CAUTION = "#23773f", "#b3312c", "#94650a"
#: For lines and bars that stand beside one another, in this order.
SERIES = (ACCENT, WARM, COOL, THIRD, FOURTH)

_VARIABLES = {
    INK: "ink",
    SOFT: "soft",
    GRID: "grid",
    GROUND: "card",
    ACCENT: "accent",
    WARM: "warm",
    COOL: "cool",
    THIRD: "third",
    FOURTH: "fourth",
    GOOD: "good",
    BAD: "bad",
    CAUTION: "caution",
}
_LOOK: dict[str, Any] = {
    "axes.edgecolor": SOFT,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": SOFT,
    "axes.labelsize": 10,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "figure.facecolor": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "legend.edgecolor": GRID,
    "legend.facecolor": "none",
    "legend.fontsize": 9,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.8,
    "svg.fonttype": "none",
    "text.color": INK,
    "xtick.color": SOFT,
    "xtick.labelsize": 9,
    "ytick.color": SOFT,
    "ytick.labelsize": 9,
}
_ENDINGS = (".svg", ".png")
_IDS = re.compile(r'(\bid="|url\(#|xlink:href="#)')


def check_installed() -> None:
    """Raises MissingExtraError, before any work is done, when matplotlib is not installed."""
    _matplotlib()


@contextmanager
def drawing(width: float = 7.2, height: float = 3.4) -> Iterator[tuple[Figure, Any]]:
    """A figure of the house's look, in inches, and its axes; the look holds inside the block.

    Draw on the axes alone (no pyplot), then hand the figure to `page_svg` or `save_picture`.

    Raises MissingExtraError without matplotlib.
    """
    matplotlib = _matplotlib()
    with matplotlib.rc_context(_LOOK):
        from matplotlib.figure import Figure as New

        figure = New(figsize=(width, height), layout="constrained")
        yield figure, figure.subplots()


def page_svg(figure: Figure, key: str) -> str:
    """The figure as SVG for inside a page; `key` keeps its ids apart from other pictures' ids.

    The same figure and key give the same text.
    """
    text = _draw(figure, "svg", salt=key).decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = _IDS.sub(lambda found: f"{found[1]}{key}-", text)
    for colour, variable in _VARIABLES.items():
        text = re.sub(colour, f"var(--{variable})", text, flags=re.IGNORECASE)
    return text.strip()


def check_picture(path: str | os.PathLike[str]) -> Path:
    """The path, when pictures can be written to a file so named. Raises InputError."""
    if Path(path).suffix.lower() not in _ENDINGS:
        raise InputError(f"{path}: pictures are {' or '.join(_ENDINGS)} files", "name it so")
    return Path(path)


def save_picture(path: str | os.PathLike[str], figure: Figure) -> Path:
    """Writes an .svg or .png file on a white ground. Raises InputError and FileWriteError."""
    ending = check_picture(path).suffix.lower()[1:]
    return write_atomic(path, _draw(figure, ending, salt=Path(path).stem, ground=GROUND))


def _draw(figure: Figure, kind: str, *, salt: str, ground: str = "none") -> bytes:
    matplotlib, buffer = _matplotlib(), io.BytesIO()
    dateless = {"Date": None} if kind == "svg" else {}
    with matplotlib.rc_context({**_LOOK, "svg.hashsalt": salt}):
        figure.savefig(buffer, format=kind, facecolor=ground, dpi=160, metadata=dateless)
    return buffer.getvalue()


def _matplotlib() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise MissingExtraError(
            f"pictures need matplotlib: {error}", "pip install 'edgesteer[report]'"
        ) from error
    return matplotlib
