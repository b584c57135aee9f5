"""Reads and rewrites the residual stream while llama.cpp's graph runs (the eval callback).

Knows nothing of sequences, plans or tokens: it is told which layers to stop at and what to do.

llama.cpp asks for every node of the graph whether the caller wants to see it, runs up to a node
that is wanted, waits, and calls again with the node's data in place. Rewriting those rows there
has exactly the effect of a control vector, and of much that a control vector can not do.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesteer.engine.ggml import NAME_OFFSET, Ggml
from edgesteer.errors import ArchitectureError

FloatArray = npt.NDArray[np.float32]
#: ``edit(rows, first_row)``: change ``rows`` [n, d] in place; ``first_row`` is their offset in the
#: decode call. Returns whether anything was written.
Edit = Callable[[FloatArray, int], bool]
#: ``take(layer, rows, first_row)``: what is kept of captured rows; a copy, not a view.
Take = Callable[[int, FloatArray, int], FloatArray]

_PREFIX = b"l_out-"
_string_at = ctypes.string_at


class Hook:
    """What the callback does at each layer during the next decode calls.

    ``edits`` maps a 0-based block to a function that rewrites its output rows; ``captures`` names
    the blocks whose rows are copied; ``stop_after`` breaks the graph off behind a block, which
    saves the rest of the pass when only activations are wanted.
    """

    def __init__(self, ggml: Ggml, callback_type: Any) -> None:
        self._ggml = ggml
        self._wanted: frozenset[bytes] = frozenset()
        self._edits: Mapping[int, Edit] = {}
        self._captures: frozenset[int] = frozenset()
        self._stop_after: int | None = None
        self._take: Take = _copy
        self._first_row: dict[int, int] = {}
        self._captured: dict[int, list[FloatArray]] = {}
        self._error: BaseException | None = None
        self.callback = callback_type(self._call)  # kept: ctypes does not hold a reference

    def arm(
        self,
        edits: Mapping[int, Edit] | None = None,
        captures: frozenset[int] = frozenset(),
        stop_after: int | None = None,
        take: Take | None = None,
    ) -> None:
        """Say what to do from the next decode call on; :meth:`disarm` with no arguments."""
        self._take = take or _copy
        if (
            edits
            and edits is self._edits
            and (captures, stop_after) == (self._captures, self._stop_after)
        ):
            return  # as before: the names need not be made again
        self._edits = edits or {}
        self._captures = captures
        self._stop_after = stop_after
        layers = set(self._edits) | captures
        if stop_after is not None:
            layers.add(stop_after)
        self._wanted = frozenset(_PREFIX + str(layer).encode() for layer in layers)

    def disarm(self) -> None:
        """Do nothing from the next decode call on."""
        self.arm()

    def begin(self) -> None:
        """Start a decode call: row counters and captured rows are reset."""
        self._first_row = {}
        self._captured = {}
        self._error = None

    def end(self, *, ran: bool = True) -> dict[int, FloatArray]:
        """Finish a decode call; ``ran`` says whether it ran to its end.

        Returns:
            layer -> float32 ``[n_rows, d]``: the captured rows, in batch order.

        Raises:
            BaseException: whatever an edit raised inside the callback, as itself.
            ArchitectureError: the graph has no output of that name, so nothing was done there.
        """
        error, self._error = self._error, None
        captured, self._captured = self._captured, {}
        if error is not None:
            raise error
        missed = (self._edits.keys() | self._captures) - self._first_row.keys()
        if ran and missed:
            raise ArchitectureError(
                f"this architecture does not show the output of layer {min(missed)}",
                "Only plain addition works on it, one steering at a time.",
            )
        return {
            layer: parts[0] if len(parts) == 1 else np.concatenate(parts)
            for layer, parts in captured.items()
        }

    def _call(self, address: int, ask: bool, _user: int | None) -> bool:
        if ask:
            return _string_at(address + NAME_OFFSET) in self._wanted
        try:
            return self._visit(address, int(_string_at(address + NAME_OFFSET)[len(_PREFIX) :]))
        except BaseException as error:  # noqa: BLE001, must not cross C; end() raises it again
            self._error = self._error or error
            return False

    def _visit(self, address: int, layer: int) -> bool:
        rows, in_place = self._ggml.rows(address)
        first = self._first_row.get(layer, 0)
        self._first_row[layer] = first + len(rows)
        edit = self._edits.get(layer)
        if edit is not None and len(rows) and edit(rows, first) and not in_place:
            self._ggml.write(address, rows)
        if layer in self._captures:
            self._captured.setdefault(layer, []).append(self._take(layer, rows, first))
        return layer != self._stop_after


def _copy(_layer: int, rows: FloatArray, _first: int) -> FloatArray:
    return rows.copy()
