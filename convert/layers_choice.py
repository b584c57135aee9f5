"""Which layers to recommend for a new vector, before anything is steered.

Does not know effects: `sweep` measures them and may replace this choice.

A wide and late window won on the models tried: of 30 layers, 10 to 24 moved an answer most at equal
damage, more than any narrow window or single layer.
"""

from __future__ import annotations

from collections.abc import Sequence

from convert.quality import Quality

__all__ = ["default_window", "recommend"]

FIRST_SHARE, LAST_SHARE = (1, 3), (4, 5)
KEEP = 3
TRIM_BELOW = 0.25


def default_window(n_layer: int) -> tuple[int, ...]:
    """Layers from a third to four fifths of the depth of a model with `n_layer` blocks, n >= 2.

    >>> default_window(30)[0], default_window(30)[-1]
    (10, 24)
    """
    first = max(1, -(-n_layer * FIRST_SHARE[0] // FIRST_SHARE[1]))
    last = max(first, n_layer * LAST_SHARE[0] // LAST_SHARE[1])
    return tuple(range(first, min(last, n_layer - 1) + 1)) or (n_layer - 1,)


def recommend(quality: Quality, n_layer: int) -> tuple[int, ...]:
    """The default window, without ends that look much poorer than its best layer.

    An end is cut while its agreement is below a quarter of the window's best; three layers stay.
    Only layers that `quality` judged are recommended; outside the window, all of them.
    """
    agreement = dict(zip(quality.layers, quality.agreement, strict=True))
    window = [layer for layer in default_window(n_layer) if layer in agreement]
    return tuple(_trimmed(window, agreement)) if window else quality.layers


def _trimmed(window: Sequence[int], agreement: dict[int, float]) -> Sequence[int]:
    floor = TRIM_BELOW * max(agreement[layer] for layer in window)
    while len(window) > KEEP and agreement[window[0]] < floor:
        window = window[1:]
    while len(window) > KEEP and agreement[window[-1]] < floor:
        window = window[:-1]
    return window
