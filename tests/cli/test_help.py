"""Every command has help, and asks for as little as possible at start-up."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from edgesteer.cli import cli

from .conftest import Invoke

ROOT = Path(__file__).resolve().parents[2]


def commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def find(path: tuple[str, ...]) -> click.Command:
    command: click.Command = cli
    for name in path:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    return command


ALL = list(commands())


def test_there_are_the_commands_that_the_readme_promises() -> None:
    assert {" ".join(path) for path in ALL} >= {
        *("run", "compare", "chat", "extract", "doctor", "where"),
        *(f"vectors {x}" for x in ("list", "show", "scale", "layers", "mix", "check", "import")),
        *(f"models {x}" for x in ("list", "show", "add", "rm")),
        *(f"recipes {x}" for x in ("list", "show", "save", "rm")),
        "vectors rm",
    }


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_command_and_options_have_help(path: tuple[str, ...], invoke: Invoke) -> None:
    command = find(path)
    assert command.help
    for param in command.params:
        if isinstance(param, click.Option):
            assert param.help, param.name
    result = invoke(*path, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: edgesteer {' '.join(path)}")


@pytest.mark.parametrize(
    "path",
    [path for path in ALL if not isinstance(find(path), click.Group)],
    ids=" ".join,
)
def test_what_prints_data_can_print_json(path: tuple[str, ...]) -> None:
    says_nothing_on_stdout = {
        *("models add", "models rm", "vectors rm", "recipes save", "recipes rm"),
    }
    options = {option for param in find(path).params for option in param.opts}
    assert ("--json" in options) != (" ".join(path) in says_nothing_on_stdout)
    assert {"--quiet", "--verbose", "--offline"} <= options


@pytest.mark.parametrize("args", [["--help"], ["run", "--help"], ["vectors", "mix", "--help"]])
def test_help_imports_click_alone(args: list[str]) -> None:
    code = (
        "import sys; from edgesteer.cli import cli\n"
        f"try: cli({args!r})\n"
        "except SystemExit: pass\n"
        "print(*sorted({m.partition('.')[0] for m in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    heavy = {"numpy", "rich", "llama_cpp", "gguf", "torch", "prompt_toolkit", "tomlkit", "convert"}
    assert not set(done.stderr.split()) & heavy
    assert "Usage:" in done.stdout


def test_version(invoke: Invoke) -> None:
    import edgesteer

    assert invoke("--version").stdout == f"edgesteer {edgesteer.__version__}\n"


@pytest.mark.parametrize(
    ("typed", "meant"), [(["rnu"], "run"), (["vectors", "lsit"], "list"), (["modles"], "models")]
)
def test_mistyped_command_gets_a_suggestion(typed: list[str], meant: str, invoke: Invoke) -> None:
    result = invoke(*typed)
    assert result.exit_code == 2
    assert f"Did you mean {meant}?" in result.stderr


def test_mistyped_option_gets_a_suggestion(invoke: Invoke) -> None:
    result = invoke("run", "--temprature", "1", "hi")
    assert result.exit_code == 2
    assert "--temperature" in result.stderr
