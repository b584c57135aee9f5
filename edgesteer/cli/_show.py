"""How things look: tables, sparklines, JSON and the figures of an answer.

Does not know where the values come from. stdout is data, stderr is for people.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from edgesteer.cli._group import VERBOSITY, recall
from edgesteer.errors import InputError

if TYPE_CHECKING:
    from edgesteer.model import Model, Reading, Reply

__all__ = [
    "confirmed",
    "facts",
    "figures",
    "for_stdout",
    "note",
    "print_json",
    "printable",
    "reply_dict",
    "size",
    "sparkline",
    "table",
]

_CONTROL = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160)], "\ufffd")
_BREAKS = str.maketrans("\t\n", "\ufffd\ufffd")
_BARS = "▁▂▃▄▅▆▇█"


def printable(text: str) -> str:
    """`text` with stand-ins for control characters, which could rewrite a terminal's screen."""
    return text.translate(_CONTROL)


def for_stdout(text: str) -> str:
    """`text` as it may be written to stdout: as it is, but printable where that is a terminal."""
    return printable(text) if sys.stdout.isatty() else text


def note(text: str) -> None:
    """A line for people, dim, on stderr; nothing with -q."""
    if (recall(VERBOSITY) or 0) >= 0:
        click.secho(printable(text), err=True, dim=True)


def confirmed(question: str) -> bool:
    """Whether a person says yes. Raises InputError when there is nobody to answer."""
    try:
        return click.confirm(question, err=True)
    except click.Abort as error:
        if not isinstance(error.__context__, EOFError) or sys.stdin.isatty():
            raise
        click.echo(err=True)
        raise InputError("there is nobody to answer", "give -y to go on without asking") from None


def print_json(value: object) -> None:
    """One JSON value on stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Aligned columns on stdout, two blanks apart; nothing is cut off."""
    cells = [[_one_line(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for number, row in enumerate(cells):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.secho(line.rstrip(), bold=number == 0)


def facts(rows: Iterable[tuple[str, object]], width: int) -> None:
    """A label and a value a line on stdout."""
    for label, value in rows:
        click.echo(f"{click.style(_one_line(label).ljust(width), bold=True)}{_one_line(value)}")


def _one_line(value: object) -> str:
    return printable(str(value)).translate(_BREAKS)


def sparkline(values: Iterable[float]) -> str:
    """Values from 0 to the largest, as one character each.

    >>> sparkline([0, 1, 2])
    '▁▅█'
    """
    heights = [max(value, 0.0) for value in values]
    top = max(heights, default=0.0) or 1.0
    return "".join(_BARS[min(int(h / top * len(_BARS)), len(_BARS) - 1)] for h in heights)


def size(count: int) -> str:
    """A number of bytes for people.

    >>> size(98362432)
    '98.4 MB'
    """
    value = float(count)
    units = ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value /= 1000
        del units[0]
    return f"{value:.0f} B" if units[0] == "B" else f"{value:.1f} {units[0]}"


def figures(reply: Reply, model: Model) -> str:
    """The line under an answer: tokens, speed, steering, carrier, seed, device."""
    parts = [
        f"{reply.usage.completion_tokens} tokens",
        f"{reply.timing.tokens_per_s:.1f} tokens/s",
        f"steering {reply.steering or 'none'}",
        f"carrier {reply.carrier}",
        f"seed {reply.seed}",
        model.device,
    ]
    if reply.finish != "stop":
        parts.insert(1, f"ended by {reply.finish}")
    return " · ".join(parts)


def reply_dict(reply: Reply, model: Model) -> dict[str, Any]:
    """An answer as plain JSON values."""
    return {
        "model": model.name,
        "text": reply.text,
        "finish": reply.finish,
        "steering": reply.steering,
        "carrier": reply.carrier,
        "seed": reply.seed,
        "usage": asdict(reply.usage),
        "timing": {**asdict(reply.timing), "tokens_per_s": reply.timing.tokens_per_s},
        "device": model.device,
        "warnings": list(reply.warnings),
        **({"readings": list(map(_reading_dict, reply.readings))} if reply.readings else {}),
    }


def _reading_dict(reading: Reading) -> dict[str, Any]:
    return {
        "text": reading.text,
        "generated": reading.generated,
        "position": reading.position,
        "values": {name: round(value, 4) for name, value in reading.values.items()},
    }
