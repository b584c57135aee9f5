"""What a vector's name may be, and how it is quoted in a steering text.

Does not know which names exist.
"""

from __future__ import annotations

import re

from edgesteer.errors import InputError

__all__ = ["OPERATIONS", "check_name", "quote_name", "unquote_name"]

OPERATIONS = ("add", "ablate", "clamp", "rotate", "keepnorm")
"""What a steering term can do; also the words that may stand before a name as `WORD:`."""

NAME = r'(?:"(?:[^"]|"")*"|[^\s"=@?&<>]+)'
"""A regular expression for one name in a steering text, quoted or bare."""

_BARE = re.compile(r'[^\s"=@?&<>]+')
_WORD = re.compile(rf"(?:{'|'.join(OPERATIONS)}):")
_LONGEST = 1024


def check_name(name: object) -> str:
    """The name itself, when it is text of 1 to 1024 printable characters. Raises InputError."""
    if not isinstance(name, str):
        raise InputError(f"a vector's name must be text, not {type(name).__name__}", "quote it")
    if not name.strip():
        raise InputError("a vector's name is empty", "give it a name, such as calm")
    if len(name) > _LONGEST:
        raise InputError(f"a vector's name has {len(name)} characters", f"at most {_LONGEST} fit")
    if not name.isprintable():
        raise InputError(
            f"the name {name[:40]!r} has characters that can not be shown",
            "use letters, digits, spaces and punctuation",
        )
    return name


def quote_name(name: str) -> str:
    """The name as a steering text has it: in double quotes when it must be, `"` doubled."""
    if _BARE.fullmatch(name) and not _WORD.match(name):
        return name
    return '"' + name.replace('"', '""') + '"'


def unquote_name(text: str) -> str:
    """What `quote_name` made its text from."""
    return text[1:-1].replace('""', '"') if text.startswith('"') else text
