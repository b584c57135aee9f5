"""Where a chat's words go: a pipe, JSON lines or a terminal.

Does not know what the words mean. Answers go to stdout, everything else to stderr.
"""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from edgesteer.cli import _show
from edgesteer.cli._group import show_error
from edgesteer.cli._stream import follow
from edgesteer.cli.chat.wrap import ShadedWrap

if TYPE_CHECKING:
    from rich.table import Table

    from edgesteer.errors import EdgesteerError
    from edgesteer.model import Model, Reply, Stream

__all__ = ["JsonWriter", "PlainWriter", "TerminalWriter"]


class PlainWriter:
    """For a pipe: answers as they are. `failed` tells whether there was an error."""

    failed = False
    _inside_answer = False

    def piece(self, text: str, level: float | None = None) -> None:
        """A part of an answer; `level` -1 to 1 says how high a watched vector reads there."""
        self._inside_answer = True
        click.echo(_show.for_stdout(text), nl=False)

    def end(self, _reply: Reply) -> None:
        """The answer is complete."""
        self._inside_answer = False
        click.echo()

    def note(self, text: str) -> None:
        """Something for the person."""
        _show.note(text)

    def error(self, error: EdgesteerError) -> None:
        """Something went wrong, perhaps within an answer; the chat goes on."""
        if self._inside_answer:
            self._inside_answer = False
            click.echo()
        self.failed = True
        show_error(error)

    def side_by_side(self, titles: Sequence[str], streams: Sequence[Stream]) -> bool:
        """Several answers to one question; False when Ctrl-C ended them."""
        for title, stream in zip(titles, streams, strict=True):
            click.secho(f"── {title}", bold=True)
            finished = follow(stream, self.piece)
            self.end(stream.reply)
            if not finished:
                for other in streams:
                    other.cancel()
                return False
        return True


class JsonWriter(PlainWriter):
    """For a program: one line of JSON an answer."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def piece(self, text: str, level: float | None = None) -> None:
        """Nothing: the whole answer comes at its end."""

    def end(self, reply: Reply) -> None:
        """The answer and its figures."""
        click.echo(json.dumps(_show.reply_dict(reply, self.model), ensure_ascii=False))

    def side_by_side(self, titles: Sequence[str], streams: Sequence[Stream]) -> bool:
        """One line an answer, each with its title."""
        finished = True
        for title, stream in zip(titles, streams, strict=True):
            finished = finished and follow(stream, self.piece)
            answer = {"title": title, **_show.reply_dict(stream.reply, self.model)}
            click.echo(json.dumps(answer, ensure_ascii=False))
        return finished


class TerminalWriter(PlainWriter):
    """For a person: lines broken between words, no control characters, columns where they fit."""

    def __init__(self) -> None:
        self._wrap = ShadedWrap(shutil.get_terminal_size().columns)

    def piece(self, text: str, level: float | None = None) -> None:
        """A part of an answer; its last word waits until it is complete."""
        self._inside_answer = True
        click.echo(self._wrap.feed(_show.printable(text), level), nl=False)

    def end(self, reply: Reply) -> None:
        """The answer is complete."""
        self._flush()
        super().end(reply)
        if reply.finish == "length":
            self.note(f"cut after {reply.usage.completion_tokens} tokens (--max-tokens)")

    def error(self, error: EdgesteerError) -> None:
        """Something went wrong, perhaps within an answer; the chat goes on."""
        self._flush()
        super().error(error)

    def note(self, text: str) -> None:
        """Something for the person, broken between words."""
        width = shutil.get_terminal_size().columns
        lines = (
            textwrap.wrap(
                line, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
            )
            for line in text.split("\n")
        )
        super().note("\n".join("\n".join(wrapped) for wrapped in lines))

    def _flush(self) -> None:
        click.echo(self._wrap.rest(), nl=False)
        self._wrap = ShadedWrap(shutil.get_terminal_size().columns)

    def side_by_side(self, titles: Sequence[str], streams: Sequence[Stream]) -> bool:
        """Columns that grow; one after another in a narrow terminal."""
        from rich.console import Console
        from rich.live import Live

        from edgesteer.cli._columns import NARROWEST, grid

        console = Console(highlight=False)
        if console.width < NARROWEST * len(streams):
            return super().side_by_side(titles, streams)
        finished = True

        def picture() -> Table:
            return grid(titles, [stream.job.text for stream in streams])

        with Live(console=console, get_renderable=picture, refresh_per_second=10):
            for stream in streams:
                if not finished:
                    stream.cancel()
                finished = follow(stream, lambda _piece: None) and finished
        return finished
