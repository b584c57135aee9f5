"""Makes the vectors of built-in traits that a command steers by and the library has not yet.

Does not know how a vector is made (edgesteer.on_the_spot).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from edgesteer.errors import Cancelled

if TYPE_CHECKING:
    from edgesteer.model import Model
    from edgesteer.steering import Steering

__all__ = ["make_missing"]


def make_missing(model: Model, name: str, steering: Steering, options: Mapping[str, Any]) -> None:
    """Make and keep what is missing, with a progress bar, unless --no-make was given.

    `name` is what the person calls the model. Raises Cancelled when interrupted, with nothing kept
    of the vector that was being made; and what a steering raises that names other things.
    """
    if options.get("no_make"):
        return
    from edgesteer.on_the_spot import missing_traits

    for trait in missing_traits(model, steering):
        try:
            _make(model, name, trait, options)
        except KeyboardInterrupt:
            raise Cancelled(
                f"the vector {trait} was not finished, and nothing of it was kept"
            ) from None


def _make(model: Model, name: str, trait: str, options: Mapping[str, Any]) -> None:
    from edgesteer.cli import _open, _show
    from edgesteer.cli._copies import reading_copy
    from edgesteer.cli._progress import progress_bars
    from edgesteer.on_the_spot import make_vector

    library = model.library
    _show.note(f"{name} has no vector {trait} yet: making it, once (--no-make refuses)")
    with ExitStack() as stack:
        capture, meta = None, {}
        copy = reading_copy(name, {**options, "tune": False, "original": False}, library)
        if copy is not None and copy.path != model.path:
            from convert.capture.llama import LlamaCapture

            reader = _open.open_model(f"{name}@{copy.format}", options, library)
            capture = LlamaCapture(stack.enter_context(reader))
            meta = {"working_copy": str(copy)}
        advance = stack.enter_context(progress_bars())
        vector = make_vector(model, trait, capture=capture, meta=meta, progress=advance)
    for warning in vector.meta["quality"]["warnings"]:
        _show.note(f"warning: {warning}")
    _show.note(f"kept {library.find_vector(trait, model.identity)}")
