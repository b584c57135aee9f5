"""`edgesteer vectors ...`: look at vectors, change them, keep them.

Does not know any of its commands: each lives in a file of its own.
"""

from __future__ import annotations

import click

from edgesteer.cli._group import LazyGroup

_HERE = "edgesteer.cli.vectors"


@click.group(
    cls=LazyGroup,
    lazy={
        "list": f"{_HERE}.list:list_vectors",
        "show": f"{_HERE}.show:show",
        "scale": f"{_HERE}.scale:scale",
        "layers": f"{_HERE}.layers:layers",
        "mix": f"{_HERE}.mix:mix",
        "overlap": f"{_HERE}.overlap:overlap",
        "check": f"{_HERE}.check:check",
        "ablation": f"{_HERE}.ablation:ablation",
        "import": f"{_HERE}.import_:import_vector",
        "export": f"{_HERE}.export:export",
        "rm": f"{_HERE}.rm:rm",
    },
)
def vectors() -> None:
    """Look at control vectors, change them, keep them."""
