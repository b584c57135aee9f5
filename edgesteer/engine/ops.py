"""What a steering term does to rows of the residual stream: the arithmetic, in numpy.

Knows nothing of llama.cpp, of sequences or of where the rows come from.

Rows are float32 ``[n, d]`` and changed in place; ``dose`` is float32 ``[n]``: how much of the
operation each row gets (0 leaves it as it is, bit for bit).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Operation = Callable[[FloatArray, FloatArray], None]


def unit(direction: FloatArray) -> FloatArray:
    """``direction`` [d] at length 1 (zero stays zero)."""
    norm = float(np.linalg.norm(direction))
    return (direction / norm if norm > 0 else direction).astype(np.float32)


def add(direction: FloatArray) -> Operation:
    """``h + dose * v``."""

    def apply(rows: FloatArray, dose: FloatArray) -> None:
        rows += dose[:, None] * direction

    return apply


def keepnorm(direction: FloatArray) -> Operation:
    """``h + dose * v``, then back to the length of ``h``."""

    def apply(rows: FloatArray, dose: FloatArray) -> None:
        on = dose != 0
        before = np.linalg.norm(rows[on], axis=1, keepdims=True)
        moved = rows[on] + dose[on][:, None] * direction
        after = np.linalg.norm(moved, axis=1, keepdims=True)
        rows[on] = moved * (before / np.maximum(after, np.finfo(np.float32).tiny))

    return apply


def ablate(direction: FloatArray) -> Operation:
    """``h - dose * (h . r) r`` with ``r`` the unit direction; dose 1 removes it."""
    r = unit(direction)

    def apply(rows: FloatArray, dose: FloatArray) -> None:
        rows -= (dose * (rows @ r))[:, None] * r

    return apply


def clamp(direction: FloatArray) -> Operation:
    """Set ``h . r`` to ``dose * |v|`` where ``dose`` is not NaN (NaN: leave the row).

    The value is in lengths of the vector at this layer, so that 1 is where one dose of addition
    leads from zero.
    """
    r, length = unit(direction), float(np.linalg.norm(direction))

    def apply(rows: FloatArray, dose: FloatArray) -> None:
        on = ~np.isnan(dose)
        rows[on] += (dose[on] * length - rows[on] @ r)[:, None] * r

    return apply


def rotate(direction: FloatArray, toward: FloatArray) -> Operation:
    """Turn ``h`` by ``dose`` degrees in the plane of two directions, from the first to the second.

    What lies outside the plane, and the length of ``h``, stay as they are.
    """
    e1 = unit(direction)
    e2 = unit(toward - float(toward @ e1) * e1)

    def apply(rows: FloatArray, dose: FloatArray) -> None:
        on = dose != 0
        angle = np.deg2rad(dose[on])
        a, b = rows[on] @ e1, rows[on] @ e2
        cos, sin = np.cos(angle), np.sin(angle)
        rows[on] += (
            (a * cos - b * sin - a)[:, None] * e1 + (a * sin + b * cos - b)[:, None] * e2
        ).astype(np.float32)

    return apply
