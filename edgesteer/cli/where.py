"""`edgesteer where`: every path in use.

Does not make any of them.
"""

from __future__ import annotations

import click

from edgesteer.cli import _options as shared


@click.command()
@shared.json_option
@shared.output_options
def where(as_json: bool) -> None:
    """Show every path in use."""
    import os
    import sys
    from pathlib import Path

    import edgesteer
    from edgesteer.cli import _show
    from edgesteer.library import DEFAULT_MODEL, Library
    from edgesteer.model_places import bundled_models
    from edgesteer.working_copy import CopyShelf

    library = Library()
    places: list[tuple[str, Path | str]] = [
        ("home", library.home),
        ("vectors", library.vectors_folder),
        ("recipes", library.recipes_folder),
        ("report cards", library.reports_folder),
        ("models", library.models_folder),
        ("registered models", library.models_file),
        ("cache", library.cache),
        ("working copies", CopyShelf(library).folder),
        ("measured by sweeps", library.cache / "sweeps"),
    ]
    for program, folders in library.caches.items():
        places += [(f"{program} cache", folder) for folder in folders]
    if any(model.name == DEFAULT_MODEL and model.installed() for model in bundled_models()):
        places.append(("default model", library.find_model().path))
    places += [
        ("package", Path(edgesteer.__file__).parent),
        ("python", Path(sys.executable)),
    ]
    if as_json:
        found = [
            {"what": what, "path": str(path), "exists": Path(path).exists()}
            for what, path in places
        ]
        _show.print_json({"EDGESTEER_HOME": os.environ.get("EDGESTEER_HOME"), "paths": found})
        return
    rows = [[what, path, "" if Path(path).exists() else "not there"] for what, path in places]
    _show.table(["WHAT", "PATH", ""], rows)
    if "EDGESTEER_HOME" not in os.environ:
        _show.note("EDGESTEER_HOME is not set; it would move home and cache")
