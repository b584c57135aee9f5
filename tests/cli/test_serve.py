"""`edgesteer serve` on a terminal: what it refuses before it listens, and what it says."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from edgesteer import Library

from .conftest import Invoke


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens already."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_taken_port_is_told_of_before_the_model_is_opened(invoke: Invoke, taken: int) -> None:
    result = invoke("serve", "no-such-model", "--port", str(taken))
    assert result.exit_code == 1
    assert f"127.0.0.1:{taken} is taken by another program" in result.stderr
    assert "--port 0" in result.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--cors", "localhost"], "is no origin"),
        (["--api-key", "two words"], "must be printable ASCII without spaces"),
        (["--host", "192.0.2.1"], "can not be listened on"),
        (["no-such-model"], "no model 'no-such-model'"),
        (["tiny", "-s", "clam=1"], "no vector 'clam'"),
        (["tiny", "-m", "tiny"], "give the model once"),
    ],
)
def test_what_is_refused(
    invoke: Invoke, library: Library, tiny_file: object, options: list[str], told: str
) -> None:
    library.add_model(str(tiny_file), "tiny")
    result = invoke("serve", *options, "--port", "0")
    assert result.exit_code in (1, 2)
    assert told in result.stderr


def test_a_missing_package_is_named(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("edgesteer.server.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    result = invoke("serve")
    assert result.exit_code == 1
    assert "pip install 'edgesteer[serve]'" in result.stderr


def test_the_command_line_loads_no_server() -> None:
    code = (
        "import sys; from edgesteer.cli import cli; cli.get_command(None, 'serve'); "
        "print(any(m in sys.modules for m in ('starlette', 'uvicorn', 'prometheus_client')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
