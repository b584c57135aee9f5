"""The methods that turn activations into directions, by name: one file a method.

Does not know where the activations came from.

A method takes the positive rows and the negative rows, float32 [n, L, d] each, row i of one being
the counterpart of row i of the other, and gives directions float32 [L, d] in the natural unit: a
step of 1 leads from the negative rows to the positive ones, on average.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from convert.directions.mean_difference import mean_difference
from convert.directions.pca import pair_centred_pca
from edgesteer.errors import InputError
from edgesteer.names import did_you_mean

__all__ = ["DEFAULT_METHOD", "METHODS", "Method", "find_method"]

Array = NDArray[np.float32]
Method = Callable[[Array, Array], Array]

DEFAULT_METHOD = "mean-difference"
METHODS: dict[str, Method] = {
    "mean-difference": mean_difference,
    "pca": pair_centred_pca,
}


def find_method(name: str) -> Method:
    """The method of that name. Raises InputError with the nearest names.

    >>> find_method("pca") is METHODS["pca"]
    True
    """
    if name not in METHODS:
        known = f"the methods are {', '.join(METHODS)}"
        raise InputError(f"no method called {name!r}", did_you_mean(name, METHODS) or known)
    return METHODS[name]
