"""A recipe's facts as plain JSON values.

Does not know how they are shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgesteer.recipe import Recipe

__all__ = ["recipe_dict"]


def recipe_dict(recipe: Recipe, path: object) -> dict[str, Any]:
    """Everything that is in a recipe."""
    return {
        "name": recipe.name,
        "path": str(path),
        "model": recipe.model,
        "steering": str(recipe.steering),
        "terms": recipe.steering.to_dict()["terms"],
        "system": recipe.system,
        "sampling": dict(recipe.sampling),
    }
