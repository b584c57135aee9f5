"""Where a table stands in a TOML text: its line, for messages.

Does not know what the tables mean, nor does it parse TOML: it looks for headers and braces.
"""

from __future__ import annotations

import re

__all__ = ["place_of"]

_TOKEN = re.compile(r'"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*|[{\]]')


def place_of(text: str, table: str, number: int) -> str:
    """`[[stems]] 3 (line 17)` for the third (from 1) table of that dotted name.

    Both ways to write a list of tables are found, headers and inline; the line is left out when
    neither is.

    >>> place_of("[[stems]]\\nuser = 'a'\\n[[stems]]\\nuser = 'b'", "stems", 2)
    '[[stems]] 2 (line 3)'
    >>> place_of("stems = [\\n  { user = 'a' },\\n  { user = 'b' },\\n]", "stems", 2)
    '[[stems]] 2 (line 3)'
    """
    starts = _headers(text, table) or _inline(text, table)
    line = ""
    if number <= len(starts):
        line = f" (line {text.count(chr(10), 0, starts[number - 1]) + 1})"
    return f"[[{table}]] {number}{line}"


def _headers(text: str, table: str) -> list[int]:
    dotted = r"\s*\.\s*".join(re.escape(part) for part in table.split("."))
    pattern = rf"^[ \t]*(?=\[\[\s*{dotted}\s*\]\])"
    return [match.end() for match in re.finditer(pattern, text, re.MULTILINE)]


def _inline(text: str, table: str) -> list[int]:
    """Where each `{` of `key = [{...}, {...}]` stands."""
    parent, _, key = table.rpartition(".")
    begin = 0
    if parent:
        header = re.search(rf"^[ \t]*\[\s*{re.escape(parent)}\s*\]", text, re.MULTILINE)
        if header is None:
            return []
        begin = header.end()
    first = re.compile(rf"^[ \t]*{re.escape(key)}\s*=\s*\[", re.MULTILINE).search(text, begin)
    found: list[int] = []
    if first is not None:
        for token in _TOKEN.finditer(text, first.end()):
            if token.group() == "]":
                break
            if token.group() == "{":
                found.append(token.start())
    return found
