"""Pairs that are not there: what comes near is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from convert.pairs import ContrastPairs
from edgesteer.errors import NotFoundError, PairsError


def test_a_missing_file_names_what_is_near(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sailor.toml").touch()
    for asked, near in (
        ("calm.toml", "calm"),
        ("tersex.toml", "terse"),
        ("sailer.toml", "sailor.toml"),
        (f"{tmp_path}/sailer.toml", "sailor.toml"),
    ):
        with pytest.raises(NotFoundError) as caught:
            ContrastPairs.load(asked)
        assert caught.value.hint.startswith("Did you mean ")
        assert near in caught.value.hint.partition("?")[0]


def test_a_folder_is_no_file_of_pairs(tmp_path: Path) -> None:
    with pytest.raises(PairsError, match="is a folder"):
        ContrastPairs.load(tmp_path)
