"""Contrast pairs and planted activations that the tests of `convert` share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convert.directions import Contrast

Array = NDArray[np.float32]

TRAIT = """
format = 1
name = "calm"
description = "calm against furious"
positive_name = "calm"
negative_name = "furious"
template = "persona"
positive = ["You are calm.", "You are at ease."]
negative = ["You are furious.", "You are full of rage."]
questions = ["How are you?"]

[[stems]]
user = "The bus is late."
answer = "Well,"

[[stems]]
user = "It rains."

[[stems]]
user = "The soup is cold."
answer = "I think"

[heldout]
[[heldout.stems]]
user = "The shop is closed."
answer = "So"
"""

INLINE = """
positive = ["You are calm."]
negative = ["You are furious."]
stems = [
    { user = "The bus is late.", answer = "Well, {then" },  # a brace in a text and here: {
    { user = "It rains." },
]
[heldout]
stems = [
    { user = "The shop is closed." },
    { user = "The key is lost." },
]
"""


def planted(
    n: int = 40, layers: int = 3, width: int = 64, noise: float = 1.0, seed: int = 0
) -> tuple[Array, Array, Array]:
    """Paired rows float32 [n, layers, width] around `direction` float32 [layers, width].

    The two rows of a pair share what the pair is about, a part far larger than the direction.
    """
    random = np.random.default_rng(seed)
    direction = random.normal(size=(layers, width))
    direction *= 4 / np.linalg.norm(direction, axis=1, keepdims=True)
    about = 5 * random.normal(size=(n, layers, width))
    jitter = noise * random.normal(size=(2, n, layers, width)) / np.sqrt(width)
    positive = (about + direction / 2 + jitter[0]).astype(np.float32)
    negative = (about - direction / 2 + jitter[1]).astype(np.float32)
    return positive, negative, direction.astype(np.float32)


def planted_contrast(n: int = 40, **options: float) -> tuple[Contrast, Array]:
    """The same as a Contrast with neutral rows midway, and the direction float32 [layers, width].

    Each pair has a neutral row of its own, which is about the same thing as the pair.
    """
    positive, negative, direction = planted(n, **options)  # type: ignore[arg-type]
    noise = options.get("noise", 1.0) / np.sqrt(positive.shape[2])
    jitter = noise * np.random.default_rng(99).normal(size=positive.shape)
    neutral = ((positive + negative) / 2 + jitter).astype(np.float32)
    layers = tuple(range(1, 1 + positive.shape[1]))
    contrast = Contrast(
        positive, negative, layers, neutral=neutral, baseline=np.arange(len(positive))
    )
    return contrast, direction


def cosines(a: Array, b: Array) -> NDArray[np.float64]:
    """Cosine of rows along the last axis."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    lengths = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    return np.asarray((a * b).sum(axis=-1) / lengths)
