"""Contrast pairs from TOML: the trait format, personas times stems, with held-out pairs.

Does not know how a persona reaches the model: here it is a system message, rendering.py does
the rest.

    format = 1
    name = "calm"                     description = "..."
    positive_name = "calm"            negative_name = "furious"
    positive = ["You are calm."]      negative = ["You are furious."]    personas, one to one
    template = "persona"
    questions = ["..."]               for open answers

    [[stems]]                         every stem meets every persona
    user = "The bus is late again."
    answer = "Well,"                  how both sides begin their answer; may be left out
    [[pairs]]                         pairs written out
    user = "..."                      positive = "..."   negative = "..."   system = "..."
    [[prompts]]                       pairs of what the user says, read where the answer would begin
    positive = "..."                  negative = "..."   system = "..."
    [heldout]                         [[heldout.stems]], [[heldout.pairs]], ...: for judging only
    [[items]]                         user, positive, negative: for measuring effects only
    score = "..."                     how open answers are scored (edgesteer.measure.questions)

Stems meet personas along diagonals, so that the first n pairs use both evenly, whatever n. A
held-out stem meets one persona, in turn: as many judgements, at a fraction of the reading.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from convert.pairs import ContrastPairs, Pair, Side
from convert.pairs_jsonl import read_text
from convert.toml_place import place_of
from edgesteer.errors import PairsError
from edgesteer.names import did_you_mean

__all__ = ["parse", "read"]

FORMAT = 1
TEMPLATES = ("persona",)
TEXT_KEYS = ("name", "description", "positive_name", "negative_name", "score")
LIST_KEYS = ("positive", "negative", "questions")
TABLE_KEYS = ("stems", "pairs", "prompts", "heldout", "items")
TOP_KEYS = ("format", "template", *TEXT_KEYS, *LIST_KEYS, *TABLE_KEYS)
STEM_KEYS = ("user", "answer")
PAIR_KEYS = ("user", "positive", "negative", "system")
PROMPT_KEYS = ("positive", "negative", "system")
HELDOUT_KEYS = ("stems", "pairs", "prompts")

Table = Mapping[str, object]
Personas = Sequence[tuple[str, str]]


def read(path: str | os.PathLike[str]) -> ContrastPairs:
    """Reads a TOML file of contrast pairs. Raises PairsError that names the file and the table."""
    return parse(read_text(path), source=os.fspath(path), name=Path(path).stem)


def parse(text: str, *, source: str = "", name: str = "custom") -> ContrastPairs:
    """Contrast pairs from TOML text; `name` is used when the text gives none.

    Raises PairsError: not TOML, an unknown key (with the nearest known one), a wrong type, personas
    that do not match one to one, and all that `ContrastPairs` refuses.
    """
    try:
        top = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: an endless number, too
        raise PairsError(
            f"{source or 'the text'}: not TOML: {error or 'nested too deeply'}",
            'a text stands in quotes: name = "calm"',
        ) from error
    return _Reader(text, source).trait(top, name)


@dataclass(frozen=True)
class _Reader:
    """Reads one parsed trait; keeps the text, to tell the line of a table."""

    text: str
    source: str

    def trait(self, top: Table, name: str) -> ContrastPairs:
        self.known(top, TOP_KEYS)
        if top.get("format", FORMAT) != FORMAT:
            raise self.error(f"format is {top['format']!r}", f"only format = {FORMAT} is known")
        if top.get("template", "persona") not in TEMPLATES:
            raise self.error(
                f"unknown template {top['template']!r}", f"known: {', '.join(TEMPLATES)}"
            )
        words = {key: self.word(top, key) for key in TEXT_KEYS if key in top}
        personas = self.personas(top)
        heldout = top.get("heldout", {})
        if not isinstance(heldout, Mapping):
            raise self.error("'heldout' is not a table", "write [[heldout.stems]]")
        self.known(heldout, HELDOUT_KEYS, "[heldout]")
        return ContrastPairs(
            name=words.get("name", name),
            pairs=tuple(self.section(top, personas)),
            heldout=tuple(self.section(heldout, personas, "heldout.")),
            description=words.get("description", ""),
            positive_name=words.get("positive_name", "positive"),
            negative_name=words.get("negative_name", "negative"),
            questions=tuple(self.words(top, "questions")),
            score=words.get("score", ""),
            source=self.source,
        )

    def personas(self, top: Table) -> Personas:
        positive, negative = self.words(top, "positive"), self.words(top, "negative")
        if len(positive) != len(negative):
            raise self.error(
                f"{len(positive)} positive personas and {len(negative)} negative ones",
                "personas stand one to one: write as many on either side",
            )
        both = list(zip(positive, negative, strict=True))
        for number, (one, other) in enumerate(both, 1):
            if one == other:
                raise self.error(
                    f"persona {number} is the same on both sides", "they must differ in the trait"
                )
        if both and not top.get("stems"):
            raise self.error("personas but no [[stems]]", 'add [[stems]] with user = "..."')
        return both

    def section(self, table: Table, personas: Personas, prefix: str = "") -> list[Pair]:
        stems = self.tables(table, "stems", prefix)
        if stems and not personas:
            raise self.error(
                "stems but no personas", 'add positive = ["You are ..."] and negative = [...]'
            )
        read = [self.stem(row, f"{prefix}stems", i) for i, row in enumerate(stems, 1)]
        rounds = 1 if prefix else len(personas)
        made = [
            self.meet(*stem, personas[(i + turn) % len(personas)], i)
            for turn in range(rounds)
            for i, stem in enumerate(read)
        ]
        for i, row in enumerate(self.tables(table, "pairs", prefix), 1):
            made.append(self.pair(row, f"{prefix}pairs", i, len(stems) + i))
        groups = len(made) + len(stems)
        for i, row in enumerate(self.tables(table, "prompts", prefix), 1):
            made.append(self.prompt(row, f"{prefix}prompts", i, groups + i))
        return made

    def stem(self, row: Table, table: str, number: int) -> tuple[str, str, str]:
        at = place_of(self.text, table, number)
        self.known(row, STEM_KEYS, at)
        answer = self.word(row, "answer", at) if row.get("answer", "") != "" else ""
        return self.word(row, "user", at), answer, at

    def meet(self, user: str, answer: str, at: str, persona: tuple[str, str], group: int) -> Pair:
        sides = [Side(answer, user, system) for system in persona]
        return Pair(sides[0], sides[1], group, f"{at} with {persona[0]!r}")

    def pair(self, row: Table, table: str, number: int, group: int) -> Pair:
        at = place_of(self.text, table, number)
        self.known(row, PAIR_KEYS, at)
        user = self.word(row, "user", at) if "user" in row else None
        system = self.word(row, "system", at) if "system" in row else None
        if system is not None and user is None:
            raise self.error("'system' without 'user'", "say what the user asks, too", at)
        sides = [Side(self.word(row, key, at), user, system) for key in ("positive", "negative")]
        return Pair(sides[0], sides[1], group, at)

    def prompt(self, row: Table, table: str, number: int, group: int) -> Pair:
        at = place_of(self.text, table, number)
        self.known(row, PROMPT_KEYS, at)
        system = self.word(row, "system", at) if "system" in row else None
        said = (self.word(row, key, at) for key in ("positive", "negative"))
        sides = [Side("", user, system) for user in said]
        return Pair(sides[0], sides[1], group, at)

    def tables(self, table: Table, key: str, prefix: str) -> list[Table]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(row, Mapping) for row in value):
            raise self.error(f"{prefix}{key} is not a list of tables", f"write [[{prefix}{key}]]")
        return value

    def words(self, table: Table, key: str) -> list[str]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            raise self.error(f"{key!r} is not a list of texts", f'write {key} = ["...", "..."]')
        texts = [text.strip() for text in value]
        if "" in texts:
            raise self.error(f"{key!r} holds an empty text", "write it or delete it")
        if len(set(texts)) != len(texts):
            raise self.error(f"{key!r} holds the same text twice", "delete one of the two")
        return texts

    def word(self, table: Table, key: str, at: str = "") -> str:
        value = table.get(key)
        what = "is missing" if key not in table else "is not a text"
        if isinstance(value, str):
            if value.strip():
                return value.strip()
            what = "is empty"
        raise self.error(f"{key!r} {what}", f'write {key} = "..."', at)

    def known(self, table: Table, keys: Sequence[str], at: str = "") -> None:
        for key in table:
            if key not in keys:
                hint = did_you_mean(key, keys) or f"the keys are {', '.join(keys)}"
                raise self.error(f"unknown key {key!r}", hint, at)

    def error(self, what: str, hint: str, at: str = "") -> PairsError:
        where = ", ".join(part for part in (self.source, at) if part)
        return PairsError(f"{where or 'the text'}: {what}", hint)
