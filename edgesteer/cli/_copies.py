"""Which file a long reading runs on: the model's own, or its working copy; and says so.

Does not know how copies are made or kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgesteer.cli import _options as shared

if TYPE_CHECKING:
    from edgesteer.library import Library, ModelEntry
    from edgesteer.model import Model
    from edgesteer.tune import Table
    from edgesteer.working_copy import WorkingCopy

__all__ = ["copy_options", "copy_to_read", "measure"]

_N_CTX = 1024  # enough for the measurement; a cache for more would cost memory


def copy_options(command: shared.Command) -> shared.Command:
    """--tune and --original."""
    original = click.option(
        "--original", is_flag=True, help="Read the model's own file, not its working copy."
    )
    make = click.option(
        "--tune", is_flag=True, help="Make a faster working copy first (see models tune)."
    )
    return make(original(command))


def measure(
    library: Library,
    entry: ModelEntry,
    options: Mapping[str, Any],
    *,
    use: str = "",
    large: bool = False,
) -> Table:
    """Measure the formats of a model by opening it as the options say, with a progress bar."""
    from edgesteer.cli import _open
    from edgesteer.cli._progress import progress_bars
    from edgesteer.tune import machine, tune

    def open_file(path: Path) -> Model:
        return _open.open_model(str(path), {**options, "ctx": _N_CTX}, library)

    key = machine(options["device"], options["gpu_layers"])
    with progress_bars() as advance:
        return tune(library, entry, open_file, key=key, use=use, large=large, progress=advance)


def copy_to_read(
    model_name: str, options: Mapping[str, Any], library: Library
) -> tuple[str, WorkingCopy | None]:
    """What to open for a long reading of a model, and the working copy that it is.

    The name is the model's own when its file is read, also when that is a copy itself.
    Raises as the choice of the copy does: InputError for --tune with --original.
    """
    copy = _chosen(model_name, options, library)
    if copy is None or copy.path == library.find_model(model_name).path:
        return model_name, copy
    return f"{model_name}@{copy.format}", copy


def _chosen(model_name: str, options: Mapping[str, Any], library: Library) -> WorkingCopy | None:
    """The working copy to read a model by; None when it is the file itself.

    Raises InputError for --tune with --original, and what the measurement raises.
    """
    from edgesteer.cli import _show
    from edgesteer.errors import InputError, NotFoundError
    from edgesteer.working_copy import CopyShelf

    if options["tune"] and options["original"]:
        raise InputError("--tune and --original contradict each other", "give one of them")
    shelf = CopyShelf(library)
    if not options["tune"] and (options["original"] or not shelf.folder.is_dir()):
        return None
    entry = None
    with suppress(NotFoundError):  # whoever opens the model says it
        entry = library.find_model(model_name)
    if entry is None:
        return None
    from edgesteer.tune import machine, remembered

    key = machine(options["device"], options["gpu_layers"])
    if options["tune"] and remembered(library, entry.path, key) is None:
        measure(library, entry, options)
    copy, problem = shelf.preferred(entry.path, model_name, key)
    if problem:
        _show.note(f"{problem}; reading the file itself")
    elif copy is None and options["tune"]:
        _show.note("no close copy is faster: reading the file itself")
    elif copy is not None and copy.path != entry.path:
        _show.note(f"reading by the working copy ({copy}); --original reads the file itself")
    return copy
