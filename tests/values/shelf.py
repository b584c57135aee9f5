"""A shelf of random vectors of one small model, for tests of steering.

Does not know what is tested with them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgesteer.errors import (
    NotFoundError,
)
from edgesteer.identity import ModelIdentity
from edgesteer.steering import Steering
from edgesteer.vector import ControlVector

N_LAYER, WIDTH = 8, 4
MODEL = ModelIdentity("llama", N_LAYER, WIDTH, "tiny", "aa")
RNG = np.random.default_rng(11)


def vector(name: str, layers: range = range(1, N_LAYER), **facts: Any) -> ControlVector:
    facts = {"model": MODEL} | facts
    return ControlVector({n: RNG.normal(size=WIDTH) for n in layers}, name=name, **facts)


SHELF = {name: vector(name) for name in ("calm", "formal", "happy", "sad", "harmful")}


def find(name: str) -> ControlVector:
    if name not in SHELF:
        raise NotFoundError(f"no vector {name!r}", "try another")
    return SHELF[name]


def bound(text: str) -> Steering:
    return Steering.parse(text).bind(find)


def fingerprint(text: str) -> str:
    return bound(text).fingerprint(N_LAYER, WIDTH)
