"""Which architectures take control vectors: a list of those that do not, and a test for the rest.

Knows nothing of files or of what a vector means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgesteer.engine import tasks
from edgesteer.engine.plan import Plan
from edgesteer.errors import ArchitectureError

if TYPE_CHECKING:
    from edgesteer.opened import Opened

#: Architectures of llama.cpp that accept a control vector and then do nothing with it.
IGNORES = frozenset(
    {
        *("bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "modern-bert"),
        *("neo-bert", "eurobert", "plamo2", "qwen4exp", "hy-v4", "dflash", "eagle3"),
        *("gemma4-assistant", "wavtokenizer-dec", "clip"),
    }
)
#: Architectures on which an effect has been seen, so that the test below can be left out.
TAKES = frozenset({"llama", "qwen2", "gemma3"})


def check_steerable(model: Opened) -> None:
    """Return if steering has an effect on this model.

    Raises:
        ArchitectureError: one token decoded with a large vector gives the same logits as without.
    """
    if model.architecture in TAKES:
        return
    if not has_effect(model):
        known = " (llama.cpp is known to ignore them there)"
        raise ArchitectureError(
            f"control vectors have no effect on the architecture {model.architecture!r}"
            + (known if model.architecture in IGNORES else ""),
            "Use a model of another family: llama, qwen, gemma, phi, mistral and most others work.",
        )


def has_effect(model: Opened) -> bool:
    """Decode one token with and without a large vector and compare the logits."""
    rng = np.random.default_rng(0)
    buffer = rng.standard_normal((model.n_layer - 1, model.n_embd)).astype(np.float32)
    probe = Plan("probe", "probe", True, buffer, buffer, "probe", "probe", ())
    token = [max(model._weights.bos, 0)]
    plain = model._scheduler.read(lambda s: tasks.next_logits(s, token))
    moved = model._scheduler.read(lambda s: tasks.next_logits(s, token, probe))
    return bool(np.abs(plain - moved).max() > 1e-6)
