"""Progress bars on stderr, with rate and time left; nothing when stderr is no terminal.

Does not know what takes so long.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from edgesteer.cli._group import VERBOSITY, recall

__all__ = ["Advance", "progress_bars"]


class Advance(Protocol):
    """Is told how far a piece of work has come."""

    def __call__(self, done: int, total: int, what: str = "working") -> None:
        """`done` of `total` pieces of `what` are finished."""
        ...


@contextmanager
def progress_bars() -> Iterator[Advance]:
    """A function that moves one bar for each kind of work it hears of."""
    if (recall(VERBOSITY) or 0) < 0 or not sys.stderr.isatty():
        yield _nothing
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, int] = {}

        def advance(done: int, total: int, what: str = "working") -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total, rate="")
            task = next(t for t in bars.tasks if t.id == tasks[what])
            rate = f"{task.speed:.1f}/s" if task.speed else ""
            bars.update(task.id, completed=done, total=total, rate=rate)

        yield advance


def _nothing(done: int, total: int, what: str = "working") -> None:
    """Nobody watches."""
