"""Contrast pairs to a control vector: the whole method, step by step.

Does not know how a model is run (capture), nor how strong is right (the calibration given to it).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from convert.activations import NEGATIVE, POSITIVE
from convert.capture import ActivationCapture, Positions, Progress
from convert.confounds import Confounds, examine
from convert.directions import DEFAULT_METHOD, Found, Method, find_method
from convert.kept_readout import with_readout
from convert.layers_choice import recommend
from convert.pairs import ContrastPairs
from convert.quality import Quality, judge
from convert.reading import Layers, Reading, read_pairs
from edgesteer.layers import LayerRange

if TYPE_CHECKING:
    from edgesteer.vector import ControlVector

__all__ = ["extract", "make_vector"]

Change = Callable[["ControlVector"], "ControlVector"]


def extract(
    pairs: ContrastPairs | str | os.PathLike[str],
    capture: ActivationCapture,
    *,
    method: str = DEFAULT_METHOD,
    positions: Positions = "last",
    layers: Layers | None = None,
    name: str | None = None,
    calibrate: Change | None = None,
    progress: Progress | None = None,
) -> ControlVector:
    """Makes the control vector of some contrast pairs on the model that `capture` reads.

    `layers` restricts what is read and carried (None: all that can be steered). Of several
    `positions` the one with the best figures is used. The vector has its natural length, one step
    from the negative to the positive side, unless `calibrate` rescales it. Its `meta` tells how it
    was made and how good it looks. The same input gives the same bytes; nothing is written to disk.

    Raises PairsError, NotFoundError, InputError, LayerError and what the capture raises.
    """
    # 1. The contrast: what the model reads on either side differs in the trait alone.
    if not isinstance(pairs, ContrastPairs):
        pairs = ContrastPairs.load(pairs)
    neutral = find_method(method).needs_neutral

    # 2. The activations: the residual stream behind each block, at one token of each text.
    reading = read_pairs(
        pairs, capture, positions=positions, layers=layers, neutral=neutral, progress=progress
    )
    return make_vector(pairs, reading, method=method, layers=layers, name=name, calibrate=calibrate)


def make_vector(
    pairs: ContrastPairs,
    reading: Reading,
    *,
    method: str = DEFAULT_METHOD,
    layers: Layers | None = None,
    name: str | None = None,
    refine: Change | None = None,
    calibrate: Change | None = None,
) -> ControlVector:
    """The control vector of pairs that were read already.

    `refine` may replace the directions before they are calibrated. Raises InputError for a method
    that needs neutral texts when none were read, and for a layer that was not.
    """
    from edgesteer.vector import ControlVector

    # 3. The direction at each layer, and how far other pairs agree with it.
    reading = reading.restricted(layers)
    tried = _at_each_place(pairs, reading, find_method(method))
    best = max(tried, key=lambda one: one.quality.score)

    # 4. The layers to steer, unless they were chosen already.
    model, carried = reading.rows.model, reading.rows.layers
    chosen = carried if layers is not None else recommend(best.quality, model.n_layer)

    # 5. The vector, and its strength.
    vector = ControlVector(
        dict(zip(carried, best.found.directions, strict=True)),
        model,
        name=pairs.name if name is None else name,
        recommended=LayerRange.of(chosen),
        meta=_meta(pairs, best, method, tried),
    )
    vector = best.keep_readout(vector)
    for change in (refine, calibrate):
        vector = vector if change is None else change(vector)
    return vector


@dataclass(frozen=True)
class _Tried:
    """One token position: its rows, what the method made of them, and how good that looks."""

    reading: Reading
    found: Found
    quality: Quality

    def keep_readout(self, vector: ControlVector) -> ControlVector:
        contrast, heldout = self.reading.contrast(), self.reading.heldout_contrast()
        return with_readout(vector, self.found, contrast, heldout, self.quality)


def _at_each_place(pairs: ContrastPairs, reading: Reading, method: Method) -> list[_Tried]:
    lengths = reading.at(0).train
    confounds = examine(
        pairs,
        (lengths.n_tokens[lengths.signs == POSITIVE], lengths.n_tokens[lengths.signs == NEGATIVE]),
    )
    where = [pair.where for pair in pairs.pairs]
    return [_try(reading.at(i), method, confounds, where) for i in range(len(reading.places))]


def _try(reading: Reading, method: Method, confounds: Confounds, places: Sequence[str]) -> _Tried:
    contrast = reading.contrast()
    found = method(contrast)
    quality = judge(
        contrast,
        method,
        found=found,
        heldout=reading.heldout_contrast(),
        confounds=confounds,
        places=places,
        notes=[reading.note] if reading.note else [],
    )
    return _Tried(reading, found, quality)


def _meta(
    pairs: ContrastPairs, best: _Tried, method: str, tried: list[_Tried]
) -> dict[str, object]:
    train = best.reading.train
    norms = train.residual_norms()
    meta: dict[str, object] = {
        "method": method,
        "token_position": train.positions,
        "capture": train.capture,
        "rendering": best.reading.style,
        "pairs": pairs.name,
        "pairs_sha256": pairs.digest,
        "n_pairs": len(pairs),
        "n_heldout": len(pairs.heldout),
        "description": pairs.description,
        "positive": pairs.positive_name,
        "negative": pairs.negative_name,
        "residual_norms": [float(f"{norms[layer]:.6g}") for layer in train.layers],
        "quality": best.quality.to_dict(),
    }
    if best.found.facts:
        meta["chosen"] = dict(best.found.facts)
    if len(tried) > 1:
        meta["positions_tried"] = {
            one.reading.rows.positions: round(one.quality.score, 4) for one in tried
        }
    return meta
