"""The steps of `edgesteer extract` after reading: calibrate, refuse a vector that failed.

Does not know its options nor what is printed (extract.py does).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgesteer.cli._extract_options import OPTIMISED

if TYPE_CHECKING:
    from collections.abc import Callable

    from convert.capture.torch import TorchCapture
    from convert.pairs import ContrastPairs
    from edgesteer.cli._progress import Advance
    from edgesteer.errors import EdgesteerError, PairsError
    from edgesteer.library import Library
    from edgesteer.model import Model
    from edgesteer.vector import ControlVector

__all__ = ["calibration", "failure", "refinement"]


def refinement(
    torch: TorchCapture | None,
    pairs: ContrastPairs,
    options: dict[str, Any],
    library: Library,
    advance: Advance,
) -> Callable[[ControlVector], ControlVector] | None:
    """Searches on by gradients, when that method is asked for; a failed vector stays as it is."""
    if torch is None or options["method"] != OPTIMISED:
        return None
    from convert.optimise.preference import Settings
    from convert.optimise.refine import refine

    capture = torch

    def search(vector: ControlVector) -> ControlVector:
        if vector.meta["quality"]["failed"]:
            return vector
        return refine(
            vector,
            pairs,
            capture,
            settings=Settings(steps=options["steps"]),
            checkpoints=library.cache / "optimise",
            progress=advance,
        )

    return search


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
