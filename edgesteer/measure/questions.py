"""Question sets: what a trait is measured with: two-option items, open questions, a judge's name.

Does not know how answers are scored (propensity.py, scores/) nor how vectors are made.

    trait TOML                                    JSONL, one item a line
    [[heldout.pairs]]  items for choosing         {"prompt": ..., "positive": ..., "negative": ...}
    [[items]]          items for the report       (question / answer_matching_behavior / ... too)
    questions = []     open questions
    score = "..."      the judge-free score of open answers

Whatever is chosen (layers, strengths) is chosen on `validation`; what is reported comes from
`test`, which nothing else reads. A file without such a division is divided by turns.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from edgesteer.errors import NotFoundError, PairsError
from edgesteer.names import did_you_mean

__all__ = ["Item", "QuestionSet", "Questions", "load_questions"]

_FOREIGN = {
    "user": "prompt",
    "question": "prompt",
    "instruction": "prompt",
    "chosen": "positive",
    "rejected": "negative",
    "answer_matching_behavior": "positive",
    "answer_not_matching_behavior": "negative",
}
_EXAMPLE = '{"prompt": "How are you?", "positive": "At peace.", "negative": "Furious!"}'


@dataclass(frozen=True)
class Item:
    """One question with two answers: one that shows the trait and one that shows its opposite."""

    prompt: str
    positive: str
    negative: str
    system: str | None = None


@dataclass(frozen=True)
class Questions:
    """One part of a question set: two-option items, and open questions."""

    items: tuple[Item, ...] = ()
    open: tuple[str, ...] = ()


@dataclass(frozen=True)
class QuestionSet:
    """What one trait is measured with. `score` names a judge-free score, "" when there is none."""

    name: str
    validation: Questions
    test: Questions
    score: str = ""
    description: str = ""


def load_questions(source: str | os.PathLike[str]) -> QuestionSet:
    """The question set of a built-in trait, or of a .toml or .jsonl file.

    Raises NotFoundError (no such trait or file) and PairsError (naming the file and the line).
    """
    text = os.fspath(source)
    path = Path(text).expanduser()
    if path.suffix.lower() in (".toml", ".jsonl"):
        try:
            content = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise NotFoundError(f"{text} can not be read: {error}", "check the path") from error
        parse = _from_toml if path.suffix.lower() == ".toml" else _from_jsonl
        return parse(content, text, path.stem)
    folder = resources.files("edgesteer") / "traits"
    names = sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if "toml" in f.name)
    if text not in names:
        hint = did_you_mean(text, names) or f"built-in: {', '.join(names)}; or give a file"
        raise NotFoundError(f"no questions called {text!r}", hint)
    return _from_toml((folder / f"{text}.toml").read_text(encoding="utf-8"), text, text)


def _from_toml(content: str, source: str, name: str) -> QuestionSet:
    try:
        top = tomllib.loads(content)
    except ValueError as error:
        raise PairsError(f"{source}: not TOML: {error}", "a text stands in quotes") from error
    held = top.get("heldout", {})
    pairs = held.get("pairs", []) if isinstance(held, dict) else []
    choosing = [_item(row, f"{source}, [[heldout.pairs]] {i}") for i, row in enumerate(pairs, 1)]
    rows = top.get("items", [])
    reporting = [_item(row, f"{source}, [[items]] {i}") for i, row in enumerate(rows, 1)]
    if not reporting:
        choosing, reporting = choosing[::2], choosing[1::2]
    elif not choosing:
        choosing, reporting = reporting[::2], reporting[1::2]
    asked = [str(q) for q in top.get("questions", [])]
    return QuestionSet(
        name=str(top.get("name", name)),
        validation=Questions(tuple(choosing), tuple(asked[::2])),
        test=Questions(tuple(reporting), tuple(asked[1::2])),
        score=str(top.get("score", "")),
        description=str(top.get("description", "")),
    )


def _from_jsonl(content: str, source: str, name: str) -> QuestionSet:
    items, asked = list[Item](), list[str]()
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise PairsError(f"{source}, line {number}: not JSON: {error}", _EXAMPLE) from error
        if not isinstance(row, dict):
            raise PairsError(f"{source}, line {number}: not an object", _EXAMPLE)
        if isinstance(row.get("prompt"), str) and "positive" not in _named(row):
            asked.append(row["prompt"])
        else:
            items.append(_item(row, f"{source}, line {number}"))
    return QuestionSet(name, _turn(items, asked, 0), _turn(items, asked, 1))


def _turn(items: list[Item], asked: list[str], turn: int) -> Questions:
    return Questions(tuple(items[turn::2]), tuple(asked[turn::2]))


def _named(row: Mapping[str, Any]) -> dict[str, Any]:
    return {_FOREIGN.get(key, key): value for key, value in row.items()}


def _item(row: object, at: str) -> Item:
    if not isinstance(row, Mapping):
        raise PairsError(f"{at}: not a table", _EXAMPLE)
    named = _named(row)
    for key in ("positive", "negative"):
        if not isinstance(named.get(key), str) or not named[key].strip():
            raise PairsError(f"{at}: {key!r} is missing or no text", _EXAMPLE)
    if named["positive"].strip() == named["negative"].strip():
        raise PairsError(f"{at}: both answers are the same", "they must differ in the trait")
    for key in ("prompt", "system"):
        if not isinstance(named.get(key, ""), str):
            raise PairsError(f"{at}: {key!r} is no text", _EXAMPLE)
    prompt, positive, negative = (
        str(named.get(key, "")).strip() for key in ("prompt", "positive", "negative")
    )
    return Item(prompt, positive, negative, named.get("system"))
