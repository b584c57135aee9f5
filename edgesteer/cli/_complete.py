"""Shell completion of the names of vectors, models and recipes.

Reads folders only, never a file; says nothing when something is wrong.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["files_or_vectors", "models", "recipes", "steering", "traits", "vectors"]


def vectors(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Names of vectors in the library."""
    with suppress(Exception):
        from edgesteer.library import Library

        return _beginning(Library().vector_names(), incomplete)
    return []


def steering(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Names of vectors and traits after the last blank of a steering text."""
    head, blank, last = incomplete.rpartition(" ")
    if "=" in last:
        return []
    known = list(vectors(_ctx, _param, last))
    with suppress(Exception):
        from edgesteer.library import builtin_traits

        known += [name for name in _beginning(builtin_traits(), last) if name not in known]
    return [f"{head}{blank}{name}" for name in known]


def models(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Names of models on this machine."""
    with suppress(Exception):
        from edgesteer.library import Library

        return _beginning([entry.name for entry in Library().models()], incomplete)
    return []


def recipes(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Names of saved recipes."""
    with suppress(Exception):
        from edgesteer.library import Library

        return _beginning(Library().recipe_names(), incomplete)
    return []


def traits(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of the built-in traits, and files."""
    from click.shell_completion import CompletionItem

    names: list[str] = []
    with suppress(Exception):
        from edgesteer.library import builtin_traits

        names = _beginning(builtin_traits(), incomplete)
    return [CompletionItem(n) for n in names] or [CompletionItem(incomplete, type="file")]


def files_or_vectors(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Names of vectors, else files."""
    from click.shell_completion import CompletionItem

    names = vectors(ctx, param, incomplete)
    return [CompletionItem(n) for n in names] or [CompletionItem(incomplete, type="file")]


def _beginning(names: object, incomplete: str) -> list[str]:
    return sorted(n for n in names if n.startswith(incomplete))  # type: ignore[attr-defined]
