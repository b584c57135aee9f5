"""What a person meant who named a vector that is not there: the error, and its hint.

Does not look at any file: over HTTP an answer must not tell which ones exist.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection
from pathlib import PurePath

from edgesteer.errors import NotFoundError
from edgesteer.names import NUMBER, OPERATIONS, did_you_mean, looks_like_path

__all__ = ["other_file", "vector_not_there"]

_PAIRS = (".jsonl", ".toml")
_FOREIGN = (".npz", ".npy", ".safetensors", ".pt", ".pth")
_GLUED = re.compile(rf"(?P<name>.+?)(?P<sign>[:*+]|(?=-))(?P<number>{NUMBER.pattern})")


def vector_not_there(name: str, known: Collection[str], traits: Collection[str]) -> NotFoundError:
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
    if hint := _meant(name, {*known, *traits}):
        return NotFoundError(f"no vector {name!r}", hint)
    near = did_you_mean(name, [*known, *traits])
    cure = (
        "edgesteer vectors list shows what there is"
        if known
        else f"edgesteer extract {next(iter(traits), 'FILE')} -m MODEL makes one"
    )
    return NotFoundError(f"no vector {name!r} in the library", f"{near} {cure}".strip())


def _meant(name: str, names: Collection[str]) -> str:
    """What else of a steering text runs together with a name; "" when it is only a name."""
    if NUMBER.fullmatch(name):
        return f"a strength stands after =, without blanks: calm={name}"
    if (parts := re.split("[,;]", name))[0] in names and len(parts) > 1:
        return f"terms are separated by blanks: {' '.join(part for part in parts if part)}"
    glued = _GLUED.fullmatch(name)
    if glued and (glued["sign"] == ":" or glued["name"] in names):
        meant = f"= stands before a strength: {glued['name']}={glued['number']}"
        if glued["sign"] == "" and (near := did_you_mean(name, [n for n in names if "-" in n])):
            return f"{near} {meant}"
        return meant
    head, colon, tail = name.partition(":")
    if not colon:
        return ""
    if head in OPERATIONS:
        return f"a name alone is wanted here: {tail}"
    if head in names:
        return f"@ stands before layers: {head}@{tail}"
    near = did_you_mean(head, OPERATIONS)
    if near or tail in names:
        return near or f"before a : stands {', '.join(OPERATIONS)}"
    return ""


def other_file(name: str) -> NotFoundError | None:
    """The error for the path of a file that is no GGUF file, and holds something else of ours."""
    suffix, quoted = PurePath(name).suffix.lower(), shlex.quote(name)
    if suffix in _PAIRS:
        return NotFoundError(
            f"{name} is no vector: a vector is a .gguf file, and this is one of contrast pairs",
            f"edgesteer extract {quoted} makes a vector of it"
            + ("; a recipe is given with -r" if suffix == ".toml" else ""),
        )
    if suffix in _FOREIGN:
        return NotFoundError(
            f"{name} is no vector: a vector is a .gguf file",
            f"edgesteer vectors import {quoted} -m MODEL makes a vector of it",
        )
    return None
