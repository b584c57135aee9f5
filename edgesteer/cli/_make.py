"""Makes the vectors of built-in traits that a command steers by and the library has not yet.

Does not know how a vector is made (edgesteer.on_the_spot).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from edgesteer.errors import Cancelled

if TYPE_CHECKING:
    from edgesteer.model import Model
    from edgesteer.steering import Steering
    from edgesteer.vector import ControlVector

__all__ = ["make_missing", "make_readable"]


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


def make_readable(
    model: Model, name: str, watch: Iterable[str], options: Mapping[str, Any]
) -> None:
    """Make what is to be watched and missing: vectors of built-in traits, and their read-outs.

    Raises as `make_missing`, and what a watch that can not be read raises.
    """
    if options.get("no_make"):
        return
    from edgesteer.library_vectors import builtin_traits
    from edgesteer.monitor.readout import Readout
    from edgesteer.monitor.watching import parse_watch
    from edgesteer.names import quote_name
    from edgesteer.steering import Steering

    asked = [item for text in watch for item in parse_watch(text)]
    wanted = Steering.parse(" ".join(quote_name(each) for each, _ in asked))
    make_missing(model, name, wanted, options)
    for each in dict.fromkeys(each for each, layer in asked if layer is None):
        if each in builtin_traits():
            vector = model.library.load_vector(each, model.identity)
            if Readout.of(vector) is None:
                try:
                    _fit(model, vector, each)
                except KeyboardInterrupt:
                    raise Cancelled(f"no read-out of {each} was kept") from None


def _fit(model: Model, vector: ControlVector, trait: str) -> None:
    from edgesteer.cli import _show
    from edgesteer.cli._progress import progress_bars
    from edgesteer.errors import PairsError
    from edgesteer.monitor.examples import load_examples
    from edgesteer.monitor.fit import fit_readout

    _show.note(f"{trait} has no read-out yet: fitting it, once (--no-make reads raw)")
    try:
        with progress_bars() as advance:
            readout = fit_readout(model, vector, load_examples(trait), progress=advance)
    except PairsError as error:
        _show.note(f"{error.message}: reading it raw")
        return
    path = model.library.find_vector(trait, model.identity)
    readout.kept_with(vector).save(path)
    _show.note(f"kept with the vector: {readout}")


def _make(model: Model, name: str, trait: str, options: Mapping[str, Any]) -> None:
    from edgesteer.cli import _open, _show
    from edgesteer.cli._copies import copy_to_read
    from edgesteer.cli._progress import progress_bars
    from edgesteer.on_the_spot import make_vector

    library = model.library
    _show.note(f"{name} has no vector {trait} yet: making it, once (--no-make refuses)")
    with ExitStack() as stack:
        capture, meta = None, {}
        opened, copy = copy_to_read(name, {**options, "tune": False, "original": False}, library)
        if opened != name:
            from convert.capture.llama import LlamaCapture

            reader = _open.open_to_measure(opened, options, library)
            capture = LlamaCapture(stack.enter_context(reader))
            meta = {"working_copy": str(copy)}
        advance = stack.enter_context(progress_bars())
        vector = make_vector(model, trait, capture=capture, meta=meta, progress=advance)
    for warning in vector.meta["quality"]["warnings"]:
        _show.note(f"warning: {warning}")
    _show.note(f"kept {library.find_vector(trait, model.identity)}")
