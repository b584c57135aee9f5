"""Labelled texts: what is read from files, how they are parted, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgesteer import NotFoundError, PairsError
from edgesteer.monitor.examples import load_examples


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def make(rows: list[Any], name: str = "mine.jsonl") -> Path:
        path = tmp_path / name
        if path.suffix == ".json":
            path.write_text(json.dumps(rows), encoding="utf-8")
        else:
            lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
            path.write_text("\n".join(lines), encoding="utf-8")
        return path

    return make


PROMPTS = [{"prompt": f"Question {i}", "label": i % 2} for i in range(8)]


def test_labelled_prompts(write: Any) -> None:
    found = load_examples(write(PROMPTS))
    assert found.name == "mine"
    assert found.labels.tolist() == [False, True] * 4
    assert found.read_as == "last"
    assert found.families == ("mine",)


@pytest.mark.parametrize(
    ("yes", "no"), [(1, 0), (True, False), ("positive", "negative"), ("Yes", "no"), ("1", "0")]
)
def test_labels_in_many_words(write: Any, yes: object, no: object) -> None:
    rows = [{"text": "a", "label": yes}, {"text": "b", "label": no}]
    assert load_examples(write(rows)).labels.tolist() == [True, False]


def test_labels_of_ones_own(write: Any) -> None:
    rows = [{"prompt": "a", "label": "harmful"}, {"prompt": "b", "label": "harmless"}]
    with pytest.raises(PairsError, match="neither positive nor negative") as caught:
        load_examples(write(rows))
    assert "--positive harmful" in caught.value.hint
    found = load_examples(write(rows), positive_label="harmful")
    assert found.labels.tolist() == [True, False]


def test_two_sides_in_one_row_stay_together(write: Any) -> None:
    rows = [{"test": f"Task {i}", "deploy": f"Help {i}", "source": "x"} for i in range(6)]
    found = load_examples(write(rows, "forms.json"), family="forms")
    assert len(found) == 12
    assert found.read_as == "last"
    for half in found.halves():
        numbers = [item.prompt.split()[1] for item in half.items]
        assert sorted(numbers) == sorted(numbers[::2] * 2)
        assert half.labels.sum() == len(half) / 2


def test_answers_keep_their_prompt(write: Any) -> None:
    rows = [{"prompt": "How?", "positive": f"Well {i}", "negative": f"Badly {i}"} for i in range(4)]
    found = load_examples(write(rows))
    assert found.read_as == "answer"
    assert {(item.prompt, item.text) for item in found.items} >= {("How?", "Well 0")}


def test_a_built_in_trait_brings_its_own_division() -> None:
    found = load_examples("calm")
    choose, report = found.halves()
    assert found.read_as == "answer"
    assert len(choose) + len(report) == len(found)
    assert not {x.text for x in choose.items} & {x.text for x in report.items}


def test_fewer_texts_keep_their_halves_and_what_was_seen_is_in_neither() -> None:
    for name in ("calm", "testlike"):
        whole, marked = load_examples(name), load_examples(name, seen=True)
        assert len(marked) > len(whole)
        halves = [set(half.items) for half in whole.halves()]
        assert [set(half.items) for half in marked.halves()] == halves
        few = marked.limited(len(marked) // 2)
        assert len(few) < len(marked)
        for half, kept in zip(halves, few.halves(), strict=True):
            assert set(kept.items) < half
            assert kept.labels.sum() == len(kept) / 2


def test_families_come_from_rows_or_files(write: Any) -> None:
    rows = [{**row, "family": "one" if i < 4 else "two"} for i, row in enumerate(PROMPTS)]
    found = load_examples(write(rows))
    assert found.families == ("one", "two")
    assert len(found.of_family("two")) == 4


def test_halves_hold_both_classes_however_the_rows_are_ordered(write: Any) -> None:
    rows = sorted(PROMPTS, key=lambda row: row["label"])
    for half in load_examples(write(rows)).halves():
        assert half.labels.sum() == 2


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{"prompt": "a"}, {"prompt": "b"}], "no label"),
        ([{"prompt": "a", "label": 1}, {"prompt": "b", "label": 1}], "all 2 texts are positive"),
        ([{"label": 1}], "neither a prompt nor a text"),
        ([{"prompt": "", "label": 1}], "is no text"),
        ([{"prompt": 3, "label": 1}], "is no text"),
        ([{"prompt": "a", "label": 3}], "neither positive nor negative"),
        (["{"], "not JSON"),
        (["[1]"], "not an object"),
        ([], "no labelled text"),
        ([{"positive": "a", "negative": "a"}], "the same"),
        (
            [{"prompt": "a", "label": 1}, {"prompt": "a", "answer": "b", "label": 0}],
            "prompts as well as answers",
        ),
    ],
)
def test_bad_files_are_refused_with_a_cure(write: Any, rows: list[Any], says: str) -> None:
    with pytest.raises(PairsError, match=says) as caught:
        load_examples(write(rows))
    assert caught.value.hint


def test_too_few_texts_are_refused_when_they_are_parted(write: Any) -> None:
    found = load_examples(write(PROMPTS[:4]))
    with pytest.raises(PairsError, match="too few"):
        found.halves()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        load_examples(tmp_path / "none.jsonl")
    with pytest.raises(NotFoundError):
        load_examples("no such trait")
    (tmp_path / "x.json").write_text("{}", encoding="utf-8")
    with pytest.raises(PairsError, match="not a list"):
        load_examples(tmp_path / "x.json")
