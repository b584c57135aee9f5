"""What narrows an answer: a grammar, a JSON schema, biases of single tokens; what it reports.

Knows nothing of steering, which acts below all of these, nor of how tokens are drawn.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edgesteer.errors import InputError

__all__ = ["Constraints", "read_constraints"]

MAX_LOGPROBS = 100
_MAX_GRAMMAR, _MAX_DEPTH = 1 << 20, 1000


@dataclass(frozen=True)
class Constraints:
    """Checked constraints of one answer.

    Attributes:
        grammar: GBNF text with a rule ``root``; "" for none.
        bias: token id -> what is added to its logit (-inf forbids it).
        logprobs: how many alternatives to report with each token; None for no logprobs.
    """

    grammar: str = ""
    bias: Mapping[int, float] = field(default_factory=dict)
    logprobs: int | None = None


def read_constraints(
    tokenize: Callable[[str], list[int]],
    n_vocab: int,
    *,
    grammar: str | None = None,
    json_schema: str | Mapping[str, Any] | None = None,
    logit_bias: Mapping[int | str, float] | None = None,
    logprobs: int | None = None,
) -> Constraints:
    """Check what a caller asks for.

    Args:
        tokenize: text to token ids, without anything added.
        n_vocab: size of the vocabulary.
        grammar: GBNF text.
        json_schema: a JSON schema (text or dict); the answer is JSON that fits it.
        logit_bias: token id (a number, or its digits as text) or a piece of text that is one
            token -> bias.
        logprobs: 0..100 alternatives with each token.

    Raises:
        InputError: any of them makes no sense, or grammar and schema are both given.
    """
    if grammar and json_schema is not None:
        raise InputError("a grammar and a JSON schema exclude each other", "Give one of them.")
    if json_schema is not None:
        grammar = _grammar_of(json_schema)
    if grammar and len(grammar) > _MAX_GRAMMAR:
        raise InputError("the grammar is longer than 1 MB", "Write a smaller one.")
    if grammar and _depth(grammar) > _MAX_DEPTH:  # llama.cpp's reader would run out of stack
        raise InputError(f"the grammar nests deeper than {_MAX_DEPTH} groups", "Name the groups.")
    if logprobs is not None and not 0 <= logprobs <= MAX_LOGPROBS:
        raise InputError(f"logprobs must be 0 to {MAX_LOGPROBS}, not {logprobs}")
    bias = {
        _token(key, tokenize, n_vocab): _number(value) for key, value in (logit_bias or {}).items()
    }
    return Constraints(grammar or "", bias, logprobs)


def _depth(grammar: str) -> int:
    """How deep groups nest; brackets inside literals and character classes do not count."""
    depth = deepest = 0
    for bracket in re.findall(r'"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|[()]', grammar):
        depth += {"(": 1, ")": -1}.get(bracket, 0)
        deepest = max(deepest, depth)
    return deepest


def _grammar_of(schema: str | Mapping[str, Any]) -> str:
    from edgesteer.engine.llama import json_schema_to_gbnf

    text = schema if isinstance(schema, str) else json.dumps(schema)
    try:
        return str(json_schema_to_gbnf(text))
    except Exception as error:  # the converter raises whatever it stumbles on
        raise InputError(
            f"this JSON schema can not be made a grammar: {type(error).__name__}: {error}",
            "Types, properties, required, enum, const, arrays, anyOf and local $ref are known.",
        ) from error


def _token(key: int | str, tokenize: Callable[[str], list[int]], n_vocab: int) -> int:
    if isinstance(key, int) or key.isdigit():
        number = int(key)
    else:
        found = tokenize(key)
        if len(found) != 1:
            raise InputError(
                f"{key!r} is {len(found)} tokens, and a bias is for one",
                "Give token ids: model.tokenize(text, special=False) tells them.",
            )
        number = found[0]
    if not 0 <= number < n_vocab:
        raise InputError(f"token {number} is outside the vocabulary of {n_vocab}")
    return number


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
        raise InputError(f"a logit bias must be a number, not {value!r}", "-inf forbids a token")
    return float(value)
