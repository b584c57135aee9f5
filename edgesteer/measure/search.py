"""Coarse to fine over layers: which candidates to measure next, given what the others did.

Knows nothing of models: a score is a number by candidate, and the higher the better.

    singles     every 2nd or 3rd layer from 25 to 80 % of the depth, and the weights as they are
    neighbours  next to the best two
    windows     around the best layer, from narrow to very wide
    shifts      of the best window: earlier, later, narrower, wider
    smooth      bells and plateaus in its place, and a profile of the single layers' own effects
    polish      of the best smooth one: its peak and its width
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

import numpy as np

from edgesteer.measure.weights import LayerWeights, flat, gaussian, plateau

__all__ = ["Scores", "Stage", "coarse_to_fine"]

Scores = Mapping[LayerWeights, float]
Stage = tuple[str, list[LayerWeights]]

_FIRST, _LAST = 0.25, 0.80  # of the depth
_SHARES = (0.1, 0.17, 0.27, 0.4, 0.55, 0.75)  # of the depth: widths of windows


def coarse_to_fine(
    carried: Sequence[int], default: LayerWeights, n_layer: int
) -> Generator[Stage, Scores, None]:
    """Yields (name, candidates) of a stage; is sent the scores of all candidates so far.

    Args:
        carried: the layers that the vector has a direction for.
        default: the weights as they are, measured first.
        n_layer: blocks of the model.
    """
    layers = sorted(carried)
    told: set[LayerWeights] = set()

    def fresh(stage: str, found: Sequence[LayerWeights]) -> Stage:
        new = [w for w in dict.fromkeys(found) if w not in told]
        told.update(new)
        return stage, new

    coarse = _coarse(layers, n_layer)
    scores = yield fresh("singles", [default, *map(_single, coarse)])
    near = [n + step for n in _best_layers(scores)[:2] for step in (-1, 1) if n + step in layers]
    scores = yield fresh("neighbours", [_single(n) for n in near])
    peak = _best_layers(scores)[0]
    widths = dict.fromkeys(max(2, round(share * n_layer)) for share in _SHARES)
    windows = [_window(layers, peak, width) for width in widths]
    scores = yield fresh("windows", [*windows, flat(layers)])
    first, last = _ends(_best(scores, [*windows, flat(layers)]))
    step = max(1, round((last - first + 1) / 4))
    moves = ((-step, -step), (step, step), (-step, 0), (0, step), (step, 0), (0, -step))
    shifted = [flat(_within(layers, first + a, last + b)) for a, b in moves]
    shifted = [w for w in shifted if len(w.layers) > 1]
    scores = yield fresh("shifts", shifted)
    best = _best(scores, [w for w in scores if w.is_flat and len(w.layers) > 1] or [default])
    scores = yield fresh("smooth", _smooth(layers, best, peak, scores))
    bells = [w for w in scores if not w.is_flat]
    if bells:
        yield fresh("polish", _polish(layers, _best(scores, bells)))


def _coarse(layers: Sequence[int], n_layer: int) -> list[int]:
    """Every 2nd layer of a shallow model, every 3rd of a deep one; all of very few."""
    middle = [n for n in layers if _FIRST * n_layer <= n <= _LAST * n_layer] or list(layers)
    step = 1 if len(middle) < 5 else 2 if n_layer < 24 else 3
    return middle[::-1][::step][::-1]


def _single(layer: int) -> LayerWeights:
    return flat((layer,))


def _best_layers(scores: Scores) -> list[int]:
    """The single layers that were measured, best first."""
    singles = [w for w in scores if len(w.layers) == 1]
    return [w.layers[0] for w in sorted(singles, key=scores.__getitem__, reverse=True)]


def _best(scores: Scores, among: Sequence[LayerWeights]) -> LayerWeights:
    return max((w for w in among if w in scores), key=scores.__getitem__)


def _within(layers: Sequence[int], first: int, last: int) -> list[int]:
    return [n for n in layers if first <= n <= last] or [layers[-1]]


def _window(layers: Sequence[int], centre: int, width: int) -> LayerWeights:
    """`width` layers around the centre, moved inwards where the model ends."""
    last = min(layers[-1], centre + width // 2)
    first = max(layers[0], last - width + 1)
    return flat(_within(layers, first, max(last, first + width - 1)))


def _ends(window: LayerWeights) -> tuple[int, int]:
    return window.layers[0], window.layers[-1]


def _smooth(
    layers: Sequence[int], window: LayerWeights, peak: int, scores: Scores
) -> list[LayerWeights]:
    first, last = _ends(window)
    width = last - first + 1
    found = [
        gaussian(centre, share * width, layers)
        for centre in dict.fromkeys((round(window.centre), peak))
        for share in (0.25, 0.5)
    ]
    found += [plateau(first, last, max(1.0, width / share), layers) for share in (8, 4)]
    found += _profiles(layers, scores)
    return found


def _profiles(layers: Sequence[int], scores: Scores) -> list[LayerWeights]:
    """Weights that follow what single layers did, linear between those that were measured."""
    singles = sorted((w.layers[0], max(scores[w], 0.0)) for w in scores if len(w.layers) == 1)
    if len(singles) < 3 or not any(value for _, value in singles):
        return []
    known, values = zip(*singles, strict=True)
    shape = np.interp(layers, known, values, left=0.0, right=values[-1])
    weights = {n: float(x) for n, x in zip(layers, shape, strict=True)}
    return [LayerWeights.of(weights, "as single layers")]


def _polish(layers: Sequence[int], best: LayerWeights) -> list[LayerWeights]:
    """Neighbours of a smooth profile: moved, narrower, wider."""
    centre = best.centre
    spread = float(np.sqrt(sum(w * (n - centre) ** 2 for n, w in best.weights)))
    spread /= float(np.sqrt(sum(w for _, w in best.weights)))
    moves = ((-0.5, 1.0), (0.5, 1.0), (0.0, 0.7), (0.0, 1.4))
    return [
        gaussian(round(centre + move * spread), max(spread * scale, 0.7), layers)
        for move, scale in moves
    ]
