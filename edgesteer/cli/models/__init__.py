"""`edgesteer models ...`: the models on this machine.

Does not know any of its commands: each lives in a file of its own.
"""

from __future__ import annotations

import click

from edgesteer.cli._group import LazyGroup

_HERE = "edgesteer.cli.models"


@click.group(
    cls=LazyGroup,
    lazy={
        "list": f"{_HERE}.list:list_models",
        "show": f"{_HERE}.show:show",
        "tune": f"{_HERE}.tune:tune",
        "add": f"{_HERE}.add:add",
        "rm": f"{_HERE}.rm:rm",
    },
)
def models() -> None:
    """List the models on this machine, register others, make faster copies."""
