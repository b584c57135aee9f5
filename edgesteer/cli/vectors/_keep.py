"""Where a new vector goes: a file that was named, or the library.

Does not know how the vector came about.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgesteer.library import Library
    from edgesteer.vector import ControlVector

__all__ = ["keep", "report"]


def keep(
    vector: ControlVector,
    library: Library,
    *,
    name: str | None,
    out: str | None,
    replace: bool = False,
) -> Path:
    """Save to `out` when it is given, else under `name` in the library; returns the file."""
    if out is not None:
        path = Path(out)
        vector.renamed(name or vector.name or path.stem).save(path)
        return path
    return library.save_vector(vector, name or vector.name, replace=replace)


def report(path: Path, vector: ControlVector, as_json: bool) -> None:
    """The new file on stdout (or its facts as JSON)."""
    import click

    from edgesteer.cli import _show
    from edgesteer.cli.vectors._facts import full

    if as_json:
        _show.print_json(full(vector.name or path.stem, str(path), vector))
    else:
        click.echo(path)
