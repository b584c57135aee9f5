"""What narrows an answer: a grammar, a JSON schema, biases of single tokens; what it reports.

Knows nothing of steering, which acts below all of these, nor of how tokens are drawn.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgesteer.errors import InputError
from edgesteer.plain import is_whole, shown

__all__ = ["Constraints", "read_constraints", "read_limits", "simplified"]

MAX_LOGPROBS = 100
_MAX_GRAMMAR, _MAX_DEPTH, _MAX_SCHEMA_DEPTH = 1 << 20, 100, 50
_MAX_MADE_DEPTH = 1000  # the converter of schemas writes maxLength as groups within groups
_MAX_REPEATS, _MAX_PARTS, _MAX_WRITTEN_OUT = 1000, 10_000, 1 << 20
_MAX_BIAS = 1e9  # float32 holds it beside any logit
_GRAMMAR_PART = re.compile(
    r"""(?P<text>"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\])|\#[^\r\n]*|(?P<group>[()])
    |(?P<many>[*+?]|\{\s*[0-9]*\s*,?\s*[0-9]*\s*\})|(?P<rule>::=)|[\w-]+""",
    re.VERBOSE | re.DOTALL,
)


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
    if grammar is not None and not isinstance(grammar, str):
        raise InputError(f"a grammar is GBNF text, not {shown(grammar)}", "root ::= [a-z]+")
    if json_schema is not None:
        grammar = _grammar_of(json_schema)
        _check_grammar(grammar, _MAX_MADE_DEPTH, "Lower maxLength and maxItems.")
    elif grammar:
        _check_grammar(grammar, _MAX_DEPTH, "Name the groups.")
    if logprobs is not None and not (is_whole(logprobs) and 0 <= logprobs <= MAX_LOGPROBS):
        raise InputError(
            f"logprobs must be a whole number, 0 to {MAX_LOGPROBS}, not {shown(logprobs)}",
            "0 reports the tokens alone, 5 as many alternatives with each.",
        )
    if not isinstance(logit_bias or {}, Mapping):
        raise InputError(
            f"logit_bias must map tokens to numbers, not {shown(logit_bias)}", 'write {"no": -5}'
        )
    bias = {
        _token(key, tokenize, n_vocab): _number(value) for key, value in (logit_bias or {}).items()
    }
    return Constraints(grammar or "", bias, logprobs)


def read_limits(max_tokens: int, stop: str | Sequence[str]) -> tuple[str, ...]:
    """The texts that end an answer, after a look at both limits. Raises InputError."""
    if not is_whole(max_tokens) or max_tokens < 1:
        raise InputError(
            f"max_tokens must be a whole number, 1 or more, not {shown(max_tokens)}",
            "512 is usual.",
        )
    texts = (stop,) if isinstance(stop, str) else tuple(stop) if hasattr(stop, "__iter__") else None
    if texts is None or not all(isinstance(text, str) for text in texts):
        raise InputError(f"stop must be a list of texts, not {shown(stop)}", 'write ["END"]')
    return texts


def _check_grammar(grammar: str, most: int, cure: str) -> None:
    """Refuses what llama.cpp's reader cuts short or has neither the stack nor the memory for."""
    if len(grammar) > _MAX_GRAMMAR:
        raise InputError("the grammar is longer than 1 MB", "Write a smaller one.")
    if "\0" in grammar:
        raise InputError("the grammar holds a NUL character", "Write \\x00 in a literal for it.")
    depth = parts = written_out = 0
    size = 1  # of what a repetition repeats, which is written out as often as it says
    for part in _GRAMMAR_PART.finditer(grammar):
        depth += {"(": 1, ")": -1}.get(part[0], 0)
        parts += part.lastgroup in ("group", "many", "rule")
        if part[0].startswith("{"):
            times = max((int(n[:9]) for n in re.findall("[0-9]+", part[0])), default=0)
            written_out += times * size
            if times > _MAX_REPEATS:
                raise InputError(
                    f"the grammar repeats {part[0][:40]}: {_MAX_REPEATS} is the most",
                    "Use * or +, and let max_tokens end the answer.",
                )
        size = len(part[0]) if part.lastgroup == "text" else 1
        if depth > most:
            raise InputError(f"the grammar nests deeper than {most} groups", cure)
        if parts > _MAX_PARTS or written_out > _MAX_WRITTEN_OUT:
            raise InputError("the grammar has too many parts", "Write a smaller one.")


def _grammar_of(schema: str | Mapping[str, Any]) -> str:
    from edgesteer.engine.llama import json_schema_to_gbnf

    try:
        text = schema if isinstance(schema, str) else json.dumps(schema)
        if _json_depth(text) > _MAX_SCHEMA_DEPTH:
            raise InputError(
                f"the JSON schema nests deeper than {_MAX_SCHEMA_DEPTH} levels",
                "Name its parts in $defs and refer to them with $ref.",
            )
        return str(json_schema_to_gbnf(json.dumps(simplified(json.loads(text)))))
    except InputError:
        raise
    except Exception as error:  # the converter raises whatever it stumbles on, RecursionError too
        raise InputError(
            f"this JSON schema can not be made a grammar: {type(error).__name__}: {error}",
            "Types, properties, required, enum, const, arrays, anyOf and local $ref are known.",
        ) from error


def simplified(schema: Any) -> Any:
    """The same JSON schema in words that the converter understands.

    It overlooks what stands beside a $ref at the root, and all of a lone allOf but its properties;
    and it takes the last part of a $ref for a rule's name, whatever else has that name.

    Raises InputError for a length that is too large.
    """
    plain = _plain(schema)
    if not isinstance(plain, dict):
        return plain
    if "$ref" in plain:
        plain["anyOf"] = [{"$ref": plain.pop("$ref")}]
    text, word = json.dumps(plain), "named"
    while word in text:
        word += "d"
    targets: dict[str, Any] = {}
    _rename_refs(plain, plain, word, {}, targets)
    return plain | ({word: targets} if targets else {})


def _plain(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    for key in ("minLength", "maxLength", "minItems", "maxItems"):  # each one is written out
        if is_whole(schema.get(key)) and schema[key] > _MAX_PARTS:
            raise InputError(f"the JSON schema has {key} {shown(schema[key])}", f"Lower {key}.")
    plain = {key: _plain(value) for key, value in schema.items()}
    only = plain.get("allOf")
    if isinstance(only, list) and len(only) == 1 and isinstance(only[0], dict):
        plain = {**{key: value for key, value in plain.items() if key != "allOf"}, **only[0]}
    return plain


def _rename_refs(
    value: Any, root: dict[str, Any], word: str, names: dict[str, str], targets: dict[str, Any]
) -> None:
    """Give each $ref a last part of its own; `names` and `targets` take what they are then."""
    if isinstance(value, list):
        for item in value:
            _rename_refs(item, root, word, names, targets)
    if not isinstance(value, dict):
        return
    ref = value.get("$ref")
    if isinstance(ref, str) and ref.startswith("#/"):
        if ref not in names:
            target: Any = root
            for part in ref[2:].split("/"):
                target = target.get(part) if isinstance(target, dict) else None
            if isinstance(target, dict):
                names[ref] = f"{word}{len(names):06}"
                targets[names[ref]] = target
        if ref in names:  # what leads nowhere is for the converter to tell
            value["$ref"] = f"#/{word}/{names[ref]}"
    for item in value.values():
        _rename_refs(item, root, word, names, targets)


def _json_depth(text: str) -> int:
    """How deep lists and objects nest; brackets inside texts do not count."""
    depth = deepest = 0
    for part in re.findall(r'"(?:\\.|[^"\\])*"|[\[{\]}]', text, re.DOTALL):
        depth += 1 if part in "[{" else -1 if part in "]}" else 0
        deepest = max(deepest, depth)
    return deepest


def _token(key: int | str, tokenize: Callable[[str], list[int]], n_vocab: int) -> int:
    if not is_whole(key) and not isinstance(key, str):
        raise InputError(
            f"a logit bias is for a token id or a text, not {shown(key)}", 'write {"no": -5}'
        )
    if not isinstance(key, str) or (key.isdecimal() and len(key) < 20):
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
        raise InputError(
            f"token {shown(number)} is outside the vocabulary of {n_vocab}",
            "model.tokenize(text, special=False) tells the ids of a text.",
        )
    return number


def _number(value: object) -> float:
    if not isinstance(value, bool) and isinstance(value, (int, float)) and value <= _MAX_BIAS:
        return max(float(value), -math.inf) if value >= -_MAX_BIAS else -math.inf
    raise InputError(
        f"a logit bias must be a number up to {_MAX_BIAS:g}, not {shown(value)}",
        "100 all but forces a token, -inf forbids it.",
    )
