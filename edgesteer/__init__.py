"""edgesteer: make a steering vector on the weights you run, and turn it while the model talks.

Importing this costs nothing: each name is fetched from its module when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from edgesteer.chat import Chat
    from edgesteer.errors import (
        ArchitectureError,
        Busy,
        Cancelled,
        ContextFullError,
        DeviceError,
        EdgesteerError,
        EdgesteerWarning,
        EngineError,
        FileWriteError,
        FitWarning,
        InputError,
        LayerError,
        MissingExtraError,
        ModelError,
        NotFoundError,
        PairsError,
        RecipeError,
        SteeringError,
        StrengthWarning,
        VectorFileError,
        VectorMismatchError,
    )
    from edgesteer.identity import ModelIdentity, read_model_identity
    from edgesteer.layers import LayerRange
    from edgesteer.library import Library
    from edgesteer.model import Job, Model, Reply
    from edgesteer.monitor.readout import Readout
    from edgesteer.on_the_spot import load_trait, make_vector
    from edgesteer.recipe import Recipe
    from edgesteer.sampling import Sampling
    from edgesteer.steering import Gate, Steering, Term, as_steering
    from edgesteer.vector import Calibration, ControlVector

_HOMES = {
    "chat": ("Chat",),
    "errors": (
        "ArchitectureError",
        "Busy",
        "Cancelled",
        "ContextFullError",
        "DeviceError",
        "EdgesteerError",
        "EdgesteerWarning",
        "EngineError",
        "FileWriteError",
        "FitWarning",
        "InputError",
        "LayerError",
        "MissingExtraError",
        "ModelError",
        "NotFoundError",
        "PairsError",
        "RecipeError",
        "SteeringError",
        "StrengthWarning",
        "VectorFileError",
        "VectorMismatchError",
    ),
    "identity": ("ModelIdentity", "read_model_identity"),
    "layers": ("LayerRange",),
    "library": ("Library",),
    "model": ("Job", "Model", "Reply"),
    "on_the_spot": ("load_trait", "make_vector"),
    "monitor.readout": ("Readout",),
    "recipe": ("Recipe",),
    "sampling": ("Sampling",),
    "steering": ("Gate", "Steering", "Term", "as_steering"),
    "vector": ("Calibration", "ControlVector"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "ArchitectureError",
    "Busy",
    "Calibration",
    "Cancelled",
    "Chat",
    "ContextFullError",
    "ControlVector",
    "DeviceError",
    "EdgesteerError",
    "EdgesteerWarning",
    "EngineError",
    "FileWriteError",
    "FitWarning",
    "Gate",
    "InputError",
    "Job",
    "LayerError",
    "LayerRange",
    "Library",
    "MissingExtraError",
    "Model",
    "ModelError",
    "ModelIdentity",
    "NotFoundError",
    "PairsError",
    "Readout",
    "Recipe",
    "RecipeError",
    "Reply",
    "Sampling",
    "Steering",
    "SteeringError",
    "StrengthWarning",
    "Term",
    "VectorFileError",
    "VectorMismatchError",
    "__version__",
    "as_steering",
    "load_trait",
    "make_vector",
    "read_model_identity",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'edgesteer' has no attribute {name!r}")
    value = getattr(import_module(f"edgesteer.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
