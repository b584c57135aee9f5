"""The chat in a terminal: its line, keys during an answer, and how the words are laid out."""

from __future__ import annotations

import os
import pty
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from edgesteer import InputError, Library
from edgesteer.cli.chat import session as session_module
from edgesteer.cli.chat.commands import COMMANDS
from edgesteer.cli.chat.dial import Dial
from edgesteer.cli.chat.session import ChatSession
from edgesteer.cli.chat.terminal import converse
from edgesteer.cli.chat.typed import Typed
from edgesteer.cli.chat.wrap import WordWrap
from edgesteer.cli.chat.writers import PlainWriter, TerminalWriter
from edgesteer.engine.fake import FakeModel
from edgesteer.model import Stream

from .conftest import IDENTITY

pytestmark = pytest.mark.chat


@pytest.fixture
def session(vectors: Library) -> ChatSession:
    """A session on a fake model."""
    model = FakeModel("fake", identity=IDENTITY, library=vectors)
    return ChatSession(model.chat(steer="calm=1"), model, vectors, PlainWriter(), name="fake")


def test_terminal_line(session: ChatSession, capsys: pytest.CaptureFixture[str]) -> None:
    session.writer = TerminalWriter()
    with create_pipe_input() as keys:
        # Alt-Enter makes a new line, Ctrl-C drops the line, Ctrl-D leaves.
        keys.send_text("one\x1b\rtwo\r" + "/steer formal +0.5\r" + "dropped\x03" + "hi\r" + "\x04")
        converse(session, source=keys, output=DummyOutput())
    assert [m["content"] for m in session.chat.messages] == [
        "one\ntwo",
        "You said: one\ntwo [calm=1]",
        "hi",
        "You said: hi [calm=1 formal=0.5]",
    ]
    assert "You said: one\ntwo [calm=1]\n" in capsys.readouterr().out


@settings(deadline=None)
@given(st.lists(st.text("ab \n", max_size=9), max_size=30), st.integers(4, 20))
def test_wrapping_changes_blanks_only_and_keeps_the_width(pieces: list[str], width: int) -> None:
    wrap = WordWrap(width)
    text = "".join([*(wrap.feed(piece) for piece in pieces), wrap.rest()])
    assert text.split() == "".join(pieces).split()
    for line in text.splitlines():
        assert len(line.rstrip()) <= width or " " not in line.strip()


def test_terminal_shows_no_control_characters(
    vectors: Library, capsys: pytest.CaptureFixture[str]
) -> None:
    model = FakeModel(library=vectors, answer=lambda *_: "a\x1b[2Jb\tc")
    session = ChatSession(model.chat(), model, vectors, TerminalWriter(), name="fake")
    session.handle("hi")
    assert capsys.readouterr().out == "a\ufffd[2Jb\tc\n"


