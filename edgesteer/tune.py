"""Measures in which format a model runs fastest on this machine, and makes the working copy.

Does not know where copies are kept (working_copy.py) nor how one is written
(engine/requantise.py).
"""

from __future__ import annotations

import hashlib
import itertools
import math
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgesteer.errors import EdgesteerError, InputError
from edgesteer.gguf_header import read_header
from edgesteer.working_copy import BOUND, FORMATS, NEAR_LOSSLESS, CopyShelf, split_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgesteer.library import Library, ModelEntry
    from edgesteer.model import Model

__all__ = ["LIMIT", "Row", "Table", "format_of", "machine", "remembered", "tune"]

LIMIT = 4_000_000_000
"""Bytes: the largest file that is copied without being asked to."""

_GAIN = 1.15  # a copy must read that much faster than the original
_SECONDS = 0.6  # of reading, by the original
_MOST_TOKENS = 512
_turn = itertools.count()

Open = Callable[[Path], "Model"]
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Row:
    """One format: bytes of the file, tokens a second, and nats from the original.

    `problem` says why there are no figures, or why the copy may not be used.
    """

    format: str
    n_bytes: int = 0
    prefill: float = 0.0
    decode: float = 0.0
    kl: float = 0.0
    problem: str = ""


@dataclass(frozen=True)
class Table:
    """What was measured, the original first. `format` is the copy to use, "" for the original."""

    rows: tuple[Row, ...]
    format: str
    machine: str
    bound: float = BOUND

    def to_dict(self) -> dict[str, object]:
        """Plain JSON values."""
        return asdict(self)

    @property
    def gain(self) -> float:
        """How many times faster than the original the chosen format reads."""
        speeds = {row.format: row.prefill for row in self.rows}
        first = self.rows[0].prefill
        return speeds.get(self.format, first) / first if first else 1.0


def machine(device: str = "auto", gpu_layers: int | None = None) -> str:
    """A short key that changes with the processor, with llama.cpp and with CPU or GPU.

    Raises DeviceError when a GPU is asked for and there is none.
    """
    from edgesteer.engine import llama

    on_gpu = llama.plan_offload(device, gpu_layers, 1).layers > 0
    facts = (_processor(), platform.machine(), llama.system_info(), llama.version(), on_gpu)
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def format_of(path: Path) -> str:
    """A file's format as its header names it, such as "q4_k_m"; else that of most of its bytes."""
    from gguf import GGMLQuantizationType, LlamaFileType

    header = read_header(path)
    counts: Counter[int] = Counter()
    for info in header.tensors.values():
        counts[info.type] += info.nbytes or 0
    for kinds, number in (
        (LlamaFileType, header.kv.get("general.file_type")),
        (GGMLQuantizationType, counts.most_common(1)[0][0]),
    ):
        with suppress(ValueError):
            name = str(kinds(number).name)
            return name.removeprefix("MOSTLY_").removeprefix("ALL_").lower()
    return "unknown"


def remembered(library: Library, original: Path, key: str) -> Table | None:
    """The last measurement on this machine, if the copy that it chose is still sound."""
    shelf = CopyShelf(library)
    found = shelf.table(original)
    chosen, listed = found.get("format"), found.get("rows")
    if found.get("machine") != key or not isinstance(chosen, str) or not isinstance(listed, list):
        return None
    if chosen and shelf.find(original, chosen) is None:
        return None
    try:
        rows = tuple(Row(**{f.name: row[f.name] for f in fields(Row)}) for row in listed)
    except (KeyError, TypeError):
        return None
    return Table(rows, chosen, key) if rows else None


