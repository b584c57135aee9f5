"""`edgesteer extract --cluster K`: the pairs in clusters, each with its part of the reading.

Does not know how clusters are found and judged (convert.clusters).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convert.pairs import ContrastPairs
    from convert.reading import Reading

__all__ = ["check_options", "divided"]


def check_options(options: dict[str, Any]) -> None:
    """Raises InputError: several vectors do not fit one file."""
    from edgesteer.errors import InputError

    if options["cluster"] and options["out"] is not None:
        raise InputError(
            "--cluster makes several vectors, and -o names one file",
            "leave out -o: they go to the library; 'vectors export' writes files",
        )


def divided(
    name: str, pairs: ContrastPairs, reading: Reading, k: int | None
) -> list[tuple[str, ContrastPairs, Reading]]:
    """(name, pairs, reading) of each vector to make: one, or one a cluster, the largest first."""
    from convert.clusters import clusters_of
    from edgesteer.cli import _show

    if k is None:
        return [(name, pairs, reading)]
    found = clusters_of(reading, max_k=k)
    chosen = found.clustering(k)
    _show.note(
        f"clusters of {', '.join(map(str, chosen.sizes))} pairs at layer {found.layer}: "
        f"silhouette {chosen.silhouette:.2f} (p {chosen.p_value:.3f}), stability "
        f"{chosen.stability:.2f}"
        + ("" if chosen.real else "; no cleaner division than one cloud gives")
    )
    parts = [[i for i, at in enumerate(chosen.labels) if at == number] for number in range(k)]
    return [
        (f"{name}-{number}", pairs.subset(part), reading.subset(part))
        for number, part in enumerate(parts, 1)
    ]
