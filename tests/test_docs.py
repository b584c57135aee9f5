"""The documents, held against the code: examples parse, commands exist, generated parts agree."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from convert import pairs_jsonl, pairs_toml
from edgesteer.cli import cli
from edgesteer.recipe import Recipe
from edgesteer.steering import Steering

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[tuple[str, str]]:
    return [
        (page.name, text)
        for page in PAGES
        for kind, text in BLOCK.findall(page.read_text(encoding="utf-8"))
        if kind == language
    ]


def typed_lines() -> list[str]:
    """Every `$ edgesteer ...` line of every page, without its comment."""
    lines = [line for _, text in blocks("console") for line in text.splitlines()]
    return [line[2:] for line in lines if line.startswith("$ edgesteer ")]


def test_generated_pages_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, "tools/make_docs.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", typed_lines())
def test_every_command_line_shown_is_understood(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command: click.Command = cli
    context = click.Context(cli, info_name="edgesteer")
    while isinstance(command, click.Group) and words:
        found = command.get_command(context, words[0])
        assert found is not None, f"no command {words[0]}"
        command, words = found, words[1:]
    command.make_context(command.name, list(words), parent=context, resilient_parsing=False)


@pytest.mark.parametrize(("page", "text"), blocks("python"))
def test_python_examples_compile(page: str, text: str) -> None:
    compile(text, page, "exec")


def test_steering_examples_parse() -> None:
    shape = re.compile(r"^[a-z]+:?[a-z]*=[-\d]")
    lines = [line for _, text in blocks("text") for line in text.splitlines() if shape.match(line)]
    assert len(lines) >= 4
    for line in lines:
        assert Steering.parse(str(Steering.parse(line))) == Steering.parse(line)


def test_toml_examples_are_recipes_or_pairs() -> None:
    texts = [text for _, text in blocks("toml")]
    assert len(texts) >= 2
    for text in texts:
        if "[[steer]]" in text:
            assert Recipe.parse(text).steering
        else:
            assert pairs_toml.parse(text).pairs


def test_json_examples_are_pairs() -> None:
    for _, text in blocks("json"):
        assert pairs_jsonl.parse(text).pairs


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target
