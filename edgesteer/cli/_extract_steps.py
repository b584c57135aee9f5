"""The steps of `edgesteer extract`: open what reads, calibrate, refuse a vector that failed.

Does not know its options nor what is printed (extract.py does).
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from convert.capture import ActivationCapture
    from edgesteer.cli._progress import Advance
    from edgesteer.errors import EdgesteerError, PairsError
    from edgesteer.library import Library
    from edgesteer.model import Model
    from edgesteer.vector import ControlVector
    from edgesteer.working_copy import WorkingCopy

__all__ = ["calibration", "failure", "open_readers"]


def open_readers(
    stack: ExitStack, model_name: str, options: dict[str, Any], library: Library
) -> tuple[ActivationCapture, Model | None, WorkingCopy | None]:
    """What reads the activations, the open model to calibrate on (None: not wanted), its copy.

    The copy is the working copy that is read; None for the model's own file, which is what is
    calibrated on.
    """
    from edgesteer.cli import _open
    from edgesteer.cli._copies import reading_copy
    from edgesteer.errors import InputError

    by_torch, calibrate = options["capture"] == "torch", not options["no_calibrate"]
    folder = Path(model_name).expanduser().is_dir()
    if folder and (calibrate or not by_torch):
        raise InputError(
            f"{model_name} is a folder: it can be read by torch, but neither run nor calibrated",
            "give the GGUF file with -m, or --capture torch --no-calibrate",
        )
    if by_torch and options["tune"]:
        raise InputError("torch reads no working copy", "leave out --tune or --capture torch")
    model, copy, copied = None, None, False
    if calibrate or not by_torch:
        copy = None if by_torch else reading_copy(model_name, options, library)
        copied = copy is not None and copy.path != library.find_model(model_name).path
        opened = f"{model_name}@{copy.format}" if copy is not None and copied else model_name
        model = stack.enter_context(_open.open_model(opened, options, library))
    if model is not None and not by_torch:
        from convert.capture.llama import LlamaCapture

        capture = LlamaCapture(model)
        if calibrate and copied:  # strengths are for the file that answers, not for its copy
            model = stack.enter_context(_open.open_model(model_name, options, library))
        return capture, model if calibrate else None, copy
    from convert.capture.torch import TorchCapture

    path = model_name if folder else library.find_model(model_name).path
    return TorchCapture.open(path, device=options["device"]), model, None


def calibration(
    model: Model | None, advance: Advance, trouble: list[EdgesteerError]
) -> Callable[[ControlVector], ControlVector] | None:
    """Calibrates on the model; a vector with which that fails stays as it is: see `trouble`."""
    if model is None:
        return None
    from edgesteer.errors import EdgesteerError, EngineError, SteeringError
    from edgesteer.measure.calibrate import calibrate

    def attempt(vector: ControlVector) -> ControlVector:
        if vector.meta["quality"]["failed"]:
            return vector
        try:
            return calibrate(model, vector, progress=advance)
        except (SteeringError, EngineError) as error:
            trouble.append(
                EdgesteerError(
                    f"the vector is kept, but could not be calibrated: {error.message}", error.hint
                )
            )
            return vector

    return attempt


def failure(verdict: str, options: dict[str, Any]) -> PairsError:
    """What is said of a vector that is not worth trying. Raised when it is not to be kept."""
    from edgesteer.errors import PairsError

    out = options["out"]
    if options["force"] or (out is not None and not Path(out).exists()):
        return PairsError(verdict, "the vector is kept, not calibrated; mend the pairs")
    raise PairsError(
        f"{verdict}; nothing was written",
        "let both sides of a pair differ in the trait alone, the same way in all; -o with a new "
        "file, or --force, keeps such a vector, not calibrated",
    )
