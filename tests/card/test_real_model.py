"""The report card on real weights: the vector of a trait beats random and shuffled ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from convert.capture.llama import LlamaCapture
from convert.extract import extract
from convert.pairs import ContrastPairs
from edgesteer import Model
from edgesteer.measure.evaluate import QUICK, evaluate

pytestmark = [pytest.mark.model, pytest.mark.slow]


def test_a_traits_vector_beats_random_and_shuffled_ones(
    smollm2: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgesteer.measure.card.parts.builtin_traits", lambda: {"formal": None})
    pairs = ContrastPairs.load("happy").limited(24)
    vector = extract(pairs, LlamaCapture(smollm2), layers="10-24")
    settings = replace(QUICK, side_items=2, styles=(), knowledge=0, open=0, randoms=1, shuffles=1)
    card = evaluate(smollm2, vector * 0.15, settings=settings)
    figures = card.summary.vectors[0]
    assert figures.effect.slope.low > 0
    for kind in ("random", "shuffled"):
        control = figures.control(kind, "norm")
        assert control is not None
        assert control.beaten, control
    assert card.verdicts[0].level in ("works", "reservations"), card.verdicts[0]
