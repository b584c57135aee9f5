"""The methods that turn activations into directions, by name: one file a method.

Does not know where the activations came from. contrast.py says what a method is given and gives.
"""

from __future__ import annotations

from dataclasses import dataclass

from convert.directions.centred_pca import centred_pca
from convert.directions.contrast import Contrast, Find, Found
from convert.directions.cross_covariance import cross_covariance
from convert.directions.geometric_median import geometric_median
from convert.directions.mean_centring import mean_centring
from convert.directions.mean_difference import mean_difference
from convert.directions.pca import pair_centred_pca
from convert.directions.probe import logistic_probe
from convert.directions.whitened import whitened
from convert.directions.winsorised import winsorised
from edgesteer.errors import InputError
from edgesteer.names import did_you_mean

__all__ = ["DEFAULT_METHOD", "METHODS", "Contrast", "Found", "Method", "find_method"]


@dataclass(frozen=True)
class Method:
    """One way to make directions: what it is called, what it does, and whether it needs neutral."""

    name: str
    find: Find
    summary: str
    needs_neutral: bool = False

    def __call__(self, contrast: Contrast) -> Found:
        """The directions of a contrast."""
        return self.find(contrast)


DEFAULT_METHOD = "mean-difference"
METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("mean-difference", mean_difference, "mean of one side minus mean of the other"),
        Method("geometric-median", geometric_median, "the same, against a few wild pairs"),
        Method("winsorised", winsorised, "the same, against coordinates that run wild"),
        Method("mean-centring", mean_centring, "positive side minus neutral text", True),
        Method("pca", pair_centred_pca, "main axis of the differences of pairs"),
        Method("centred-pca", centred_pca, "the same around their mean, for comparison"),
        Method(
            "cross-covariance", cross_covariance, "axis on which the sides straddle neutral", True
        ),
        Method("probe", logistic_probe, "logistic regression: reads well, steers poorly"),
        Method("whitened", whitened, "mean difference, with a better direction to read by"),
    )
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
