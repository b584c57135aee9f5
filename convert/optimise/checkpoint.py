"""Checkpoints: where an interrupted search goes on, with exactly the numbers that it had.

Does not know what is searched. A file (.npz, no pickle) belongs to one search: its key covers the
model, the pairs, the start and the settings. Another key counts as no checkpoint.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.activations import UNREADABLE
from edgesteer.atomic import check_place, write_atomic

__all__ = ["Kept", "State"]

Array = NDArray[np.float32]
_ARRAYS = ("vector", "first", "second", "best")


@dataclass(frozen=True, eq=False)
class State:
    """How far a search has come.

    vector, best    float32 [L, d]: where it is, and the best that it has seen
    first, second   float32 [L, d]: the moments of Adam
    step            steps done
    history         held-out effect in nats at each evaluation
    """

    vector: Array
    first: Array
    second: Array
    best: Array
    step: int
    history: tuple[float, ...]


@dataclass(frozen=True)
class Kept:
    """The checkpoint of one search: where it lies, its key, and the shape of its vectors.

    Without a folder nothing is kept.
    """

    folder: Path | None
    key: str
    shape: tuple[int, int]

    def save(self, state: State) -> None:
        """Writes the checkpoint, whole or not at all. Raises FileWriteError."""
        if self.folder is None:
            return
        header = json.dumps({"key": self.key, "step": state.step, "history": state.history})
        arrays: dict[str, Any] = {name: getattr(state, name) for name in _ARRAYS}
        arrays["header"] = np.frombuffer(header.encode(), np.uint8)

        def fill(temp: Path) -> None:
            with temp.open("wb") as file:
                np.savez(file, **arrays)

        check_place(self._path, make_folder=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomic(self._path, fill)

    def load(self) -> State | None:
        """The checkpoint; None when there is none, or it is damaged or another search's."""
        if self.folder is None or not self._path.is_file():
            return None
        try:
            with self._path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                header = json.loads(file["header"].tobytes().decode())
                arrays = {name: file[name] for name in _ARRAYS}
            sound = all(a.shape == self.shape and a.dtype == np.float32 for a in arrays.values())
            if header["key"] != self.key or not sound:
                return None
            history = tuple(float(x) for x in header["history"])
            return State(**arrays, step=int(header["step"]), history=history)
        except UNREADABLE:
            return None

    def forget(self) -> None:
        """Deletes the checkpoint of a search that has ended."""
        if self.folder is not None:
            self._path.unlink(missing_ok=True)

    @property
    def _path(self) -> Path:
        return (self.folder or Path()) / f"{self.key[:32]}.npz"
