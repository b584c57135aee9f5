"""`edgesteer recipes show`: one recipe, also as llama-server arguments.

Does not run it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from edgesteer.cli import _options as shared
from edgesteer.cli._complete import recipes

if TYPE_CHECKING:
    from edgesteer.library import Library
    from edgesteer.recipe import Recipe


@click.command()
@click.argument("name", metavar="RECIPE", shell_complete=recipes)
@click.option(
    "--llama-args", is_flag=True, help="Print the llama-server command line that does the same."
)
@shared.json_option
@shared.output_options
def show(name: str, llama_args: bool, as_json: bool) -> None:
    """Show a recipe as TOML, as JSON or as llama-server arguments.

    RECIPE is a name or a TOML file.
    """
    from edgesteer.cli import _show
    from edgesteer.cli.recipes._facts import recipe_dict
    from edgesteer.library import Library

    library = Library()
    recipe = library.load_recipe(name)
    if llama_args:
        import shlex

        args = _server_args(recipe, library)
        if as_json:
            _show.print_json(args)
        else:
            click.echo(_show.for_stdout(shlex.join(args)))
        if recipe.system is not None:
            _show.note("llama-server has no argument for the system message: send it in requests")
    elif as_json:
        _show.print_json(recipe_dict(recipe, library.find_recipe(name)))
    else:
        click.echo(_show.for_stdout(recipe.dumps()), nl=False)


def _server_args(recipe: Recipe, library: Library) -> list[str]:
    from edgesteer.identity import read_model_identity
    from edgesteer.library import DEFAULT_MODEL

    path = library.find_model(recipe.model or DEFAULT_MODEL).path
    identity = read_model_identity(path)
    names = [term.name for term in recipe.steering.terms]
    vectors = {name: str(library.find_vector(name, identity)) for name in names}
    return ["llama-server", "-m", str(path), *recipe.llama_args(vectors, identity.n_layer)]
