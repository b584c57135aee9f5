"""The vectors that requests can name: found by name alone, never by a path, and kept in memory.

Does not know requests, nor what a vector does to an answer.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgesteer.errors import EdgesteerError, LayerError, NotFoundError
from edgesteer.identity import ModelIdentity
from edgesteer.layers import LayerRange
from edgesteer.library import Library
from edgesteer.monitor.readout import Readout
from edgesteer.names import looks_like_path
from edgesteer.server.errors import FieldError
from edgesteer.terms import Term
from edgesteer.vector import ControlVector

__all__ = ["NamedVectors"]


class NamedVectors:
    """The library's vectors for one model, and those that the server was started with."""

    def __init__(
        self, library: Library, identity: ModelIdentity, given: Mapping[str, ControlVector]
    ) -> None:
        """`given` holds vectors by the names that the person at the command line used."""
        self._library, self._identity = library, identity
        self._given = dict(given)
        self._lock = threading.Lock()
        self._shelf: tuple[Any, ...] = ()
        self._found: dict[str, ControlVector] = {}
        self._listing: list[dict[str, Any]] | None = None

    def find(self, name: str) -> ControlVector:
        """The vector of that name that fits the model.

        Raises FieldError (422) for a name that is not there, and for a path.
        """
        if name in self._given:
            return self._given[name]
        with self._lock:
            self._forget_when_changed()
            if name not in self._found:
                self._found[name] = self._load(name)
            return self._found[name]

    def _load(self, name: str) -> ControlVector:
        library = self._library
        if looks_like_path(name, ".gguf") and name not in library.vector_names():
            raise FieldError(
                "steering",
                "over HTTP a vector is asked for by its name in the library, never by a path",
                "GET /api/vectors lists the names; edgesteer vectors import FILE adds a file",
                code="vector_path",
            )
        try:
            return ControlVector.load(library.find_named_vector(name, self._identity))
        except NotFoundError as error:
            raise FieldError(
                "steering", error.message, error.hint, code="vector_not_found"
            ) from error

    def listing(self) -> list[dict[str, Any]]:
        """Facts of all vectors, as docs/server.md describes them; a damaged one has a problem."""
        with self._lock:
            self._forget_when_changed()
            if self._listing is None:
                self._listing = self._read_all()
            return self._listing

    def _read_all(self) -> list[dict[str, Any]]:
        rows = []
        for name, vector in self._given.items():
            rows.append(_facts(name, vector, self._misfit(vector)))
        for entry in self._library.vectors():
            if entry.name in self._given:
                continue
            why = self._misfit(entry.vector) if entry.vector else "the file can not be read"
            rows.append(_facts(entry.name, entry.vector, why))
        return sorted(rows, key=lambda row: (not row["fits"], row["name"]))

    def _misfit(self, vector: ControlVector) -> str:
        """Why a vector does not fit the model; '' when it does."""
        try:
            (vector * 1.0).check(self._identity, lambda _warning: None)
        except EdgesteerError as error:
            return error.message
        return ""

    def _forget_when_changed(self) -> None:
        """Files are written by renaming, which changes their folder's time."""
        folder = self._library.vectors_folder
        places = [folder, *sorted(path for path in folder.glob("*") if path.is_dir())]
        files = [path for place in places for path in sorted(place.glob("*.gguf"))]
        shelf = tuple((str(path), _changed(path)) for path in (*places, *files))
        if shelf != self._shelf:
            self._shelf, self._listing = shelf, None
            self._found.clear()


def _changed(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:  # gone between two looks
        return 0, 0
    return found.st_mtime_ns, found.st_size


def _facts(name: str, vector: ControlVector | None, problem: str) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name, "fits": not problem, "problem": problem}
    meta = vector.meta if vector else {}
    for key in ("description", "positive", "negative", "method"):
        row[key] = meta[key] if isinstance(meta.get(key), str) else ""
    if vector is None:
        nothing: dict[str, Any] = {"band": None, "recommended": None, "range": "", "layers": []}
        return row | nothing | {"has_readout": False, "per_layer": {}, "verdict": ""}
    band, quality = vector.calibration, meta.get("quality")
    verdict = quality.get("verdict") if isinstance(quality, dict) else ""
    layers = list(vector.layers)
    norms = [round(norm, 6) for norm in vector.norms().values()]
    try:
        row["has_readout"] = Readout.of(vector) is not None
    except EdgesteerError as error:  # the vector itself steers all the same
        row |= {"has_readout": False, "problem": problem or error.message}
    return row | {
        "band": {"low": band.low, "high": band.high} if band else None,
        "recommended": _recommended(vector),
        "range": str(LayerRange.of(layers)),
        "layers": layers,
        "per_layer": {"norm": norms, **_figures(meta, layers)},
        "verdict": verdict if isinstance(verdict, str) else "",
    }


def _recommended(vector: ControlVector) -> dict[str, Any] | None:
    """The recommended layers that it carries; None for all, and for what makes no sense."""
    if vector.recommended is None:
        return None
    try:
        layers = Term("v", vector=vector).resolved_layers(
            vector.model.n_layer if vector.model else vector.layers[-1] + 1
        )
    except LayerError:
        return None
    return {"text": str(vector.recommended), "layers": list(layers)}


def _figures(meta: Mapping[str, Any], layers: list[int]) -> dict[str, list[float | None]]:
    """What is known of each layer, in the order of `layers`; a file may say anything."""
    quality, sweep = meta.get("quality"), meta.get("sweep")
    found: dict[str, list[float | None]] = {}
    alone = sweep.get("singles") if isinstance(sweep, dict) else None
    if isinstance(alone, dict) and all(isinstance(x, (int, float)) for x in alone.values()):
        found["effect"] = [alone.get(str(layer)) for layer in layers]
    if not isinstance(quality, dict):
        return found
    read = quality.get("layers")
    for key in ("agreement", "discriminability", "stability"):
        values = quality.get(key)
        if not (isinstance(read, list) and isinstance(values, list) and len(read) == len(values)):
            continue
        if all(isinstance(x, (int, float)) for x in (*read, *values)):
            by_layer = dict(zip(read, values, strict=True))
            found[key] = [by_layer.get(layer) for layer in layers]
    return found
