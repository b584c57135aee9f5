"""The main job on real weights: pairs -> vector -> calibrated strength -> text that has moved.

The yardstick is a word-list sentiment score, so no language model judges; the control is a random
vector of the same norms at the same layers.
"""

from __future__ import annotations

import numpy as np
import pytest
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from convert.capture.llama import LlamaCapture
from convert.extract import extract
from convert.pairs import ContrastPairs
from edgesteer import ControlVector, LayerRange, Model
from edgesteer.measure.calibrate import calibrate
from edgesteer.measure.candidate import CandidateWork, Measured, job
from edgesteer.measure.divergence import DivergenceMeter
from edgesteer.measure.questions import Questions, load_questions
from edgesteer.measure.weights import LayerWeights

pytestmark = [pytest.mark.model, pytest.mark.slow]

PROMPTS = (
    "How was your day?",
    "What do you think of the weather today?",
    "Tell me about your home.",
    "How do you feel about the week to come?",
    "What was school like?",
    "Tell me about a walk in the park.",
    "What happened at work?",
    "How is your family?",
)


@pytest.fixture(scope="module")
def happy(smollm2: Model) -> ControlVector:
    pairs = ContrastPairs.load("happy").limited(40)
    made = extract(pairs, LlamaCapture(smollm2))
    return calibrate(smollm2, made)


@pytest.fixture(scope="module")
def random(happy: ControlVector) -> ControlVector:
    rng = np.random.default_rng(3)
    directions = {}
    for layer, direction in happy.directions.items():
        noise = rng.standard_normal(direction.shape)
        directions[layer] = noise * np.linalg.norm(direction) / np.linalg.norm(noise)
    return ControlVector(directions, happy.model, name="random", recommended=happy.recommended)


@pytest.fixture(scope="module")
def mood() -> SentimentIntensityAnalyzer:
    return SentimentIntensityAnalyzer()


def _mood(
    model: Model, vector: ControlVector, strength: float, scale: SentimentIntensityAnalyzer
) -> float:
    replies = model.ask_many(
        PROMPTS, steer=vector * strength, temperature=0.0, max_tokens=40, repeat_penalty=1.1
    )
    return float(np.mean([scale.polarity_scores(r.text)["compound"] for r in replies]))


def test_both_signs_move_the_mood_and_a_random_vector_does_not(
    smollm2: Model,
    happy: ControlVector,
    random: ControlVector,
    mood: SentimentIntensityAnalyzer,
) -> None:
    up, down = (_mood(smollm2, happy, s, mood) for s in (1.0, -1.0))
    noise_up, noise_down = (_mood(smollm2, random, s, mood) for s in (1.0, -1.0))
    plain = _mood(smollm2, happy, 0.0, mood)
    assert up > plain > down
    assert up - down > 0.4
    assert up - down > 2 * abs(noise_up - noise_down)


def test_strength_one_spends_the_budget(smollm2: Model, happy: ControlVector) -> None:
    meter = DivergenceMeter(smollm2)
    cost = meter.measure(happy * 1.0)
    assert max(cost.own_p95 / 1.0, cost.neutral_mean / 0.1) == pytest.approx(1.0, rel=0.15)
    assert meter.measure(happy * 0.25).neutral_mean < cost.neutral_mean
    assert happy.calibration is not None
    assert happy.calibration.low < -0.5
    assert happy.calibration.high > 1.0
    assert happy.recommended is not None
    assert isinstance(happy.recommended, LayerRange)


def test_at_equal_damage_it_moves_items_and_a_random_vector_does_not(
    smollm2: Model, happy: ControlVector, random: ControlVector
) -> None:
    asked = load_questions("happy").test
    parts = {"test": Questions(asked.items[:6])}
    layers = LayerWeights.of(dict.fromkeys(happy.recommended.resolve(smollm2.n_layer), 1.0))  # type: ignore[union-attr]
    found = []
    for vector in (happy, random):
        work = CandidateWork(vector, parts, 0.15, "whole")
        found.append(Measured.of(work.start(smollm2)(job(layers, "test"))))
    assert 0.15 / 1.5 < found[0].kl < 0.15 * 1.5
    assert found[0].effect > 4 * abs(found[1].effect)
    assert found[0].wrong < 0.2


def test_calibration_survives_the_file(happy: ControlVector, tmp_path: object) -> None:
    path = f"{tmp_path}/happy.gguf"
    happy.save(path)
    again = ControlVector.load(path)
    assert again.calibration == happy.calibration
    assert again.digest == happy.digest
