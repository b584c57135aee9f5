"""The whole evaluation on real llama.cpp and tiny weights: a planted vector is told from chance."""

from __future__ import annotations

import json
import math
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from convert.pairs import ContrastPairs
from edgesteer import ControlVector, Model, Steering
from edgesteer.calibration import Calibration
from edgesteer.errors import (
    EngineError,
    InputError,
    NotFoundError,
    PairsError,
    SteeringError,
    StrengthWarning,
)
from edgesteer.library import builtin_traits
from edgesteer.measure.card.alternatives import ask_alternatives
from edgesteer.measure.card.asker import Asker
from edgesteer.measure.card.raw import Condition, Damage, Raw
from edgesteer.measure.card.subject import find_subjects
from edgesteer.measure.divergence import DivergenceMeter
from edgesteer.measure.evaluate import ALTERNATIVES, ReportCard, evaluate
from edgesteer.measure.questions import Questions, QuestionSet

from ..conftest import OpenTiny
from ..tiny import write_model
from .conftest import SMALL

BARE = replace(SMALL, knowledge=0, open=0, side_items=1)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two traits and short texts are enough: for the tiny model a character is a token."""
    few = dict(list(builtin_traits().items())[:2])
    monkeypatch.setattr("edgesteer.measure.card.parts.builtin_traits", lambda: few)
    text, prompt = ["The library opens at nine."], ["Why?"]
    asker = "edgesteer.measure.card.asker"
    monkeypatch.setattr(f"{asker}.NEUTRAL_TO_REPORT", text)
    monkeypatch.setattr(f"{asker}.PROMPTS_TO_REPORT", prompt)
    monkeypatch.setattr(f"{asker}.DivergenceMeter", partial(DivergenceMeter, n_tokens=6))


def count_a(text: str) -> float:
    """A judge: the share of the letter a."""
    return text.count("a") / max(len(text), 1)


def test_a_planted_vector_beats_chance_and_its_negative_works_backwards(
    tiny_model: Model, planted: ControlVector, letters: QuestionSet
) -> None:
    settings = replace(SMALL, items=12, style_items=4)
    told: list[str] = []
    card = evaluate(
        tiny_model,
        [planted, planted.scaled(-1).renamed("inverse")],
        questions=letters,
        judge=count_a,
        settings=settings,
        progress=lambda done, total, what: told.append(what),
    )
    right, wrong = card.summary.vectors
    assert right.effect.slope.low > 0
    assert right.effect.wrong.value == 0.0
    for match in ("norm", "KL"):
        against = right.control("random", match)
        assert against is not None
        assert against.beaten, against
    assert card.verdicts[1].level == "backwards"
    assert wrong.effect.slope.value == pytest.approx(-right.effect.slope.value, rel=1e-3)
    assert right.open is not None
    assert right.open.judge == "count_a"
    assert card.summary.overlaps[0].whole == pytest.approx(-1.0, abs=1e-6)
    assert card.summary.together is not None
    assert card.summary.together.kl_mean == pytest.approx(0.0, abs=1e-6)
    assert any("no label-shuffled control" in note for note in card.notes)
    assert {"effect", "controls", "prompt styles", "side effects", "knowledge"} <= set(told)
    assert ReportCard.from_dict(card.to_dict()).to_dict() == card.to_dict()


def test_a_random_vector_is_no_better_than_a_random_vector(
    tiny_model: Model, planted: ControlVector, letters: QuestionSet
) -> None:
    size = float(np.linalg.norm(planted.directions[3]))
    levels = []
    for seed in range(3):
        noise = np.random.default_rng(100 + seed).normal(size=tiny_model.n_embd)
        vector = ControlVector({3: noise * size / np.linalg.norm(noise)}, tiny_model.identity)
        settings = replace(BARE, items=12, randoms=3, styles=())
        card = evaluate(tiny_model, vector.renamed("noise"), questions=letters, settings=settings)
        levels.append(card.verdicts[0].level)
    assert set(levels) <= {"not shown", "backwards"}


def test_the_same_seed_gives_the_same_card(
    tiny_model: Model, planted: ControlVector, letters: QuestionSet
) -> None:
    settings = replace(BARE, styles=())
    one, two = (
        evaluate(tiny_model, planted, questions=letters, settings=settings) for _ in range(2)
    )
    assert one.raw.items == two.raw.items
    for condition, values in one.raw.margins.items():
        assert two.raw.margins[condition] == pytest.approx(values, abs=1e-4)
    other = evaluate(tiny_model, planted, questions=letters, settings=replace(settings, seed=1))
    assert other.raw.items["letters"] != one.raw.items["letters"]


def test_only_a_strength_that_was_asked_for_is_warned_about(
    tiny_model: Model, planted: ControlVector, letters: QuestionSet
) -> None:
    """What the measuring itself does beyond the calibrated band is meant."""
    banded = planted.scaled(0.3).with_(calibration=Calibration(-1.2, 1.2))
    settings = replace(BARE, styles=(), strengths=(-2.0, -1.0, 0.0, 1.0, 2.0))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        evaluate(tiny_model, banded, questions=letters, settings=settings)
        assert [str(w.message) for w in seen] == []
        evaluate(tiny_model, banded * 2.0, questions=letters, settings=settings)
    assert {w.category for w in seen} == {StrengthWarning}
    assert all("=2 lies outside" in str(w.message) for w in seen)


def test_questions_that_are_the_pairs_reach_the_verdict(
    tiny_model: Model, planted: ControlVector, tmp_path: Path
) -> None:
    file = tmp_path / "mine.jsonl"
    rows = [{"prompt": f"{n}?", "positive": "aa", "negative": "bb"} for n in range(8)]
    file.write_text("\n".join(map(json.dumps, rows)))
    meta = {"pairs": "mine", "pairs_sha256": ContrastPairs.load(file).digest, "n_pairs": 8}
    settings = replace(BARE, styles=(), randoms=0, shuffles=0)
    card = evaluate(tiny_model, planted.with_(meta=meta), questions=str(file), settings=settings)
    told = "4 of the set's 4 test items are among the pairs"
    assert any(told in text for tone, text in card.verdicts[0].points if tone == "bad")
    assert any("4 test item(s) are among the pairs" in note for note in card.notes)


def test_a_second_file_of_the_same_weights_is_set_beside(
    tiny_model: Model, planted: ControlVector, letters: QuestionSet
) -> None:
    card = evaluate(
        tiny_model, planted, questions=letters, also=tiny_model, settings=replace(BARE, styles=())
    )
    gap = card.summary.vectors[0].quantised
    assert gap is not None
    assert gap.gap.value == pytest.approx(0.0, abs=1e-3)


def test_a_second_file_of_other_weights_is_refused(
    tiny_model: Model,
    planted: ControlVector,
    letters: QuestionSet,
    open_tiny: OpenTiny,
    tmp_path: Path,
) -> None:
    other = open_tiny(write_model(tmp_path / "other.gguf", seed=7))
    with pytest.raises(InputError, match="other weights"):
        evaluate(tiny_model, planted, questions=letters, also=other, settings=BARE)


def test_a_vector_that_breaks_the_model_is_told_at_once(
    tiny_model: Model, planted: ControlVector, letters: QuestionSet
) -> None:
    told: list[str] = []
    with pytest.raises((InputError, EngineError)):
        evaluate(
            tiny_model,
            planted.scaled(1e37),
            questions=letters,
            settings=BARE,
            progress=lambda done, total, what: told.append(what),
        )
    assert "controls" not in told


def test_what_is_known_is_not_asked_again(
    tiny_model: Model, planted: ControlVector, letters: QuestionSet
) -> None:
    card = evaluate(
        tiny_model, planted, questions=letters, settings=replace(BARE, styles=("paraphrase",))
    )
    plain = [c for c in card.raw.margins if c == Condition("letters")]
    assert len(plain) == 1
    assert len(card.raw.margins[plain[0]]) == BARE.items


def test_other_ways_stand_beside_adding_at_equal_damage(
    tiny_model: Model, planted: ControlVector, letters: QuestionSet
) -> None:
    both = ControlVector(
        {2: planted.directions[3], 3: planted.directions[3]},
        tiny_model.identity,
        name="planted",
        recommended="3",
    )
    card = evaluate(
        tiny_model,
        both,
        questions=letters,
        compare=ALTERNATIVES,
        settings=replace(BARE, styles=(), randoms=0, shuffles=0),
    )
    found = {one.kind: one for one in card.summary.vectors[0].beside}
    assert set(found) == set(ALTERNATIVES) - {"prompt"}
    assert any("no prompt to compare with" in note for note in card.notes)
    add = found["add"]
    assert add.lead.value == 0.0
    assert add.up.low > 0
    for kind in ("keepnorm", "clamp", "rotate", "gated"):
        assert found[kind].reached, found[kind]
        assert found[kind].kl == pytest.approx(add.kl, rel=0.45)
        assert found[kind].up.value > 0, found[kind]
    assert found["gated"].down is None
    assert found["keepnorm"].down is not None
    assert ReportCard.from_dict(card.to_dict()).to_dict() == card.to_dict()


@pytest.mark.parametrize("cost", [0.0, math.inf])
def test_nothing_is_brought_to_a_damage_that_nothing_can_have(
    tiny_model: Model, planted: ControlVector, letters: QuestionSet, cost: float
) -> None:
    (subject,) = find_subjects(tiny_model, [planted], questions=[letters])
    asker, notes = Asker(tiny_model, BARE, Raw()), list[str]()
    asker.add_set("letters", letters.test, 2)
    asker.raw.damage["planted", 1.0, ""] = Damage(cost, cost, cost)
    found = ask_alternatives(asker, subject, ("add", "keepnorm", "clamp"), notes)
    assert [one["kind"] for one in found] == ["add"]
    (note,) = notes
    assert note.startswith(
        f"planted: no keepnorm, clamp: adding it costs neutral text {cost:g} nats"
    )


def test_a_mistyped_way_is_answered_with_the_near_name(
    tiny_model: Model, planted: ControlVector, letters: QuestionSet
) -> None:
    with pytest.raises(InputError, match="no alternative called 'clam'") as caught:
        evaluate(tiny_model, planted, questions=letters, compare=["clam"])
    assert "clamp" in caught.value.hint


@pytest.mark.parametrize(
    ("vectors", "error", "told"),
    [
        ([], InputError, "no vector"),
        (["nothing"], NotFoundError, "no vector 'nothing'"),
    ],
)
def test_wrong_vectors_are_refused(
    tiny_model: Model, vectors: list[str], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        evaluate(tiny_model, vectors)


def test_wrong_questions_and_terms_are_refused(
    tiny_model: Model, planted: ControlVector, letters: QuestionSet
) -> None:
    with pytest.raises(NotFoundError, match="has no questions") as caught:
        evaluate(tiny_model, planted)
    assert "--questions" in caught.value.hint
    with pytest.raises(PairsError, match="not enough"):
        evaluate(tiny_model, planted, questions=QuestionSet("q", Questions(), Questions()))
    with pytest.raises(InputError, match="question sets for"):
        evaluate(tiny_model, [planted], questions=[letters, letters])
    term = replace((planted * 1.0).terms[0], operation="ablate")
    with pytest.raises(SteeringError, match="no plain addition"):
        evaluate(tiny_model, Steering((term,)), questions=letters)
