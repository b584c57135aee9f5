"""Where `edgesteer extract` gets its activations: llama.cpp, torch, or a file that was saved.

Does not know what is made of them (extract.py and convert do).
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgesteer.cli._extract_options import OPTIMISED

if TYPE_CHECKING:
    from convert.capture import ActivationCapture
    from convert.capture.torch import TorchCapture
    from convert.pairs import ContrastPairs
    from convert.reading import Reading
    from edgesteer.cli._progress import Advance
    from edgesteer.identity import ModelIdentity
    from edgesteer.library import Library
    from edgesteer.model import Model
    from edgesteer.working_copy import WorkingCopy

__all__ = ["Source", "check_options", "closed_form", "open_source", "read"]

HUB = "hf://"


@dataclass(frozen=True)
class Source:
    """What is open.

    capture   reads the activations; None when they come from a file
    model     is calibrated on; None: not wanted
    copy      the working copy that is read; None for the model's own file
    identity  the model that the vector is for, None when that is what was read
    torch     the model in torch, for gradients; None when none are wanted
    """

    capture: ActivationCapture | None
    model: Model | None = None
    copy: WorkingCopy | None = None
    identity: ModelIdentity | None = None
    torch: TorchCapture | None = None


def check_options(model_name: str, options: dict[str, Any]) -> None:
    """Raises InputError for options that contradict each other, before anything is opened."""
    from convert.capture.positions import as_positions
    from convert.directions import find_method
    from edgesteer.errors import InputError

    find_method(closed_form(options["method"]))
    if options["positions"] is not None:
        as_positions(options["positions"])
    by_torch, weights = options["capture"] == "torch", options["weights"]
    uses_torch = by_torch or options["method"] == OPTIMISED
    if weights and not uses_torch:
        raise InputError("--weights are read by torch", "add --capture torch")
    if options["dtype"] != "float32" and not uses_torch:
        raise InputError(
            "llama.cpp reads the numbers of the file as they are", "--dtype is for --capture torch"
        )
    if by_torch and options["tune"]:
        raise InputError("torch reads no working copy", "leave out --tune or --capture torch")
    if options["from_capture"]:
        for name, given in (
            ("--save-capture", options["save_capture"]),
            ("--weights", weights and options["method"] != OPTIMISED),
            ("--tune", options["tune"]),
        ):
            if given:
                raise InputError(
                    f"{name} and --from-capture contradict each other: nothing is read",
                    f"leave out one of them; {name} is for a new capture",
                )
    without_file = _is_folder(model_name) or model_name.startswith(HUB)
    if without_file and not (by_torch and options["no_calibrate"]):
        raise InputError(
            f"{model_name} is no GGUF file: torch can read it, and nothing can run or calibrate it",
            "give the GGUF file with -m and this with --weights, or --capture torch --no-calibrate",
        )


def open_source(
    stack: ExitStack, model_name: str, options: dict[str, Any], library: Library
) -> Source:
    """Opens what the options ask for; `stack` closes it."""
    from edgesteer.cli import _open
    from edgesteer.cli._copies import copy_to_read

    calibrate = not options["no_calibrate"]
    by_torch, kept = options["capture"] == "torch", bool(options["from_capture"])
    torch = None
    if options["method"] == OPTIMISED or (by_torch and not kept):
        torch = _torch_capture(model_name, options, library)
    if kept or by_torch:
        model = None
        if calibrate:
            model = stack.enter_context(_open.open_to_measure(model_name, options, library))
        if not kept:
            return Source(torch, model, torch=torch)
        identity = model.identity if model else _identity(model_name, library)
        return Source(None, model, identity=identity, torch=torch)
    from convert.capture.llama import LlamaCapture

    opened, copy = copy_to_read(model_name, options, library)
    model = stack.enter_context(_open.open_to_measure(opened, options, library))
    capture = LlamaCapture(model)
    if calibrate and opened != model_name:
        # strengths are for the file that answers, not for its copy
        model = stack.enter_context(_open.open_to_measure(model_name, options, library))
    return Source(capture, model if calibrate else None, copy, torch=torch)


def read(
    pairs: ContrastPairs, source: Source, options: dict[str, Any], advance: Advance
) -> Reading:
    """The activations of the pairs, read or loaded; saved at once when that is asked for.

    Raises VectorMismatchError when the weights that were read are not those of the model.
    """
    from convert.directions import find_method
    from convert.reading import load_reading, read_pairs
    from edgesteer.cli import _show

    if source.capture is None:
        reading = load_reading(options["from_capture"], pairs, source.identity)
        _check_positions(reading, options)
        _show.note(f"not read again: the activations come from {options['from_capture']}")
        return reading
    for other in (source.model, source.torch):
        if other is not None:
            _check_same(source.capture.identity, other.identity)
    save = options["save_capture"]
    reading = read_pairs(
        pairs,
        source.capture,
        positions=options["positions"] or "last",
        layers=options["layers"],
        neutral=bool(save) or find_method(closed_form(options["method"])).needs_neutral,
        progress=advance,
    )
    if save:
        reading.save(save)
        _show.note(f"activations kept in {save}; --from-capture {save} uses them again")
    return reading


def _check_positions(reading: Reading, options: dict[str, Any]) -> None:
    from convert.capture.positions import as_positions
    from edgesteer.errors import InputError

    asked = options["positions"]
    if asked is not None and as_positions(asked) != reading.places:
        raise InputError(
            f"{options['from_capture']} holds the positions {reading.rows.positions}, not {asked}",
            "leave out --positions, or capture again",
        )


def closed_form(method: str) -> str:
    """The method that finds the directions: for the optimised vector, those that it starts from."""
    from convert.directions import DEFAULT_METHOD

    return DEFAULT_METHOD if method == OPTIMISED else method


def _torch_capture(model_name: str, options: dict[str, Any], library: Library) -> TorchCapture:
    from convert.capture.torch import TorchCapture
    from edgesteer.cli._group import OFFLINE, recall
    from edgesteer.errors import InputError

    name = options["weights"] or model_name
    hub = name.startswith(HUB)
    if hub and recall(OFFLINE):
        raise InputError(f"{name} would be downloaded", "leave out --offline, or give a folder")
    known = hub or _is_folder(name) or bool(options["weights"])
    return TorchCapture.open(
        name.removeprefix(HUB) if known else library.find_model(name).path,
        device=options["device"],
        dtype=options["dtype"],
        allow_download=hub,
    )


def _check_same(read: ModelIdentity, model: ModelIdentity) -> None:
    from edgesteer.errors import VectorMismatchError

    try:
        model.check_fits(read)
    except VectorMismatchError as error:
        raise VectorMismatchError(
            f"read are {read}, and the model is {model}: {error.message.rpartition(': ')[2]}",
            "give the folder that this GGUF file was made of with --weights, or its own with -m",
        ) from error


def _identity(model_name: str, library: Library) -> ModelIdentity:
    from edgesteer.identity import read_model_identity

    if _is_folder(model_name):
        from convert.capture.hf_identity import folder_identity

        return folder_identity(Path(model_name).expanduser())
    return read_model_identity(library.find_model(model_name).path)


def _is_folder(name: str) -> bool:
    return Path(name).expanduser().is_dir()
