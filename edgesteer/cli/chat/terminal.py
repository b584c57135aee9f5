"""The chat's line in a terminal: editing, completion, the bar at the bottom.

Does not know what a line does (session.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from edgesteer.cli.chat.commands import COMMANDS
from edgesteer.cli.chat.dial import Dial
from edgesteer.cli.chat.typed import Typed
from edgesteer.library_vectors import builtin_traits

if TYPE_CHECKING:
    from prompt_toolkit.completion import CompleteEvent, Completion
    from prompt_toolkit.document import Document
    from prompt_toolkit.input import Input
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
    from prompt_toolkit.output import Output

    from edgesteer.cli.chat.session import ChatSession

__all__ = ["candidates", "converse"]


def converse(
    session: ChatSession, *, source: Input | None = None, output: Output | None = None
) -> None:
    """Talk until /quit or Ctrl-D. `source` and `output` replace the terminal in tests."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import Completer, Completion

    class Words(Completer):
        def get_completions(
            self, document: Document, complete_event: CompleteEvent
        ) -> Iterable[Completion]:
            text = document.text_before_cursor
            start = -len(text.rpartition(" ")[2])
            return [Completion(word, start_position=start) for word in candidates(session, text)]

    line: PromptSession[str] = PromptSession(
        completer=Words(),
        complete_while_typing=False,
        bottom_toolbar=session.status,
        key_bindings=_keys(),
        multiline=True,
        prompt_continuation="  ",
        input=source,
        output=output,
    )
    typed = Typed()
    session.live = lambda turn: Dial(turn, typed)
    click.secho(
        "Up and Down turn the steering while an answer is written, Ctrl-C stops it;\n"
        "Enter says the next line then, too; Alt-Enter makes a new line, Ctrl-D leaves;\n"
        "/help lists commands",
        err=True,
        dim=True,
    )
    while True:
        try:
            if typed.lines:
                text = typed.lines.pop(0)
                line.history.append_string(text)
                click.echo(f"> {text}")
            else:
                text = line.prompt("> ", default=typed.take())
            if not session.handle(text):
                return
        except KeyboardInterrupt:
            session.stopped = True
        except EOFError:
            return
        if session.stopped:  # what was entered meanwhile was meant for another course of things
            typed.hold()


def candidates(session: ChatSession, text: str) -> list[str]:
    """The words that may stand at the end of `text`: commands, vectors or recipes."""
    head, blank, word = text.rpartition(" ")
    if not text.startswith("/"):
        return []
    if not blank:
        return [f"/{name}" for name in COMMANDS if f"/{name}".startswith(word)]
    known: Iterable[str] = ()
    if head.startswith(("/steer", "/watch")):
        kept = session.library.vector_names()
        known = [*session.chat.steering.labels, *kept, *builtin_traits()]
    elif head in ("/load", "/save"):
        known = session.library.recipe_names()
    return [name for name in dict.fromkeys(known) if name.startswith(word)]


def _keys() -> KeyBindings:
    from prompt_toolkit.key_binding import KeyBindings

    keys = KeyBindings()

    @keys.add("enter")
    def _enter(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys
