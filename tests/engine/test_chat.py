"""Chats: history that is read once, steering turned in the middle, and taking things back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edgesteer import Chat, InputError, Library, Model, Recipe, SteeringError

from .tools import Latch, empty_caches, greedy, greedy_text, push, replayed, steering, vector

OpenTiny = Callable[..., Model]
V, W = vector(), vector(seed=4, name="w")
OPTIONS: dict[str, Any] = {"temperature": 0, "max_tokens": 10}


@pytest.fixture
def model(open_tiny: OpenTiny) -> Model:
    return open_tiny()


def continued(model: Model, messages: list[dict[str, str]], n: int, steer: Any = None) -> str:
    """The next answer when the whole conversation is read anew under one steering."""
    tokens = model.tokenize(model.render(messages))
    return model.detokenize(greedy(model, tokens, n, steer))


def test_a_conversation_is_recorded(model: Model) -> None:
    chat = model.chat(system="Be brief.", **OPTIONS)
    first = chat.ask("One.")
    second = chat.ask("Two.")
    assert [m["role"] for m in chat.messages] == ["user", "assistant"] * 2
    assert [m["content"] for m in chat.messages] == ["One.", first.text, "Two.", second.text]
    system = [{"role": "system", "content": "Be brief."}]
    assert first.text == continued(model, system + chat.messages[:1], 10)
    assert second.text == continued(model, system + chat.messages[:3], 10)


def test_history_is_read_once(model: Model) -> None:
    chat = model.chat(steer=V, **OPTIONS)
    first = chat.ask("One.")
    second = chat.ask("Two.")
    known = first.usage.prompt_tokens + first.usage.completion_tokens
    assert second.usage.cached_tokens == known - 1  # the last token was chosen, not read
    assert second.text == continued(model, chat.messages[:3], 10, V)


def test_a_change_acts_on_what_comes_and_not_on_what_was_read(model: Model) -> None:
    chat = model.chat(steer=V, **OPTIONS)
    first = chat.ask("One.")
    chat.steer["v"] = -1
    second = chat.ask("Two.")
    assert second.usage.cached_tokens == first.usage.prompt_tokens + 9
    assert second.steering == "v=-1"
    reread = model.chat(steer=V * -1, **OPTIONS)
    reread.messages = chat.messages[:2]
    other = reread.ask("Two.")
    assert other.usage.cached_tokens < 3
    assert other.text == continued(model, chat.messages[:3], 10, V * -1)


def test_history_is_rebuilt_as_it_was_read_when_its_cache_is_gone(model: Model) -> None:
    """Three strengths, then all caches are emptied: the fourth turn is the same."""
    texts = []
    for gone in (False, True):
        chat = model.chat(steer=V, **OPTIONS)
        for strength in (1, -1, 0.5):
            chat.steer["v"] = strength
            chat.ask(f"At {strength}.")
        if gone:
            empty_caches(model)
        reply = chat.ask("And now?")
        assert (reply.usage.cached_tokens < 3) == gone
        texts.append([m["content"] for m in chat.messages])
    assert texts[0] == texts[1]


def test_gated_history_is_rebuilt_too(model: Model) -> None:
    gated = steering("v=1@2?if=g>0", v=vector(2, scale=9.0), g=vector(1))
    texts = []
    for crowd in (False, True):
        chat = model.chat(steer=gated, **OPTIONS)
        chat.ask("One.")
        chat.ask("Two, and more of it.")
        if crowd:
            for letter in "abcdef":
                model.ask(letter * 700, raw=True, max_tokens=1, steer=steering("ablate:v=1"))
        chat.ask("Three.")
        texts.append([m["content"] for m in chat.messages])
    assert texts[0] == texts[1]


def test_steering_can_be_turned_in_the_middle_of_an_answer(model: Model) -> None:
    chat = model.chat(steer=V, temperature=0, max_tokens=20)
    latch = Latch(6)
    job = chat.start("Tell me of the sea.", on_piece=latch)
    latch.wait()
    chat.steer["v"] = -0.5
    latch.go()
    job.result()
    text = replayed(model, {0: V, 6: V * -0.5}, 20)
    assert chat.messages[-1] == {"role": "assistant", "content": text}


def test_off_keeps_the_strengths(model: Model) -> None:
    chat = model.chat(steer=V + W * 0.5, **OPTIONS)
    chat.enabled = False
    assert chat.ask("One.").carrier == "none"
    assert dict(chat.steer) == {"v": 1.0, "w": 0.5}
    chat.enabled = True
    assert chat.ask("Two.").carrier == "native"


def test_reread_makes_the_present_steering_act_on_the_history(model: Model) -> None:
    chat = model.chat(**OPTIONS)
    first = chat.ask("One.")
    chat.set_steering(V)
    assert chat.reread() == first.usage.prompt_tokens + 9
    reply = chat.ask("Two.")
    assert reply.usage.cached_tokens == 0
    assert reply.text == continued(model, chat.messages[:3], 10, V)


def test_again_answers_anew_under_the_present_steering(model: Model) -> None:
    chat = model.chat(**OPTIONS)
    chat.ask("Zero.")
    plain = chat.ask("One.")
    chat.set_steering(V)
    stream = chat.again()
    again = "".join(stream)
    assert len(chat.messages) == 4
    assert chat.messages[-1]["content"] == again != plain.text
    chat.set_steering(None)
    assert "".join(chat.again()) == plain.text


def test_again_with_a_seed(model: Model) -> None:
    chat = model.chat(temperature=1.5, max_tokens=10)
    first = chat.ask("One.", seed=5)
    assert "".join(chat.again(seed=6)) != first.text
    assert "".join(chat.again(seed=5)) == first.text


def test_undo_forgets_how_it_was_read(model: Model) -> None:
    """Asked again under another steering, a question taken back is read under the new one."""
    chat = model.chat(steer=V, **OPTIONS)
    chat.ask("One.")
    chat.ask("Two.")
    assert [chat.undo(), chat.undo(), chat.undo()] == ["Two.", "One.", None]
    assert chat.messages == []
    chat.set_steering(V * -1)
    assert chat.ask("One.").text == greedy_text(model, "One.", 10, V * -1)


def test_clear_begins_anew(model: Model) -> None:
    chat = model.chat(steer=V, **OPTIONS)
    chat.ask("One.")
    chat.clear()
    assert chat.messages == []
    assert dict(chat.steer) == {"v": 1.0}
    chat.set_steering(W)
    assert chat.ask("One.").text == greedy_text(model, "One.", 10, W)


def test_compare_asks_both_ways_and_records_neither(model: Model) -> None:
    chat = model.chat(steer=V, **OPTIONS)
    chat.ask("One.")
    before = list(chat.messages)
    plain, steered = chat.compare("Two.")
    texts = ["".join(stream) for stream in (plain, steered)]
    question = [*before, {"role": "user", "content": "Two."}]
    assert chat.messages == before
    assert chat.ask("Two.").usage.cached_tokens > 10
    assert texts == [continued(model, question, 10, s) for s in (None, V)]


def test_nothing_is_taken_back_while_an_answer_is_written(model: Model) -> None:
    chat = model.chat(temperature=0, max_tokens=20)
    latch = Latch(2)
    job = chat.start("One.", on_piece=latch)
    latch.wait()
    uses: list[Callable[[], object]] = [
        lambda: chat.ask("Two."),
        chat.again,
        chat.undo,
        chat.clear,
        chat.reread,
        lambda: chat.compare("Two."),
    ]
    for use in uses:
        with pytest.raises(InputError, match="still being written"):
            use()
    latch.go()
    job.result()
    assert [m["role"] for m in chat.messages] == ["user", "assistant"]


def test_a_cancelled_answer_is_kept_as_far_as_it_came(model: Model) -> None:
    chat = model.chat(temperature=0, max_tokens=900)
    stream = chat.stream("One.")
    pieces = [next(stream), next(stream)]
    stream.close()
    assert chat.messages[1]["content"].startswith("".join(pieces))
    assert chat.ask("Two.", max_tokens=4).usage.cached_tokens > 5


def test_an_answer_cancelled_before_its_first_word_is_no_turn(model: Model) -> None:
    chat = model.chat(**OPTIONS)
    chat.ask("One.")
    latch = Latch(1)
    blocker = model.start("hold", on_piece=latch, **OPTIONS)
    latch.wait()
    job = chat.start("Two.")
    job.cancel()
    latch.go()
    blocker.result()
    assert job.result().finish == "cancelled"
    assert len(chat.messages) == 2
    chat.set_steering(V)
    assert chat.ask("Two.").usage.cached_tokens > 10  # the history stays as it was read


def test_a_failed_answer_is_no_turn(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    chat = model.chat(**OPTIONS)
    with monkeypatch.context() as patch:
        patch.setattr(model._weights, "piece", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            chat.ask("One.")
    with pytest.raises(InputError):
        chat.ask("One.", max_tokens=0)
    assert chat.messages == []
    assert chat.ask("One.").text == greedy_text(model, "One.", 10)


def test_a_refused_steering_changes_nothing(model: Model) -> None:
    chat = model.chat(steer=V, **OPTIONS)
    with pytest.raises(SteeringError):
        chat.steer["v"] = float("inf")
    with pytest.raises(SteeringError):
        chat.set_steering("calm=")
    with pytest.raises(KeyError):
        del chat.steer["nobody"]
    assert dict(chat.steer) == {"v": 1.0}


def test_names_are_looked_up_in_the_library(open_tiny: OpenTiny, tmp_path: Any) -> None:
    library = Library(tmp_path)
    model = open_tiny(library=library)
    token = model.tokenize("Q", special=False)[0]
    folder = tmp_path / "vectors"
    folder.mkdir()
    push(token).with_(model=model.identity).save(folder / "loud.gguf")
    chat = model.chat(**OPTIONS)
    chat.steer["loud"] = 1
    assert chat.ask("One.").text == "Q" * 10
    (folder / "loud.gguf").unlink()
    chat.steer["loud"] = 2  # in use: it stays
    assert chat.ask("Two.").text == "Q" * 10


def test_a_chat_becomes_a_recipe(model: Model) -> None:
    chat = Chat(model, system="Be kind.", steer=V * 0.5, temperature=0.3, max_tokens=7)
    recipe = chat.to_recipe("kind")
    assert str(Recipe.parse(recipe.dumps()).steering) == str(recipe.steering)
    assert (recipe.system, str(recipe.steering)) == ("Be kind.", "v=0.5")
    assert recipe.sampling == {"temperature": 0.3, "max_tokens": 7}


def test_a_question_that_can_not_be_asked_again_keeps_its_answer(tiny_model: Model) -> None:
    chat = tiny_model.chat(temperature=0.0, max_tokens=4)
    chat.ask("hello")
    before = list(chat.messages)
    with pytest.raises(InputError):
        chat.again(seed=2**33)
    assert list(chat.messages) == before
    assert "".join(chat.again()) == before[-1]["content"]


def test_comparing_uses_the_seed_of_the_chat(tiny_model: Model) -> None:
    chat = tiny_model.chat(seed=7, max_tokens=3)
    streams = chat.compare("hello")
    assert ["".join(s) and s.reply.seed for s in streams] == [7, 7]
