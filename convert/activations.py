"""Activations: residual-stream rows of some texts, with the model that they came from.

Does not know how they were captured, nor what a contrast is beyond a sign on each row.

A saved file (.npz, no pickle) holds:

    rows      float32 [n, L, d]    layers    int32 [L]
    signs     int8 [n]             n_tokens  int32 [n]
    owners    int32 [n]            header    uint8, JSON: format, positions, capture, model, source,
                                             facts
"""

from __future__ import annotations

import json
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgesteer.atomic import write_atomic
from edgesteer.errors import EdgesteerError, InputError, NotFoundError
from edgesteer.identity import ModelIdentity

__all__ = ["UNREADABLE", "Activations"]

Array = NDArray[np.float32]
Whole = NDArray[np.int32]

FORMAT = 1
POSITIVE, NEGATIVE = 1, -1
_ARRAYS = {"rows": "<f4", "layers": "<i4", "signs": "i1", "n_tokens": "<i4", "owners": "<i4"}
_MEMBERS = {*_ARRAYS, "header"}
UNREADABLE = (
    EdgesteerError,
    EOFError,
    MemoryError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What zipfile, numpy and json raise on a damaged or hostile file."""


@dataclass(frozen=True, eq=False)
class Activations:
    """Rows of the residual stream: the outputs of blocks `layers` at stated token positions.

    rows       float32 [n, L, d]: one a text for each position, or one a token with "all"
    layers     the L block numbers, rising (layers.py states the convention)
    positions  which tokens, as capture/positions.py writes them: "last", "prompt-1,prompt", "all"
    model      the model that the texts went through
    capture    which program read them, "llama" or "torch", with what matters to the values
    signs      int8 [n]: +1 positive, -1 negative, 0 neither
    n_tokens   int32 [n]: tokens of the text of each row
    owners     int32 [n]: number of the text of each row
    source     sha256 of the contrast pairs, "" when there were none
    facts      what else is known of the texts, plain JSON data

    Raises InputError when shapes disagree or a value is not finite.
    """

    rows: Array
    layers: tuple[int, ...]
    positions: str
    model: ModelIdentity
    capture: str
    signs: NDArray[np.int8]
    n_tokens: Whole
    owners: Whole
    source: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            raise InputError(f"these activations are unusable: {problem}", "capture them again")
        for name in _ARRAYS:
            if name != "layers":
                getattr(self, name).setflags(write=False)

    @classmethod
    def of(
        cls,
        rows: Array,
        layers: tuple[int, ...],
        model: ModelIdentity,
        *,
        positions: str = "last",
        capture: str = "",
        n_tokens: ArrayLike | None = None,
        owners: ArrayLike | None = None,
    ) -> Activations:
        """Unsigned rows float32 [n, L, d]; without `owners` every row is a text of its own."""
        n = len(rows)
        return cls(
            rows=np.ascontiguousarray(rows, np.float32),
            layers=tuple(layers),
            positions=positions,
            model=model,
            capture=capture,
            signs=np.zeros(n, np.int8),
            n_tokens=np.array(np.zeros(n) if n_tokens is None else n_tokens, np.int32),
            owners=np.array(np.arange(n) if owners is None else owners, np.int32),
        )

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def positive(self) -> Array:
        """float32 [n_positive, L, d]."""
        return np.asarray(self.rows[self.signs == POSITIVE])

    @property
    def negative(self) -> Array:
        """float32 [n_negative, L, d]."""
        return np.asarray(self.rows[self.signs == NEGATIVE])

    def signed(self, signs: NDArray[np.int8], source: str) -> Activations:
        """The same rows, each told whether it is positive (+1) or negative (-1)."""
        return replace(self, signs=np.array(signs, np.int8), source=source)

    def slice(self, start: int, stop: int) -> Activations:
        """Rows start..stop-1."""
        return self.take(range(start, stop))

    def take(self, rows: Iterable[int]) -> Activations:
        """Those rows, in that order."""
        part = np.fromiter(rows, np.int64)
        return replace(
            self,
            rows=self.rows[part],
            signs=self.signs[part],
            n_tokens=self.n_tokens[part],
            owners=self.owners[part],
        )

    def restricted(self, layers: tuple[int, ...]) -> Activations:
        """The same rows at some of their layers."""
        columns = [self.layers.index(layer) for layer in layers]
        return replace(self, rows=np.ascontiguousarray(self.rows[:, columns]), layers=layers)

    @property
    def places(self) -> tuple[str, ...]:
        """The positions one by one."""
        return tuple(self.positions.split(","))

    def at(self, place: int) -> Activations:
        """The rows of one of several positions, by its number in `places`."""
        places = self.places
        part = np.s_[place :: len(places)]
        return replace(
            self,
            rows=self.rows[part],
            positions=places[place],
            signs=self.signs[part],
            n_tokens=self.n_tokens[part],
            owners=self.owners[part],
        )

    def residual_norms(self) -> dict[int, float]:
        """Median length of the rows at each layer: what a direction's length is compared with."""
        norms = np.median(np.linalg.norm(self.rows, axis=2), axis=0)
        return {layer: float(norm) for layer, norm in zip(self.layers, norms, strict=True)}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes an .npz file, whole or not at all. Raises FileWriteError."""
        header = {
            "format": FORMAT,
            "positions": self.positions,
            "capture": self.capture,
            "model": self.model.to_dict(),
            "source": self.source,
            "facts": dict(self.facts),
        }
        text = json.dumps(header, sort_keys=True).encode()
        arrays: dict[str, Any] = {
            name: np.asarray(getattr(self, name), kind) for name, kind in _ARRAYS.items()
        }
        arrays["header"] = np.frombuffer(text, np.uint8)

        def fill(temp: Path) -> None:
            with temp.open("wb") as file:
                np.savez(file, **arrays)

        return write_atomic(path, fill)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Activations:
        """Reads a file of `save`, without pickle.

        Raises NotFoundError when there is no such file, InputError when it is not such a file.
        """
        if not Path(path).is_file():
            raise NotFoundError(f"there is no file {path}", "capture first, or check the path")
        try:
            arrays, header = _read(Path(path))
            return cls(
                rows=arrays["rows"],
                layers=tuple(int(layer) for layer in arrays["layers"].ravel()),
                positions=_text(header, "positions"),
                model=ModelIdentity.from_dict(_table(header, "model")),
                capture=_text(header, "capture"),
                signs=arrays["signs"],
                n_tokens=arrays["n_tokens"],
                owners=arrays["owners"],
                source=_text(header, "source"),
                facts=_table(header, "facts"),
            )
        except UNREADABLE as error:
            raise InputError(
                f"{path} holds no activations that can be read: {error}",
                "capture them again; only .npz files that edgesteer wrote are read",
            ) from error


def _read(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, object]]:
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if {member.filename for member in members} != {f"{name}.npy" for name in _MEMBERS}:
            raise ValueError("its members are not those of an activations file")
        if sum(member.file_size for member in members) > size:
            raise ValueError("its members are larger than the file")
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in _MEMBERS}
    for name, kind in _ARRAYS.items():
        if arrays[name].dtype != np.dtype(kind):
            raise ValueError(f"{name} is {arrays[name].dtype}, not {np.dtype(kind)}")
    header = json.loads(arrays.pop("header").tobytes().decode("utf-8"))
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ValueError("its header is not of a known format")
    return arrays, header


def _text(header: Mapping[str, object], key: str) -> str:
    value = header.get(key)
    if isinstance(value, str):
        return value
    raise InputError(f"{key} is not a text")


def _table(header: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = header.get(key)
    if isinstance(value, dict):
        return value
    raise InputError(f"{key} is not a table")


def _problem(a: Activations) -> str:
    if a.rows.ndim != 3 or a.rows.dtype != np.float32:
        return f"rows are {a.rows.dtype} {list(a.rows.shape)}, not float32 [n, L, d]"
    n, n_layers, width = a.rows.shape
    if not n or not n_layers:
        return "there are no rows"
    if len(a.layers) != n_layers or list(a.layers) != sorted(set(a.layers)):
        return f"{n_layers} layers of rows are numbered {list(a.layers)}"
    if a.layers[0] < 0 or a.layers[-1] >= a.model.n_layer:
        return f"layer {a.layers[-1]} of a model with {a.model.n_layer} layers"
    if width != a.model.n_embd:
        return f"the rows are {width} wide, the model is {a.model.n_embd}"
    for name in ("signs", "n_tokens", "owners"):
        if getattr(a, name).shape != (n,):
            return f"{name} does not hold one number for each of {n} rows"
    if not np.isfinite(a.rows).all():
        return "a value is not finite"
    return ""
