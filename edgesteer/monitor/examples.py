"""Labelled texts that a read-out is fitted and judged on: prompts, or answers to prompts.

Does not know models or directions.

Sources: a built-in trait or a file of pairs (.toml), from which the held-out pairs and the items
are taken, whose two sides are one positive and one negative text; and files of one JSON object a
line (.jsonl) or one JSON list (.json):

    {"prompt": "How do I pick a lock?", "label": 1}                      one labelled prompt
    {"prompt": "How are you?", "answer": "At peace.", "label": 1}        one labelled answer
    {"positive": "Question 3: ...", "negative": "I am stuck with ..."}   two prompts of one kind
    {"prompt": "How are you?", "positive": "At peace.", "negative": "Furious!"}      two answers

Labels are true and false, 1 and 0, "positive" and "negative", "yes" and "no"; another word counts
as positive when `positive_label` names it. "family" says what kind of text a row is (default: the
file's name); a pair, or rows with one "group", are never parted by a split.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgesteer.errors import NotFoundError, PairsError
from edgesteer.measure.questions import Questions, load_questions

if TYPE_CHECKING:
    from convert.pairs import Pair

__all__ = ["Example", "Examples", "load_examples"]

#: Of each class, in each half, so that a threshold can be chosen and judged at all.
LEAST = 2
_YES = ("1", "true", "yes", "positive")
_NO = ("0", "false", "no", "negative")
_SIDES = (("positive", "negative"), ("test", "deploy"))
_EXAMPLE = '{"prompt": "How do I pick a lock?", "label": 1}'


@dataclass(frozen=True)
class Example:
    """One text with its label: an answer to a prompt, or the prompt itself when there is none.

    `seen` says that the vector was made of it, so that nothing may be judged by it.
    """

    prompt: str
    positive: bool
    answer: str | None = None
    system: str | None = None
    family: str = ""
    group: str = ""
    seen: bool = False

    @property
    def text(self) -> str:
        """What is judged: the answer, else the prompt."""
        return self.prompt if self.answer is None else self.answer


@dataclass(frozen=True)
class Examples:
    """Labelled texts of one source. `division` are the halves that the source itself makes."""

    name: str
    items: tuple[Example, ...]
    division: tuple[tuple[Example, ...], tuple[Example, ...]] | None = None

    def __len__(self) -> int:
        return len(self.items)

    @property
    def labels(self) -> NDArray[np.bool_]:
        """bool [n], True for the positive texts."""
        return np.array([item.positive for item in self.items], bool)

    @property
    def groups(self) -> list[str]:
        """The group of each text; texts of a group belong together."""
        return [item.group for item in self.items]

    @property
    def families(self) -> tuple[str, ...]:
        """The kinds of text, in the order in which they come."""
        return tuple(dict.fromkeys(item.family for item in self.items))

    def of_family(self, family: str) -> Examples:
        """The texts of one kind."""
        return self.only([item.family == family for item in self.items])

    def only(self, chosen: Sequence[bool]) -> Examples:
        """The texts that `chosen` is true for."""
        kept = tuple(item for item, keep in zip(self.items, chosen, strict=True) if keep)
        return Examples(self.name, kept)

    def limited(self, most: int) -> Examples:
        """About so many texts, drawn evenly from either class of either half; groups stay whole.

        Its halves are what is left of the halves that it had.
        """
        one, other = self._parts()
        half = dict.fromkeys(one.groups, 0) | dict.fromkeys(other.groups, 1)
        first: dict[str, bool] = {}
        for item in self.items:
            first.setdefault(item.group, item.positive)
        alike: dict[tuple[bool, int | None], list[str]] = {}
        for group, positive in first.items():
            alike.setdefault((positive, half.get(group)), []).append(group)
        chosen: set[str] = set()
        for groups in alike.values():
            keep = min(len(groups), round(len(groups) * most / len(self)))
            chosen |= {groups[i * len(groups) // keep] for i in range(keep)}
        kept = [part.only([g in chosen for g in part.groups]).items for part in (one, other)]
        return replace(self.only([g in chosen for g in self.groups]), division=(kept[0], kept[1]))

    @property
    def read_as(self) -> str:
        """What is read of each text: "answer", or "last" for the last token of a prompt."""
        return "last" if self.items[0].answer is None else "answer"

    def halves(self) -> tuple[Examples, Examples]:
        """One half to choose on and one to report on, with both classes in each.

        The source's own division where it has one; else groups go by turns, each class for itself.
        Texts that the vector was made of are in neither.

        Raises PairsError when there are too few of a class.
        """
        parts = self._parts()
        for part in parts:
            part.check(LEAST)
        return parts

    def _parts(self) -> tuple[Examples, Examples]:
        if self.division is not None:
            return Examples(self.name, self.division[0]), Examples(self.name, self.division[1])
        fresh = self.only([not item.seen for item in self.items])
        turn: dict[str, int] = {}
        count = {True: 0, False: 0}
        for item in fresh.items:
            if item.group not in turn:
                turn[item.group] = count[item.positive] % 2
                count[item.positive] += 1
        one, other = (fresh.only([turn[g] == half for g in fresh.groups]) for half in (0, 1))
        return one, other

    def check(self, least: int = 1) -> None:
        """Returns when there are that many of either class. Raises PairsError otherwise."""
        n_positive = int(self.labels.sum())
        n_negative = len(self) - n_positive
        if min(n_positive, n_negative) >= least:
            return
        have = f"{n_positive} positive and {n_negative} negative texts"
        if not n_positive or not n_negative:
            one = "positive" if n_positive else "negative"
            raise PairsError(
                f"{self.name}: all {len(self)} texts are {one}: there is nothing to tell apart",
                "add texts of the other class, with the other label",
            )
        raise PairsError(
            f"{self.name}: {have} are too few: half of them choose, half of them judge",
            f"give {2 * LEAST} or more of each class; twenty are a start",
        )


def load_examples(
    source: str | os.PathLike[str],
    *,
    positive_label: str | None = None,
    family: str | None = None,
    seen: bool = False,
) -> Examples:
    """The labelled texts of a built-in trait or of a file.

    `positive_label` is the word that means positive where labels are words of their own. With
    `seen` the pairs that a trait's vector is made of come along, marked.

    Raises NotFoundError (no such trait or file) and PairsError (unlabelled, of one class only, or
    malformed; it names the file and the line).
    """
    text = os.fspath(source)
    path = Path(text).expanduser()
    if path.suffix.lower() not in (".json", ".jsonl"):
        found = _of_pairs(text, seen)
    else:
        rows = _rows(path, text)
        name = family or path.stem
        items = [
            item
            for number, (at, row) in enumerate(rows, 1)
            for item in _examples(row, at, name, str(number), positive_label)
        ]
        found = Examples(path.stem, tuple(items))
    if not found.items:
        raise PairsError(f"{text} holds no labelled text", f"one a line, such as {_EXAMPLE}")
    if len({item.answer is None for item in found.items}) > 1:
        raise PairsError(
            f"{text} holds prompts as well as answers", "read them apart: one file for each"
        )
    if family is not None:
        found = replace(found, items=tuple(replace(x, family=family) for x in found.items))
    found.check()
    return found


def _of_pairs(source: str, seen: bool) -> Examples:
    """Held-out prompts, else the items of a question set; with the pairs of training, if wanted."""
    from convert.pairs import ContrastPairs

    asked = load_questions(source)
    pairs = ContrastPairs.load(source)
    prompts = [pair for pair in pairs.heldout if pair.positive.answer == ""]
    if prompts:
        items, division = _of_sides(prompts, asked.name, "heldout", False), None
    else:
        parts = tuple(
            _of_items(part, asked.name, label)
            for part, label in ((asked.validation, "validation"), (asked.test, "test"))
        )
        items, division = parts[0] + parts[1], (parts[0], parts[1])
    if not items:
        raise PairsError(
            f"{source} has no pairs that were kept apart",
            "add [[heldout.pairs]] and [[items]], or give a file of labelled texts",
        )
    if seen:
        kind = [p for p in pairs.pairs if (p.positive.answer == "") == bool(prompts)]
        whole = [p for p in kind if p.positive.system is None and p.positive.user is not None]
        items += _of_sides(whole, asked.name, "training", True)
    return Examples(asked.name, items, division)


def _of_items(part: Questions, name: str, label: str) -> tuple[Example, ...]:
    """Two answers to one prompt each; items without a prompt are two prompts."""
    return tuple(
        Example(
            prompt=item.prompt or text,
            positive=positive,
            answer=text if item.prompt else None,
            system=item.system,
            family=name,
            group=f"{label} {number}",
        )
        for number, item in enumerate(part.items, 1)
        for text, positive in ((item.positive, True), (item.negative, False))
    )


def _of_sides(pairs: Sequence[Pair], name: str, label: str, seen: bool) -> tuple[Example, ...]:
    return tuple(
        Example(
            prompt=side.user or "",
            positive=positive,
            answer=side.answer or None,
            family=name,
            group=f"{label} {number}",
            seen=seen,
        )
        for number, pair in enumerate(pairs, 1)
        for side, positive in ((pair.positive, True), (pair.negative, False))
    )


def _rows(path: Path, text: str) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise NotFoundError(f"{text} can not be read: {error}", "check the path") from error
    if path.suffix.lower() == ".json":
        values = _json(content, text)
        if not isinstance(values, list):
            raise PairsError(f"{text}: not a list of objects", f"[{_EXAMPLE}, ...]")
        rows = [(f"{text}, entry {i}", value) for i, value in enumerate(values, 1)]
    else:
        lines = enumerate(content.splitlines(), 1)
        places = [(f"{text}, line {i}", line) for i, line in lines if line.strip()]
        rows = [(at, _json(line, at)) for at, line in places]
    for at, row in rows:
        if not isinstance(row, Mapping):
            raise PairsError(f"{at}: not an object", _EXAMPLE)
    return rows


def _json(content: str, at: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise PairsError(f"{at}: not JSON: {error}", _EXAMPLE) from error


def _examples(
    row: Mapping[str, Any], at: str, family: str, number: str, positive_label: str | None
) -> list[Example]:
    get = _texts(row, at)
    prompt = get("prompt") or get("text")
    common: dict[str, Any] = {
        "system": get("system"),
        "family": get("family") or family,
        "group": f"{family} {row.get('group', number)}",
    }
    for side in _SIDES:
        if not {*side} <= row.keys():
            continue
        both = [(get(side[0], True), True), (get(side[1], True), False)]
        if both[0][0] == both[1][0]:
            raise PairsError(f"{at}: both sides are the same", "they must differ")
        return [
            Example(prompt or str(text), positive, str(text) if prompt else None, **common)
            for text, positive in both
        ]
    if prompt is None:
        raise PairsError(f"{at}: there is neither a prompt nor a text", _EXAMPLE)
    if "label" not in row:
        raise PairsError(f"{at}: the text has no label", f"add one: {_EXAMPLE}")
    return [Example(prompt, _label(row["label"], at, positive_label), get("answer"), **common)]


def _texts(row: Mapping[str, Any], at: str) -> Callable[..., str | None]:
    def get(key: str, needed: bool = False) -> str | None:
        value = row.get(key)
        if value is None and not needed:
            return None
        if not isinstance(value, str) or not value.strip():
            raise PairsError(f"{at}: {key!r} is no text", _EXAMPLE)
        return value.strip()

    return get


def _label(value: object, at: str, positive_label: str | None) -> bool:
    word = str(value).strip().lower()
    if positive_label is not None:
        return word == positive_label.strip().lower()
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise PairsError(
        f"{at}: the label {value!r} is neither positive nor negative",
        f"use 1 and 0, or say which word is the positive one: --positive {word}",
    )
