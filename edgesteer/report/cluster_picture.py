"""A picture of contrast pairs: each a point on its first two axes, coloured by cluster.

Knows nothing of how clusters are found.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgesteer.report.picture import SERIES, drawing, save_picture

if TYPE_CHECKING:
    from convert.clusters import Clusters

__all__ = ["draw_clusters"]

_MARKS = "os^Dv"


def draw_clusters(found: Clusters, path: Path, *, title: str) -> Path:
    """Writes an .svg or .png file. Raises MissingExtraError, InputError and FileWriteError."""
    best = found.best
    with drawing(6.0, 4.2) as (figure, axes):
        if best is None:
            axes.scatter(*found.coordinates.T, s=22, color=SERIES[0], alpha=0.75)
        else:
            for cluster, size in enumerate(best.sizes):
                mine = found.coordinates[best.labels == cluster]
                axes.scatter(
                    *mine.T,
                    s=24,
                    color=SERIES[cluster % len(SERIES)],
                    marker=_MARKS[cluster % len(_MARKS)],
                    alpha=0.8,
                    label=f"cluster {cluster + 1}: {size} pairs",
                )
            axes.legend(loc="best")
        axes.set_title(f"{title}, layer {found.layer}")
        axes.set_xlabel("first axis of the differences")
        axes.set_ylabel("second axis")
        return save_picture(path, figure)