def test_arrow_keys_turn_the_steering_of_a_running_answer(
    session: ChatSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    master, slave = pty.openpty()
    dials: list[Dial] = []

    def live(turn: Callable[[int], None]) -> Dial:
        dials.append(Dial(turn, fd=slave))
        return dials[-1]

    session.live = live
    turned: list[str] = []
    real = session.turn
    monkeypatch.setattr(session, "turn", lambda steps: turned.append(real(steps)) or turned[-1])

    def slow(stream: object, piece: Callable[[str], None], _read: object) -> bool:
        os.write(master, b"\x1b[A\x1b[Anext\x1b[B")
        deadline = time.monotonic() + 10
        while not (turned and dials[0].typed.text) and time.monotonic() < deadline:
            time.sleep(0.01)
        piece("word")
        return True

    monkeypatch.setattr("edgesteer.cli.chat.session.follow", slow)
    session.handle("Will it rain?")
    os.close(master)
    os.close(slave)
    assert session.chat.steer["calm"] == pytest.approx(1.1)
    assert turned == [" ⟨calm 1.1⟩ "]
    assert dials[0].typed.text == "next"


@pytest.mark.parametrize(
    ("keys", "lines", "text"),
    [
        (b"one\rtwo", ["one"], "two"),
        (b"ab\x1b[D\x1b[3~\x1bOP\x1b[?1;2c\x1b[<0;1;2M\x1b]11;rgb:0\x07\x7fc", [], "ac"),
        (b"drop this\x15keep\r", ["keep"], ""),
        (b"one two  \x17\x17x", [], "x"),
        (b"one two \x17x", [], "one x"),
        (b"\x7f\x08\x04\x00a", [], "a"),
        (b"one\x1b\rtwo\r", ["one\ntwo"], ""),
        (b"\x1b[200~one\r/clear\rtwo\x1b[201~!\r", ["one\n/clear\ntwo!"], ""),
        ("caf\u00e9 \x1b\u00e9".encode(), [], "caf\u00e9 \u00e9"),
    ],
)
def test_keys_do_what_they_do_in_a_line(keys: bytes, lines: list[str], text: str) -> None:
    """However they come: at once or byte by byte."""
    for size in (1, 2, len(keys)):
        typed = Typed()
        for at in range(0, len(keys), size):
            typed.feed(keys[at : at + size])
        assert (typed.lines, typed.text) == (lines, text)


def test_arrows_count_and_a_lone_escape_is_forgotten() -> None:
    typed = Typed()
    assert [typed.feed(raw) for raw in (b"\x1b", b"[A", b"\x1bOB\x1bOBx")] == [0, 1, -2]
    typed.feed(b"\x1b")
    typed.quiet()
    assert typed.feed(b"[A") == 0
    assert typed.text == "x[A"


def test_nothing_is_lost_between_two_answers() -> None:
    """What came while nobody read is still there for the next dial."""
    master, slave = pty.openpty()
    typed = Typed()
    with Dial(lambda _steps: None, typed, fd=slave):
        pass
    os.write(master, b"two\n")
    with Dial(lambda _steps: None, typed, fd=slave):
        deadline = time.monotonic() + 10
        while not typed.lines and time.monotonic() < deadline:
            time.sleep(0.01)
    os.close(master)
    os.close(slave)
    assert typed.lines == ["two"]


def talk_while_typing(
    session: ChatSession, monkeypatch: pytest.MonkeyPatch, during: bytes, then: str
) -> None:
    """A chat whose first answer takes as long as it takes to type something."""
    made: list[object] = []

    class Typing(Dial):
        def __init__(self, turn: Callable[[int], None], typed: Typed) -> None:
            super().__init__(turn, typed)
            if not made:
                typed.feed(during)
            made.append(self)

    monkeypatch.setattr("edgesteer.cli.chat.terminal.Dial", Typing)
    with create_pipe_input() as keys:
        keys.send_text(f"rain?\r{then}\x04")
        converse(session, source=keys, output=DummyOutput())


def said(session: ChatSession) -> list[str]:
    return [m["content"] for m in session.chat.messages if m["role"] == "user"]


def test_lines_entered_during_an_answer_are_said_one_after_another(
    session: ChatSession, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    talk_while_typing(session, monkeypatch, b"and snow?\r/off\rand th", "en?\r")
    assert said(session) == ["rain?", "and snow?", "and then?"]
    assert session.chat.messages[-1]["content"] == "You said: and then?"  # /off was done before
    told = capsys.readouterr().out
    assert "\n> and snow?\nYou said: and snow? [calm=1]\n> /off\n" in told


@pytest.mark.parametrize("end", ["Ctrl-C", "an error"])
def test_what_was_entered_waits_in_the_prompt_when_an_answer_is_stopped(
    session: ChatSession, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """Nobody has seen it, and it was meant for the answer as it was going to be."""
    real = session.chat.stream

    def stream(text: str, **options: Any) -> Stream:
        if text == "rain?" and end == "an error":
            with session.live(lambda _steps: None):
                raise InputError("too wet", "wait")
        return real(text, **options)

    follow, calls = session_module.follow, list[int]()

    def stopped(answer: Stream, *given: Any) -> bool:
        calls.append(1)
        return follow(answer, *given) and not (end == "Ctrl-C" and len(calls) == 1)

    monkeypatch.setattr(session.chat, "stream", stream)
    monkeypatch.setattr(session_module, "follow", stopped)
    talk_while_typing(session, monkeypatch, b"one\r/clear\rtwo", "!\r")
    assert said(session)[-1] == "one\n/clear\ntwo!"


def test_compare_shows_what_both_have_said_so_far(
    vectors: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And keys that are typed meanwhile do not reach the screen."""
    model = FakeModel("fake", identity=IDENTITY, library=vectors, delay=0.03)
    session = ChatSession(model.chat(steer="calm=1"), model, vectors, TerminalWriter(), name="fake")
    entered: list[str] = []
    shown: list[list[int]] = []

    class Quiet:
        def __enter__(self) -> None:
            entered.append("in")

        def __exit__(self, *_: object) -> None:
            entered.append("out")

    class Live:
        def __init__(self, get_renderable: Callable[[], object], **_: object) -> None:
            self.draw, self.done = get_renderable, threading.Event()
            self.thread = threading.Thread(target=self.run)

        def run(self) -> None:
            while not self.done.wait(0.002):
                self.draw()

        def __enter__(self) -> None:
            assert entered == ["in"]
            self.thread.start()

        def __exit__(self, *_: object) -> None:
            self.done.set()
            self.thread.join()
            self.draw()

    def grid(titles: Sequence[str], texts: Sequence[str]) -> None:
        assert titles == ["plain", "calm=1"]
        shown.append([len(text) for text in texts])

    monkeypatch.setattr("rich.live.Live", Live)
    monkeypatch.setattr("edgesteer.cli._columns.grid", grid)
    session.live = lambda _turn: Quiet()
    session.handle("/compare one two three four five six seven eight nine ten")
    last = shown[-1]
    assert any(0 < left < last[0] and right for left, right in shown)
    assert entered == ["in", "out"]
    model.close()


@pytest.mark.parametrize("columns", [40, 100, 200])
def test_help_and_notes_break_between_words(
    session: ChatSession,
    columns: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    session.writer = TerminalWriter()
    session.handle("/help")
    session.writer.note("word " * 60)
    told = capsys.readouterr().err
    assert max(map(len, told.splitlines())) <= columns
    for command in COMMANDS.values():
        assert " ".join(command.help.split()) in " ".join(told.split())


def test_the_dial_does_nothing_without_a_terminal() -> None:
    with Dial(lambda _steps: None, fd=None) as dial:
        assert (dial.typed.lines, dial.typed.text) == ([], "")
