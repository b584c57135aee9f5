"""Contrast pairs to a control vector: the whole method, step by step.

Does not know how a model is run (capture), nor how strong is right (the calibration given to it).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from convert.activations import NEGATIVE, POSITIVE, Activations
from convert.capture import ActivationCapture, Positions, Progress, as_positions
from convert.directions import DEFAULT_METHOD, Method, find_method
from convert.layers_choice import recommend
from convert.pairs import ContrastPairs
from convert.quality import Quality, judge
from convert.rendering import Rendered
from edgesteer.errors import InputError, PairsError
from edgesteer.layers import LayerRange, as_layers

if TYPE_CHECKING:
    from edgesteer.vector import ControlVector

__all__ = ["Reading", "extract", "read_pairs"]

Layers = LayerRange | str | int | Iterable[int]


def extract(
    pairs: ContrastPairs | str | os.PathLike[str],
    capture: ActivationCapture,
    *,
    method: str = DEFAULT_METHOD,
    positions: Positions = "last",
    layers: Layers | None = None,
    name: str | None = None,
    calibrate: Callable[[ControlVector], ControlVector] | None = None,
    progress: Progress | None = None,
) -> ControlVector:
    """Makes the control vector of some contrast pairs on the model that `capture` reads.

    `layers` restricts what is read and carried (None: all that can be steered). The vector has its
    natural length, one step from the negative to the positive side, unless `calibrate` rescales it.
    Its `meta` tells how it was made and how good it looks. The same input gives the same bytes;
    nothing is written to disk.

    Raises PairsError, NotFoundError, InputError, LayerError and what the capture raises.
    """
    # 1. The contrast: what the model reads on either side differs in the trait alone.
    if not isinstance(pairs, ContrastPairs):
        pairs = ContrastPairs.load(pairs)
    find = find_method(method)

    # 2. The activations: the residual stream behind each block, at one token of each text.
    reading = read_pairs(pairs, capture, positions=positions, layers=layers, progress=progress)

    # 3. The direction at each layer, and how far other pairs agree with it.
    directions = find(reading.train.positive, reading.train.negative)
    quality = _judge(pairs, reading, find)

    # 4. The layers to steer, unless they were chosen already.
    carried = reading.train.layers
    chosen = carried if layers is not None else recommend(quality, capture.identity.n_layer)

    # 5. The vector, and its strength.
    from edgesteer.vector import ControlVector

    vector = ControlVector(
        dict(zip(carried, directions, strict=True)),
        capture.identity,
        name=pairs.name if name is None else name,
        recommended=LayerRange.of(chosen),
        meta=_meta(pairs, reading, method, quality),
    )
    return vector if calibrate is None else calibrate(vector)


@dataclass(frozen=True)
class Reading:
    """The activations of contrast pairs: those for the direction, and those kept for judging."""

    train: Activations
    heldout: Activations | None
    style: str
    note: str


def read_pairs(
    pairs: ContrastPairs,
    capture: ActivationCapture,
    *,
    positions: Positions = "last",
    layers: Layers | None = None,
    progress: Progress | None = None,
) -> Reading:
    """Renders and captures the pairs, held-out pairs too: rows of positive and negative in turn.

    Raises InputError for positions "all": a pair needs one row a side.
    """
    where = as_positions(positions)
    if where == "all":
        raise InputError("a direction needs one row a text, not all", "use mean, answer or last")
    n_layer = capture.identity.n_layer
    wanted = None if layers is None else as_layers(layers).resolve(n_layer)
    template = capture.render if capture.has_chat_template else None
    rendered = pairs.render(template)
    passages = list(_checked(rendered, pairs).passages)
    n_train = len(passages)
    if pairs.has_heldout:
        passages += pairs.render(template, heldout=True).passages
    rows = capture.capture(passages, layers=wanted, positions=where, progress=progress)
    signs = np.tile(np.array([POSITIVE, NEGATIVE], np.int8), len(passages) // 2)
    signed = rows.signed(signs, pairs.digest)
    return Reading(
        train=signed.slice(0, n_train),
        heldout=signed.slice(n_train, len(passages)) if pairs.has_heldout else None,
        style=rendered.style,
        note=rendered.note,
    )


def _checked(rendered: Rendered, pairs: ContrastPairs) -> Rendered:
    for pair, (positive, negative) in zip(pairs.pairs, rendered, strict=True):
        if positive == negative:
            raise PairsError(
                f"{pair.where or 'a pair'}: both sides read the same through the chat template",
                "the template drops what differs; write plain texts without a prompt",
            )
    return rendered


def _judge(pairs: ContrastPairs, reading: Reading, method: Method) -> Quality:
    train, held = reading.train, reading.heldout
    lengths = train.n_tokens
    return judge(
        train.positive,
        train.negative,
        method,
        train.layers,
        groups=pairs.groups,
        heldout=None if held is None else (held.positive, held.negative),
        lengths=(lengths[train.signs == POSITIVE], lengths[train.signs == NEGATIVE]),
        notes=[note for note in (reading.note, *pairs.warnings) if note],
    )


def _meta(
    pairs: ContrastPairs, reading: Reading, method: str, quality: Quality
) -> dict[str, object]:
    norms = reading.train.residual_norms()
    return {
        "method": method,
        "token_position": reading.train.positions,
        "capture": reading.train.capture,
        "rendering": reading.style,
        "pairs": pairs.name,
        "pairs_sha256": pairs.digest,
        "n_pairs": len(pairs),
        "n_heldout": len(pairs.heldout),
        "description": pairs.description,
        "positive": pairs.positive_name,
        "negative": pairs.negative_name,
        "residual_norms": [float(f"{norms[layer]:.6g}") for layer in reading.train.layers],
        "quality": quality.to_dict(),
    }
