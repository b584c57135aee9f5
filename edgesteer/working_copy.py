"""Working copies: a model's weights in a faster format, cached, sealed, and found again.

Does not know which format is fast (tune.py) nor how a copy is written (engine/requantise.py).
In the cache folder `copies`, by the SHA-256 of the original file:

    SHA-FORMAT.gguf      the copy
    SHA-FORMAT.json      its seal, written last: its own SHA-256, how close it is to the original
    SHA.json             the table of the last measurement, and the format that it chose

A copy without a seal that agrees with it does not count; an original that changes has another SHA.
"""

from __future__ import annotations

import json
import math
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from edgesteer.atomic import write_atomic
from edgesteer.errors import FileWriteError, InputError, NotFoundError

if TYPE_CHECKING:
    from edgesteer.library_models import ModelShelf

__all__ = ["BOUND", "FORMATS", "NEAR_LOSSLESS", "CopyShelf", "WorkingCopy", "split_name"]

FORMATS = ("q8_0", "bf16", "f16", "q4_0")
"""What a copy can be written as."""

NEAR_LOSSLESS = ("q8_0", "bf16", "f16")
"""Those that keep a quantised file's weights up to rounding: q4_0 loses again."""

BOUND = 0.02
"""Nats: the largest mean KL(original || copy) per token of neutral text that a copy may have."""

_ABANDONED = 3600.0  # seconds without a write, after which a temporary file is nobody's


@dataclass(frozen=True)
class WorkingCopy:
    """A sound copy: its file, its format, and how far its answers are from the original's.

    original   SHA-256 of the file that it was made from
    kl         mean KL(original || copy) per token of neutral text, in nats
    """

    path: Path
    format: str
    original: str
    kl: float
    n_bytes: int

    def __str__(self) -> str:
        return f"{self.format}, KL {self.kl:.4f}"

    def to_dict(self) -> dict[str, str | int | float]:
        """The copy as plain JSON values."""
        return {
            "format": self.format,
            "path": str(self.path),
            "size": self.n_bytes,
            "kl": self.kl,
        }


@dataclass(frozen=True)
class _Seal:
    format: str
    original: str
    sha256: str
    n_bytes: int
    kl: float
    bound: float
    edgesteer: str


def split_name(name: str) -> tuple[str, str]:
    """The model and the format in NAME@FORMAT; the format is empty when none is named.

    >>> split_name("smollm2@q8_0"), split_name("smollm2")
    (('smollm2', 'q8_0'), ('smollm2', ''))
    """
    head, _, tail = name.rpartition("@")
    return (head, tail.lower()) if head and tail.lower() in FORMATS else (name, "")


