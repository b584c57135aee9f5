"""The built-in traits: contrast pairs that ship with edgesteer, found by name.

Does not know their format (pairs_toml.py) nor what is in them.
"""

from __future__ import annotations

from importlib import resources

from convert import pairs_toml
from convert.pairs import ContrastPairs
from edgesteer.errors import NotFoundError
from edgesteer.names import did_you_mean

__all__ = ["load_trait", "trait_names"]


def trait_names() -> tuple[str, ...]:
    """The names of the built-in traits, sorted."""
    folder = resources.files("edgesteer") / "traits"
    if not folder.is_dir():
        return ()
    names = (file.name for file in folder.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def load_trait(name: str) -> ContrastPairs:
    """The contrast pairs of a built-in trait. Raises NotFoundError with the nearest names."""
    names = trait_names()
    if name not in names:
        near = did_you_mean(name, names)
        known = f"built-in traits: {', '.join(names) or 'none'}; or give a .jsonl or .toml file"
        raise NotFoundError(f"no trait called {name!r}", f"{near} {known}".strip())
    text = (resources.files("edgesteer") / "traits" / f"{name}.toml").read_text(encoding="utf-8")
    return pairs_toml.parse(text, source=f"trait {name}", name=name)
