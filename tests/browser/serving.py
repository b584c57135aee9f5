"""A server in a process of its own for the page, and a library of the tiny model to serve.

Does not know the browser.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

from edgesteer import ControlVector, Library
from edgesteer.calibration import Calibration
from edgesteer.identity import read_model_identity

from ..tiny import write_model

START_SECONDS = 60


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


class Serving:
    """A server that runs until `stop`."""

    def __init__(self, home: Path, *options: str) -> None:
        command = [sys.executable, "-m", "edgesteer", "serve", "tiny", "--port", "0"]
        command += ["--threads", "1", "--ctx", "2048", "--json", *options]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "EDGESTEER_HOME": str(home)},
        )
        guard = threading.Timer(START_SECONDS, self.process.kill)
        guard.start()
        assert self.process.stdout is not None
        said = ""
        while not said.rstrip().endswith("}"):
            line = self.process.stdout.readline()
            assert line, self.process.communicate()[1]
            said += line
        guard.cancel()
        self.url = str(json.loads(said)["url"])

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of an answer; raises urllib's HTTPError when the server refuses."""
        raw = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, raw, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)

    def stop(self) -> str:
        """What it said on stderr."""
        self.process.terminate()
        said = self.process.communicate(timeout=60)[1]
        assert self.process.returncode == 0, said
        assert "Traceback" not in said
        return said
