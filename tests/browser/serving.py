"""A server in a process of its own for the page, and a library of the tiny model to serve.

Does not know the browser.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgesteer import ControlVector, Library
from edgesteer.calibration import Calibration
from edgesteer.identity import read_model_identity

from ..server.running import Running
from ..tiny import write_model


def fill_library(home: Path, *names: str) -> None:
    """The tiny model and vectors for it, which are calibrated and recommend layers 2 and 3."""
    library = Library(home)
    path = write_model(home / "tiny.gguf")
    library.add_model(path, "tiny")
    identity = read_model_identity(path)
    rng = np.random.default_rng(5)
    for name in names:
        vector = ControlVector(
            {layer: rng.standard_normal(64) for layer in (1, 2, 3)},
            identity,
            name=name,
            recommended="2-3",
            calibration=Calibration(-1.5, 1.25),
            meta={
                "description": f"{name} or not",
                "positive": name,
                "negative": f"not {name}",
                "quality": {"layers": [1, 2, 3], "agreement": [0.2, 0.6, 0.4]},
            },
        )
        library.save_vector(vector, name)


class Serving(Running):
    """A server of the tiny model; `told` asks it aside from the page."""

    def __init__(self, home: Path, *options: str) -> None:
        super().__init__(home, "tiny", "--ctx", "2048", *options)

    def told(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of an answer that is no refusal."""
        answer = self.ask(method, path, body)
        assert answer.status < 400, answer.data
        return answer.json

    def end(self) -> None:
        """Stop it; it must have gone well."""
        code, said = self.stop()
        assert code == 0, said
        assert "Traceback" not in said
