"""One self-contained HTML report: blocks of prose, tables, facts, figures -> one page.

Knows nothing of what is reported. No script, no font and no style comes from elsewhere; text is
escaped, and the only markup taken as it is are SVG pictures that this program drew
(edgesteer.report.picture). The look is in report.css, the frame in report.html.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edgesteer.atomic import write_atomic

if TYPE_CHECKING:
    import jinja2

__all__ = [
    "Block",
    "Callout",
    "Cell",
    "Facts",
    "Figure",
    "Fold",
    "Prose",
    "Report",
    "Row",
    "Section",
    "Shaded",
    "Table",
    "render",
    "write_report",
]

Tone = Literal["", "good", "bad", "warn", "dim", "strong"]


@dataclass(frozen=True)
class Cell:
    """A table's cell. `shade` -1..1 tints it: below 0 in the cool colour, above in the warm one."""

    value: str | float | int | None
    tone: Tone = ""
    shade: float | None = None
    note: str = ""

    @property
    def text(self) -> str:
        """What is shown: floats with a sensible number of digits, None as a dash."""
        return _number(self.value)

    @property
    def tight(self) -> bool:
        """Whether it is short enough never to be broken."""
        return len(self.text) <= _TIGHT

    @property
    def numeric(self) -> bool:
        """Whether it stands to the right."""
        return isinstance(self.value, (int, float))

    @property
    def tint(self) -> str:
        """A style attribute's content for `shade`; "" without one."""
        if self.shade is None or not math.isfinite(self.shade):
            return ""
        return f"--tint: {'warm' if self.shade > 0 else 'cool'}; --share: {_share(self.shade)}%"


_TIGHT = 22  # characters
_NOTHING = 1e-9  # what rounding leaves of a zero

Row = Sequence["Cell | str | float | int | None"]


@dataclass(frozen=True)
class Prose:
    """Paragraphs of plain text."""

    paragraphs: Sequence[str]
    tone: Tone = ""
    kind = "prose"


@dataclass(frozen=True)
class Callout:
    """A sentence that matters, with a heading, in a box."""

    title: str
    text: str
    tone: Tone = ""
    points: Sequence[str] = ()
    kind = "callout"


@dataclass(frozen=True)
class Facts:
    """Labels with values, as cards or, when `small`, as a plain list."""

    rows: Sequence[tuple[str, str]]
    small: bool = False
    kind = "facts"


@dataclass(frozen=True)
class Table:
    """Rows under a header; the first cell of a row names it."""

    header: Sequence[str]
    rows: Sequence[Row]
    caption: str = ""
    kind = "table"

    @property
    def cells(self) -> list[list[Cell]]:
        """Every cell as a Cell."""
        return [[c if isinstance(c, Cell) else Cell(c) for c in row] for row in self.rows]

    @property
    def numeric(self) -> list[bool]:
        """Which columns hold numbers, for the header's alignment."""
        columns = zip(*self.cells, strict=True) if self.rows else ()
        found = [any(c.numeric or c.shade is not None for c in column) for column in columns]
        return found or [False] * len(self.header)


@dataclass(frozen=True)
class Figure:
    """A picture, as SVG text, with what it shows in words (`alt`) for those who do not see it."""

    svg: str
    alt: str
    caption: str = ""
    kind = "figure"


@dataclass(frozen=True)
class Shaded:
    """Pieces of a text, each shaded by a number from -1 (cool) to 1 (warm); None stays plain."""

    pieces: Sequence[tuple[str, float | None]]
    caption: str = ""
    kind = "shaded"

    @property
    def spans(self) -> list[tuple[str, str, str]]:
        """(text, style, title) of each piece."""
        return [
            (text, Cell(None, shade=x).tint, "" if x is None else f"{x:+.2f}")
            for text, x in self.pieces
        ]


@dataclass(frozen=True)
class Fold:
    """Blocks behind a line that opens them: details, raw numbers, methods."""

    title: str
    blocks: Sequence[Block]
    kind = "fold"


Block = Prose | Callout | Facts | Table | Figure | Shaded | Fold


@dataclass(frozen=True)
class Section:
    """A heading and its blocks.

    `key` makes its anchor where titles are not unique; `nav` is what the contents call it, None its
    title, "" nothing.
    """

    title: str
    blocks: Sequence[Block]
    lead: str = ""
    key: str = ""
    nav: str | None = None

    @property
    def anchor(self) -> str:
        """The heading's id within the page."""
        words = (self.key or self.title).lower()
        return "-".join("".join(c if c.isalnum() else " " for c in words).split())


@dataclass(frozen=True)
class Report:
    """A whole page. `summary` stands before the table of contents."""

    title: str
    sections: Sequence[Section]
    kicker: str = ""
    subtitle: str = ""
    summary: Sequence[Block] = ()
    footer: str = ""


def render(report: Report) -> str:
    """The page as text: HTML5, complete in itself, the same bytes for the same report."""
    return _frame().render(report=report, css=_resource("report.css"))


def write_report(path: str | os.PathLike[str], report: Report) -> Path:
    """Writes the page, whole or not at all. Raises FileWriteError."""
    return write_atomic(path, render(report))


def _share(shade: float) -> int:
    return round(min(abs(shade), 1.0) * 60)


def _number(value: str | float | None) -> str:
    """A cell's text.

    >>> [_number(x) for x in (None, -3, 0.12345, -12.3456, 1234.5, 0.00012, float("nan"))]
    ['–', '−3', '0.123', '−12.35', '1234', '0.00012', '–']
    """
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if not math.isfinite(value):
        return "–"
    size = abs(value)
    if size < _NOTHING:
        return "0" if isinstance(value, int) else "0.000"
    if size >= 1000 or isinstance(value, int):
        text = f"{value:.0f}"
    elif size >= 10:
        text = f"{value:.2f}"
    elif size >= 0.001:
        text = f"{value:.3f}"
    else:
        text = f"{value:.2g}"
    return text.replace("-", "−")


def _resource(name: str) -> str:
    return (resources.files("edgesteer.report") / name).read_text(encoding="utf-8")


@cache
def _frame() -> jinja2.Template:
    import jinja2

    # The environment is for this one template; what is filled in is escaped.
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_resource("report.html"))
