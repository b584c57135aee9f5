"""Reading: the activations of contrast pairs, of pairs kept for judging, and of neutral texts.

Does not know methods. A reading can be saved and used again with the same pairs: reading the model
is what takes the time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from convert.activations import NEGATIVE, POSITIVE, Activations
from convert.capture import ActivationCapture, Positions, Progress
from convert.capture.positions import as_positions
from convert.directions import Contrast
from convert.neutral import neutral_sides
from convert.pairs import ContrastPairs
from convert.rendering import Rendered, render_sides
from edgesteer.errors import InputError, PairsError, VectorMismatchError
from edgesteer.identity import ModelIdentity
from edgesteer.layers import LayerRange, as_layers

__all__ = ["Layers", "Reading", "load_reading", "read_pairs"]

Layers = LayerRange | str | int | Iterable[int]


@dataclass(frozen=True, eq=False)
class Reading:
    """All rows of some pairs in one value.

    rows       of the pairs (positive and negative in turn), then of the held-out pairs, then of the
               neutral texts; one a text for each position, those of a text together
    counts     how many texts there are of each of the three
    groups     the group of each pair
    baseline   the number of the neutral text that belongs to each pair; None: all belong to all
    style      how the pairs were written (rendering.py), with a note when that was second best
    """

    rows: Activations
    counts: tuple[int, int, int]
    groups: tuple[int, ...]
    baseline: tuple[int, ...] | None
    style: str
    note: str

    @property
    def places(self) -> tuple[str, ...]:
        """The positions that were read, one by one."""
        return self.rows.places

    def at(self, place: int) -> Reading:
        """The same reading at one of its positions."""
        return replace(self, rows=self.rows.at(place))

    @property
    def train(self) -> Activations:
        """The rows of the pairs, positive and negative in turn."""
        return self._part(0)

    @property
    def heldout(self) -> Activations | None:
        """The rows of the held-out pairs, None without any."""
        return self._part(1) if self.counts[1] else None

    @property
    def neutral(self) -> Activations | None:
        """The rows of the neutral texts, None when they were not read."""
        return self._part(2) if self.counts[2] else None

    def contrast(self) -> Contrast:
        """What a method makes a direction of; of several positions, the first."""
        one = self.at(0)
        train, neutral = one.train, one.neutral
        return Contrast(
            train.positive,
            train.negative,
            train.layers,
            np.array(self.groups),
            None if neutral is None else neutral.rows,
            None if neutral is None or self.baseline is None else np.array(self.baseline),
        )

    def heldout_contrast(self) -> Contrast | None:
        """The held-out pairs, None without any; of several positions, the first."""
        held = self.at(0).heldout
        return None if held is None else Contrast(held.positive, held.negative, held.layers)

    def restricted(self, layers: Layers | None) -> Reading:
        """The same reading at some of its layers. Raises LayerError, InputError (one not read)."""
        if layers is None:
            return self
        wanted = as_layers(layers).resolve(self.rows.model.n_layer)
        missing = set(wanted) - set(self.rows.layers)
        if missing:
            raise InputError(
                f"layer {min(missing)} was not read; layers {LayerRange.of(self.rows.layers)} were",
                "capture again with these layers",
            )
        return replace(self, rows=self.rows.restricted(wanted))

    def subset(self, keep: Iterable[int]) -> Reading:
        """The reading of the pairs of those numbers, in order, without the held-out ones."""
        chosen, k = sorted(set(keep)), len(self.places)
        texts = [text for i in chosen for text in (2 * i, 2 * i + 1)]
        texts += range(sum(self.counts[:2]), sum(self.counts))
        rows = self.rows.take([text * k + place for text in texts for place in range(k)])
        return replace(
            self,
            rows=rows,
            counts=(2 * len(chosen), 0, self.counts[2]),
            groups=tuple(self.groups[i] for i in chosen),
            baseline=None if self.baseline is None else tuple(self.baseline[i] for i in chosen),
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes an .npz file that `load_reading` takes, whole or not at all."""
        facts = {
            "counts": list(self.counts),
            "baseline": None if self.baseline is None else list(self.baseline),
            "style": self.style,
            "note": self.note,
        }
        return replace(self.rows, facts=facts).save(path)

    def _part(self, which: int) -> Activations:
        k = len(self.places)
        start = sum(self.counts[:which]) * k
        return self.rows.slice(start, start + self.counts[which] * k)