def tune(
    library: Library,
    entry: ModelEntry,
    open_model: Open,
    *,
    key: str,
    use: str = "",
    large: bool = False,
    progress: Progress | None = None,
) -> Table:
    """Measure the formats, keep the fastest near-lossless copy, remember the table.

    Args:
        library: where copies are cached.
        entry: the original.
        open_model: opens a GGUF file as it is going to run.
        key: this machine, from :func:`machine`.
        use: measure and keep this format, fast or not, and use it from now on.
        large: also when the original is larger than ``LIMIT``.
        progress: called with (formats done, formats in all, what).

    Raises:
        InputError: the model is a copy itself, is too large, or `use` has a copy beyond the bound.
        ModelError, FileWriteError: with `use`, the copy can not be made; without, its row says so.
    """
    _check(library, entry, use, large)
    own = format_of(entry.path)
    if use == own:
        raise InputError(f"{entry.name} is {use} already", f"use {entry.name} itself")
    wanted = [use] if use else [name for name in FORMATS if name != own]
    tell = progress or (lambda _done, _total, _what: None)
    tell(0, len(wanted) + 1, own)
    with open_model(entry.path) as model:
        plain = _Texts.read(model)
        n_tokens = _affordable(model)
        rows = [_speeds(model, entry.path, own, 0.0, n_tokens)]
    trials: dict[str, Path] = {}
    try:
        for number, name in enumerate(wanted, 1):
            tell(number, len(wanted) + 1, name)
            made = _Attempt(library, entry, open_model, plain, n_tokens)
            rows.append(made.measure(name, trials, strict=bool(use)))
            _drop_slower(trials, rows)
        with open_model(entry.path) as model:  # again, so that a busy moment does not decide
            rows[0] = _better(rows[0], _speeds(model, entry.path, own, 0.0, n_tokens))
        best = use or _fastest(rows)
        if best in trials:
            CopyShelf(library).keep(entry.path, best, trials[best], _row(rows, best).kl)
    finally:
        for path in trials.values():
            path.unlink(missing_ok=True)
    tell(len(wanted) + 1, len(wanted) + 1, "done")
    table = Table(tuple(_merged(rows, remembered(library, entry.path, key))), best, key)
    CopyShelf(library).save_table(entry.path, table.to_dict())
    return table


def _check(library: Library, entry: ModelEntry, use: str, large: bool) -> None:
    if CopyShelf(library).at(entry.path) is not None or split_name(entry.name)[1]:
        raise InputError(f"{entry.name} is a working copy itself", "tune the original")
    if use and use not in FORMATS:
        raise InputError(f"no format {use!r}", f"known: {', '.join(FORMATS)}")
    size = entry.path.stat().st_size
    if size > LIMIT and not large:
        raise InputError(
            f"{entry.name} has {size / 1e9:.1f} GB: its copies would fill much of a disk",
            f"edgesteer models tune {entry.name} --large makes them all the same",
        )


@dataclass(frozen=True)
class _Texts:
    """Neutral text, and what the original says of it."""

    tokens: tuple[list[int], ...]
    logits: tuple[NDArray[np.float32], ...]

    @classmethod
    def read(cls, model: Model) -> _Texts:
        from edgesteer.measure.texts import NEUTRAL

        tokens = tuple(model.tokenize(text)[: model.n_ctx - 1] for text in NEUTRAL[:2])
        return cls(tokens, tuple(model.logits(one, first=1) for one in tokens))

    def distance(self, model: Model) -> float:
        """Mean KL(original || model) per token, nats."""
        from edgesteer.measure.kl import kl

        pairs = zip(self.tokens, self.logits, strict=True)
        rows = [kl(plain, model.logits(tokens, first=1)) for tokens, plain in pairs]
        return float(np.concatenate(rows).mean())


