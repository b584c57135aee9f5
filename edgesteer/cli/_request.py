"""What a person asked for: recipe and options put together into model, steering and settings.

Does not know click's decorators (_options.py) nor how a model runs.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from edgesteer.cli._group import MODEL
from edgesteer.errors import InputError

if TYPE_CHECKING:
    from edgesteer.library import Library
    from edgesteer.steering import Steering

__all__ = ["Request", "check_new_recipe", "prompt_words", "read_prompt", "save_as_recipe"]


@dataclass(frozen=True)
class Request:
    """Model, steering and settings of one command. `settings` holds only what was stated."""

    library: Library
    model: str
    steering: Steering
    system: str | None
    settings: dict[str, Any]

    @classmethod
    def of(cls, options: Mapping[str, Any], model: str | None = None) -> Request:
        """Options win over the recipe; -s adds to its steering and replaces terms of that name."""
        from edgesteer.library import DEFAULT_MODEL, Library
        from edgesteer.recipe import SETTINGS, Recipe
        from edgesteer.steering import Steering

        library = Library()
        stated = options.get("recipe")
        recipe = library.load_recipe(stated) if stated else Recipe(name="unsaved")
        steering = recipe.steering
        for text in options.get("steer", ()):
            steering = steering.updated(Steering.parse(text))
        if options.get("layers"):
            steering = with_layers(steering, options["layers"])
        settings = dict(recipe.sampling)
        settings.update({k: options[k] for k in SETTINGS if options.get(k) is not None})
        system = options.get("system")
        stated_model = model or options.get("model") or recipe.model
        click.get_current_context().meta[MODEL] = stated_model
        return cls(
            library=library,
            model=stated_model or DEFAULT_MODEL,
            steering=steering,
            system=recipe.system if system is None else system,
            settings=settings,
        )


def with_layers(steering: Steering, layers: str) -> Steering:
    """`steering` with `layers` for every term that names none."""
    from edgesteer.layers import LayerRange

    given = LayerRange.parse(layers)
    terms = (term if term.layers else replace(term, layers=given) for term in steering.terms)
    return replace(steering, terms=tuple(terms))


def prompt_words(words: Sequence[str], model: str | None) -> tuple[str | None, str]:
    """([MODEL] PROMPT) as (model, prompt); a lone '-' reads the prompt from stdin."""
    if len(words) > 2:
        raise click.UsageError("give one prompt, in quotes, with at most a model before it")
    if len(words) == 2 and model:
        raise click.UsageError("give the model once: before the prompt or with -m")
    return (words[0] if len(words) == 2 else model), read_prompt(words[-1])


def read_prompt(text: str) -> str:
    """The prompt; '-' stands for what stdin holds."""
    if text == "-":
        text = sys.stdin.read().removesuffix("\n")
    if not text.strip():
        raise InputError("the prompt is empty", 'edgesteer run "What is new?"')
    return text


def check_new_recipe(name: str | None, library: Library, force: bool) -> None:
    """Raises, before any work is done, when a recipe can not be saved as `name` (None: fine)."""
    if name is None:
        return
    from edgesteer.atomic import check_place
    from edgesteer.names import check_file_name

    check_file_name(name, "recipe")
    if name in library.recipe_names() and not force:
        raise InputError(f"there is a recipe {name!r} already", "give --force to replace it")
    check_place(library.recipes_folder / f"{name}.toml", make_folder=True)


def save_as_recipe(name: str, request: Request) -> str:
    """Keep what was used as a recipe; returns a sentence that says where."""
    from edgesteer.recipe import Recipe

    recipe = Recipe(name, request.model, request.steering, request.system, request.settings)
    return f"saved as {request.library.save_recipe(recipe)}; use it with -r {name}"
