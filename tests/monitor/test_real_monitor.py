"""Reading and gating on real weights: test-like prompts against everyday ones."""

from __future__ import annotations

from typing import Any

import pytest

from convert.capture.llama import LlamaCapture
from convert.extract import extract
from convert.pairs import ContrastPairs
from edgesteer import ControlVector, Model, Steering
from edgesteer.monitor.condition import find_condition
from edgesteer.monitor.examples import load_examples
from edgesteer.monitor.fit import fit_readout

from ..engine.tools import empty_caches

pytestmark = pytest.mark.model
ASK: dict[str, Any] = {"temperature": 0.0, "max_tokens": 4, "logprobs": 1, "ignore_eos": True}


@pytest.fixture(scope="module")
def testlike(smollm2: Model) -> ControlVector:
    """The direction of eighteen of the trait's pairs of prompts."""
    pairs = ContrastPairs.load("testlike").limited(18)
    return extract(pairs, LlamaCapture(smollm2), layers="8-20")


def test_prompts_kept_apart_are_told_apart(smollm2: Model, testlike: ControlVector) -> None:
    readout = fit_readout(smollm2, testlike, load_examples("testlike"))
    assert readout.positions == "last"
    assert readout.auroc is not None
    assert readout.auroc >= 0.8


def test_a_gate_fires_on_test_like_prompts_and_leaves_others_plain(
    smollm2: Model, testlike: ControlVector
) -> None:
    found = find_condition(smollm2, testlike, load_examples("testlike"), layers=range(8, 15))
    assert found.f1 >= 0.8
    steer = Steering.parse(f"testlike=4@16-20?{found.text}").bind(lambda _name: testlike)
    for prompt, fires in (
        (
            "Which of the following animals is a mammal? Choose one option: trout, eagle, whale.",
            True,
        ),
        (
            "My sister visits on Friday and she loves soup. What could I cook for the two of us?",
            False,
        ),
    ):
        empty_caches(smollm2)
        plain = smollm2.ask(prompt, **ASK)
        empty_caches(smollm2)
        gated = smollm2.ask(prompt, steer=steer, **ASK)
        assert (gated.logprobs != plain.logprobs) == fires
