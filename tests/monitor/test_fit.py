"""Fitting: a planted difference is found at the layer that tells most, and judged elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgesteer import ControlVector, LayerError, Model, PairsError, Steering
from edgesteer.monitor.added import added_by
from edgesteer.monitor.condition import find_condition
from edgesteer.monitor.examples import Example, Examples
from edgesteer.monitor.fit import fit_readout, whitened
from edgesteer.monitor.passage import read_passage
from edgesteer.monitor.reading_rows import read_rows
from edgesteer.monitor.readout import OperatingPoint, Readout

from ..engine.tools import empty_caches
from .planted import planted_vector, prompts, word

ASK = {"temperature": 0.0, "max_tokens": 8, "ignore_eos": True, "logprobs": 1}


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("positions", ["answer", "mean"])
def test_a_planted_difference_is_read(
    tiny_model: Model, tmp_path: Path, positions: str, whiten: bool
) -> None:
    vector = planted_vector(tiny_model, positions=positions)
    texts = prompts(20, 1, tmp_path / "texts.jsonl", answers=positions == "answer")
    found = fit_readout(tiny_model, vector, texts, positions=positions, whiten=whiten)
    assert found.auroc is not None
    assert found.auroc > 0.9
    assert found.point is not None
    assert found.point.recall - found.point.false_alarms >= 0.6
    assert (found.point.n_positive, found.point.n_negative) == (10, 10)
    assert found.positions == positions
    assert found.evidence["method"] == ("whitened" if whiten else "vector")
    table = dict(zip(found.evidence["layers"], found.evidence["auroc"], strict=True))
    assert table[found.layer] == max(table.values())


def test_the_mean_scores_of_the_two_sides_are_one_and_minus_one(
    tiny_model: Model, tmp_path: Path
) -> None:
    vector = planted_vector(tiny_model, positions="answer")
    texts = prompts(20, 1, tmp_path / "texts.jsonl", answers=True)
    found = fit_readout(tiny_model, vector, texts)
    choose, _ = texts.halves()
    rows = read_rows(tiny_model, choose, (found.layer,), positions="answer").at(found.layer)
    scores = found.score(rows)
    assert scores[choose.labels].mean() == pytest.approx(1, abs=1e-4)
    assert scores[~choose.labels].mean() == pytest.approx(-1, abs=1e-4)


def test_the_same_texts_give_the_same_read_out(tiny_model: Model, tmp_path: Path) -> None:
    vector = planted_vector(tiny_model, positions="mean")
    texts = prompts(12, 1, tmp_path / "texts.jsonl")
    first, again = (fit_readout(tiny_model, vector, texts, positions="mean") for _ in range(2))
    assert (first.layer, first.evidence) == (again.layer, again.evidence)
    assert (first.direction == again.direction).all()
    # rows that lie elsewhere in a batch differ in their last digits
    assert (first.centre, first.scale) == pytest.approx((again.centre, again.scale), rel=1e-5)
    assert first.threshold == pytest.approx(again.threshold, abs=1e-5)


def test_layers_can_be_restricted(tiny_model: Model, tmp_path: Path) -> None:
    vector = planted_vector(tiny_model, positions="mean")
    texts = prompts(12, 1, tmp_path / "texts.jsonl")
    found = fit_readout(tiny_model, vector, texts, positions="mean", layers=[2])
    assert found.layer == 2
    with pytest.raises(LayerError, match="carries nothing"):
        fit_readout(tiny_model, vector.restricted("1"), texts, layers=[2])


def test_labels_that_are_turned_around_are_noticed(tiny_model: Model, tmp_path: Path) -> None:
    vector = planted_vector(tiny_model, positions="mean").scaled(-1)
    with pytest.raises(PairsError, match="does not tell these texts apart"):
        fit_readout(tiny_model, vector, prompts(12, 1, tmp_path / "t.jsonl"), positions="mean")


def test_whitening_takes_out_what_varies_within_the_classes() -> None:
    """With more rows than it needs, the shrunk covariance finds the planted reading direction."""
    rng = np.random.default_rng(5)
    d, n = 24, 4000
    nuisance = np.linalg.qr(rng.standard_normal((d, d)))[0][:, :3]
    truth = rng.standard_normal(d)
    truth -= nuisance @ (nuisance.T @ truth)
    truth /= np.linalg.norm(truth)
    labels = np.arange(n) % 2 == 0
    rows = rng.standard_normal((n, d)) + 8 * rng.standard_normal((n, 3)) @ nuisance.T
    rows[labels] += truth
    seen = truth + nuisance @ np.array([2.0, -1.0, 1.0])  # the mean difference, confounded
    clean = whitened(seen, rows.astype(np.float32), labels)
    clean /= np.linalg.norm(clean)
    assert seen @ truth / np.linalg.norm(seen) < 0.5
    assert clean @ truth > 0.97


def test_whitening_with_hardly_any_rows_stays_near_the_direction() -> None:
    rng = np.random.default_rng(5)
    rows = rng.standard_normal((6, 400)).astype(np.float32)
    v = rng.standard_normal(400)
    found = whitened(v, rows, np.arange(6) % 2 == 0)
    assert found @ v / np.linalg.norm(found) / np.linalg.norm(v) > 0.95
    assert (whitened(v, np.zeros((6, 400), np.float32), np.arange(6) % 2 == 0) == v).all()


@pytest.mark.parametrize("scope", ["last", "mean"])
def test_a_condition_fires_on_new_positives_and_not_on_new_negatives(
    tiny_model: Model, tmp_path: Path, scope: str
) -> None:
    """Searched, written as text, and at work: prompts that neither half has seen."""
    vector = planted_vector(tiny_model, positions=scope)
    texts = prompts(24, 3, tmp_path / "texts.jsonl")
    found = find_condition(tiny_model, vector, texts, layers=[1, 2], scope=scope)  # type: ignore[arg-type]
    assert found.f1 > 0.85
    assert found.auroc > 0.9
    assert found.by_layer[found.gate.layer or 0] == max(found.by_layer.values())
    push = ControlVector({3: vector.directions[3] * 60}, name="push")
    known = {"push": push, "early": vector}
    steer = Steering.parse(f"push=1@3?{found.text}").bind(known.__getitem__)
    rng = np.random.default_rng(77)
    right = []
    for i in range(12):
        positive = i % 2 == 0
        text = word(positive, rng)
        empty_caches(tiny_model)
        plain = tiny_model.ask(text, **ASK)
        empty_caches(tiny_model)
        gated = tiny_model.ask(text, steer=steer, **ASK)
        closed = gated.text == plain.text and gated.logprobs == plain.logprobs  # bit for bit
        right.append(closed != positive)
    assert sum(right) >= 11


def test_a_condition_below_is_found_too(tiny_model: Model, tmp_path: Path) -> None:
    vector = planted_vector(tiny_model, positions="mean").scaled(-1)
    texts = prompts(16, 3, tmp_path / "texts.jsonl")
    found = find_condition(tiny_model, vector, texts, scope="mean", name="late")
    assert found.gate.above is False
    assert found.text.startswith("if=late<")
    assert Steering.parse(f"x=1?{found.text}").terms[0].gate == found.gate


def test_a_condition_is_found_on_prompts_only(tiny_model: Model, tmp_path: Path) -> None:
    vector = planted_vector(tiny_model, positions="mean")
    with pytest.raises(PairsError, match="holds answers"):
        find_condition(tiny_model, vector, prompts(8, 1, tmp_path / "a.jsonl", answers=True))


def test_a_passage_knows_its_own_tokens(tiny_model: Model) -> None:
    vector = planted_vector(tiny_model, positions="mean")
    readouts = {"early": Readout.raw(vector, 2)}
    for how in ("prompt", "answer", "raw"):
        passage = read_passage(tiny_model, "abc def", readouts, read_as=how)  # type: ignore[arg-type]
        assert "".join(passage.pieces[i] for i in passage.own).strip() == "abc def"
        assert len(passage.scores["early"]) == len(passage.pieces)
        summary = passage.summary("early", readouts["early"])
        own = passage.scores["early"][passage.own]
        assert summary.mean == pytest.approx(own.mean())
        assert summary.highest == passage.scores["early"][summary.highest_at]
        assert summary.fires is None


@pytest.mark.parametrize("text", ["user", "a", "end", "<|", "|"])
def test_a_text_that_is_also_in_the_chat_template_is_found(tiny_model: Model, text: str) -> None:
    """<|user|>user<|end|><|assistant|>: the second one is meant."""
    vector = planted_vector(tiny_model, positions="mean")
    passage = read_passage(tiny_model, text, {"early": Readout.raw(vector, 2)}, read_as="prompt")
    assert "".join(passage.pieces[i] for i in passage.own) == text
    head = "".join(passage.pieces[: passage.own[0]])
    assert head.endswith("<|user|>")


def test_what_decides_is_what_the_read_out_was_fitted_on(tiny_model: Model) -> None:
    vector = planted_vector(tiny_model, positions="mean")
    unit = Readout.raw(vector, 2)
    point = OperatingPoint(0.0, 1, 1, 0, 4, 4)
    for positions, pick in (("last", lambda s, _own: s[-1]), ("mean", lambda s, _own: s.mean())):
        fitted = Readout("early", 2, unit.direction, positions=positions, point=point)
        passage = read_passage(tiny_model, "abc def", {"early": fitted})
        assert passage.read_as == "prompt"
        expected = pick(passage.scores["early"], passage.own)
        assert passage.summary("early", fitted).decides == pytest.approx(expected)


def test_what_the_steering_adds_is_told_apart(tiny_model: Model) -> None:
    vector = planted_vector(tiny_model, positions="mean")
    readout = Readout.raw(vector, 2)
    norm = float(np.linalg.norm(vector.directions[2]))
    steer = Steering.parse("early=0.5@2-3").bind(lambda _name: vector)
    assert added_by(steer, readout, 4) == pytest.approx(0.5 * norm, rel=1e-5)
    gated = Steering.parse("early=0.5@2?if=early>0").bind(lambda _name: vector)
    assert added_by(gated, readout, 4) == 0.0


def test_a_pair_is_never_parted() -> None:
    texts = tuple(
        Example(f"{side} {i}", side, group=str(i)) for i in range(9) for side in (True, False)
    )
    one, other = Examples("x", texts).halves()
    assert not set(one.groups) & set(other.groups)
