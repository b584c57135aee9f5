"""KL divergence: the fast form agrees with the definition; damage is read text by text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgesteer import ControlVector, InputError, Model
from edgesteer.measure import divergence
from edgesteer.measure.damage import NeutralText, answer_damage, repetition
from edgesteer.measure.divergence import Divergence, DivergenceMeter
from edgesteer.measure.kl import Reference, kl, log_softmax
from edgesteer.steering import as_steering


def _rows(seed: int, scale: float = 1.0) -> np.ndarray:
    return (scale * np.random.default_rng(seed).standard_normal((3, 50))).astype(np.float32)


def _vector(model: Model, size: float = 1.0) -> ControlVector:
    rng = np.random.default_rng(5)
    return ControlVector(
        {layer: size * rng.standard_normal(model.n_embd) for layer in (1, 2)}, model.identity
    )


@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_kl_is_zero_for_equals_and_matches_the_definition(scale: float) -> None:
    p, q = _rows(0, scale), _rows(1, scale)
    assert kl(p, p) == pytest.approx(np.zeros(3), abs=1e-5)
    a, b = log_softmax(p), log_softmax(q)
    assert kl(p, q) == pytest.approx((np.exp(a) * (a - b)).sum(axis=1), rel=1e-4, abs=1e-5)
    assert np.exp(log_softmax(p)).sum(axis=1) == pytest.approx(np.ones(3))


def test_the_rise_is_the_difference_of_surprises() -> None:
    p, q = _rows(0), _rows(1)
    a, b = log_softmax(p), log_softmax(q)
    assert Reference.of(q).compare(p, [7, 8])[1] == pytest.approx(
        [b[0, 7] - a[0, 7], b[1, 8] - a[1, 8]], abs=1e-5
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_overflowed_logits_cost_infinitely_much(bad: float) -> None:
    p = _rows(0)
    p[1] = bad
    costs, rises = Reference.of(_rows(1)).compare(p, [3, 4])
    assert np.isfinite(costs).tolist() == [True, False, True]
    assert np.isfinite(rises).tolist() == [True, False]
    assert not np.isfinite(kl(_rows(1), p))[1]


def test_a_token_that_is_never_given_costs_nothing() -> None:
    p, q = _rows(0), _rows(1)
    expected = kl(p[:, :40], q[:, :40])
    p[:, 40:] = q[:, 40:] = -np.inf
    assert kl(p, q) == pytest.approx(expected, rel=1e-5)


def test_more_following_tokens_than_rows_are_refused() -> None:
    with pytest.raises(InputError, match="4 following tokens for 3 rows"):
        Reference.of(_rows(0)).compare(_rows(1), [1, 2, 3, 4])


def test_zero_strength_damages_nothing_and_damage_grows(tiny_model: Model) -> None:
    meter, vector = (
        NeutralText(tiny_model, ["a text of no mood", "and one more"]),
        _vector(tiny_model),
    )
    none, little, much = meter.measure([None, vector * 0.1, vector * 0.4])
    assert none.kl_mean == pytest.approx(0.0, abs=1e-5)
    assert none.cross_entropy == pytest.approx(0.0, abs=1e-5)
    assert 4 < much.kl_mean / little.kl_mean < 40  # about the square of 4
    assert much.kl_p95 > much.kl_mean


def test_damage_is_that_of_reading_each_text_both_ways(tiny_model: Model) -> None:
    texts, vector = ["a text of no mood", "and one more"], _vector(tiny_model)
    found = NeutralText(tiny_model, texts).measure([vector * 0.3])[0]
    costs, rises = [], []
    for text in texts:
        tokens = tiny_model.tokenize(text)
        steered, plain = (tiny_model.logits(tokens, s, first=1) for s in (vector * 0.3, None))
        costs.append(kl(steered, plain))
        rows = np.arange(len(tokens) - 2)
        rises.append((log_softmax(plain) - log_softmax(steered))[rows, tokens[2:]])
    assert found.kl_mean == pytest.approx(np.concatenate(costs).mean(), rel=1e-3)
    assert found.cross_entropy == pytest.approx(np.concatenate(rises).mean(), rel=1e-3)


def test_a_meter_measures_many_steerings_as_it_measures_one(tiny_model: Model) -> None:
    vector = _vector(tiny_model, 0.3)
    meter = DivergenceMeter(tiny_model, prompts=["one", "two"], neutral=["a text"], n_tokens=6)
    both = meter.measure_many([vector * 1.0, vector * -1.0])
    for found, strength in zip(both, (1.0, -1.0), strict=True):
        alone = meter.measure(vector * strength)
        assert found.own_p95 == pytest.approx(alone.own_p95, rel=1e-3)
        assert found.neutral_mean == pytest.approx(alone.neutral_mean, rel=1e-3)


def test_few_logits_wait_for_their_other_reading(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many steerings are measured at once."""
    meter = DivergenceMeter(tiny_model, prompts=["one", "two"], neutral=["a text"], n_tokens=6)
    steers = [as_steering(_vector(tiny_model) * (0.1 * n)) for n in range(1, 7)]
    at_once = meter.measure_many(steers)
    seen: list[int] = []
    read = Model.logits_many

    def counted(self: Model, texts: Any, *given: Any, **more: Any) -> Any:
        seen.append(len(texts))
        return read(self, texts, *given, **more)

    monkeypatch.setattr(Model, "logits_many", counted)
    monkeypatch.setattr(divergence, "MOST_WAITING", 3 * 7 * 4 * tiny_model.n_vocab)
    some = meter.measure_many(steers)
    assert max(seen[1:]) <= 6  # three answers, each read both ways
    for one, other in zip(at_once, some, strict=True):
        assert (other.own_mean, other.own_p95) == pytest.approx(
            (one.own_mean, one.own_p95), rel=1e-2
        )


def test_a_steering_that_breaks_the_model_costs_infinitely_much(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tiny model is F32 and never overflows, so the reading is spoilt on its way."""
    vector = _vector(tiny_model, 0.1)
    broken = vector * 7.0

    read = tiny_model.logits_many

    def spoilt(texts: Any, steers: Any, *, reduce: Any, **where: Any) -> list[Any]:
        def spoil(i: int, logits: Any) -> Any:
            return reduce(i, logits * np.nan if steers[i] is broken else logits)

        return read(texts, steers, reduce=spoil, **where)

    monkeypatch.setattr(tiny_model, "logits_many", spoilt)
    meter = DivergenceMeter(tiny_model, prompts=["one"], neutral=["a text"], n_tokens=4)
    found = meter.measure_many([broken, vector * 1.0])
    assert found[0] == Divergence(np.inf, np.inf, np.inf)
    assert np.isfinite(found[1].own_p95)


def test_a_loop_is_told_by_its_repetition() -> None:
    assert repetition([1, 2, 3, 4, 5, 6], 3) == 0
    assert repetition([1, 2, 3] * 10, 3) > 0.85
    assert repetition([1], 3) == 0


def test_plain_answers_are_less_surprising_than_steered_ones(tiny_model: Model) -> None:
    plain, steered = answer_damage(
        tiny_model, [None, _vector(tiny_model) * 2.0], ["one", "two"], n_tokens=12
    )
    assert steered.perplexity > plain.perplexity >= 1
    assert len(plain.answers) == 2
    assert 0 <= plain.repetition_4 <= plain.repetition_3 < 1
