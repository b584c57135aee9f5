"""What a person meant who named a vector that is not there: the error, and its hint.

Does not look at any file: over HTTP an answer must not tell which ones exist.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import PurePath

from edgesteer.errors import InputError, NotFoundError
from edgesteer.names import NUMBER, OPERATIONS, did_you_mean, looks_like_path

__all__ = ["other_file", "vector_not_there"]

_PAIRS = (".jsonl", ".toml")
_FOREIGN = (".npz", ".npy", ".safetensors", ".pt", ".pth")
_GLUED = re.compile(rf"(?P<name>.+?)(?P<sign>[:*+]|(?=-))(?P<number>{NUMBER.pattern})")


def vector_not_there(
    name: str, known: Collection[str], traits: Collection[str]
) -> NotFoundError | InputError:
    """The error for a name that no vector has.

    Args:
        name: as it was given.
        known: the library's vectors.
        traits: the built-in traits, of which a vector can be made.
    """
    if (other := other_file(name)) is not None:
        return other
    if looks_like_path(name, ".gguf"):
        return NotFoundError(f"there is no vector file {name}", "check the path")
    if name in traits:
        return NotFoundError(
            f"no vector {name!r} in the library yet; {name} is a built-in trait",
            f"edgesteer extract {name} -m MODEL",
        )
    missing = f"no vector {name!r}"
    if NUMBER.fullmatch(name):
        return NotFoundError(missing, f"a strength stands after =, without blanks: calm={name}")
    glued = _GLUED.fullmatch(name)
    if glued and (glued["sign"] == ":" or glued["name"] in {*known, *traits}):
        meant = f"{glued['name']}={glued['number']}"
        return NotFoundError(missing, f"= stands before a strength: {meant}")
    head, colon, tail = name.partition(":")
    if colon and tail in {*known, *traits}:
        hint = did_you_mean(head, OPERATIONS) or f"before a : stands {', '.join(OPERATIONS)}"
        return NotFoundError(f"{missing}, nor an operation {head!r}", hint)
    if colon and (near := did_you_mean(head, OPERATIONS)):
        return NotFoundError(f"{missing}, nor an operation {head!r}", near)
    near = did_you_mean(name, [*known, *traits])
    cure = (
        "edgesteer vectors list shows what there is"
        if known
        else f"edgesteer extract {next(iter(traits), 'FILE')} -m MODEL makes one"
    )
    return NotFoundError(f"{missing} in the library", f"{near} {cure}".strip())


def other_file(name: str) -> InputError | None:
    """The error for the path of a file that is no GGUF file, and holds something else of ours."""
    suffix = PurePath(name).suffix.lower()
    if suffix in _PAIRS:
        return InputError(
            f"{name} is no vector but a file of contrast pairs",
            f"edgesteer extract {name} makes a vector of it"
            + ("; a recipe is given with -r" if suffix == ".toml" else ""),
        )
    if suffix in _FOREIGN:
        return InputError(
            f"{name} is no GGUF file",
            f"edgesteer vectors import {name} -m MODEL makes a vector of it",
        )
    return None
