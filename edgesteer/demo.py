"""The demonstration behind `make demo`: the main job on the bundled model, by its own commands.

Knows nothing that the command line does not: each step shows the command that it runs.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

import click

from edgesteer.cli import cli

__all__ = ["main"]

VECTOR = "demo-happy"

_SAMPLING = ("--temperature", "0.5", "--seed", "5", "--max-tokens", "48")

STEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "Read contrast pairs (a happy and a sad speaker) on the quantised model, take the direction"
        " between them at each layer, and find the strength at which text still holds together:",
        ("extract", "happy", "--name", VECTOR),
    ),
    (
        "The same question at three settings of the dial; 0 is the plain model:",
        ("compare", "-s", f"{VECTOR}=1", "--strengths", "-1,0,1", *_SAMPLING, "How was your day?"),
    ),
    (
        "Plain beside steered, on something else:",
        ("compare", "-s", f"{VECTOR}=1", *_SAMPLING, "Tell me about your garden."),
    ),
)


def main(steps: Sequence[tuple[str, Sequence[str]]] = STEPS) -> int:
    """Run the steps in turn; the exit code of the first that fails, else 0."""
    for text, command in steps:
        click.secho(f"\n{text}", bold=True)
        click.secho(f"$ edgesteer {shlex.join(command)}\n", fg="cyan")
        code = 0
        try:
            cli(list(command), prog_name="edgesteer")
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        if code:
            return code
    click.secho("\nNow turn it while you talk:", bold=True)
    click.secho(f"$ .venv/bin/edgesteer chat -s {VECTOR}=1", fg="cyan")
    click.echo(
        "  Up and Down turn it while an answer is written; /steer demo-happy=-0.5, /off, /help"
    )
    click.secho("and make one from pairs of your own:", bold=True)
    click.secho("$ .venv/bin/edgesteer extract PAIRS.jsonl --name mine", fg="cyan")
    return 0


if __name__ == "__main__":
    sys.exit(main())
