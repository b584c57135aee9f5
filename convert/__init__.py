"""Making control vectors: contrast pairs to a vector.

Does not know the engine: it imports `edgesteer`, which imports this package only inside the
commands that need it.

    pairs -> rendering -> capture -> directions -> quality -> ControlVector      (extract.py)

Importing this package imports neither torch nor llama_cpp; its names are resolved when used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convert.activations import Activations
    from convert.capture.llama import LlamaCapture
    from convert.capture.torch import TorchCapture
    from convert.pairs import ContrastPairs, Pair, Side
    from convert.quality import Quality
    from convert.traits import trait_names

__all__ = [
    "Activations",
    "ContrastPairs",
    "LlamaCapture",
    "Pair",
    "Quality",
    "Side",
    "TorchCapture",
    "trait_names",
]

_HOME = {
    "Activations": "convert.activations",
    "ContrastPairs": "convert.pairs",
    "LlamaCapture": "convert.capture.llama",
    "Pair": "convert.pairs",
    "Quality": "convert.quality",
    "Side": "convert.pairs",
    "TorchCapture": "convert.capture.torch",
    "trait_names": "convert.traits",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'convert' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
