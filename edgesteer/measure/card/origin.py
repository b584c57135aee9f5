"""Origins: which contrast pairs a vector was made from, and the personas of its trait.

Pairs are known by their checksum, which the vector carries; a name alone is not believed. Does not
know what is asked with them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgesteer.errors import EdgesteerError
from edgesteer.measure.questions import Item
from edgesteer.vector import ControlVector

if TYPE_CHECKING:
    from convert.pairs import ContrastPairs

__all__ = ["Origin", "find_origin", "seen_items"]


@dataclass(frozen=True)
class Origin:
    """Where a vector comes from; None: not known. `notes` says what could not be found."""

    pairs: ContrastPairs | None
    personas: tuple[str, str] | None
    notes: tuple[str, ...]


def find_origin(
    vector: ControlVector,
    *,
    given: ContrastPairs | None = None,
    asked: str | os.PathLike[str] = "",
    trait: str = "",
) -> Origin:
    """The pairs of a vector, of those that come into question the first whose checksum it has.

    Args:
        vector: whose they are.
        given: the pairs that the user named.
        asked: where its questions come from: they may be its pairs as well.
        trait: the built-in trait that it is of; its personas do where the pairs have none.
    """
    named = [pairs for pairs in map(_load, (vector.meta.get("pairs"), trait)) if pairs is not None]
    kept = next(
        (same for pairs in (given, _load(asked), *named) if (same := _same(vector, pairs))), None
    )
    notes = []
    if given is not None and _same(vector, given) is None:
        used = "" if kept is None else f"; those of {kept.name} are"
        notes.append(f"the pairs {given.name} are not those that it was made from{used}")
    elif kept is None and named:
        notes.append(f"the pairs {named[0].name} are not those that it was made from")
    elif kept is None:
        notes.append("the pairs that it was made from are not known")
    personas = _personas(kept) or _personas(_load(trait))
    if personas is None:
        notes.append("no persona is known: it was not compared with a plain prompt")
    return Origin(kept, personas, tuple(notes))


def seen_items(items: Sequence[Item], pairs: ContrastPairs) -> int:
    """How many of the items are among the pairs."""
    texts = {
        (pair.positive.user or "", side.answer)
        for pair in pairs.pairs
        for side in (pair.positive, pair.negative)
    }
    return sum((item.prompt, item.positive) in texts for item in items)


def _load(source: object) -> ContrastPairs | None:
    """The pairs of a file or trait; None where there are none: nobody said that there are."""
    from convert.pairs import ContrastPairs

    if not source or not isinstance(source, (str, os.PathLike)):
        return None
    try:
        return ContrastPairs.load(source)
    except (EdgesteerError, OSError, ValueError, RuntimeError):  # a vector's file may name anything
        return None


def _same(vector: ControlVector, pairs: ContrastPairs | None) -> ContrastPairs | None:
    """The pairs, or the first of them, when they are the very ones of the vector."""
    from convert.pairs import MIN_PAIRS

    if pairs is None:
        return None
    count = vector.meta.get("n_pairs")
    if isinstance(count, int) and count >= MIN_PAIRS:
        pairs = pairs.limited(count)
    return pairs if pairs.digest == vector.meta.get("pairs_sha256") else None


def _personas(pairs: ContrastPairs | None) -> tuple[str, str] | None:
    if pairs is None:
        return None
    if pairs.personas:
        return pairs.personas[0]
    words = (pairs.positive_name, pairs.negative_name)
    if words == ("positive", "negative"):
        return None
    return f"You are {words[0]} in everything you say.", f"You are {words[1]} in all you say."
