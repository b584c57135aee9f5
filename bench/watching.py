"""What it costs to read vectors while an answer is written: watched against plain, one stream.

Knows nothing of what is read.
"""

from __future__ import annotations

from typing import Any

from bench.rounds import median, ratio
from bench.single import race

#: How many layers are read, each by a direction of its own, and the last one by eight directions.
CONTENDERS = {
    "plain": "plain",
    "watched at 1 layer": "watch-1",
    "watched at 4 layers": "watch-4",
    "watched at 16 layers": "watch-16",
    "8 vectors at 1 layer": "watch-1x8",
    "steered": "steered",
    "steered, watched at 1 layer": "steered-watch-1",
}


def cost(rounds: int) -> dict[str, Any]:
    """Tokens a second, and the ratio of watched to not watched."""
    figures = race(CONTENDERS, rounds)
    ratios = {
        f"{name} / plain": ratio(figures, name, "plain")
        for name, kind in CONTENDERS.items()
        if kind.startswith("watch")
    }
    both = "steered, watched at 1 layer"
    ratios[f"{both} / steered"] = ratio(figures, both, "steered")
    return {"tokens_per_s": {name: median(values) for name, values in figures.items()}, **ratios}
