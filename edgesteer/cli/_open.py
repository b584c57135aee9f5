"""Opens the model that a command runs on: the one place that tests replace.

Does not know what the model is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgesteer.library import Library
    from edgesteer.model import Model

__all__ = ["SIDE_BY_SIDE", "open_model", "open_to_measure"]

SIDE_BY_SIDE = 8
"""Answers that a measuring command writes at once: a batch costs less, and nobody waits for one."""


def open_model(name: str, options: Mapping[str, Any], library: Library, **more: Any) -> Model:
    """The model of that name or path, opened as the engine options say, and `more` of them."""
    import logging

    from edgesteer.model import Model

    # Without -v nothing is logged to the screen, not even as Python's last resort.
    logging.getLogger("edgesteer").addHandler(logging.NullHandler())
    if options.get("threads") is None:
        _tell_of_load()
    return Model.open(
        name,
        device=options.get("device", "auto"),
        gpu_layers=options.get("gpu_layers"),
        threads=options.get("threads"),
        n_ctx=options.get("ctx", 4096),
        library=library,
        **more,
    )


def open_to_measure(name: str, options: Mapping[str, Any], library: Library) -> Model:
    """As open_model, for a command that measures."""
    return open_model(name, options, library, n_seq=SIDE_BY_SIDE)


def _tell_of_load() -> None:
    """llama.cpp's threads wait for one another: beside other work, fewer of them are faster."""
    import os
    import sys

    from edgesteer.cli import _show

    cores, load = os.cpu_count() or 1, getattr(os, "getloadavg", lambda: (0.0,))()[0]
    if 1 < cores < load and sys.stderr.isatty():
        fewer = max(1, cores // 2)
        _show.note(f"other programs keep the cores busy: --threads {fewer} may be faster")
