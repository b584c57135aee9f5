"""Several answers, side by side in a terminal while they are written, else one after another.

Does not know what the answers are about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from edgesteer.cli._show import for_stdout, printable

if TYPE_CHECKING:
    from rich.table import Table

    from edgesteer.model import Job, Reply

__all__ = ["NARROWEST", "Column", "finish", "grid", "show_columns"]

NARROWEST = 24


@dataclass(frozen=True)
class Column:
    """A running answer and the pieces of it that have come so far."""

    title: str
    job: Job
    pieces: list[str] = field(default_factory=list)

    @classmethod
    def start(cls, title: str, start: Callable[..., Job]) -> Column:
        """Begin an answer by `start(on_piece=...)`."""
        pieces: list[str] = []
        return cls(title, start(on_piece=pieces.append), pieces)


def show_columns(columns: Sequence[Column]) -> list[Reply]:
    """Show running answers until they are done. Ctrl-C ends them; what there is stays."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal or console.width < NARROWEST * len(columns):
        replies = finish(columns)
        for number, (column, reply) in enumerate(zip(columns, replies, strict=True)):
            click.secho(f"{'' if number == 0 else chr(10)}── {column.title}", bold=True)
            click.echo(for_stdout(reply.text))
        return replies
    from rich.live import Live

    titles = [column.title for column in columns]

    def picture() -> Table:
        return grid(titles, ["".join(column.pieces) for column in columns])

    with Live(console=console, get_renderable=picture, refresh_per_second=10):
        return finish(columns)


def finish(columns: Sequence[Column]) -> list[Reply]:
    """The answers of all columns. After Ctrl-C what there is by then, with finish 'cancelled'."""
    jobs = [column.job for column in columns]
    try:
        return [job.result() for job in jobs]
    except BaseException as error:
        for job in jobs:
            job.cancel()
        if not isinstance(error, KeyboardInterrupt):
            raise
        return [job.result() for job in jobs]


def grid(titles: Sequence[str], texts: Sequence[str]) -> Table:
    """Texts side by side, wrapped, each under its title."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    found = Table(box=SIMPLE_HEAD, expand=True, show_edge=False, padding=(0, 1))
    for title in titles:
        found.add_column(Text(title), ratio=1, overflow="fold")
    found.add_row(*(Text(printable(text)) for text in texts))
    return found
