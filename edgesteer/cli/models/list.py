"""`edgesteer models list`: what can be opened by name.

Does not open any of them.
"""

from __future__ import annotations

import click

from edgesteer.cli import _options as shared


@click.command("list")
@shared.json_option
@shared.output_options
def list_models(as_json: bool) -> None:
    """List the models on this machine, those in other programs' caches too."""
    from edgesteer.cli import _show
    from edgesteer.library import Library
    from edgesteer.model_places import bundled_models

    entries = Library().models()
    if as_json:
        _show.print_json([entry.to_dict() for entry in entries])
        return
    rows = [
        [
            entry.name,
            _show.size(entry.path.stat().st_size) if entry.path.is_file() else "",
            entry.source,
            entry.path,
        ]
        for entry in entries
    ]
    if rows:
        _show.table(["NAME", "SIZE", "FROM", "PATH"], rows)
    for known in bundled_models():
        if not known.installed():
            _show.note(f"{known.name} ({known.title}) can be had with {known.install_hint}")
