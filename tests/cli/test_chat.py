"""`edgesteer chat`: whole conversations as transcripts, and the terminal's line."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from edgesteer import ControlVector, Library, Recipe, Steering
from edgesteer.cli.chat.commands import COMMANDS
from edgesteer.cli.chat.session import ChatSession
from edgesteer.cli.chat.terminal import candidates
from edgesteer.cli.chat.writers import PlainWriter
from edgesteer.engine.fake import FakeModel

from .conftest import IDENTITY, Invoke

Opened = list[tuple[str, Mapping[str, Any]]]
Say = Callable[..., str]

pytestmark = pytest.mark.chat


class Recorder(PlainWriter):
    """Keeps everything in one list, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._answer = ""

    def piece(self, text: str, level: float | None = None) -> None:
        self._answer += text if level is None else f"{text}|{level:+.1f}|"

    def end(self, _reply: object) -> None:
        self.lines.append(self._answer)
        self._answer = ""

    def note(self, text: str) -> None:
        self.lines.append(f"({text})")

    def error(self, error: Any) -> None:
        self.lines.append(f"Error: {error.message} | {error.hint}")


@pytest.fixture
def session(vectors: Library) -> ChatSession:
    """A session on a fake model, with what was written in `session.writer.lines`."""
    model = FakeModel("fake", identity=IDENTITY, library=vectors)
    return ChatSession(model.chat(steer="calm=1"), model, vectors, Recorder(), name="fake")


@pytest.fixture
def say(session: ChatSession) -> Callable[..., list[str]]:
    """Says lines; returns what was written since."""

    def run(*lines: str) -> list[str]:
        writer = session.writer
        assert isinstance(writer, Recorder)
        writer.lines.clear()
        for line in lines:
            assert session.handle(line)
        return list(writer.lines)

    return run


def talk(*lines: str) -> dict[str, str]:
    return {"input": "".join(f"{line}\n" for line in lines)}


def test_a_conversation(
    opened: Opened, vectors: Library, transcript: Say, snapshot: SnapshotAssertion
) -> None:
    told = transcript(
        "chat",
        "-s",
        "calm=1",
        "--seed",
        "1",
        **talk(
            *("Will it rain?", "/steer calm +0.2", "Will it snow?", "/off", "And now?", "/on"),
            *("/steer formal=-0.5@2", "Really?", "/again 7", "/compare", "/compare Sure?"),
            *("/undo", "/stats", "/reread", "/save nurse", "/clear", "/system Be brief.", "/quit"),
            "not read",
        ),
    )
    assert told == snapshot
    assert str(vectors.load_recipe("nurse").steering) == "calm=1.2 formal=-0.5@2"


def test_everything_that_can_go_wrong(
    opened: Opened, vectors: Library, transcript: Say, snapshot: SnapshotAssertion
) -> None:
    told = transcript(
        "chat",
        **talk(
            *("/steeer calm", "/again", "/undo", "/compare", "/stats", "/save", "/load"),
            *("/load nurse", "/steer clam=1", "/steer calm=", "/steer calm@9", "/steer calm off"),
            *("/again x", "/save a/b", "Still here?"),
        ),
    )
    assert told == snapshot


def test_help_lists_every_command(opened: Opened, invoke: Invoke) -> None:
    shown = invoke("chat", **talk("/help")).stderr
    assert all(f"/{name}" in shown for name in COMMANDS)


def test_json_lines(opened: Opened, vectors: Library, invoke: Invoke) -> None:
    result = invoke("chat", "--json", **talk("Rain?", "/steer calm=1", "Snow?", "/compare Ice?"))
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer["text"] for answer in answers] == [
        "You said: Rain?",
        "You said: Snow? [calm=1]",
        "You said: Ice?",
        "You said: Ice? [calm=1]",
    ]


def test_save_on_leaving(opened: Opened, vectors: Library, invoke: Invoke) -> None:
    invoke("chat", "--save", "kept", "--temperature", "0.5", **talk("/steer calm=0.3"))
    kept = vectors.load_recipe("kept")
    assert (str(kept.steering), dict(kept.sampling)) == ("calm=0.3", {"temperature": 0.5})


@pytest.mark.parametrize(
    ("line", "steering"),
    [
        ("/steer calm +0.2", "calm=1.2"),
        (
            "/steer calm -0.25",
            "calm=0.75   (a step of -0.25 from 1; /steer calm=-0.25 sets it)",
        ),
        ("/steer calm 0.4", "calm=0.4"),
        ("/steer calm=1.5@2-3", "calm=1.5@2-3"),
        ("/steer formal", "calm=1 formal=1"),
        ("/steer formal +0.5", "calm=1 formal=0.5"),
        ("/steer formal -0.5", "calm=1 formal=-0.5"),
        ("/steer formal=1 calm=0", "formal=1 calm=0"),
        ("/steer calm off", "none"),
        ("/steer", "calm=1"),
    ],
)
def test_steer(line: str, steering: str, say: Callable[..., list[str]]) -> None:
    assert say(line) == [f"(steering {steering})"]


def test_a_refused_steering_changes_nothing(
    session: ChatSession, say: Callable[..., list[str]]
) -> None:
    for line in ("/steer nothing=1", "/steer calm=1@77", "/steer formal=x"):
        (told,) = say(line)
        assert told.startswith("Error: ")
    assert str(session.chat.steering) == "calm=1"


def test_off_keeps_the_strengths(session: ChatSession, say: Callable[..., list[str]]) -> None:
    assert say("/off", "hi", "/steer calm +1", "/on", "hi") == [
        "(steering off (calm=1))",
        "You said: hi",
        "(steering off (calm=2))",
        "(steering calm=2)",
        "You said: hi [calm=2]",
    ]


def test_compare_without_text_asks_the_last_question_again(
    session: ChatSession, say: Callable[..., list[str]]
) -> None:
    say("one", "two")
    before = list(session.chat.messages)
    session.writer = shown = PairWriter()
    assert session.handle("/compare")
    assert shown.pairs == [
        (("plain", "calm=1"), ("You said: two", "You said: two [calm=1]")),
    ]
    assert session.chat.messages == before


class PairWriter(Recorder):
    """Keeps what should stand side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.pairs: list[tuple[tuple[str, ...], tuple[str, ...]]] = []

    def side_by_side(self, titles: Any, streams: Any) -> bool:
        self.pairs.append((tuple(titles), tuple("".join(stream) for stream in streams)))
        return True


def test_load_takes_steering_system_and_settings(
    session: ChatSession, vectors: Library, say: Callable[..., list[str]]
) -> None:
    vectors.save_recipe(
        Recipe("nurse", "other", Steering.parse("formal=1"), "Be kind.", {"temperature": 0.1})
    )
    assert say("/off", "/load nurse")[1:] == [
        "(the recipe was made for the model other)",
        "(steering formal=1)",
    ]
    assert session.chat.system == "Be kind."
    assert session.chat.options["temperature"] == 0.1


def test_save_says_that_it_replaces(session: ChatSession, say: Callable[..., list[str]]) -> None:
    first, second = say("/save nurse", "/save nurse")
    assert first.startswith("(saved as ")
    assert second.startswith("(replaced ")


def test_ctrl_c_keeps_what_was_said(session: ChatSession, vectors: Library) -> None:
    model = FakeModel("fake", identity=IDENTITY, library=vectors, delay=0.02)
    session.chat, session.model = model.chat(), model

    class Impatient(Recorder):
        def piece(self, text: str, _level: float | None = None) -> None:
            super().piece(text)
            if text == "two ":
                signal.raise_signal(signal.SIGINT)

    session.writer = writer = Impatient()
    assert session.handle("one two three four five six seven eight nine ten eleven twelve")
    assert writer.lines[-1] == "(stopped; what was said stays)"
    answer = session.chat.messages[-1]["content"]
    assert answer == writer.lines[0]
    assert answer.startswith("You said: one two ")
    assert "twelve" not in answer
    model.close()


def test_status_bar(session: ChatSession, say: Callable[..., list[str]]) -> None:
    assert session.status() == " fake   steering calm=1   /help   context 0/4096 "
    say("Will it rain?", "/off")
    assert session.status() == " fake   steering off (calm=1)   50.0 tokens/s   context 10/4096 "


def test_completion(session: ChatSession, vectors: Library) -> None:
    vectors.save_recipe(Recipe("nurse"))
    assert candidates(session, "/st") == ["/steer", "/stats"]
    assert candidates(session, "/steer ")[:2] == ["calm", "formal"]
    assert candidates(session, "/steer calm=1 fo") == ["formal"]
    assert candidates(session, "/steer ste") == ["stepwise"]  # a trait, made when it is asked for
    assert candidates(session, "/load n") == ["nurse"]
    assert candidates(session, "hello /st") == []


def test_a_vector_of_another_model_is_refused(
    vectors: Library, say: Callable[..., list[str]]
) -> None:
    vectors.save_vector(ControlVector({1: [1.0] * 16}, name="wide"), "wide")
    (told,) = say("/steer wide=1")
    assert told.startswith("Error: ")
