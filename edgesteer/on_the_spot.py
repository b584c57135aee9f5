"""Vectors made on the spot: a trait's pairs to a calibrated vector of an open model, and kept.

Does not know how pairs become a vector (convert.extract) nor what calibration measures. Nothing
here happens by itself: `Model.bind` refuses a name that the library has not; the command line asks
`missing_traits` first, and a program calls `make_vector`.

    with edgesteer.Model.open("smollm2") as model:
        edgesteer.make_vector(model, "calm")                     a minute, once
        print(model.ask("How was your day?", steer="calm=1").text)
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from edgesteer.errors import NotFoundError, PairsError, VectorMismatchError
from edgesteer.library_vectors import builtin_traits

if TYPE_CHECKING:
    from convert.capture import ActivationCapture, Progress
    from convert.pairs import ContrastPairs
    from edgesteer.model import Model
    from edgesteer.vector import ControlVector

__all__ = ["TRAIT_PAIRS", "enough", "load_trait", "make_vector", "missing_traits"]

#: Balanced over stems and personas, this many give a direction close to that of all pairs.
TRAIT_PAIRS = 64


def load_trait(source: str | os.PathLike[str]) -> ContrastPairs:
    """The contrast pairs of a built-in trait, or of a .toml or .jsonl file.

    Raises NotFoundError with the nearest names, PairsError that names the line or table at fault.
    """
    from convert.pairs import ContrastPairs

    return ContrastPairs.load(source)


def enough(
    pairs: ContrastPairs, source: str | os.PathLike[str], most: int | None = None
) -> ContrastPairs:
    """The pairs that are read: all of a file, of a built-in trait so many that more add little.

    `source` is where they come from; `most` says another number.
    """
    if most is None:
        most = TRAIT_PAIRS if os.fspath(source) in builtin_traits() else len(pairs)
    return pairs.limited(most)


def missing_traits(model: Model, steer: Any) -> tuple[str, ...]:
    """Built-in traits that a steering names and for which the library has no vector that fits.

    Raises SteeringError, and NotFoundError or VectorMismatchError for a name that is no trait.
    """
    from edgesteer.steering import as_steering

    missing = []
    for name in dict.fromkeys(_names(as_steering(steer))):
        try:
            model.library.find_vector(name, model.identity)
        except (NotFoundError, VectorMismatchError):
            if name not in builtin_traits():
                raise
            missing.append(name)
    return tuple(missing)


def _names(steering: Any) -> Iterator[str]:
    """What a steering has to look up: terms, gates, second directions."""
    for term in steering.terms:
        if term.vector is None:
            yield term.name
        if term.gate is not None and term.gate_vector is None:
            yield term.gate.vector
        if term.toward is not None and term.toward_vector is None:
            yield term.toward


def make_vector(
    model: Model,
    source: str | os.PathLike[str] | ContrastPairs,
    *,
    keep: bool = True,
    again: bool = False,
    capture: ActivationCapture | None = None,
    meta: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> ControlVector:
    """The calibrated vector of a trait for this model: the library's, or made now and kept.

    What is made is what `edgesteer extract` makes with its default options. It is written to the
    library in one piece at the very end; an interruption leaves nothing behind.

    Args:
        model: the open model that the vector is for, and on which it is calibrated.
        source: a built-in trait, a file of pairs, or pairs.
        keep: whether the library keeps it, under the trait's name.
        again: make it even though the library has one that fits; it is replaced when kept.
        capture: what reads the activations; default the model itself.
        meta: more facts to write into the file.
        progress: called with (done, in all, what).

    Raises:
        NotFoundError, PairsError: no such trait, or its pairs do not share a direction here.
        SteeringError: the vector could not be calibrated.
        ArchitectureError: this model's architecture ignores control vectors.
    """
    from convert.capture.llama import LlamaCapture
    from convert.extract import extract
    from convert.pairs import ContrastPairs
    from edgesteer.measure.calibrate import calibrate
    from edgesteer.vector import ControlVector

    pairs = source if isinstance(source, ContrastPairs) else enough(load_trait(source), source)
    if not again:
        try:
            path = model.library.find_vector(pairs.name, model.identity)
        except (NotFoundError, VectorMismatchError):
            pass
        else:
            return ControlVector.load(path)
    vector = extract(pairs, capture or LlamaCapture(model), progress=progress)
    quality = vector.meta["quality"]
    if quality["failed"]:
        raise PairsError(
            f"no vector {pairs.name} for this model: {quality['verdict']}",
            f"edgesteer extract {pairs.name} -m MODEL --force keeps it nevertheless",
        )
    vector = calibrate(model, vector, progress=progress)
    vector = vector.with_(meta={**vector.meta, **(meta or {})})
    if keep:
        model.library.save_vector(vector, pairs.name, replace=True)
    return vector
