"""/api/recipes: saved steerings and settings, listed, read, saved and deleted by name.

Does not know answers. A recipe that is saved over HTTP names vectors of the library, never files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from edgesteer.errors import EdgesteerError
from edgesteer.names import check_file_name
from edgesteer.recipe import SETTINGS, Recipe
from edgesteer.server.errors import FieldError, RequestError
from edgesteer.server.fields import Fields
from edgesteer.server.http import read_json, served_of

if TYPE_CHECKING:
    from edgesteer.server.state import Served

__all__ = ["delete_recipe", "get_recipe", "list_recipes", "put_recipe"]

_LONGEST_SYSTEM = 1 << 16


@dataclass(frozen=True)
class RecipeRequest:
    """What is to be saved."""

    steering: str | Mapping[str, Any] | None
    system: str | None
    sampling: Mapping[str, Any]
    replace: bool


def read_recipe(fields: Fields) -> RecipeRequest:
    """A request's body as a value. Raises FieldError."""
    sampling = fields.inner("sampling") or Fields({}, "sampling")
    settings: dict[str, Any] = {}
    for key in SETTINGS:
        whole = key in ("top_k", "seed", "max_tokens")
        value = sampling.whole(key, 0, 2**32 - 1) if whole else sampling.number(key, 0, 100)
        if value is not None:
            settings[key] = value
    sampling.close()
    system = fields.text("system", _LONGEST_SYSTEM)
    replace = fields.flag("replace") or False
    steering = fields.steering("steering")
    fields.close()
    return RecipeRequest(steering, system, settings, replace)


async def list_recipes(request: Request) -> Response:
    """All recipes; one that can not be read has a problem."""
    served = served_of(request)
    return JSONResponse({"recipes": await served.in_thread(_rows, served)})


def _rows(served: Served) -> list[dict[str, Any]]:
    rows = []
    for name in served.model.library.recipe_names():
        try:
            rows.append(_row(name, served.recipe(name), served))
        except EdgesteerError as error:
            rows.append({"name": name, "fits": False, "problem": served.failure(error).message})
    return rows


def _row(name: str, recipe: Recipe, served: Served) -> dict[str, Any]:
    problem = served.misfit(recipe)
    return {
        "name": name,
        "model": recipe.model,
        "steering": str(recipe.steering),
        "terms": recipe.steering.to_dict()["terms"],
        "system": recipe.system,
        "sampling": dict(recipe.sampling),
        "fits": not problem,
        "problem": problem,
    }


async def get_recipe(request: Request) -> Response:
    """One recipe."""
    served, name = served_of(request), request.path_params["name"]
    return JSONResponse(await served.in_thread(lambda: _row(name, served.recipe(name), served)))


async def put_recipe(request: Request) -> Response:
    """Save a recipe under a name; one that is there already is only replaced when asked."""
    served, name = served_of(request), request.path_params["name"]
    asked = read_recipe(await read_json(request))
    async with served.saving:
        row, new = await served.in_thread(_save, served, name, asked)
    return JSONResponse(row, 201 if new else 200)


def _save(served: Served, name: str, asked: RecipeRequest) -> tuple[dict[str, Any], bool]:
    check_file_name(name, "recipe")
    there = name in served.model.library.recipe_names()
    if there and not asked.replace:
        raise RequestError(
            409, f"there is a recipe {name!r} already", 'send "replace": true to replace it',
            param="replace", code="recipe_exists",
        )  # fmt: skip
    steering = served.binder.read(asked.steering)
    try:
        recipe = Recipe(name, served.model.name, steering, asked.system, asked.sampling)
    except EdgesteerError as error:
        raise FieldError("sampling", error.message, error.hint) from error
    served.model.library.save_recipe(recipe)
    return _row(name, served.recipe(name), served), not there


async def delete_recipe(request: Request) -> Response:
    """Delete a saved recipe."""
    served, name = served_of(request), request.path_params["name"]
    async with served.saving:
        await served.in_thread(_delete, served, name)
    return JSONResponse({"deleted": name})


def _delete(served: Served, name: str) -> None:
    recipe_names = served.model.library.recipe_names()
    if name not in recipe_names:
        served.recipe(name)  # tells which names come near
    (served.model.library.recipes_folder / f"{name}.toml").unlink(missing_ok=True)
