"""`edgesteer recipes list`: the saved recipes.

Does not check that their vectors exist.
"""

from __future__ import annotations

import click

from edgesteer.cli import _options as shared


@click.command("list")
@shared.json_option
@shared.output_options
def list_recipes(as_json: bool) -> None:
    """List the saved recipes."""
    from edgesteer.cli import _show
    from edgesteer.cli.recipes._facts import recipe_dict
    from edgesteer.errors import RecipeError
    from edgesteer.library import Library

    library = Library()
    found, rows = [], []
    for name in library.recipe_names():
        path = library.find_recipe(name)
        try:
            recipe = library.load_recipe(name)
        except RecipeError as error:
            found.append({"name": name, "path": str(path), "problem": error.message})
            rows.append([name, "can not be read", error.message])
        else:
            found.append(recipe_dict(recipe, path))
            rows.append([name, recipe.model or "any", str(recipe.steering) or "none"])
    if as_json:
        _show.print_json(found)
    elif rows:
        _show.table(["NAME", "MODEL", "STEERING"], rows)
    else:
        _show.note("no recipes yet; edgesteer chat -s calm=1, then /save NAME, makes one")
