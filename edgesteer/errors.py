"""The errors of edgesteer: one tree, each error with a message and a hint that cures it.

Does not know how an error is shown: the command line and the server decide that.

    EdgesteerError
    ├── InputError              a value that a person typed is wrong
    │   ├── LayerError          a layer outside 1..n_layer-1, or a bad layer range
    │   ├── SteeringError       a bad steering text, dict or combination
    │   ├── RecipeError         a bad recipe
    │   └── PairsError          a bad file of contrast pairs
    ├── NotFoundError           no vector, model or recipe of that name
    ├── VectorFileError         a GGUF file is malformed, hostile or not supported
    ├── VectorMismatchError     the vector belongs to another model
    ├── ModelError              a model file can not be opened or used
    │   └── ArchitectureError   the architecture ignores control vectors
    ├── EngineError             llama.cpp reported a failure
    │   ├── DeviceError         a GPU was asked for and is not there
    │   ├── ContextFullError    prompt and answer do not fit the context
    │   └── Busy                the queue is full
    ├── FileWriteError          a file could not be written; what was there before is untouched
    ├── MissingExtraError       an optional package is not installed
    └── Cancelled               the job was cancelled

    EdgesteerWarning (a UserWarning)
    ├── StrengthWarning         a strength outside the calibrated band of its vector
    └── FitWarning              a vector may not fit the model, or a fit is of poor quality
"""

from __future__ import annotations

__all__ = [
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
]


class EdgesteerError(Exception):
    """What every error of this package is.

    `message` says what went wrong and why; `hint` says what cures it (it may be empty).
    `str(error)` is the message alone; a traceback shows the hint below it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint
        if hint:
            self.add_note(f"Hint: {hint}")

    def __str__(self) -> str:
        return self.message


class InputError(EdgesteerError):
    """A value that a person typed is wrong."""


class LayerError(InputError):
    """A layer outside 1..n_layer-1, or a layer range that can not be read."""


class SteeringError(InputError):
    """A steering text, dict or combination that makes no sense."""


class RecipeError(InputError):
    """A recipe that can not be read."""


class PairsError(InputError):
    """A file of contrast pairs that can not be read."""


class NotFoundError(EdgesteerError):
    """No vector, model or recipe of that name."""


class VectorFileError(EdgesteerError):
    """A GGUF file is malformed, hostile or not supported, or its directions are unusable."""


class VectorMismatchError(EdgesteerError):
    """The vector belongs to another model."""


class ModelError(EdgesteerError):
    """A model file can not be opened or used."""


class ArchitectureError(ModelError):
    """The architecture ignores control vectors, so steering would have no effect."""


class EngineError(EdgesteerError):
    """llama.cpp reported a failure."""


class DeviceError(EngineError):
    """A GPU was asked for and is not there."""


class ContextFullError(EngineError):
    """Prompt and answer do not fit the context."""


class Busy(EngineError):  # noqa: N818 - named after the state, as HTTP's 503
    """The queue of waiting requests is full."""


class FileWriteError(EdgesteerError):
    """A file could not be written; what was there before is untouched."""


class MissingExtraError(EdgesteerError):
    """An optional package is not installed."""


class Cancelled(EdgesteerError):  # noqa: N818 - it reports a wish, not a fault
    """The job was cancelled before it had a result."""

    def __init__(self, message: str = "the job was cancelled", hint: str = "") -> None:
        super().__init__(message, hint)


class EdgesteerWarning(UserWarning):
    """What every warning of this package is."""


class StrengthWarning(EdgesteerWarning):
    """A strength lies outside the calibrated band of its vector."""


class FitWarning(EdgesteerWarning):
    """A vector may not fit the model, or a fit is of poor quality."""
