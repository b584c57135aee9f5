"""The refusing direction for the overlap: one of the library, one that was named, or a fresh one.

Does not know what is compared with it.
"""

from __future__ import annotations

from typing import Any

from edgesteer.library import builtin_traits
from edgesteer.model import Model
from edgesteer.steering import Steering, as_steering

__all__ = ["REFUSAL_NAMES", "refusing_direction"]

#: Names under which it is looked for in the library.
REFUSAL_NAMES = ("refusal", "refuse", "refusing")
_PAIRS = 48


def refusing_direction(model: Model, wanted: Any = None) -> Steering | None:
    """The direction as a steering; None when nothing was asked for and the library has none.

    `wanted` is what `as_steering` takes, or the name of a built-in trait that the library has no
    vector of: then the direction is made of its pairs now.

    Raises NotFoundError and VectorMismatchError for one that can not be used, and what extraction
    raises.
    """
    there = model.library.vector_names()
    if wanted is None:
        known = [name for name in REFUSAL_NAMES if name in there]
        return model.bind(as_steering(known[0])) if known else None
    if not isinstance(wanted, str) or wanted in there or wanted not in builtin_traits():
        return model.bind(as_steering(wanted))
    from convert.capture.llama import LlamaCapture
    from convert.extract import extract
    from convert.pairs import ContrastPairs

    pairs = ContrastPairs.load(wanted).limited(_PAIRS)
    return model.bind(as_steering(extract(pairs, LlamaCapture(model), name=wanted)))
