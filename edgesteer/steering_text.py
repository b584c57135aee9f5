"""The steering grammar: text <-> plain dicts, one dict a term.

Does not know vectors or models, nor which names exist.

    [OP:]NAME[=STRENGTH][@LAYERS][?KEY=VALUE[&KEY=VALUE...]]     terms are separated by spaces

    OP        add (when left out), ablate, clamp, rotate, keepnorm
    NAME      a library name or a path; in double quotes when it has spaces or one of = @ ? & < > ";
              a double quote inside is doubled
    STRENGTH  a number; 1 when left out
    LAYERS    8, 8-16, 40%-80%, 8,10,12-14, all, or recommended (the same as leaving it out)
    if        NAME>0.3 or NAME<0.3, with @LAYER after it: a gate, open when the read-out passes
    scope     last, mean or token: what of the prompt the gate reads
    unit      score or raw: what the threshold is counted in (see gate.py)
    close     a number: a gate read at each token closes there, not already at its threshold
    hold      N: a gate read at each token stays open for N tokens more
    on        all, prompt, generated, last:N or A-B: the token positions that are steered
    decay     N: the strength falls to nothing over N generated tokens
    after     N: nothing happens before N tokens were generated
    toward    NAME: the second direction of a rotation
    by        weights: an ablation edits the model's weights, not its activations

The dict of a term has the keys vector, strength, layers, operation, positions, decay, after, if,
scope, unit, close, hold, toward and by; all but the first two are left out when they say nothing.
"on" is another word for "positions" there too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from edgesteer.errors import SteeringError
from edgesteer.layers import LayerRange
from edgesteer.names import NAME, NUMBER, OPERATIONS, did_you_mean, quote_name, unquote_name
from edgesteer.plain import shown

__all__ = [
    "MEANS",
    "SCOPES",
    "TERM_KEYS",
    "UNITS",
    "check_number",
    "format_gate",
    "format_number",
    "format_term",
    "parse_gate",
    "parse_number",
    "parse_positions",
    "parse_text",
    "suggest",
]

SCOPES = ("last", "mean", "token")
UNITS = ("score", "raw")
MEANS = ("activations", "weights")
TERM_KEYS = (
    "vector", "strength", "layers", "operation", "positions", "decay", "after", "if", "scope",
    "unit", "close", "hold", "toward", "by",
)  # fmt: skip
"""The keys of a term's dict, in the order in which they are written."""

_OPTIONS = ("if", "scope", "unit", "close", "hold", "on", "decay", "after", "toward", "by")
_WRITTEN = ("if", "scope", "unit", "close", "hold", "positions", "decay", "after", "toward", "by")
# A doubled quote ends one quoted piece and begins the next: the text can be cut in one way only.
_VALUE = r'(?:[^\s"&]|"[^"]*")*'
_TERM = re.compile(
    rf"(?:(?P<op>{'|'.join(OPERATIONS)}):)?(?P<name>{NAME})"
    rf'(?:=(?P<strength>[^\s"@?]*))?(?:@(?P<layers>[^\s"?]*))?'
    rf"(?P<options>\?{_VALUE}(?:&{_VALUE})*)?(?=\s|\Z)"
)
_SPACE = re.compile(r"\s*")
_TOKEN = re.compile(r'(?:[^\s"]|"[^"]*"?)+')
_OPTION = re.compile(rf"({_VALUE})(?:&|\Z)")
_WHOLE = re.compile(r"[0-9]{1,9}")
_LAYER = re.compile(r"[0-9]{1,6}")
_GATE = re.compile(rf"(?P<name>{NAME})(?P<sign>[<>])(?P<threshold>[^\s@]+)(?:@(?P<layer>.*))?")
_LAST = re.compile(r"last:([0-9]{1,9})")
_WINDOW = re.compile(r"([0-9]{1,9})-([0-9]{1,9})")
_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]{1,2}")  # a decimal comma
_LIST = re.compile(r"[+-]?[0-9.,]*[0-9][,;](?:.*[^0-9.,;].*)?")  # 1,happy=2: terms parted otherwise
_LONGEST = 1 << 16
_SHAPE = "write NAME=STRENGTH@LAYERS, such as calm=1.2@8-16; terms are separated by spaces"


def parse_text(text: str) -> list[dict[str, Any]]:
    """The terms of a steering text, as dicts. An empty text has none.

    Raises SteeringError, and LayerError for a bad layer range.
    """
    if len(text) > _LONGEST:
        raise SteeringError(f"the steering text has {len(text)} characters", "make it shorter")
    terms: list[dict[str, Any]] = []
    pos = _space(text, 0)
    while pos < len(text):
        match = _TERM.match(text, pos)
        if not match:
            _refuse(text, pos)
        terms.append(_term(match))
        pos = _space(text, match.end())
    return terms


def format_term(term: Mapping[str, Any]) -> str:
    """The canonical text of one term's dict (as `Term.to_dict` makes it)."""
    operation = term.get("operation", "add")
    text = "" if operation == "add" else f"{operation}:"
    text += f"{quote_name(term['vector'])}={format_number(term['strength'])}"
    if "layers" in term:
        text += f"@{term['layers']}"
    options = [
        f"{'on' if key == 'positions' else key}={_option_text(key, term[key])}"
        for key in _WRITTEN
        if key in term
    ]
    return text + (f"?{'&'.join(options)}" if options else "")


