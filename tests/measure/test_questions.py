"""Question sets: read from traits and files, divided so that nothing reported was chosen on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgesteer.errors import NotFoundError, PairsError
from edgesteer.measure.questions import load_questions


def write(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_a_trait_has_items_and_questions_in_two_parts_that_share_nothing() -> None:
    found = load_questions("calm")
    assert found.validation.items
    assert found.test.items
    assert not set(found.validation.items) & set(found.test.items)
    assert not set(found.validation.open) & set(found.test.open)


def test_items_written_out_are_kept_for_the_report(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_text(
        'name = "t"\nscore = "length"\n[[heldout.pairs]]\nuser="a"\npositive="b"\nnegative="c"\n'
        '[[items]]\nuser="d"\npositive="e"\nnegative="f"\n',
        encoding="utf-8",
    )
    found = load_questions(path)
    assert [item.prompt for item in found.validation.items] == ["a"]
    assert [item.prompt for item in found.test.items] == ["d"]
    assert found.score == "length"


def test_jsonl_takes_the_column_names_of_other_data_sets(tmp_path: Path) -> None:
    row = {"question": "q", "answer_matching_behavior": " yes", "answer_not_matching_behavior": "n"}
    found = load_questions(write(tmp_path / "q.jsonl", row, {"prompt": "open?"}, row))
    assert found.validation.items[0].positive == "yes"
    assert found.validation.open == ("open?",)
    assert len(found.test.items) == 1


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"positive": "a"}, "line 1: 'negative'"),
        ({"positive": "a", "negative": "a"}, "the same"),
        ([1], "not an object"),
        ({"prompt": 3, "positive": "a", "negative": "b"}, "'prompt' is no text"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: object, told: str) -> None:
    with pytest.raises(PairsError, match=told):
        load_questions(write(tmp_path / "q.jsonl", row))


def test_a_mistyped_trait_is_answered_with_the_near_name() -> None:
    with pytest.raises(NotFoundError) as error:
        load_questions("clam")
    assert "calm" in error.value.hint
