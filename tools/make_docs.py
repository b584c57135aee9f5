"""Writes what can be generated: docs/commands.md from the help texts, the file tree of the README.

Does not know what the commands do, nor judges the docstrings that it quotes.

    python tools/make_docs.py            write both
    python tools/make_docs.py --check    write nothing; exit 1 when one is out of date
"""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click

from edgesteer.cli import cli

ROOT = Path(__file__).resolve().parent.parent
BEGIN = "<!-- tree: written by `make docs` from the first docstring line of each file -->"
END = "<!-- end of tree -->"
WIDTH = 100  # columns of a help text

# Files that can not speak for themselves.
COMMENTS = {
    "CHANGELOG.md": "what changed, for users",
    "CONTRIBUTING.md": "how to change things here, and the house rules",
    "LICENSE": "Apache-2.0",
    "Makefile": "every task; `make help` lists them",
    "README.md": "this page",
    "constraints.txt": "the versions that the tests were last run with",
    "pyproject.toml": "package, dependencies, settings of ruff, mypy and pytest",
    ".ci/run": "installs what a bare machine lacks, then runs the tests",
    "edgesteer/py.typed": "says that the package carries types",
    "models/manifest.toml": "models known by name: package, file, checksum, licence",
}
FOLDERS = {
    "edgesteer": "the runtime; importing it costs no torch, no llama_cpp, no gguf until used",
    "edgesteer/cli": "one file a command, imported when it is used",
    "edgesteer/report": "HTML reports and pictures; knows nothing of models",
    "edgesteer/measure/card": "the parts of the report card",
    "edgesteer/engine": "the decode loop on llama.cpp's public C API",
    "edgesteer/traits": "built-in contrast pairs, written for this project",
    "convert": "making vectors; the runtime imports it only inside the commands that need it",
    "convert/capture": "texts -> activations, by torch or by llama.cpp itself",
    "convert/directions": "activations -> directions, one file a method",
    "models": "where models come from; never weights",
    "bench": "side-by-side measurements: `make bench`",
    "tools": "scripts for the Makefile",
    "docs": "for reading",
    "tests": "laws, real engine on tiny weights, real model, transcripts",
    "tests/cli": "the commands and the chat, as transcripts",
    "tests/convert": "pairs, captures, directions, quality",
    "tests/engine": "laws and faults of the engine, on real llama.cpp",
    "tests/measure": "calibration, and the effect on real weights",
    "tests/report": "report pages and pictures",
    "tests/card": "the report card: figures, verdicts, controls, the page",
    "tests/server": "the server as a process, real clients over loopback",
    "tests/values": "vectors, files, steering, layers",
    ".ci": "for machines that run the tests",
}
TOP = (".ci", "bench", "convert", "docs", "edgesteer", "models", "tests", "tools")
SHOWN = {".py", ".md", ".toml", ".typed", ""}
LEFT_OUT = {"__pycache__", "__snapshots__", "out"}


def commands_page() -> str:
    """The page of all help texts."""
    parts = [
        "# Commands",
        "",
        "Written by `make docs` from the commands' own help.",
        "",
    ]
    for path, text in help_texts(cli, "edgesteer"):
        parts += [f"{'#' * min(4, 1 + len(path.split()))} {path}", "", "```text", text, "```", ""]
    return "\n".join(parts)


def help_texts(
    command: click.Command, path: str, parent: click.Context | None = None
) -> Iterator[tuple[str, str]]:
    """(full name, help text) of a command and of all below it."""
    widths = {"terminal_width": WIDTH, "max_content_width": WIDTH}
    settings = command.context_settings | widths
    context = click.Context(command, parent, path.rpartition(" ")[2], **settings)
    help_text = command.get_help(context)
    yield path, "\n".join(line.rstrip() for line in help_text.splitlines())
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                yield from help_texts(inner, f"{path} {name}", context)


def comment_of(path: Path) -> str:
    """The first line of a docstring, a heading or a leading comment, without its full stop."""
    name = path.relative_to(ROOT).as_posix()
    if name in COMMENTS:
        return COMMENTS[name]
    text = path.read_text(encoding="utf-8")
    first = ""
    if path.suffix == ".py":
        first = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
    elif path.suffix == ".md":
        first = text.partition("\n")[0].lstrip("# ")
    elif path.suffix == ".toml":
        first = str(tomllib.loads(text).get("description", ""))
    return first.removesuffix(".")


@functools.cache
def tracked() -> frozenset[Path]:
    """The files that git knows; empty where there is no git, and then all files count."""
    try:
        listed = subprocess.run(
            ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
        )
    except (OSError, subprocess.CalledProcessError):
        return frozenset()
    return frozenset(ROOT / line for line in listed.stdout.splitlines())


def tree(folder: Path, depth: int = 0) -> Iterator[tuple[str, str]]:
    """(indented name, comment) of every shown file below a folder, folders last."""
    known = tracked()
    inside = sorted(
        path
        for path in folder.iterdir()
        if path.name not in LEFT_OUT and (not known or path in known or path.is_dir())
    )
    for path in inside:
        # An empty __init__.py with one docstring repeats its folder's comment.
        if path.is_file() and path.suffix in SHOWN and path.name != "__init__.py":
            yield f"{'  ' * depth}{path.name}", comment_of(path)
    for path in inside:
        if path.is_dir():
            rows = list(tree(path, depth + 1))
            if folder == ROOT / "tests":  # their names say what is in them
                rows = rows and [("", "")]
            if rows:
                name = path.relative_to(ROOT).as_posix()
                yield f"{'  ' * depth}{path.name}/", FOLDERS.get(name) or package_comment(path)
                yield from (row for row in rows if row[0])


def package_comment(folder: Path) -> str:
    """The comment of a folder that FOLDERS does not name: its package docstring, if any."""
    init = folder / "__init__.py"
    return comment_of(init) if init.exists() else ""


def readme(text: str) -> str:
    """The README with a fresh file tree between its two marks."""
    rows: list[tuple[str, str]] = []
    for name in TOP:
        if (ROOT / name).is_dir():
            rows += [(f"{name}/", FOLDERS[name]), *tree(ROOT / name, 1)]
    rows += [
        (name, comment)
        for name, comment in COMMENTS.items()
        if (ROOT / name).is_file() and "/" not in name
    ]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:<{width}}  {comment}".rstrip() for name, comment in rows]
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return "\n".join([before + BEGIN, "", "```text", *lines, "```", "", END + after])


def main() -> int:
    """Writes the pages, or compares them."""
    check = sys.argv[1:] == ["--check"]
    wanted = {
        ROOT / "docs" / "commands.md": commands_page(),
        ROOT / "README.md": readme((ROOT / "README.md").read_text(encoding="utf-8")),
    }
    stale = [
        path
        for path, text in wanted.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path in stale:
        if check:
            print(f"{path.relative_to(ROOT)} is out of date: run `make docs`", file=sys.stderr)
        else:
            path.write_text(wanted[path], encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
