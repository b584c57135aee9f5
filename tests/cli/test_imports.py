"""What `--help` costs: the command line says what it can do without loading what does it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("numpy", "rich", "llama_cpp", "gguf", "torch", "prompt_toolkit")
RUN = """
import json, runpy, sys
sys.argv = ["edgesteer", *sys.argv[1:]]
try:
    runpy.run_module("edgesteer", run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.mark.parametrize("command", [[], ["chat"], ["extract"], ["vectors", "import"]])
def test_help_loads_nothing_heavy(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN, *command, "--help"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
        timeout=60,
    )
    assert "Usage: " in done.stdout
    loaded = json.loads(done.stdout.splitlines()[-1])
    assert "click" in loaded
    assert [name for name in HEAVY if name in loaded] == []
