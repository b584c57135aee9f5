"""Subjects: the questions, personas and pairs that belong to a vector; what is said of doubt."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from convert.capture.llama import LlamaCapture
from convert.extract import extract
from convert.pairs import ContrastPairs
from edgesteer import ControlVector, Model
from edgesteer.errors import EdgesteerError, NotFoundError, PairsError
from edgesteer.measure.card.asker import Asker
from edgesteer.measure.card.controls import norm_controls, shuffled_directions
from edgesteer.measure.card.raw import Raw
from edgesteer.measure.card.subject import find_subjects
from edgesteer.measure.questions import Item, Questions, QuestionSet, load_questions

from .conftest import SMALL


@pytest.fixture
def pairs_file(tmp_path: Path) -> Path:
    """Ten pairs of plain texts that differ in one word."""
    file = tmp_path / "mild.jsonl"
    rows = [
        {"positive": f"day {n} was gentle", "negative": f"day {n} was harsh"} for n in range(10)
    ]
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


@pytest.fixture
def mild(tiny_model: Model, pairs_file: Path) -> ControlVector:
    """The vector of those pairs, at two layers."""
    pairs = ContrastPairs.load(pairs_file)
    return extract(pairs, LlamaCapture(tiny_model), layers="2-3", name="mild")


def test_the_pairs_are_known_by_their_checksum(
    tiny_model: Model, mild: ControlVector, pairs_file: Path, letters: QuestionSet
) -> None:
    (known,) = find_subjects(tiny_model, [mild], questions=[letters], pairs=pairs_file)
    assert known.pairs is not None
    assert len(known.pairs) == 10
    other = mild.with_(meta={**mild.meta, "pairs_sha256": "0" * 64})
    (doubtful,) = find_subjects(tiny_model, [other], questions=[letters], pairs=pairs_file)
    assert doubtful.pairs is None
    assert "not those that it was made from" in doubtful.notes[0]


def test_shuffled_controls_have_the_vectors_norms_and_point_elsewhere(
    tiny_model: Model, mild: ControlVector, pairs_file: Path, letters: QuestionSet
) -> None:
    (subject,) = find_subjects(tiny_model, [mild], questions=[letters], pairs=pairs_file)
    asker, notes = Asker(tiny_model, replace(SMALL, shuffles=2), Raw()), list[str]()
    controls = norm_controls(asker, subject, notes)
    assert [c.kind for c in controls] == ["random", "random", "shuffled", "shuffled"]
    assert notes == []
    for control in controls:
        vector = control.steering.terms[0].vector
        assert vector is not None
        assert vector.norms() == pytest.approx(mild.norms(), rel=1e-5)
        assert all(abs(cosine) < 0.95 for cosine in vector.cosine(mild).values())
    assert controls[2].steering != controls[3].steering


def test_shuffles_of_unshuffled_labels_would_be_the_vector(
    tiny_model: Model,
    mild: ControlVector,
    pairs_file: Path,
    letters: QuestionSet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Still:
        """Draws an order whose first half holds no pair."""

        def permutation(self, n: int) -> np.ndarray:
            return np.empty(0, int)

    (subject,) = find_subjects(tiny_model, [mild], questions=[letters], pairs=pairs_file)
    monkeypatch.setattr("edgesteer.measure.card.controls.np.random.default_rng", lambda _: Still())
    (rows,) = shuffled_directions(tiny_model, subject, (2, 3), 1, 0)
    assert rows == pytest.approx(mild.matrix, abs=1e-5)


def test_test_items_among_the_pairs_are_told(
    tiny_model: Model, mild: ControlVector, pairs_file: Path
) -> None:
    items = (Item("", "day 1 was gentle", "day 1 was harsh"), Item("", "a", "b"))
    questions = QuestionSet("leaky", Questions(), Questions(items))
    (subject,) = find_subjects(tiny_model, [mild], questions=[questions], pairs=pairs_file)
    assert "1 test item(s) are among the pairs that the vector was made from" in subject.notes


PIRATE = """
format = 1
name = "pirate"
positive_name = "a pirate"
negative_name = "a butler"
template = "persona"
positive = ["You are a pirate."]
negative = ["You are a butler."]
stems = [{ user = "Hi?", answer = "I" }, { user = "Who?", answer = "We" }]
"""


@pytest.fixture
def pirate_file(tmp_path: Path) -> Path:
    """Pairs with personas, of a trait that is not built in."""
    file = tmp_path / "pirate.toml"
    file.write_text(PIRATE)
    return file


def of_pairs(vector: ControlVector, source: str | Path) -> ControlVector:
    """The vector as if it had been made from these pairs."""
    pairs = ContrastPairs.load(source)
    meta = {"pairs": pairs.name, "pairs_sha256": pairs.digest, "n_pairs": len(pairs)}
    return vector.renamed(pairs.name).with_(meta=meta)


def test_questions_that_are_the_pairs_are_told(
    tiny_model: Model, planted: ControlVector, tmp_path: Path
) -> None:
    file = tmp_path / "mine.jsonl"
    rows = [{"prompt": f"{n}?", "positive": "aa", "negative": "bb"} for n in range(6)]
    file.write_text("\n".join(map(json.dumps, rows)))
    vector = of_pairs(planted, file)
    (subject,) = find_subjects(tiny_model, [vector], questions=[file])
    assert subject.pairs is not None
    assert subject.seen == 3
    assert "3 test item(s) are among the pairs that the vector was made from" in subject.notes
    rows[0]["positive"] = "a"
    file.write_text("\n".join(map(json.dumps, rows)))
    (other,) = find_subjects(tiny_model, [vector], questions=[file])
    assert (other.pairs, other.seen) == (None, 0)
    assert other.notes[0] == "the pairs that it was made from are not known"
    assert "no persona is known" in other.notes[1]


def test_questions_of_another_form_are_no_pairs_and_no_error(
    tiny_model: Model, mild: ControlVector, tmp_path: Path
) -> None:
    file = tmp_path / "asked.jsonl"
    rows = [{"question": f"{n}?", "chosen": "a", "rejected": "b"} for n in range(4)]
    file.write_text("\n".join(map(json.dumps, [*rows, {"prompt": "open?"}])))
    (subject,) = find_subjects(tiny_model, [mild], questions=[file])
    assert subject.pairs is None


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("mistyped.jsonl", None, NotFoundError),
        ("broken.jsonl", "{", PairsError),
        ("broken.toml", "name =", PairsError),
    ],
)
def test_given_pairs_that_can_not_be_read_are_refused(
    tiny_model: Model,
    planted: ControlVector,
    tmp_path: Path,
    name: str,
    content: str | None,
    error: type[EdgesteerError],
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_text(content)
    with pytest.raises(error, match=name) as caught:
        find_subjects(tiny_model, [of_pairs(planted, "calm")], pairs=file)
    assert caught.value.hint


def test_a_vector_is_not_held_against_the_personas_of_other_pairs(
    tiny_model: Model, planted: ControlVector, letters: QuestionSet, pirate_file: Path
) -> None:
    calm, stray = of_pairs(planted, "calm"), planted.renamed("stray")
    own, none = find_subjects(tiny_model, [calm, stray], questions=[letters], pairs=pirate_file)
    assert own.personas == ContrastPairs.load("calm").personas[0]
    assert own.notes == ("the pairs pirate are not those that it was made from; those of calm are",)
    assert none.personas is None
    assert "the pairs pirate are not those that it was made from" in none.notes
    assert any("no persona is known" in note for note in none.notes)
    told = calm.with_(meta={"pairs": "calm"})
    (named,) = find_subjects(tiny_model, [told], pairs=pirate_file)
    assert (named.pairs, named.personas) == (None, own.personas)


def test_given_pairs_count_for_the_vector_that_was_made_from_them(
    tiny_model: Model, planted: ControlVector, letters: QuestionSet, pirate_file: Path
) -> None:
    vectors = [of_pairs(planted, "calm"), of_pairs(planted, pirate_file)]
    calm, pirate = find_subjects(tiny_model, vectors, questions=[letters], pairs=pirate_file)
    assert calm.pairs is not None
    assert calm.pairs.name == "calm"
    assert pirate.pairs is not None
    assert pirate.pairs.name == "pirate"
    assert pirate.personas == ("You are a pirate.", "You are a butler.")
    assert pirate.notes == ()


@pytest.mark.parametrize("name", ["~nobody-of-that-name/x.toml", "x" * 5000 + ".toml", "\0.toml"])
def test_a_vectors_file_may_name_any_pairs(
    tiny_model: Model, planted: ControlVector, letters: QuestionSet, name: str
) -> None:
    vector = planted.with_(meta={"pairs": name, "pairs_sha256": "0" * 64, "n_pairs": 1})
    (subject,) = find_subjects(tiny_model, [vector], questions=[letters])
    assert subject.pairs is None


def test_a_vector_of_a_trait_finds_what_belongs_to_it(
    tiny_model: Model, planted: ControlVector
) -> None:
    vector = planted.renamed("other").with_(meta={"pairs": "calm"})
    (subject,) = find_subjects(tiny_model, [vector])
    assert subject.questions == load_questions("calm")
    assert subject.set_name == "calm"
    assert subject.judge_name == subject.questions.score
    assert subject.personas is not None
    assert "calm" in subject.personas[0]


def test_question_sets_of_one_name_are_kept_apart(
    tiny_model: Model, planted: ControlVector, letters: QuestionSet
) -> None:
    posing = replace(letters, name="calm")
    second = replace(letters, description="another")
    found = find_subjects(
        tiny_model, [planted, planted, planted], questions=[posing, letters, second]
    )
    assert [s.set_name for s in found] == ["calm (given)", "letters", "letters 2"]
    assert [s.name for s in found] == ["planted", "planted#2", "planted#3"]
