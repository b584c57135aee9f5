"""Contrast pairs from JSONL: one pair a line, as small as {"positive": "...", "negative": "..."}.

Does not know templates: a row is plain text, or with "prompt" two answers to one user prompt.

    positive, negative   the two texts, or the two answers               (required)
    prompt or user       what the user says; the model's chat template is then used
    system               the system message of both sides (needs a prompt)

Blank lines are skipped. White space around a text is dropped, since a space at the end would be
the token that is read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from convert.pairs import ContrastPairs, Pair, Side
from edgesteer.atomic import write_atomic
from edgesteer.errors import InputError, PairsError
from edgesteer.names import did_you_mean

__all__ = ["parse", "read", "read_text", "write"]

KEYS = ("positive", "negative", "prompt", "user", "system")
EXAMPLE = '{"positive": "I am calm.", "negative": "I am furious."}'
FOREIGN_KEYS = {
    "chosen": "positive",
    "rejected": "negative",
    "pos": "positive",
    "neg": "negative",
    "question": "prompt",
    "instruction": "prompt",
    "answer_matching_behavior": "positive",
    "answer_not_matching_behavior": "negative",
}
"""Column names of well-known preference data sets, and ours that mean the same."""


def read(path: str | os.PathLike[str]) -> ContrastPairs:
    """Reads a JSONL file of contrast pairs. Raises PairsError that names the file and the line."""
    return parse(read_text(path), source=os.fspath(path), name=Path(path).stem)


def write(path: str | os.PathLike[str], pairs: Iterable[Pair]) -> Path:
    """Writes pairs whose sides differ in the answer alone, one a line, whole or not at all.

    Raises InputError when the sides differ in prompt or persona, FileWriteError.
    """
    lines = []
    for pair in pairs:
        one, other = pair.positive, pair.negative
        if (one.user, one.system) != (other.user, other.system):
            raise InputError(
                f"{pair.where or 'a pair'}: its sides differ in more than the answer",
                "JSONL holds one prompt and one system message for both sides",
            )
        row = {"prompt": one.user, "system": one.system}
        row = {key: value for key, value in row.items() if value}
        row |= {"positive": one.answer, "negative": other.answer}
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    return write_atomic(path, "".join(lines))


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a UTF-8 file. Raises PairsError that names the first line that is not UTF-8."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise PairsError(f"{path}: {error.strerror or error}", "check the path") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise PairsError(f"{path}, line {line}: not UTF-8", "save the file as UTF-8") from error


def parse(text: str, *, source: str = "", name: str = "custom") -> ContrastPairs:
    r"""Contrast pairs from JSONL text. Raises PairsError that names the line.

    >>> rows = '{"positive": "Yes", "negative": "No"}\n{"positive": "Joy", "negative": "Woe"}'
    >>> parse(rows).pairs[0].positive.answer
    'Yes'
    """
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise PairsError(
            f"{source or 'the text'}: no contrast pairs in it", f"write one a line: {EXAMPLE}"
        )
    at = f"{source}, " if source else ""
    pairs = tuple(_pair(line, number, f"{at}line {number}") for number, line in lines)
    return ContrastPairs(name=name, pairs=pairs, source=source)


def _pair(line: str, number: int, place: str) -> Pair:
    row = _texts(_row(line, place), place)
    for key in ("positive", "negative"):
        if key not in row:
            raise PairsError(f"{place}: no {key!r}", f"every line needs both sides: {EXAMPLE}")
        if not row[key]:
            raise PairsError(f"{place}: {key!r} is empty", "write a text on both sides")
    if "prompt" in row and "user" in row:
        raise PairsError(f"{place}: both 'prompt' and 'user'", "they mean the same: keep one")
    user = row.get("prompt", row.get("user"))
    system = row.get("system") or None
    if user is None and system is not None:
        raise PairsError(f"{place}: 'system' without 'prompt'", "say what the user asks, too")
    sides = [Side(row[key], user, system) for key in ("positive", "negative")]
    return Pair(sides[0], sides[1], group=number, where=f"line {number}")


def _texts(row: dict[str, object], place: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    for key, value in row.items():
        if key not in KEYS:
            foreign = FOREIGN_KEYS.get(key)
            hint = f"here that is called {foreign!r}" if foreign else did_you_mean(key, KEYS)
            raise PairsError(
                f"{place}: unknown key {key!r}", hint or f"the keys are {', '.join(KEYS)}"
            )
        if not isinstance(value, str):
            raise PairsError(f"{place}: {key!r} is not a text", f"write it in quotes: {EXAMPLE}")
        if not _is_unicode(value):
            raise PairsError(f"{place}: {key!r} holds half of a character", "save it as UTF-8")
        texts[key] = value.strip()
    return texts


def _is_unicode(text: str) -> bool:
    """False for a lone surrogate, which a JSON escape can smuggle in and no tokenizer takes."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _row(line: str, place: str) -> dict[str, object]:
    def once(items: list[tuple[str, object]]) -> dict[str, object]:
        row = dict(items)
        if len(row) != len(items):
            raise PairsError(f"{place}: a key occurs twice", f"write each key once: {EXAMPLE}")
        return row

    try:
        row = json.loads(line, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        what = error.msg if isinstance(error, json.JSONDecodeError) else "too large or too deep"
        raise PairsError(
            f"{place}: not JSON ({what})", f"write one object a line, no list around: {EXAMPLE}"
        ) from error
    if not isinstance(row, dict):
        raise PairsError(f"{place}: not a JSON object", f"write one object a line: {EXAMPLE}")
    return row
