"""`edgesteer recipes ...`: saved steerings and settings.

Does not know any of its commands: each lives in a file of its own.
"""

from __future__ import annotations

import click

from edgesteer.cli._group import LazyGroup

_HERE = "edgesteer.cli.recipes"


@click.group(
    cls=LazyGroup,
    lazy={
        "list": f"{_HERE}.list:list_recipes",
        "show": f"{_HERE}.show:show",
        "save": f"{_HERE}.save:save",
        "rm": f"{_HERE}.rm:rm",
    },
)
def recipes() -> None:
    """Keep steering and settings under a name: -r NAME uses them."""
