"""`edgesteer models rm`: forget a registered model.

Does not delete the file.
"""

from __future__ import annotations

import click

from edgesteer.cli import _options as shared
from edgesteer.cli._complete import models


@click.command()
@click.argument("name", metavar="MODEL", shell_complete=models)
@shared.yes_option
@shared.output_options
def rm(name: str, yes: bool) -> None:
    """Forget a registered model; its file stays."""
    from edgesteer.cli import _show
    from edgesteer.errors import Cancelled
    from edgesteer.library import Library

    library = Library()
    library.registered_model(name)
    if not yes and not _show.confirmed(f"forget {name}? (its file stays)"):
        raise Cancelled("nothing was forgotten")
    entry = library.rm_model(name)
    _show.note(f"forgot {entry.name}; the file {entry.path} stays")
