"""`edgesteer extract --answers self`: the model's own pairs are read, counted, and saved."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from convert.pairs import ContrastPairs
from edgesteer import ControlVector, Library
from edgesteer.cli import _open
from edgesteer.engine.fake import FakeModel

from .conftest import IDENTITY, Invoke


class Player(FakeModel):
    """Plays the personas of the trait calm."""

    def ask_many(self, prompts: Sequence[Any], **_options: Any) -> Any:
        return [SimpleNamespace(text=self._play(prompt)) for prompt in prompts]

    def _play(self, prompt: str) -> str:
        system, _, user = prompt.partition("<user>")
        calm = any(word in system for word in ("calm", "relaxed", "peaceful", "quiet", "serene"))
        mood = "I wait in peace, quietly and at ease" if calm else "I scream with rage, damn it"
        return f"{mood}: {user.removesuffix('<assistant>')} {len(system)}"


@pytest.fixture
def player(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Makes every command open a Player; the list holds what was opened."""
    asked: list[str] = []

    def open_player(
        name: str, options: Mapping[str, Any], library: Library, **_: object
    ) -> FakeModel:
        asked.append(name)
        return Player(name, identity=IDENTITY, library=library)

    monkeypatch.setattr(_open, "open_model", open_player)
    return asked


def test_own_answers_make_a_vector_that_says_so(
    player: list[str],
    calibrated: list[ControlVector],
    library: Library,
    invoke: Invoke,
    tmp_path: Path,
) -> None:
    saved = tmp_path / "own.jsonl"
    args = ("--answers", "self", "--max-pairs", "12", "--save-pairs", str(saved))
    result = invoke("extract", "calm", *args)
    assert result.exit_code == 0
    assert "own answers: kept " in result.stderr
    assert "score 'temper'" in result.stderr
    made = library.load_vector("calm", IDENTITY)
    assert made.meta["token_position"] == "answer"
    facts = made.meta["answers"]
    kept = facts["asked"] - sum(facts["dropped"].values())
    assert kept == made.meta["n_pairs"] + made.meta["n_heldout"]
    rows = [json.loads(line) for line in saved.read_text().splitlines()]
    assert len(rows) == kept
    assert set(rows[0]) == {"prompt", "positive", "negative"}
    assert len(ContrastPairs.load(saved)) == kept
    assert player == ["smollm2"]


def test_the_model_is_asked_without_calibration_too(
    player: list[str], library: Library, invoke: Invoke
) -> None:
    result = invoke("extract", "calm", "--answers", "self", "--max-pairs", "12", "--no-calibrate")
    assert result.exit_code == 0
    assert library.load_vector("calm", IDENTITY).meta["answers"]["written_by"] == "the model"


def test_other_positions_can_be_asked_for(
    player: list[str], calibrated: list[ControlVector], library: Library, invoke: Invoke
) -> None:
    args = ("--answers", "self", "--max-pairs", "12", "--positions", "last")
    assert invoke("extract", "calm", *args).exit_code == 0
    assert library.load_vector("calm", IDENTITY).meta["token_position"] == "last"


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--save-pairs", "x.jsonl"], "add --answers self"),
        (["--answers", "self", "--save-pairs", "x.txt"], "x.txt.jsonl"),
        (["--answers", "self", "--save-pairs", "nowhere/x.jsonl"], "can not be written"),
        (["--answers", "self", "--from-capture", "x.npz"], "there is nothing to answer"),
        (
            ["--answers", "self", "-m", ".", "--capture", "torch", "--no-calibrate"],
            "folder: it can not be asked",
        ),
    ],
)
def test_what_can_not_be_is_told_before_the_model_is_opened(
    args: list[str],
    told: str,
    player: list[str],
    invoke: Invoke,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke("extract", "calm", *args)
    assert result.exit_code == 1
    assert told in result.stderr
    assert player == []


def test_pairs_without_personas_are_told(player: list[str], invoke: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(f'{{"positive": "a{i}", "negative": "b{i}"}}\n' for i in range(9)))
    result = invoke("extract", str(path), "--answers", "self")
    assert result.exit_code == 1
    assert "own answers need personas" in result.stderr