@dataclass(frozen=True)
class _Attempt:
    """Makes and measures copies of one model."""

    library: Library
    entry: ModelEntry
    open_model: Open
    plain: _Texts
    n_tokens: int

    def measure(self, name: str, trials: dict[str, Path], *, strict: bool) -> Row:
        """The row of a format. A new copy that may be used is left in `trials`."""
        trial: Path | None = None
        try:
            kept = CopyShelf(self.library).find(self.entry.path, name)
            path = kept.path if kept is not None else (trial := self._write(name))
            with self.open_model(path) as model:
                distance = self.plain.distance(model)
                row = _speeds(model, path, name, distance, self.n_tokens)
        except BaseException as error:
            if trial is not None:
                trial.unlink(missing_ok=True)
            if strict or not isinstance(error, EdgesteerError):
                raise
            return Row(name, problem=error.message)
        if not strict and not distance <= BOUND:
            row = replace(row, problem=f"too far from the original: more than {BOUND:g}")
        elif not strict and name not in NEAR_LOSSLESS:
            row = replace(row, problem="lossy again: never chosen by itself")
        if trial is not None and row.problem:
            trial.unlink(missing_ok=True)
        elif trial is not None:
            trials[name] = trial
        return row

    def _write(self, name: str) -> Path:
        from edgesteer.engine.requantise import requantise

        trial = CopyShelf(self.library).trial(self.entry.path, name)
        return requantise(self.entry.path, trial, name)


def _passage(model: Model, n_tokens: int) -> list[int]:
    from edgesteer.measure.texts import NEUTRAL

    tokens = model.tokenize(" ".join(NEUTRAL))
    return (tokens * math.ceil(n_tokens / len(tokens)))[:n_tokens]


def _reading(model: Model, n_tokens: int) -> float:
    """Tokens a second of a capture, the job that copies are for."""
    tokens = _passage(model, n_tokens)
    first = next(_turn) % n_tokens  # from elsewhere each time: a beginning is never read twice
    tokens = tokens[first:] + tokens[:first]
    start = time.perf_counter()
    model.capture([tokens], None, "last")
    return n_tokens / max(time.perf_counter() - start, 1e-9)


def _affordable(model: Model) -> int:
    """How many tokens this model reads in about half a second."""
    first = min(32, model.n_ctx // 4)
    _reading(model, first)  # the first pass also makes the context
    return max(min(int(_reading(model, first) * _SECONDS), _MOST_TOKENS, model.n_ctx // 2), first)


def _speeds(model: Model, path: Path, name: str, distance: float, n_tokens: int) -> Row:
    _reading(model, min(n_tokens, 32))
    prefill = max(_reading(model, n_tokens) for _ in range(2))
    reply = model.ask(
        "The", raw=True, temperature=0.0, max_tokens=min(32, max(8, n_tokens // 8)), ignore_eos=True
    )
    size = path.stat().st_size if path.is_file() else 0
    speed = reply.timing.tokens_per_s
    return Row(name, size, round(prefill, 1), round(speed, 1), round(distance, 6))


def _better(one: Row, other: Row) -> Row:
    """The higher of two speeds each."""
    fastest = max(one.prefill, other.prefill), max(one.decode, other.decode)
    return replace(one, prefill=fastest[0], decode=fastest[1])


def _drop_slower(trials: dict[str, Path], rows: Iterable[Row]) -> None:
    """Keeps of the new copies the one that leads, so that the disk never holds more than two."""
    speeds = {row.format: row.prefill for row in rows}
    for name in sorted(trials, key=speeds.__getitem__)[:-1]:
        trials.pop(name).unlink(missing_ok=True)


def _fastest(rows: list[Row]) -> str:
    usable = [row for row in rows[1:] if row.format in NEAR_LOSSLESS and not row.problem]
    best = max(usable, key=lambda row: row.prefill, default=None)
    return best.format if best and best.prefill >= _GAIN * rows[0].prefill else ""


def _row(rows: Iterable[Row], name: str) -> Row:
    return next(row for row in rows if row.format == name)


def _merged(rows: list[Row], before: Table | None) -> list[Row]:
    """The new rows, and those of an earlier measurement that were not measured again."""
    known = {row.format: row for row in (before.rows if before else ())}
    known.update({row.format: row for row in rows})
    return [rows[0], *(known[name] for name in FORMATS if name in known and name != rows[0].format)]


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return names[0] if names else platform.processor()