def read_pairs(
    pairs: ContrastPairs,
    capture: ActivationCapture,
    *,
    positions: Positions = "last",
    layers: Layers | None = None,
    neutral: bool = False,
    progress: Progress | None = None,
) -> Reading:
    """Renders and captures the pairs, held-out pairs too, and with `neutral` neutral texts.

    Raises InputError for positions "all": a direction needs one row a text.
    """
    if "all" in as_positions(positions):
        raise InputError("a direction needs one row a text, not all", "use mean, answer or last")
    n_layer = capture.identity.n_layer
    wanted = None if layers is None else as_layers(layers).resolve(n_layer)
    template = capture.render if capture.has_chat_template else None
    rendered = _checked(pairs.render(template), pairs)
    passages = list(rendered.passages)
    counts = [len(passages), 0, 0]
    if pairs.has_heldout:
        passages += pairs.render(template, heldout=True).passages
        counts[1] = len(passages) - counts[0]
    baseline = None
    if neutral:
        sides, baseline = neutral_sides(pairs)
        passages += render_sides(sides, rendered.style, template)
        counts[2] = len(sides)
    rows = capture.capture(passages, layers=wanted, positions=positions, progress=progress)
    n_signed = counts[0] + counts[1]
    signs = np.zeros(len(passages), np.int8)
    signs[:n_signed:2], signs[1:n_signed:2] = POSITIVE, NEGATIVE
    signed = rows.signed(np.repeat(signs, len(rows.places)), pairs.full_digest)
    return Reading(
        signed,
        (counts[0], counts[1], counts[2]),
        pairs.groups,
        baseline,
        rendered.style,
        rendered.note,
    )


def load_reading(
    path: str | os.PathLike[str], pairs: ContrastPairs, model: ModelIdentity | None = None
) -> Reading:
    """The reading of `pairs` in a file of `Reading.save`.

    Raises NotFoundError, InputError (no such file, or of other pairs) and VectorMismatchError (of
    another model than `model`).
    """
    rows = Activations.load(path)
    if model is not None:
        _check_model(path, rows.model, model)
    if rows.source != pairs.full_digest:
        raise InputError(
            f"{path} was read from other pairs than these",
            "give the pairs that it was made of, and the same --max-pairs; or capture again",
        )
    counts, baseline = rows.facts.get("counts"), rows.facts.get("baseline")
    style, note = rows.facts.get("style"), rows.facts.get("note")
    n = [2 * len(pairs), 2 * len(pairs.heldout)]
    if (
        not isinstance(counts, list)
        or counts[:2] != n
        or len(counts) != 3
        or not isinstance(counts[2], int)
        or sum(counts) * len(rows.places) != len(rows)
        or not isinstance(style, str)
        or not isinstance(note, str)
        or not _fits(baseline, len(pairs), counts[2])
    ):
        raise InputError(f"{path} is no saved reading of contrast pairs", "capture again")
    return Reading(
        rows,
        (n[0], n[1], counts[2]),
        pairs.groups,
        tuple(baseline) if isinstance(baseline, list) else None,
        style,
        note,
    )


def _fits(baseline: object, n_pairs: int, n_neutral: int) -> bool:
    if baseline is None:
        return True
    return (
        isinstance(baseline, list)
        and len(baseline) == n_pairs
        and all(isinstance(i, int) and 0 <= i < n_neutral for i in baseline)
    )


def _check_model(path: str | os.PathLike[str], read: ModelIdentity, model: ModelIdentity) -> None:
    try:
        model.check_fits(read)
    except VectorMismatchError as error:
        raise VectorMismatchError(
            f"{path} was read from {read}, the model is {model}",
            "name the model that was read with -m, or capture again",
        ) from error


def _checked(rendered: Rendered, pairs: ContrastPairs) -> Rendered:
    for pair in rendered:
        if pair.positive == pair.negative:
            where = pair.positive_passage.where.removesuffix(", positive")
            raise PairsError(
                f"{where or f'a pair of {pairs.name}'}: both sides read the same through the chat "
                "template",
                "the template drops what differs; write plain texts without a prompt",
            )
    return rendered
