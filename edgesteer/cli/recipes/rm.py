"""`edgesteer recipes rm`: delete saved recipes.

Does not delete any other file.
"""

from __future__ import annotations

import click

from edgesteer.cli import _options as shared
from edgesteer.cli._complete import recipes


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="RECIPE...", shell_complete=recipes)
@shared.yes_option
@shared.output_options
def rm(names: tuple[str, ...], yes: bool) -> None:
    """Delete saved recipes, after asking."""
    from edgesteer.cli import _show
    from edgesteer.errors import Cancelled
    from edgesteer.library import Library

    library = Library()
    for name in names:
        path = library.find_recipe(name)
        if not yes and not _show.confirmed(f"delete {path}?"):
            raise Cancelled("nothing was deleted")
        library.rm_recipe(name)
        _show.note(f"deleted {path}")
