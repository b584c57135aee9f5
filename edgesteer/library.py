"""Where models, vectors and recipes live on this machine: names -> files.

Does not know what a vector does or how a model runs. Layout of the home folder (EDGESTEER_HOME
overrides it):

    vectors/NAME.gguf            a vector; FOLDER/NAME.gguf when another has the name
    models/NAME.gguf             models put there by hand
    models.json                  models registered where they lie
    recipes/NAME.toml            recipes
    reports/                     report cards of `evaluate`, pages and JSON
    cache/                       what can be made again (in the system's cache folder by default)
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgesteer.errors import InputError, NotFoundError
from edgesteer.library_models import DEFAULT_MODEL, ModelShelf
from edgesteer.library_vectors import VectorEntry, VectorShelf, builtin_traits
from edgesteer.model_places import ModelEntry
from edgesteer.names import check_file_name, did_you_mean, looks_like_path

if TYPE_CHECKING:
    from edgesteer.recipe import Recipe
    from edgesteer.terms import Term

__all__ = ["DEFAULT_MODEL", "Library", "ModelEntry", "VectorEntry", "builtin_traits"]


class Library(VectorShelf, ModelShelf):
    """The models, vectors and recipes of one person on one machine.

    `home` overrides EDGESTEER_HOME, which overrides the system's folder for application data.
    Making a Library touches no disk; folders are made by the first thing saved into them.
    """

    def __init__(self, home: str | os.PathLike[str] | None = None) -> None:
        given = home or os.environ.get("EDGESTEER_HOME")
        if given:
            self.home = Path(given).expanduser().absolute()
            self.cache = self.home / "cache"
        else:
            import platformdirs

            self.home = platformdirs.user_data_path("edgesteer", appauthor=False)
            self.cache = platformdirs.user_cache_path("edgesteer", appauthor=False)

    @property
    def recipes_folder(self) -> Path:
        """Where recipes are kept."""
        return self.home / "recipes"

    @property
    def reports_folder(self) -> Path:
        """Where report cards are kept."""
        return self.home / "reports"

    def recipe_names(self) -> list[str]:
        """The names of all saved recipes, sorted."""
        return sorted(path.stem for path in self.recipes_folder.glob("*.toml"))

    def find_recipe(self, name_or_path: str) -> Path:
        """The file of a recipe, by its name in the library or by its path."""
        path = Path(name_or_path).expanduser()
        if looks_like_path(name_or_path, ".toml"):
            if path.is_file():
                return path
            raise NotFoundError(f"there is no recipe file {name_or_path}", "check the path")
        if name_or_path in self.recipe_names():
            return self.recipes_folder / f"{name_or_path}.toml"
        near = did_you_mean(name_or_path, self.recipe_names())
        cure = "edgesteer recipes list shows what there is"
        raise NotFoundError(f"no recipe {name_or_path!r}", f"{near} {cure}".strip())

    def load_recipe(self, name_or_path: str) -> Recipe:
        """The recipe of that name or path. Raises NotFoundError, RecipeError."""
        from edgesteer.recipe import Recipe

        return Recipe.load(self.find_recipe(name_or_path))

    def save_recipe(self, recipe: Recipe) -> Path:
        """Keep a recipe under its name, in place of one of that name; returns its file.

        Files that it names by a relative path are named by their full path, so that it works from
        every folder.
        """
        path = self.recipes_folder / f"{check_file_name(recipe.name, 'recipe')}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        terms = tuple(map(_with_full_paths, recipe.steering.terms))
        replace(
            recipe,
            steering=replace(recipe.steering, terms=terms),
            model=_full(recipe.model) if recipe.model else None,
        ).save(path)
        return path

    def rm_recipe(self, name: str) -> Path:
        """Delete a saved recipe; returns the path it had."""
        path = self.find_recipe(name)
        if path.parent != self.recipes_folder:
            raise InputError(f"{path} is not in the library", "delete the file yourself")
        path.unlink()
        return path


def _with_full_paths(term: Term) -> Term:
    gate = term.gate and replace(term.gate, vector=_full(term.gate.vector))
    toward = term.toward and _full(term.toward)
    return replace(term, name=_full(term.name), gate=gate, toward=toward)


def _full(name_or_path: str) -> str:
    """The full path of a GGUF file that is there; a name of the library as it is."""
    path = Path(name_or_path).expanduser()
    is_file = looks_like_path(name_or_path, ".gguf") and path.is_file()
    return str(path.absolute()) if is_file else name_or_path
