"""Controls: vectors that a real effect must beat, at equal norm and at equal KL.

Does not know what is asked with them.

random     the vector turned by a random rotation: the same norm at each layer and the same cosines
           between layers, but pointing anywhere. Directions drawn for each layer alone would work
           against each other and be too easy to beat.
shuffled   made as the vector was, of the same activations, with the labels of half of the pairs
           exchanged: what the method finds when there is no trait to find. Norms are the vector's.

At equal KL a control is scaled until it costs neutral text what the vector costs, in the mean over
strengths -1 and 1: effects are compared over both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesteer.errors import EdgesteerError, InputError
from edgesteer.measure.card.asker import Asker, Way
from edgesteer.measure.card.dose import Dial, find_doses
from edgesteer.measure.card.subject import Subject
from edgesteer.model import Model
from edgesteer.steering import Steering

__all__ = ["ENDS", "Control", "equal_kl", "random_rotation", "rescaled", "shuffled_directions"]

ENDS = (-1.0, 1.0)
"""The strengths at which a vector and its controls are compared."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Control:
    """A control vector of a subject.

    kind    "random" or "shuffled"; number tells those of a kind apart
    match   "norm": as long as the vector; "KL": as costly
    factor  its length, in lengths of the vector
    """

    subject: str
    kind: str
    number: int
    match: str
    factor: float
    steering: Steering

    @property
    def label(self) -> str:
        """What the raw numbers call it."""
        return f"{self.subject}/{self.kind} {self.number}/{self.match}"

    def way(self, strength: float) -> Way:
        """It, at a strength."""
        return Way(self.label, strength, self.steering * (strength * self.factor))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        words = ("subject", "kind", "number", "match", "factor", "label")
        return {word: getattr(self, word) for word in words}


def random_rotation(rows: npt.ArrayLike, seed: int | Sequence[int]) -> Floats:
    """Rows ``[L, d]`` turned by a random rotation: norms and mutual cosines stay, exactly.

    V = C B with an orthonormal basis B of the rows; B is replaced by a random orthonormal one.
    """
    matrix = np.asarray(rows, np.float64)
    width = matrix.shape[1]
    _, sizes, basis = np.linalg.svd(matrix, full_matrices=False)
    basis = basis[sizes > 1e-12 * max(float(sizes[0]), 1e-300)]
    noise = np.random.default_rng(seed).standard_normal((width, len(basis)))
    other, upper = np.linalg.qr(noise)
    other *= np.sign(np.diag(upper))  # without this, QR favours some rotations
    turned: Floats = (matrix @ basis.T) @ other.T
    return turned


def rescaled(rows: npt.ArrayLike, norms: npt.ArrayLike) -> Floats:
    """Rows ``[L, d]`` with these norms ``[L]``; zero rows stay zero."""
    matrix = np.asarray(rows, np.float64)
    there = np.linalg.norm(matrix, axis=1)
    factors = np.divide(norms, there, out=np.zeros_like(there), where=there > 0)
    found: Floats = matrix * factors[:, None]
    return found


def norm_controls(asker: Asker, subject: Subject, notes: list[str]) -> list[Control]:
    """The controls at equal norm; `notes` takes what was left out and why."""
    settings = asker.settings
    layers = [layer for layer in subject.layers if layer in subject.vector.directions]
    rows = np.stack([subject.vector.directions[layer] for layer in layers])
    norms = np.linalg.norm(rows.astype(np.float64), axis=1)
    made = list[Control]()

    def add(kind: str, number: int, matrix: Floats) -> None:
        directions = dict(zip(layers, matrix, strict=True))
        steering = subject.with_directions(directions, f"{kind}-{number}")
        made.append(Control(subject.name, kind, number, "norm", 1.0, steering))

    for number in range(1, settings.randoms + 1):
        add("random", number, random_rotation(rows, (settings.seed, number)))
    if settings.shuffles:
        try:
            for number, matrix in enumerate(
                shuffled_directions(asker.model, subject, layers, settings.shuffles, settings.seed),
                1,
            ):
                add("shuffled", number, rescaled(matrix, norms))
        except EdgesteerError as error:
            notes.append(f"{subject.name}: no label-shuffled control: {error.message}")
    return made


def shuffled_directions(
    model: Model, subject: Subject, layers: Sequence[int], count: int, seed: int
) -> list[Floats]:
    """Directions ``[L, d]`` of `count` shuffles, by the method that made the vector.

    Raises InputError when pairs or method are not known, and what the reading raises.
    """
    from convert.capture.llama import LlamaCapture
    from convert.directions import Contrast, find_method
    from convert.reading import read_pairs

    if subject.pairs is None:
        raise InputError("the pairs that it was made from are not at hand", "give --pairs FILE")
    meta = subject.vector.meta
    method = find_method(str(meta.get("method", "")))
    reading = read_pairs(
        replace(subject.pairs, heldout=()),  # which only judge, and cost as much to read
        LlamaCapture(model),
        positions=str(meta.get("token_position", "last")),
        layers=layers,
        neutral=method.needs_neutral,
    )
    contrast = reading.contrast()
    found = []
    for number in range(1, count + 1):
        order = np.random.default_rng((seed, number)).permutation(len(contrast))
        flip = np.zeros((len(contrast), 1, 1), bool)
        flip[order[: len(order) // 2]] = True
        shuffled: Contrast = replace(
            contrast,
            positive=np.where(flip, contrast.negative, contrast.positive),
            negative=np.where(flip, contrast.positive, contrast.negative),
        )
        found.append(np.asarray(method(shuffled).directions, np.float64))
    return found


def equal_kl(asker: Asker, controls: Sequence[Control], target: float) -> list[Control]:
    """The controls scaled so that the two ends cost neutral text `target` nats a token on average.

    One that can not get there is left out.
    """
    if not controls or not 0 < target < math.inf:
        return []
    dials = [Dial(control.steering.__mul__, signs=ENDS) for control in controls]
    doses = find_doses(asker.neutral_text, dials, target)
    return [
        replace(control, match="KL", factor=dose.dose)
        for control, dose in zip(controls, doses, strict=True)
        if dose.reached
    ]
