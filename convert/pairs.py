"""Contrast pairs: the positive and negative texts of one trait, an immutable and checked value.

Does not know file formats (pairs_jsonl.py, pairs_toml.py) nor how a chat template writes a text
(rendering.py).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from edgesteer.errors import NotFoundError, PairsError
from edgesteer.names import looks_like_path

if TYPE_CHECKING:
    from convert.rendering import RenderChat, Rendered

__all__ = ["MIN_PAIRS", "ContrastPairs", "Pair", "Side"]

MIN_PAIRS = 2
"""With fewer pairs there are no two halves to compare, so no figure of quality."""


@dataclass(frozen=True)
class Side:
    """What the model reads on one side of a pair.

    `user` is None for plain text, which no chat template touches. Otherwise `answer` is the
    beginning of the assistant's answer to `user`; `system` is the persona or system message.
    """

    answer: str
    user: str | None = None
    system: str | None = None

    @property
    def is_chat(self) -> bool:
        """Whether a chat template writes this side."""
        return self.user is not None


@dataclass(frozen=True)
class Pair:
    """One contrast: two sides that should differ in the trait and in nothing else.

    `group` is shared by pairs of one stem; a split into halves or folds never parts a group.
    `where` says where the pair came from ("line 3"), for messages.
    """

    positive: Side
    negative: Side
    group: int = 0
    where: str = field(default="", compare=False)


@dataclass(frozen=True)
class ContrastPairs:
    """The contrast pairs of one trait, checked when the value is made.

    `heldout` are pairs for judging only; `questions` ask for open answers, and `score` names what
    judges them (edgesteer.measure.scores).

    Raises PairsError: fewer than two pairs, an empty side, a side equal to its counterpart, a pair
    that occurs twice or with its sides exchanged, plain texts mixed with answers to a prompt.

    >>> pairs = ContrastPairs.of([("I love it", "I hate it"), ("What joy", "What a pity")])
    >>> len(pairs), pairs.has_heldout, pairs.is_chat
    (2, False, False)
    """

    name: str
    pairs: tuple[Pair, ...]
    heldout: tuple[Pair, ...] = ()
    description: str = ""
    positive_name: str = "positive"
    negative_name: str = "negative"
    questions: tuple[str, ...] = ()
    score: str = ""
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        _check(self.pairs, self.heldout, self.source)

    def __len__(self) -> int:
        return len(self.pairs)

    @classmethod
    def of(cls, texts: Iterable[tuple[str, str]], *, name: str = "custom") -> ContrastPairs:
        """Pairs of plain texts, (positive, negative) each. Raises PairsError."""
        rows = [
            Pair(Side(positive.strip()), Side(negative.strip()), number, f"pair {number}")
            for number, (positive, negative) in enumerate(texts, 1)
        ]
        return cls(name=name, pairs=tuple(rows))

    @classmethod
    def load(cls, source: str | os.PathLike[str]) -> ContrastPairs:
        """Reads a .jsonl or .toml file, or the built-in trait of that name ("calm").

        Raises PairsError that names the line or table at fault, NotFoundError when there is no
        such file or trait.
        """
        from convert import pairs_jsonl, pairs_toml, traits

        readers = {".jsonl": pairs_jsonl.read, ".toml": pairs_toml.read}
        text = os.fspath(source)
        path = Path(text).expanduser()
        suffix = path.suffix.lower()
        if path.is_file() and suffix in readers:
            return readers[suffix](path)
        is_path = looks_like_path(text, ".jsonl")
        if path.is_file() and (suffix or is_path or text not in traits.trait_names()):
            raise PairsError(
                f"{text}: contrast pairs are read from .jsonl and .toml files",
                'write a .jsonl file with one {"positive": "...", "negative": "..."} a line',
            )
        if path.is_dir() and text not in traits.trait_names():
            raise PairsError(f"{text} is a folder", "give the .jsonl or .toml file in it")
        if suffix in readers or is_path:
            raise _no_file(text, path, traits.trait_names())
        return traits.load_trait(text)

    @property
    def has_heldout(self) -> bool:
        """Whether there are pairs for judging, kept out of the direction."""
        return bool(self.heldout)

    @property
    def is_chat(self) -> bool:
        """Whether the pairs are answers to a user, and not plain texts."""
        return self.pairs[0].positive.is_chat

    @property
    def personas(self) -> tuple[tuple[str, str], ...]:
        """The different (positive, negative) system messages of the pairs, in order."""
        both = ((pair.positive.system, pair.negative.system) for pair in self.pairs)
        return tuple(dict.fromkeys((p, n) for p, n in both if p and n and p != n))

    @property
    def groups(self) -> tuple[int, ...]:
        """The group of each pair; pairs of one stem share it."""
        return tuple(pair.group for pair in self.pairs)

    @property
    def digest(self) -> str:
        """sha256 (hex) over the texts, whatever file they came from, without held-out pairs."""
        return _digest(self.pairs)

    @property
    def full_digest(self) -> str:
        """sha256 (hex) over the texts, held-out pairs too."""
        return _digest(self.pairs, self.heldout)

    def limited(self, most: int) -> ContrastPairs:
        """The first `most` pairs: a trait's order uses personas and stems evenly at any number."""
        return self if most >= len(self) else replace(self, pairs=self.pairs[: max(most, 0)])

    def subset(self, keep: Iterable[int]) -> ContrastPairs:
        """The pairs of those numbers, in order, without the held-out ones."""
        return replace(self, pairs=tuple(self.pairs[i] for i in sorted(set(keep))), heldout=())

    def renamed(self, name: str) -> ContrastPairs:
        """The same pairs under another name."""
        return replace(self, name=name)

    def render(self, render_chat: RenderChat | None, *, heldout: bool = False) -> Rendered:
        """The exact texts that a model reads: a sequence of (positive, negative), in order.

        `render_chat` is the model's chat template, None when it has none (see rendering.py).
        """
        from convert.rendering import render_pairs

        return render_pairs(self.heldout if heldout else self.pairs, render_chat, self.source)


