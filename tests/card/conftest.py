"""What the tests of the report card share: raw numbers with planted effects, a planted vector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from edgesteer import ControlVector, Model
from edgesteer.measure.card.raw import KNOWLEDGE_SET, Answers, Condition, Damage, Raw
from edgesteer.measure.card.report_card import ReportCard
from edgesteer.measure.card.settings import QUICK, Settings
from edgesteer.measure.questions import Item, Questions, QuestionSet

from ..tiny import output_rows, token_of

SMALL = replace(QUICK, knowledge=6, open=2, tokens=6, side_items=2, styles=("paraphrase",))
MakeCard = Callable[..., ReportCard]


def raw_numbers(
    settings: Settings,
    *,
    effect: float = 1.0,
    noise: float = 0.3,
    random: float = 0.1,
    shuffled: float = 0.1,
    side: float = 0.1,
    written: float = 0.5,
    knowledge: float = 0.9,
    style: float = 1.0,
    spent: float = 0.9,
    n: int = 16,
    name: str = "calm",
) -> Raw:
    """An evaluation in which all that matters is given: effects in nats for a unit of strength."""
    rng = np.random.default_rng(5)
    raw, base = Raw(), rng.normal(size=n)

    def put(slope: float, steer: str, style_name: str = "plain", questions: str = name) -> None:
        drawn = rng.normal(size=n)
        slopes = slope + noise * (drawn - drawn.mean()) / drawn.std()
        for strength in settings.strengths:
            if steer or strength == 0:
                condition = Condition(questions, style_name, steer if strength else "", strength)
                raw.margins.setdefault(condition, tuple(base + strength * slopes))

    put(effect, name)
    put(effect * style, name, "paraphrase")
    put(effect * 0.9, name, "persona for")
    put(effect * 0.9, name, "persona against")
    controls = []
    for kind, size in (("random", random), ("shuffled", shuffled)):
        for match in ("norm", "KL"):
            label = f"{name}/{kind} 1/{match}"
            put(size, label)
            controls.append(
                {"subject": name, "kind": kind, "number": 1, "match": match, "factor": 1.0}
                | {"label": label}
            )
            raw.damage[label, 1.0, ""] = Damage(0.05, 0.2, 0.01)
            raw.damage[label, -1.0, ""] = Damage(0.07, 0.2, 0.01)
    for trait in ("happy", "formal"):
        put(side, name, questions=trait)
    right = rng.random(40) < 0.9
    for strength, share in ((0.0, 1.0), (1.0, knowledge / 0.9), (-1.0, 1.0)):
        kept = right & (rng.random(40) < share)
        steer = name if strength else ""
        condition = Condition(KNOWLEDGE_SET, "plain", steer, strength)
        raw.margins[condition] = tuple(np.where(kept, 1.0, -1.0))
    for strength in settings.strengths:
        steer = name if strength else ""
        p95 = spent * strength**2
        raw.damage[steer, strength, ""] = Damage(0.08 * p95, 0.3 * p95, 0.01, p95, 8.0, 0.1)
        scores = tuple(0.1 * rng.normal(size=8) + written * strength / 2)
        texts = tuple(f"answer {i} at {strength:g}" for i in range(8))
        raw.answers[Condition(name, "plain", steer, strength)] = Answers(texts, scores)
    raw.asked[name] = [f"question {i}?" for i in range(8)]
    raw.cosines[f"{name}|refusal"] = {"1": 0.4, "2": 0.2, "whole": 0.3}
    raw.facts = {
        "model": {"name": "tiny", "called": "tiny", "architecture": "llama"}
        | {"file": "tiny.gguf", "about": "a test"},
        "mode": "whole",
        "subjects": [
            {
                "name": name,
                "steering": f"{name}=1",
                "digest": "0" * 64,
                "layers": [1, 2],
                "calibrated": [-1.4, 1.5],
                "method": "mean-difference",
                "n_pairs": 20,
                "questions": name,
                "description": "calm against furious",
                "available": {"items": n, "open": 8},
                "judge": "temper",
                "personas": ["You are calm.", "You are furious."],
                "styles": [{"name": "paraphrase", "about": "other words", "resist": False}],
            }
        ],
        "controls": controls,
        "traits": [name, "happy", "formal"],
        "also": "",
        "notes": [],
        "seconds": 1.0,
    }
    return raw


@pytest.fixture
def make_card() -> MakeCard:
    """A card of planted numbers: make_card(effect=0.0)."""

    def make(**planted: float | int) -> ReportCard:
        return ReportCard(raw_numbers(SMALL, **planted), SMALL)  # type: ignore[arg-type]

    return make


@pytest.fixture
def letters() -> QuestionSet:
    """Twelve items whose answers are runs of `a` (positive) and of `b` (negative)."""
    words = ("one", "two", "ten", "six", "red", "sun", "sea", "tea", "ice", "oak", "ash", "elm")
    items = tuple(Item(f"{word}?", "aaa", "bbb") for word in words)
    return QuestionSet("letters", Questions(), Questions(items, ("what?", "why?")))


@pytest.fixture
def planted(tiny_model: Model) -> ControlVector:
    """Pushes the last block's output from the token `b` to the token `a`."""
    rows = output_rows()
    direction = rows[token_of("a")] - rows[token_of("b")]
    return ControlVector({3: 0.3 * direction}, tiny_model.identity, name="planted")
