"""Names: what they may be, how a steering text quotes them, and which known ones come near.

Does not know which names exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from edgesteer.errors import InputError

__all__ = [
    "OPERATIONS",
    "check_file_name",
    "check_name",
    "did_you_mean",
    "looks_like_path",
    "quote_name",
    "slug",
    "unquote_name",
]

OPERATIONS = ("add", "ablate", "clamp", "rotate", "keepnorm")
"""What a steering term can do; also the words that may stand before a name as `WORD:`."""

NAME = r'(?:"(?:[^"]|"")*"|[^\s"=@?&<>]+)'
"""A regular expression for one name in a steering text, quoted or bare."""

NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
"""A number, as a steering text writes it."""

_BARE = re.compile(r'[^\s"=@?&<>]+')
_WORD = re.compile(rf"(?:{'|'.join(OPERATIONS)}):")
_LONGEST = 1024
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9]) *(?:\..*)?", re.IGNORECASE)
_FILE_NAME = re.compile(r"\w(?:[\w .+-]*[\w+-])?")


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


def check_file_name(name: str, what: str) -> str:
    """The name itself when it can be a file's name on every system, else InputError."""
    if _DEVICE.fullmatch(name):
        raise InputError(
            f"{name!r} can not be the name of a {what}", "Windows means a device by it: add a word"
        )
    if len(name) <= 100 and _FILE_NAME.fullmatch(name):
        return name
    raise InputError(
        f"{name!r} can not be the name of a {what}",
        "use letters, digits, '-', '_', '+', '.' and spaces; begin and end with a letter or digit",
    )


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """'Did you mean calm?' for the known words nearest to `word`; '' when none comes near.

    >>> did_you_mean("clam", ["calm", "formal"])
    'Did you mean calm?'
    """
    if len(word) > _LONGEST:  # nobody means it, and comparing takes long
        return ""
    known = {name.casefold(): name for name in words}
    near = get_close_matches(word.casefold(), known, n=2, cutoff=0.6)
    return f"Did you mean {' or '.join(known[name] for name in near)}?" if near else ""


def looks_like_path(text: str, suffix: str) -> bool:
    """Whether `text` is meant as a file's path rather than as a name in the library."""
    return text.lower().endswith(suffix) or "/" in text or "\\" in text or text.startswith("~")


def slug(text: str) -> str:
    """`text` as a folder's name.

    >>> slug("SmolLM2 135M / Instruct")
    'SmolLM2-135M-Instruct'
    """
    return re.sub(r"[^\w.+-]+", "-", text).strip("-.") or "model"
