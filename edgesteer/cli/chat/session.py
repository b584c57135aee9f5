"""A chat session: what a line does, and what the status bar says.

Does not know the terminal: lines come in as text, words go out through a writer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from edgesteer.cli._shade import Gauge, Levels
from edgesteer.cli._stream import follow
from edgesteer.cli.chat.commands import COMMANDS
from edgesteer.cli.chat.dial import STEP
from edgesteer.errors import EdgesteerError, InputError
from edgesteer.names import did_you_mean

if TYPE_CHECKING:
    from edgesteer.chat import Chat
    from edgesteer.cli.chat.writers import PlainWriter
    from edgesteer.library import Library
    from edgesteer.model import Model, Reading, Reply, Stream
    from edgesteer.steering import Steering

__all__ = ["ChatSession"]


class ChatSession:
    """One conversation. `name` is what the model is called; `last` is the last answer.

    A line that begins with '/' is a command, any other is said to the model. Errors are written,
    never raised: the chat goes on.
    """

    def __init__(
        self,
        chat: Chat,
        model: Model,
        library: Library,
        writer: PlainWriter,
        *,
        name: str,
        make: Callable[[Steering], None] = lambda _steering: None,
    ) -> None:
        self.chat = chat
        self.model = model
        self.library = library
        self.writer = writer
        self.name = name
        self.make = make  # makes what a steering names and the library has not
        #: the same for what is to be watched
        self.make_readable: Callable[[Sequence[str]], None] = lambda _watch: None
        self.last: Reply | None = None
        self.gauge = Gauge({})  # what the last answer read
        self.stopped = False  # whether Ctrl-C or an error ended what the last line began
        self._used: dict[int, int] = {}  # tokens, by the number of messages
        self.turned = ""  # the vector that was turned last: the arrow keys turn it further
        #: what is entered while an answer is written, given what a step of the arrow keys does
        self.live: Callable[[Callable[[int], None]], AbstractContextManager[object]] = (
            lambda _turn: nullcontext()
        )

    def handle(self, line: str) -> bool:
        """Do what a line says; False when it ends the chat."""
        self.stopped = False
        if not line.strip():
            return True
        try:
            if line.startswith("/"):
                return self._command(line)
            self.answer(self.chat.stream(line))
        except EdgesteerError as error:
            self.stopped = True
            self.writer.error(error)
        return True

    def _command(self, line: str) -> bool:
        word, _, rest = line[1:].partition(" ")
        command = COMMANDS.get(word)
        if command is None:
            near = did_you_mean(word, COMMANDS)
            near = near.replace("mean ", "mean /") if near else "/help lists the commands"
            raise InputError(f"there is no command /{word}", near)
        return command.run(self, rest.strip()) is not False

    def answer(self, stream: Stream) -> None:
        """Write an answer as it comes."""
        marks: list[str] = []

        def piece(text: str, level: float | None = None) -> None:
            while marks:
                self.writer.piece(marks.pop(0))
            self.writer.piece(text, level)

        gauge, levels = Gauge(self.gauge.readouts), Levels(self.gauge.readouts)

        def read(reading: Reading) -> None:
            gauge.add(reading)
            if reading.generated:
                piece(reading.text, levels.of(reading))

        with self.live(lambda steps: marks.append(self.turn(steps))):
            finished = follow(stream, piece, read if gauge.readouts else None)
        self.last, self.gauge = stream.reply, gauge
        self.stopped = not finished
        usage, messages = self.last.usage, self.chat.messages
        if messages and messages[-1]["role"] == "assistant":
            self._used[len(messages)] = usage.prompt_tokens + usage.completion_tokens
        self.writer.end(stream.reply)
        for line in gauge.lines(self._added(gauge)):
            self.writer.note(line)
        if not finished:
            self.writer.note("stopped; what was said stays")

    def _added(self, gauge: Gauge) -> dict[str, float]:
        """What the steering as it stands now puts into the readings."""
        if not (gauge.readouts and self.chat.enabled):
            return {}
        from edgesteer.monitor.added import added_by

        steering, n_layer = self.chat.steering, self.model.n_layer
        return {k: added_by(steering, r, n_layer) for k, r in gauge.readouts.items()}

    def turn(self, steps: int) -> str:
        """Turn the vector turned last, or the first; returns a mark to show in the answer."""
        labels = self.chat.steering.labels
        if not labels or not self.chat.enabled:
            return ""
        name = self.turned if self.turned in labels else labels[0]
        strength = round(self.chat.steer[name] + steps * STEP, 6)
        try:
            self.chat.steer[name] = strength
        except EdgesteerError as error:
            return f" ⟨{error.message}⟩ "
        return f" ⟨{name} {strength:g}⟩ "

    def steer(self, steering: Steering) -> None:
        """Steer so from the next token on. Raises, and changes nothing, when it does not fit."""
        self.make(steering)
        self.chat.set_steering(steering)

    def watch(self, *watch: str) -> None:
        """Read these at each token from the next answer on; nothing, when none are named.

        Raises, and changes nothing, when they can not be read.
        """
        self.make_readable(watch)
        readouts = self.model.readouts(watch) if watch else {}
        self.gauge = Gauge(readouts)
        self.chat.options["watch"] = readouts or None

    def save(self, name: str) -> str:
        """Keep steering and settings as a recipe; returns a sentence that says where."""
        from dataclasses import replace

        recipe = replace(self.chat.to_recipe(name), model=self.name)
        done = "replaced" if name in self.library.recipe_names() else "saved as"
        return f"{done} {self.library.save_recipe(recipe)}; use it with -r {name}"

    def last_question(self) -> int:
        """Where in the chat's messages it stands; InputError when nothing was asked."""
        roles = [message["role"] for message in self.chat.messages]
        if "user" not in roles:
            raise InputError("nothing was asked yet", "say something first")
        return len(roles) - 1 - roles[::-1].index("user")

    def steering_text(self) -> str:
        """The steering with its strengths, and whether it is on."""
        text = str(self.chat.steering) or "none"
        return text if self.chat.enabled or text == "none" else f"off ({text})"

    def used(self) -> int:
        """Tokens of the context that the conversation fills, as of its last answer."""
        return self._used.get(len(self.chat.messages), 0)

    def status(self) -> str:
        """The status bar: model, steering, what is watched, speed, context."""
        watched = "".join(f"{self.gauge.line(name, 8)}   " for name in self.gauge.readouts)
        speed = f"{self.last.timing.tokens_per_s:.1f} tokens/s" if self.last else "/help"
        return (
            f" {self.name}   steering {self.steering_text()}   {watched}{speed}   "
            f"context {self.used()}/{self.model.n_ctx} "
        )
