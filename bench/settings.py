"""What all measurements of one stream share: the prompt, its length, a vector to steer by.

Knows nothing of what is measured.
"""

from __future__ import annotations

import numpy as np

from edgesteer import ControlVector, Model

PROMPT = "How does a sailing boat manage to go against the wind?"
N_TOKENS = 128


def random_vector(model: Model, layers: range, share: float = 0.05) -> ControlVector:
    """A random vector whose length is ``share`` of the residual stream's at each layer."""
    rng = np.random.default_rng(0)
    text = model.render([{"role": "user", "content": PROMPT}])
    capture = model.capture([text], layers=layers)
    lengths = np.linalg.norm(capture.rows[0], axis=-1)
    directions = {}
    for layer, length in zip(capture.layers, lengths, strict=True):
        v = rng.standard_normal(model.n_embd)
        directions[layer] = (v * share * length / np.linalg.norm(v)).astype(np.float32)
    return ControlVector(directions, model.identity, name="random")
