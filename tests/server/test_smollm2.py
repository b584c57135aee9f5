"""The real model behind the server: steering moves what it says, and schemas hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from convert.capture.llama import LlamaCapture
from convert.extract import extract
from convert.pairs import ContrastPairs
from edgesteer import Library, Model
from edgesteer.measure.scores import find_score

from .running import Running

pytestmark = pytest.mark.model

QUESTIONS = ("How was your day?", "Tell me about your home.", "How is your family?")


@pytest.fixture(scope="module")
def happy(smollm2: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with a quickly made vector `happy`, of natural length."""
    home = tmp_path_factory.mktemp("real")
    vector = extract(ContrastPairs.load("happy").limited(12), LlamaCapture(smollm2), layers="10-24")
    Library(home).save_vector(vector.scaled(0.25), "happy")
    running = Running(home, "smollm2", "--ctx", "2048", "--slots", "4")
    yield running
    code, said = running.stop()
    assert code == 0, said


def mood(running: Running, strength: float) -> float:
    """The mean sentiment of answers that share one batch."""
    with ThreadPoolExecutor(len(QUESTIONS)) as pool:
        texts = pool.map(
            lambda text: running.say(
                text, steering=f"happy={strength}", max_tokens=30, logit_bias=None
            ),
            QUESTIONS,
        )
    return float(np.mean([find_score("sentiment")(text) for text in texts]))


def test_steering_over_http_moves_the_mood(happy: Running) -> None:
    assert mood(happy, 1.5) > mood(happy, -1.5) + 0.3


def test_a_schema_holds_on_real_tokens(happy: Running) -> None:
    schema = {
        "type": "object",
        "properties": {"town": {"type": "string", "maxLength": 20}, "warm": {"type": "boolean"}},
        "required": ["town", "warm"],
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "place", "schema": schema}}
    said = happy.say(
        "Describe a town.", response_format=wanted, max_tokens=120, steering="happy=0.5",
        logit_bias=None,
    )  # fmt: skip
    assert set(json.loads(said)) == {"town", "warm"}


def test_compare_turns_a_question_around(happy: Running) -> None:
    body = {"prompt": QUESTIONS[0], "steering": "happy=1.5", "temperature": 0, "max_tokens": 12}
    events = happy.post("/api/compare", {**body, "watch": "happy@20"}).events()
    ends = {data["side"]: data["text"] for name, data in events if name == "end"}
    assert ends["plain"] != ends["steered"]
    read = {
        side: np.mean([
            data["values"]["happy"]
            for name, data in events
            if name == "reading" and data["side"] == side and data["generated"] and data["values"]
        ])
        for side in ends
    }  # fmt: skip
    assert read["steered"] > read["plain"]
