"""Texts whose two sides a tiny random model tells apart, and the vector that does it.

The positive side is written in letters from the first half of the alphabet, the negative side in
letters from the second.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from edgesteer import ControlVector, Model
from edgesteer.monitor.examples import Example, Examples, load_examples
from edgesteer.monitor.reading_rows import read_rows

SIDES = {True: "abcdefghi", False: "rstuvwxyz"}


def word(positive: bool, rng: np.random.Generator, letters: int = 48) -> str:
    """Letters of one side, with some of both between them."""
    own = list(SIDES[positive])
    return "".join(rng.choice(own if rng.random() < 0.9 else list("jklmnopq"), letters))


def prompts(n: int, seed: int, path: Path, *, answers: bool = False) -> Examples:
    """`n` texts a side, written to a file and read back."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(2 * n):
        text, label = word(i % 2 == 0, rng), 1 - i % 2
        row = {"prompt": "Go on.", "answer": text} if answers else {"prompt": text}
        rows.append(json.dumps({**row, "label": label}))
    path.write_text("\n".join(rows), encoding="utf-8")
    return load_examples(path)


def planted_vector(model: Model, *, positions: str, name: str = "early") -> ControlVector:
    """The mean difference of the two sides, from texts of its own."""
    rng = np.random.default_rng(99)
    texts = tuple(
        Example(word(side, rng), side, answer=None, group=f"{i} {side}")
        for i in range(32)
        for side in (True, False)
    )
    if positions == "answer":
        texts = tuple(Example("Go on.", x.positive, answer=x.prompt, group=x.group) for x in texts)
    examples = Examples("own", texts)
    layers = tuple(range(1, model.n_layer))
    rows = read_rows(model, examples, layers, positions=positions).rows
    labels = examples.labels
    means = rows[labels].mean(axis=0) - rows[~labels].mean(axis=0)
    return ControlVector(dict(zip(layers, means, strict=True)), model.identity, name=name)
