"""Working copies: how fast the model reads and writes in each format, and how close it stays.

Knows nothing of what the copies are used for.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from edgesteer import Library, Model
from edgesteer.tune import Table, machine, tune


def _table() -> Table:
    with TemporaryDirectory() as folder:
        library = Library(folder)

        def open_file(path: Path) -> Model:
            return Model.open(path, library=library, n_ctx=1024)

        return tune(library, library.find_model("smollm2"), open_file, key=machine())


def fastest() -> str:
    """The format of a working copy of the bundled model: the one in which it is read fastest."""
    return _table().format or "q8_0"


def formats() -> dict[str, Any]:
    """Tokens a second, megabytes, and KL from the original in nats, by format."""
    table = _table()
    return {
        "read tokens/s": {row.format: row.prefill for row in table.rows},
        "write tokens/s": {row.format: row.decode for row in table.rows},
        "MB": {row.format: round(row.n_bytes / 1e6, 1) for row in table.rows},
        "KL from the original": {row.format: row.kl for row in table.rows},
        "chosen": table.format or "the original",
        "chosen / original, reading": round(table.gain, 2),
    }
