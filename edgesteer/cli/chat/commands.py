"""The slash commands of the chat, one function each.

Does not know the terminal. A command that returns False ends the chat.
"""

from __future__ import annotations

import copy
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgesteer.cli import _show
from edgesteer.errors import InputError, SteeringError
from edgesteer.names import NAME, quote_name, unquote_name

if TYPE_CHECKING:
    from edgesteer.cli.chat.session import ChatSession

__all__ = ["COMMANDS", "Command"]

_TURN = re.compile(rf"(?P<name>{NAME}) +(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)|off)")


@dataclass(frozen=True)
class Command:
    """A slash command: how it is used, what it is for, what it does."""

    usage: str
    help: str
    run: Callable[[ChatSession, str], object]


COMMANDS: dict[str, Command] = {}


def _command(usage: str, help_text: str) -> Callable[[Callable[[ChatSession, str], object]], None]:
    def register(run: Callable[[ChatSession, str], object]) -> None:
        COMMANDS[usage.split()[0][1:]] = Command(usage, help_text, run)

    return register


@_command("/steer [calm +0.2 | calm 1 | calm off | calm=1@8-16]", "turn a vector, or show them all")
def _steer(session: ChatSession, text: str) -> None:
    from edgesteer.steering import Steering

    chat = session.chat
    if turn := _TURN.fullmatch(text):
        name, number = unquote_name(turn["name"]), turn["number"]
        if number == "off":
            session.steer(chat.steering.without(name))
        elif name in chat.steering.labels:
            before, relative = chat.steer[name], number[0] in "+-"
            chat.steer[name] = round((before if relative else 0) + float(number), 6)
            session.turned = name
            if number[0] == "-":
                step = f"a step of {number} from {before:g}; /steer {name}={number} sets it"
                session.writer.note(f"steering {session.steering_text()}   ({step})")
                return
        else:
            session.steer(chat.steering.updated(Steering.parse(f"{quote_name(name)}={number}")))
    elif text:
        session.steer(chat.steering.updated(Steering.parse(text)))
    session.writer.note(f"steering {session.steering_text()}")


@_command("/off", "answer without steering; the strengths are kept")
def _off(session: ChatSession, _text: str) -> None:
    session.chat.enabled = False
    session.writer.note(f"steering {session.steering_text()}")


@_command("/on", "steer again")
def _on(session: ChatSession, _text: str) -> None:
    session.chat.enabled = True
    session.writer.note(f"steering {session.steering_text()}")


@_command("/watch [calm formal@12 | off]", "read vectors at each token, and shade the answer")
def _watch(session: ChatSession, text: str) -> None:
    if text:
        session.watch(*([] if text == "off" else [text]))
    for line in session.gauge.about():
        session.writer.note(line)
    if not session.gauge.readouts:
        session.writer.note("watching nothing")


@_command("/compare [TEXT]", "plain and steered side by side; not kept in the chat")
def _compare(session: ChatSession, text: str) -> None:
    if not session.chat.steering.terms:
        raise SteeringError("there is nothing to compare with", "/steer NAME=1")
    chat = session.chat
    if not text:  # the last question, asked once more on the chat as it was then
        number = session.last_question()
        text = chat.messages[number]["content"]
        chat = copy.copy(chat)
        chat.messages = chat.messages[:number]
    plain, steered = chat.compare(text, watch=None)
    titles = ["plain", str(chat.steering)]
    with session.live(lambda _steps: None):  # what is typed meanwhile waits
        finished = session.writer.side_by_side(titles, [plain, steered])
    if not finished:
        session.writer.note("stopped")


@_command("/again [SEED]", "answer the last question once more")
def _again(session: ChatSession, text: str) -> None:
    if text and not text.isdecimal():
        raise InputError(f"{text!r} is no seed", "/again 42")
    session.last_question()
    session.answer(session.chat.again(**({"seed": int(text)} if text else {})))


@_command("/reread", "let the present steering act on what was said before, too")
def _reread(session: ChatSession, _text: str) -> None:
    count = session.chat.reread()
    session.writer.note(
        f"{count} tokens of history will be read again, under the steering of the next answer"
    )


@_command("/save NAME", "keep steering and settings as a recipe")
def _save(session: ChatSession, text: str) -> None:
    if not text:
        raise InputError("the recipe needs a name", "/save calm-nurse")
    session.writer.note(session.save(text))


@_command("/load NAME", "take steering, system message and settings from a recipe")
def _load(session: ChatSession, text: str) -> None:
    if not text:
        known = ", ".join(session.library.recipe_names()) or "none yet"
        raise InputError("which recipe?", f"/load NAME; there are: {known}")
    recipe = session.library.load_recipe(text)
    session.steer(recipe.steering)
    session.chat.enabled = True
    if recipe.system is not None:
        session.chat.system = recipe.system
    session.chat.options.update(recipe.sampling)
    if recipe.model not in (None, session.name):
        session.writer.note(f"the recipe was made for the model {recipe.model}")
    session.writer.note(f"steering {session.steering_text()}")


@_command("/system [TEXT]", "set the system message, or show it")
def _system(session: ChatSession, text: str) -> None:
    if text:
        session.chat.system = text
    session.writer.note(f"system: {session.chat.system or 'none'}")


@_command("/stats", "figures of the last answer")
def _stats(session: ChatSession, _text: str) -> None:
    if session.last is None:
        raise InputError("there is no answer yet", "say something first")
    session.writer.note(_show.figures(session.last, session.model))
    session.writer.note(f"context {session.used()} of {session.model.n_ctx} tokens")


@_command("/undo", "take back the last question and its answer")
def _undo(session: ChatSession, _text: str) -> None:
    session.last_question()
    session.chat.undo()
    session.writer.note(f"taken back; {len(session.chat.messages)} messages are left")


@_command("/clear", "begin anew; steering and system message stay")
def _clear(session: ChatSession, _text: str) -> None:
    session.chat.clear()
    session.last = None
    session.writer.note("the chat is empty")


@_command("/help", "this list")
def _help(session: ChatSession, _text: str) -> None:
    width = max(len(command.usage) for command in COMMANDS.values())
    longest = max(len(command.help) for command in COMMANDS.values())
    wide = width + 2 + longest <= shutil.get_terminal_size().columns
    for command in COMMANDS.values():
        usage = f"{command.usage.ljust(width)}  " if wide else f"{command.usage}\n    "
        session.writer.note(usage + command.help)


@_command("/quit", "leave (also Ctrl-D)")
def _quit(_session: ChatSession, _text: str) -> bool:
    return False
