"""Own answers: what is kept, what is dropped and why, and that no persona is left in the pairs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from convert.own_answers import ask_for_pairs
from convert.pairs import ContrastPairs
from convert.pairs_jsonl import read, write
from convert.pairs_toml import parse
from edgesteer import Model
from edgesteer.errors import InputError, NotFoundError, PairsError
from edgesteer.identity import ModelIdentity
from edgesteer.measure.scores import find_score

USERS = [f"Question {number}?" for number in range(20)]
TRAIT = (
    'name = "calm"\nscore = "temper"\n'
    'positive = ["You are calm.", "You are at ease."]\n'
    'negative = ["You are furious.", "You are full of rage."]\n'
    'questions = ["Open 0?", "Open 1?"]\n'
    + "".join(f'[[stems]]\nuser = "{user}"\nanswer = "Well,"\n' for user in USERS)
)


class Actor:
    """Answers as `play(question, calm, persona)` says, and keeps what it was asked."""

    has_chat_template = True
    identity = ModelIdentity("llama", 4, 8, "actor")

    def __init__(self, play: Callable[[str, bool, str], str]) -> None:
        self.play, self.prompts, self.settings = play, list[str](), dict[str, Any]()

    def render(
        self, messages: Sequence[Mapping[str, str]], *, add_generation_prompt: bool = True
    ) -> str:
        return "".join(f"<{m['role']}>{m['content']}" for m in messages) + "<assistant>"

    def ask_many(self, prompts: Sequence[str], **settings: Any) -> list[SimpleNamespace]:
        self.prompts += prompts
        self.settings = settings
        return [SimpleNamespace(text=f" {self._say(prompt)}\n") for prompt in prompts]

    def _say(self, prompt: str) -> str:
        found = re.fullmatch(r"(?:<system>(.*))?<user>(.*)<assistant>", prompt)
        assert found, prompt
        persona, question = found[1] or "", found[2]
        return self.play(question, "calm" in persona or "ease" in persona, persona)


def ask(play: Callable[[str, bool, str], str], trait: str = TRAIT, **how: Any) -> Any:
    actor = Actor(play)
    return actor, ask_for_pairs(cast(Model, actor), parse(trait), **how)


def in_role(question: str, calm: bool, persona: str) -> str:
    mood = "I sit here quietly and at ease." if calm else "I shout and rage, damn it!"
    return f"About {question} {mood} Thought {len(persona)}."


def test_the_answers_stand_in_the_pairs_and_the_personas_do_not() -> None:
    _, own = ask(in_role, n_pairs=12)
    sides = [side for pair in own.pairs.pairs for side in (pair.positive, pair.negative)]
    assert {side.system for side in sides} == {None}
    assert all("quietly" in pair.positive.answer for pair in own.pairs.pairs)
    assert all("rage" in pair.negative.answer for pair in own.pairs.pairs)
    assert all(pair.positive.user in pair.positive.answer for pair in own.pairs.pairs)


def test_no_question_is_both_read_and_held_out() -> None:
    _, own = ask(in_role, n_pairs=30)
    train, held = ({p.positive.user for p in part} for part in (own.pairs.pairs, own.pairs.heldout))
    assert held
    assert not train & held


def test_a_question_that_reports_are_made_on_is_not_asked() -> None:
    actor, _ = ask(in_role, n_pairs=30)
    assert any("Open 0?" in prompt for prompt in actor.prompts)
    assert not any("Open 1?" in prompt for prompt in actor.prompts)


def test_every_persona_answers_and_each_meets_its_counterpart() -> None:
    actor, _ = ask(in_role, n_pairs=30)
    for one, other in zip(actor.prompts[::2], actor.prompts[1::2], strict=True):
        assert ("calm" in one, "ease" in one) == ("furious" in other, "full of rage" in other)
    assert any("ease" in prompt for prompt in actor.prompts)


def test_asking_ends_when_enough_is_kept() -> None:
    actor, own = ask(in_role, n_pairs=12)
    assert len(actor.prompts) == 2 * own.asked == 32
    assert len(own.pairs) + len(own.pairs.heldout) == 16


def test_what_is_dropped_is_told_with_its_reason() -> None:
    def play(question: str, calm: bool, persona: str) -> str:
        number = int(re.findall(r"\d+", question)[0])
        said = ("Yes.", "quiet rest quiet rest quiet rest", "A plain day at work.")
        return in_role(question, calm, persona) if number % 8 == 3 else said[number % 3]

    with pytest.raises(PairsError, match="could be kept: ") as error:
        ask(play, n_pairs=40)
    for reason in ("too short", "repeating themselves", "not showing the trait"):
        assert reason in error.value.message
    assert "--answers given" in error.value.hint


def test_the_count_adds_up() -> None:
    def play(question: str, calm: bool, persona: str) -> str:
        return "Hm." if "7" in question and calm else in_role(question, calm, persona)

    _, own = ask(play, n_pairs=100)
    assert own.dropped == {"too short": 4}
    assert own.asked - 4 == len(own.pairs) + len(own.pairs.heldout)
    assert "kept 38 of 42 pairs (4 too short; score 'temper')" in str(own)
    assert own.meta["dropped"] == {"too short": 4}


def test_the_same_answers_twice_count_once() -> None:
    _, own = ask(lambda q, calm, _p: in_role(q, calm, ""), n_pairs=100)
    assert own.dropped == {"said before": 21}


def test_a_score_of_ones_own_judges() -> None:
    _, own = ask(in_role, n_pairs=12, score=lambda text: float("quietly" in text))
    assert own.score == "custom"
    with pytest.raises(PairsError):
        ask(in_role, n_pairs=12, score=lambda text: float("rage" in text))


def test_without_a_score_answers_need_only_differ() -> None:
    _, own = ask(in_role, TRAIT.replace('score = "temper"\n', ""), n_pairs=12)
    assert own.score == ""
    assert "no score to judge them by" in str(own)
    with pytest.raises(PairsError):
        ask(lambda q, _c, _p: f"{q} is all I say", TRAIT.replace('score = "temper"\n', ""))


def test_a_score_that_is_not_there_is_told() -> None:
    with pytest.raises(NotFoundError, match="tempre"):
        ask(in_role, TRAIT.replace("temper", "tempre"))


def test_pairs_without_personas_can_not_be_asked() -> None:
    plain = ContrastPairs.of([("I love it", "I hate it"), ("What joy", "What a pity")])
    with pytest.raises(PairsError, match="need personas"):
        ask_for_pairs(cast(Model, Actor(in_role)), plain)


def test_settings_reach_the_model() -> None:
    actor, own = ask(in_role, n_pairs=12, seed=7, max_tokens=20, temperature=0.5)
    assert actor.settings == {"raw": True, "seed": 7, "max_tokens": 20, "temperature": 0.5}
    assert own.meta["seed"] == 7


def test_saved_pairs_are_read_back_as_they_were(tmp_path: Path) -> None:
    _, own = ask(in_role, n_pairs=12)
    path = write(tmp_path / "own.jsonl", own.pairs.pairs)
    again = read(path)
    texts = [(p.positive, p.negative) for p in again.pairs]
    assert texts == [(p.positive, p.negative) for p in own.pairs.pairs]


def test_personas_do_not_fit_in_jsonl(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="more than the answer"):
        write(tmp_path / "x.jsonl", parse(TRAIT).pairs)
    assert not list(tmp_path.iterdir())


@pytest.mark.model
@pytest.mark.slow
def test_the_language_model_answers_as_the_personas_ask(smollm2: Model) -> None:
    trait = ContrastPairs.load("calm")
    found = ask_for_pairs(smollm2, trait, n_pairs=8, max_tokens=24)
    score = find_score(trait.score)
    kept = (*found.pairs.pairs, *found.pairs.heldout)
    assert len(kept) >= 8
    assert found.asked < 60
    for pair in kept:
        assert pair.positive.user == pair.negative.user
        assert pair.positive.system is None
        assert score(pair.positive.answer) > score(pair.negative.answer)