class CopyShelf:
    """The working copies of one library."""

    def __init__(self, library: ModelShelf) -> None:
        self._library = library
        self.folder = library.cache / "copies"

    def find(self, original: Path, format_name: str) -> WorkingCopy | None:
        """The copy of that format, if there is a sound one."""
        return self._sound(self._library.sha256(original), format_name)

    def need(self, original: Path, format_name: str, name: str) -> WorkingCopy:
        """As `find`. Raises NotFoundError, which tells a damaged copy from none."""
        found = self.find(original, format_name)
        if found is not None:
            return found
        path = self._file(self._library.sha256(original), format_name)
        what = "is damaged" if path.exists() else "has not been made"
        raise NotFoundError(
            f"the {format_name} working copy of {name} {what}",
            f"edgesteer models tune {name} --use {format_name}",
        )

    def all_of(self, original: Path) -> list[WorkingCopy]:
        """All sound copies of a model."""
        if not self.folder.is_dir():
            return []
        sha = self._library.sha256(original)
        return [copy for name in FORMATS if (copy := self._sound(sha, name)) is not None]

    def at(self, path: Path) -> WorkingCopy | None:
        """The sound copy that lies there; None for any other file."""
        if path.parent != self.folder:
            return None
        sha, _, format_name = path.stem.partition("-")
        return self._sound(sha, format_name)

    def trial(self, original: Path, format_name: str) -> Path:
        """A hidden name for a copy that has not been checked; old ones are swept up."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for old in self.folder.glob(".*"):
            with suppress(OSError):
                if time.time() - old.stat().st_mtime > _ABANDONED:
                    old.unlink()
        sha = self._library.sha256(original)
        return self.folder / f".{sha}-{format_name}.{secrets.token_hex(4)}.trial"

    def keep(self, original: Path, format_name: str, trial: Path, kl: float) -> WorkingCopy:
        """Move a checked copy into place and seal it. Raises InputError beyond the bound."""
        from edgesteer import __version__

        if not kl <= BOUND:
            raise InputError(
                f"the {format_name} copy is {kl:.3g} nats a token from the original, "
                f"more than {BOUND:g}: it is not kept",
                f"use one of {', '.join(NEAR_LOSSLESS)}",
            )
        sha = self._library.sha256(original)
        path = self._file(sha, format_name)
        path.with_suffix(".json").unlink(missing_ok=True)
        try:
            trial.replace(path)
        except OSError as error:
            raise FileWriteError(
                f"{path} was not written: {error.strerror}", "is the copy in use?"
            ) from error
        size = path.stat().st_size
        seal = _Seal(format_name, sha, self._library.sha256(path), size, kl, BOUND, __version__)
        write_atomic(path.with_suffix(".json"), json.dumps(asdict(seal), indent=2) + "\n")
        return WorkingCopy(path, format_name, sha, kl, size)

    def remove(self, original: Path) -> list[Path]:
        """Delete everything that was made of a model; returns the copies that are gone."""
        sha = self._library.sha256(original)
        gone = [path for path in self.folder.glob(f"{sha}-*.gguf") if path.is_file()]
        rest = [*self.folder.glob(f"{sha}-*.json"), *self.folder.glob(f".*{sha}-*")]
        for path in [self._table(sha), *rest, *gone]:
            path.unlink(missing_ok=True)
        return gone

    # -- the last measurement

    def table(self, original: Path) -> Mapping[str, object]:
        """What `save_table` kept of this model; empty when there is nothing readable."""
        if not self.folder.is_dir():
            return {}
        return _read(self._table(self._library.sha256(original)))

    def save_table(self, original: Path, table: Mapping[str, object]) -> None:
        """Remember a measurement; its "format" is the copy to use and "machine" where it holds."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self._table(self._library.sha256(original))
        write_atomic(file, json.dumps(table, indent=2) + "\n")

    def preferred(self, path: Path, name: str, machine: str) -> tuple[WorkingCopy | None, str]:
        """The copy to read `path` by on this machine, if one was chosen; else why not, if at all.

        A path that is a copy already is itself the answer.
        """
        if (itself := self.at(path)) is not None:
            return itself, ""
        table = self.table(path)
        chosen = table.get("format")
        if not chosen or not isinstance(chosen, str):
            return None, ""
        again = f"edgesteer models tune {name} --again"
        if table.get("machine") != machine:
            return None, f"working copies of {name} were measured elsewhere; to use one: {again}"
        found = self.find(path, chosen)
        if found is None:
            return None, f"the {chosen} working copy of {name} is damaged or gone; {again}"
        return found, ""

    def _file(self, sha: str, format_name: str) -> Path:
        return self.folder / f"{sha}-{format_name}.gguf"

    def _table(self, sha: str) -> Path:
        return self.folder / f"{sha}.json"

    def _sound(self, sha: str, format_name: str) -> WorkingCopy | None:
        path = self._file(sha, format_name)
        found = _read(path.with_suffix(".json"))
        try:
            seal = _Seal(**{field.name: found[field.name] for field in fields(_Seal)})  # type: ignore[arg-type]
            agrees = (
                (seal.original, seal.format) == (sha, format_name)
                and 0 <= seal.kl <= BOUND
                and math.isfinite(seal.kl)
                and path.stat().st_size == seal.n_bytes
                and self._library.sha256(path) == seal.sha256
            )
        except (KeyError, TypeError, OSError):
            return None
        return WorkingCopy(path, format_name, sha, seal.kl, seal.n_bytes) if agrees else None


def _read(path: Path) -> Mapping[str, object]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
