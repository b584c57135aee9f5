"""The house rules, as tests: lint, types, sizes, docstrings, lazy imports, no machine's traces."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("edgesteer", "convert")
CODE = (*PACKAGES, "bench", "tools", "tests")
MAX_LINES = 400
TEXT_ENDINGS = {".py", ".md", ".toml", ".txt", ".yml", ".cfg", ".sh", ""}

# Paths and settings of one machine have no place in the project. Written so as not to match itself.
TRACES = re.compile(
    r"/(?:work|farm|root|opt)/|/tmp[/]\w|/home[/]\w|--(?:index-url|find-links)|pypi[.]org"
)


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def project_files() -> Iterator[Path]:
    tops = [path for path in ROOT.iterdir() if path.is_file() and not path.name.startswith(".")]
    folders = (*CODE, "docs", "models", ".ci")
    inner = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    for path in sorted([*tops, *inner]):
        if path.suffix in TEXT_ENDINGS and "__pycache__" not in path.parts:
            yield path


def run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_finds_nothing() -> None:
    run(sys.executable, "-m", "ruff", "check", ".")


def test_code_is_formatted() -> None:
    run(sys.executable, "-m", "ruff", "format", "--check", ".")


@pytest.mark.slow
def test_types_hold_under_mypy_strict() -> None:
    run(sys.executable, "-m", "mypy")


@pytest.mark.parametrize("path", python_files(*CODE), ids=lambda path: str(path.relative_to(ROOT)))
def test_file_is_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", python_files(*CODE), ids=lambda path: str(path.relative_to(ROOT)))
def test_file_says_its_job_in_the_first_line(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring, "no module docstring"
    first = docstring.splitlines()[0]
    assert first.endswith((".", ":", "?")), first
    assert len(first) > len("A file."), first


def test_no_trace_of_one_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in project_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if TRACES.search(line)
    ]
    assert not found, "\n".join(found)


def modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sorted({{m.partition('.')[0] for m in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_importing_edgesteer_stays_light() -> None:
    heavy = {"torch", "transformers", "llama_cpp", "gguf", "rich", "prompt_toolkit", "convert"}
    assert not modules_after("import edgesteer") & heavy


def test_importing_the_command_line_stays_lighter() -> None:
    heavy = {"torch", "llama_cpp", "gguf", "numpy", "rich", "prompt_toolkit", "convert", "jinja2"}
    assert not modules_after("import edgesteer.cli") & heavy


def test_runtime_imports_convert_only_inside_functions() -> None:
    for path in python_files("edgesteer"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names]
                names.append(getattr(node, "module", None) or "")
                assert not any(re.match(r"convert\b", name) for name in names), path


def test_only_the_engine_imports_llama_cpp() -> None:
    users = [
        path.relative_to(ROOT).as_posix()
        for path in python_files(*PACKAGES)
        if re.search(
            r"^\s*(?:import|from) llama_cpp\b", path.read_text(encoding="utf-8"), re.MULTILINE
        )
    ]
    assert [user for user in users if not user.startswith("edgesteer/engine/")] == []


def test_wheel_carries_the_manifest_and_the_constraints_keep_torch() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == list(PACKAGES)
    assert all((ROOT / package / "py.typed").is_file() for package in PACKAGES)
    assert wheel["force-include"] == {"models/manifest.toml": "edgesteer/_models/manifest.toml"}
    assert "torch==2.13.0" in (ROOT / "constraints.txt").read_text(encoding="utf-8").split()


def test_every_make_target_is_explained() -> None:
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    targets = [line for line in lines if re.match(r"[a-z-]+:(?!=)", line)]
    assert len(targets) > 10
    assert [line for line in targets if "## " not in line] == []