def _check(pairs: tuple[Pair, ...], heldout: tuple[Pair, ...], source: str) -> None:
    at = f"{source}: " if source else ""
    if len(pairs) < MIN_PAIRS:
        raise PairsError(
            f"{at}{len(pairs)} contrast pair(s), and at least {MIN_PAIRS} are needed",
            "20 or more varied pairs give a direction worth using",
        )
    seen: dict[tuple[Side, Side], Pair] = {}
    for pair in (*pairs, *heldout):
        place = f"{at}{pair.where}: " if pair.where else at
        _check_sides(pair, place, pairs[0].positive.is_chat)
        first = seen.setdefault((pair.positive, pair.negative), pair)
        if first is not pair:
            raise PairsError(
                f"{place}the same pair as {first.where or 'an earlier one'}",
                "delete one of the two: a repeated pair counts double",
            )
        swapped = seen.get((pair.negative, pair.positive))
        if swapped is not None:
            raise PairsError(
                f"{place}the sides of {swapped.where or 'an earlier pair'}, exchanged",
                "in one of the two, positive and negative are mixed up",
            )


def _digest(*parts: tuple[Pair, ...]) -> str:
    rows = [
        [[[side.system, side.user, side.answer] for side in (p.positive, p.negative)] for p in part]
        for part in parts
    ]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _check_sides(pair: Pair, place: str, chat: bool) -> None:
    for name, side in (("positive", pair.positive), ("negative", pair.negative)):
        if side.is_chat != chat:
            raise PairsError(
                f"{place}plain texts and answers to a user are mixed",
                "give every pair a user prompt, or none",
            )
        if not chat and not side.answer.strip():
            raise PairsError(f"{place}{name} is empty", "write a text on both sides")
        if chat and not (side.user or "").strip():
            raise PairsError(f"{place}the user prompt is empty", "write what the user says")
    if pair.positive == pair.negative:
        raise PairsError(
            f"{place}positive and negative are the same", "the two must differ in the trait"
        )


def _no_file(text: str, path: Path, traits: tuple[str, ...]) -> NotFoundError:
    """Says what comes near: a file of that folder, or a built-in trait."""
    known = {
        file.stem: file.name for end in ("jsonl", "toml") for file in path.parent.glob(f"*.{end}")
    }
    known |= {name: name for name in traits}
    near = get_close_matches(path.stem, known, n=2)
    hint = f"Did you mean {' or '.join(known[name] for name in near)}?" if near else ""
    cure = "give a .jsonl or .toml file, or a built-in trait"
    return NotFoundError(f"there is no file {text}", f"{hint} {cure}".strip())
