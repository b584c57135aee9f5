"""Working copies: how fast the model reads and writes in each format, and how close it stays.

Knows nothing of what the copies are used for.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from edgesteer import Library, Model
from edgesteer.tune import machine, tune


def formats() -> dict[str, Any]:
    """Tokens a second, megabytes, and KL from the original in nats, by format."""
    with TemporaryDirectory() as folder:
        library = Library(folder)

        def open_file(path: Path) -> Model:
            return Model.open(path, library=library, n_ctx=1024)

        table = tune(library, library.find_model("smollm2"), open_file, key=machine())
    return {
        "read tokens/s": {row.format: row.prefill for row in table.rows},
        "write tokens/s": {row.format: row.decode for row in table.rows},
        "MB": {row.format: round(row.n_bytes / 1e6, 1) for row in table.rows},
        "KL from the original": {row.format: row.kl for row in table.rows},
        "chosen": table.format or "the original",
        "chosen / original, reading": round(table.gain, 2),
    }