def parse_gate(text: str) -> tuple[str, float, int | None, bool]:
    """(vector, threshold, layer, above) of "harmful>0.3@12". Raises SteeringError."""
    match = _GATE.fullmatch(text)
    if not match:
        raise SteeringError(f"{text!r} is not a gate", "write if=NAME>0.3 or if=NAME<0.3@LAYER")
    layer = match["layer"]
    if layer is not None and not _LAYER.fullmatch(layer):
        raise SteeringError(f"the gate {text!r} needs one layer number after @", "write @12")
    return (
        unquote_name(match["name"]),
        parse_number(match["threshold"], "the threshold of a gate"),
        None if layer is None else int(layer),
        match["sign"] == ">",
    )


def format_gate(vector: str, threshold: float, layer: int | None, above: bool) -> str:
    """The text that `parse_gate` reads back."""
    at = "" if layer is None else f"@{layer}"
    return f"{quote_name(vector)}{'>' if above else '<'}{format_number(threshold)}{at}"


def parse_positions(text: object) -> str:
    """The positions in their one spelling: all, prompt, generated, last:N or A-B.

    Raises SteeringError.
    """
    if text in ("all", "prompt", "generated"):
        return str(text)
    hint = "write all, prompt, generated, last:4 or 0-15"
    if isinstance(text, str):
        if (last := _LAST.fullmatch(text)) and int(last[1]) > 0:
            return f"last:{int(last[1])}"
        if window := _WINDOW.fullmatch(text):
            first, end = int(window[1]), int(window[2])
            if first <= end:
                return f"{first}-{end}"
            hint = f"write {end}-{first}"
    raise SteeringError(f"{text!r} names no token positions", hint)


def parse_number(text: str, what: str) -> float:
    """The finite number that a text says. Raises SteeringError."""
    if not NUMBER.fullmatch(text):
        raise _no_number(text, what)
    return check_number(float(text), what)


def check_number(value: object, what: str) -> float:
    """The value as a float, when it is a finite number (no text). Raises SteeringError."""
    if isinstance(value, (bool, str)) or not hasattr(value, "__float__"):
        raise _no_number(value, what)
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):  # an array, an integer beyond every float
        number = math.nan
    if not math.isfinite(number):
        raise _no_number(value, what)
    return number + 0.0  # -0.0 becomes 0.0


def format_number(value: float) -> str:
    """The shortest text that reads back as the same number."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def suggest(word: str, known: Iterable[str]) -> str:
    """ "did you mean X?" when a known word is near, else the known words."""
    words = list(known)
    return did_you_mean(word, words) or f"known are: {', '.join(words)}"


def _no_number(value: object, what: str) -> SteeringError:
    hint = "write 1.2 or -0.5"
    if isinstance(value, str) and _COMMA.fullmatch(value):
        hint = f"write {value.replace(',', '.')}"
    elif isinstance(value, str) and _LIST.fullmatch(value):
        hint = "terms are separated by blanks: calm=1 happy=0.5"
    return SteeringError(f"{what} must be a finite number, not {shown(value)}", hint)


def _term(match: re.Match[str]) -> dict[str, Any]:
    name, strength = unquote_name(match["name"]), match["strength"]
    term: dict[str, Any] = {"vector": name, "strength": 1.0}
    if strength is not None:
        term["strength"] = parse_number(strength, f"the strength of {name}")
    if match["op"]:
        term["operation"] = match["op"]
    if (layers := match["layers"]) is not None and layers != "recommended":
        term["layers"] = str(LayerRange.parse(layers))
    if match["options"]:
        term |= _options(match["options"][1:], name)
    return term


def _options(text: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    pos = 0
    while pos <= len(text):
        match = _OPTION.match(text, pos)
        item = match[1] if match else ""
        key, equals, value = item.partition("=")
        if key not in _OPTIONS and value:
            raise SteeringError(
                f"unknown key {key!r} after the ? of {name}", suggest(key, _OPTIONS)
            )
        if key not in _OPTIONS or not equals or not value:
            raise SteeringError(
                f"{item!r} after the ? of {name} is not KEY=VALUE", suggest(key, _OPTIONS)
            )
        if key == "on":
            key = "positions"
        if key in found:
            raise SteeringError(f"{key!r} comes twice after the ? of {name}", "keep one of them")
        found[key] = _option_value(key, value, name)
        pos = match.end() if match and match[0].endswith("&") else len(text) + 1
    return found


def _option_value(key: str, value: str, name: str) -> Any:
    if key == "close":
        return parse_number(value, f"close of {name}")
    if key in ("decay", "after", "hold"):
        if not _WHOLE.fullmatch(value):
            raise SteeringError(f"{key} of {name} must be a number of tokens, not {value!r}", "64")
        return int(value)
    if key == "toward":
        if not re.fullmatch(NAME, value):
            raise SteeringError(f"toward={value} is not a name", 'quote it: toward="a name"')
        return unquote_name(value)
    return value


def _option_text(key: str, value: Any) -> str:
    if key == "close":
        return format_number(value)
    return quote_name(value) if key == "toward" else str(value)


def _space(text: str, pos: int) -> int:
    match = _SPACE.match(text, pos)
    return match.end() if match else pos


def _refuse(text: str, pos: int) -> NoReturn:
    token = _TOKEN.match(text, pos)
    item = token[0] if token else text[pos : pos + 40]
    shown = repr(item if len(item) <= 60 else item[:57] + "...")
    if item.count('"') % 2:
        raise SteeringError(f"the double quote in {shown} is not closed", 'close it with "')
    if item.startswith("="):
        raise SteeringError(f"a steering term can not start with {shown}", "no spaces around =")
    raise SteeringError(f"{shown} is not a steering term", _SHAPE)
