"""Fits a read-out: which layer, where 0 and 1 lie, which threshold; and says how well it does.

Does not know where the labelled texts come from, nor terminals.

Everything is chosen on one half of the texts and reported from the other. The layer is the one with
the highest AUROC of the half that chooses; of equal ones, that whose sides lie furthest apart in
standard deviations.

The direction is the vector's own, or with `whiten` S^-1 v (a mass-mean read-out: Marks and Tegmark
2023, arXiv 2310.06824), S the covariance within the classes, shrunk towards a multiple of the
identity (Ledoit and Wolf 2004, J. Multivariate Anal. 88). S is then taken from a part of the
choosing half which nothing else is chosen on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesteer.errors import LayerError, PairsError
from edgesteer.layers import LayerRange
from edgesteer.measure.stats import auroc
from edgesteer.model import Model
from edgesteer.monitor.choosing import best_threshold, operating_point
from edgesteer.monitor.examples import Examples
from edgesteer.monitor.reading_rows import Progress, Rows, read_rows
from edgesteer.monitor.readout import Readout
from edgesteer.vector import ControlVector

__all__ = ["Scale", "candidates", "fit_readout", "scale_of", "whitened"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scale:
    """Projections p become scores (p - centre) / scale: -1 and 1 at the means of the two sides."""

    centre: float
    scale: float

    def __call__(self, projections: Floats) -> Floats:
        """The scores of projections [n]."""
        return (projections - self.centre) / self.scale


def fit_readout(
    model: Model,
    vector: ControlVector,
    examples: Examples,
    *,
    layers: Sequence[int] | None = None,
    positions: str | None = None,
    whiten: bool = False,
    false_alarms: float | None = None,
    progress: Progress | None = None,
) -> Readout:
    """The read-out of a vector on a model, fitted on labelled texts.

    layers        candidates; default all that the vector carries
    positions     what is read of each text: "answer", "last" or "mean"; default what the texts are
    whiten        read S^-1 v instead of v
    false_alarms  the highest share of negative texts that may pass the threshold; default: the
                  threshold with the best balance of recall and false alarms

    Raises PairsError (too few texts, one class only, nothing told apart), LayerError and what the
    capture raises.
    """
    chosen = candidates(vector, layers)
    reads = positions or examples.read_as
    choose, report = examples.halves()
    n = len(choose)
    both = Examples(examples.name, choose.items + report.items)
    rows = read_rows(model, both, chosen, positions=reads, progress=progress)
    first = np.arange(len(both)) < n
    rows_choose, rows_report = rows.only(first), rows.only(~first)
    directions = {layer: _unit(vector.directions[layer]) for layer in chosen}
    if whiten:
        part, choose, rows_part, rows_choose = _parted(choose, rows_choose)
        directions = {
            layer: _unit(whitened(row, rows_part.at(layer), part.labels))
            for layer, row in directions.items()
        }
    table = _by_layer(rows_choose, choose.labels, directions)
    best = max(table, key=lambda layer: (round(table[layer][0], 9), table[layer][1]))
    if table[best][0] <= 0.5:
        raise PairsError(
            f"{vector.name or 'the vector'} does not tell these texts apart at any layer "
            f"(best AUROC {table[best][0]:.2f} at layer {best})",
            "are the labels turned around? else extract a vector from pairs of this kind",
        )
    direction = directions[best]
    projected = rows_choose.at(best).astype(np.float64) @ direction
    scale = scale_of(projected, choose.labels)
    threshold = best_threshold(scale(projected), choose.labels, false_alarms=false_alarms)
    scores = scale(rows_report.at(best).astype(np.float64) @ direction)
    labels = report.labels
    return Readout(
        name=vector.name or "vector",
        layer=best,
        direction=direction.astype(np.float32),
        centre=scale.centre,
        scale=scale.scale,
        positions=reads,
        point=operating_point(scores, labels, threshold),
        auroc=auroc(scores[labels], scores[~labels]),
        model=model.identity,
        evidence={
            "texts": examples.name,
            "method": "whitened" if whiten else "vector",
            "n_choose": len(choose),
            "n_report": len(report),
            "false_alarms": false_alarms,
            "layers": list(table),
            "auroc": [round(figures[0], 4) for figures in table.values()],
        },
    )


def scale_of(projections: Floats, labels: NDArray[np.bool_]) -> Scale:
    """The scale on which the two sides' means score 1 and -1."""
    high, low = projections[labels].mean(), projections[~labels].mean()
    half = abs(float(high - low)) / 2
    return Scale(float(high + low) / 2, half or 1.0)


def whitened(
    direction: NDArray[np.floating], rows: NDArray[np.float32], labels: NDArray[np.bool_]
) -> Floats:
    """``S^-1 direction`` [d], with S the shrunk covariance of rows [n, d] within their classes."""
    from convert.directions.whitened import shrunk_solve

    wide = rows.astype(np.float64)
    for side in (labels, ~labels):
        wide[side] -= wide[side].mean(axis=0)
    found, _share = shrunk_solve(wide, np.asarray(direction, np.float64))
    return found


def candidates(vector: ControlVector, layers: Sequence[int] | None) -> tuple[int, ...]:
    """The layers that a vector can be read at, of those that are wanted. Raises LayerError."""
    if layers is None:
        return vector.layers
    kept = tuple(layer for layer in vector.layers if layer in set(layers))
    if not kept:
        raise LayerError(
            f"{vector.name or 'the vector'} carries nothing at the layers {LayerRange.of(layers)}",
            f"it carries the layers {LayerRange.of(vector.layers)}",
        )
    return kept


def _parted(examples: Examples, rows: Rows) -> tuple[Examples, Examples, Rows, Rows]:
    """A part for the covariance and a part for the choice, each with its rows."""
    one, _other = Examples(examples.name, examples.items).halves()
    kept = set(one.groups)
    mine = np.array([group in kept for group in examples.groups], bool)
    return (
        examples.only(mine.tolist()),
        examples.only((~mine).tolist()),
        rows.only(mine),
        rows.only(~mine),
    )


def _by_layer(
    rows: Rows, labels: NDArray[np.bool_], directions: dict[int, Floats]
) -> dict[int, tuple[float, float]]:
    """layer -> (AUROC, d')."""
    table = {}
    for layer, direction in directions.items():
        read = rows.at(layer).astype(np.float64) @ direction
        high, low = read[labels], read[~labels]
        spread = float(np.sqrt((high.var() + low.var()) / 2)) or 1e-12
        table[layer] = (auroc(high, low), float(high.mean() - low.mean()) / spread)
    return table


def _unit(row: NDArray[np.floating]) -> Floats:
    wide = np.asarray(row, np.float64)
    norm = float(np.linalg.norm(wide))
    return wide / norm if norm else wide
