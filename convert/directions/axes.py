"""Axes: unit directions, turned towards the mean difference and given its length along them.

Does not know how an axis was found.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["along", "cosines", "row_space", "top_axis", "unit"]

Figures = NDArray[np.float64]


def unit(rows: NDArray[np.floating]) -> Figures:
    """Rows of length 1 along the last axis, float64; zeros stay zeros."""
    wide = rows.astype(np.float64)
    norms = np.linalg.norm(wide, axis=-1, keepdims=True)
    scaled: Figures = np.divide(wide, norms, out=np.zeros_like(wide), where=norms > 0)
    return scaled


def cosines(a: NDArray[np.floating], b: NDArray[np.floating]) -> Figures:
    """Cosine of rows along the last axis; 0 where one of the two is zero."""
    found: Figures = (unit(a) * unit(b)).sum(axis=-1)
    return found


def along(axes: NDArray[np.floating], mean: Figures) -> NDArray[np.float32]:
    """Directions float32 [L, d] along unit axes [L, d], as far as the mean difference [L, d] goes.

    An axis has no sign of its own: this gives it one.

    >>> along(np.array([[0.0, -1.0]]), np.array([[5.0, 2.0]])).tolist()
    [[-0.0, 2.0]]
    """
    steps = np.einsum("ld,ld->l", axes, mean)
    return np.asarray(axes * steps[:, None], np.float32)


def row_space(rows: Figures) -> tuple[Figures, Figures]:
    """Coordinates [n, r] and an orthonormal basis [r, d] of rows [n, d]: their product is the rows.

    The basis is that of the singular vectors, strongest first, through the smaller Gram matrix;
    what is weaker than 1e-7 of the strongest is left out.
    """
    n, width = rows.shape
    if n < width:
        values, vectors = np.linalg.eigh(rows @ rows.T)
        values, vectors = _strongest(values, vectors)
        lengths = np.sqrt(values)
        return vectors * lengths, (rows.T @ (vectors / lengths)).T
    values, vectors = np.linalg.eigh(rows.T @ rows)
    _, vectors = _strongest(values, vectors)
    return rows @ vectors, vectors.T


def _strongest(values: Figures, vectors: Figures) -> tuple[Figures, Figures]:
    kept = values > max(float(values[-1]), 0.0) * 1e-14
    return values[kept][::-1], vectors[:, kept][:, ::-1]


def top_axis(rows: Figures) -> Figures:
    """Unit top right singular vector of rows [n, d]; zeros where all rows are zero."""
    _, basis = row_space(rows)
    return basis[0] if len(basis) else np.zeros(rows.shape[1])
