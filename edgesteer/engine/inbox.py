"""What other threads ask of the engine's thread, in the order in which they asked.

Knows nothing of sequences, contexts or what a command does.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from edgesteer.errors import Busy, EngineError, ModelError

Command = Callable[[], None]


class Inbox:
    """Commands for one thread. Nothing gets in once the engine has stopped, so none is lost."""

    def __init__(self, max_waiting: int) -> None:
        """``max_waiting`` bounds the requests that are counted as waiting."""
        self._commands: queue.SimpleQueue[Command | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._max_waiting, self._n_waiting = max_waiting, 0
        self._closed = False
        self.failure: BaseException | None = None

    # -- for any thread

    def send(self, command: Command, *, waiting: int = 0) -> None:
        """Ask for something; ``waiting`` requests begin to wait with it.

        Raises:
            ModelError, EngineError: the engine was closed, or broke down.
            Busy: too many are waiting already.
        """
        with self._lock:
            self.check_open()
            if waiting and self._n_waiting + waiting > self._max_waiting:
                raise Busy(
                    f"{self._n_waiting} requests are waiting, {self._max_waiting} may",
                    "Wait for some of them, or open the model with a larger queue.",
                )
            self._n_waiting += waiting
            self._commands.put(command)

    def wake(self) -> None:
        """Let the engine look around, if it sleeps."""
        self._commands.put(lambda: None)

    def close(self) -> None:
        """Let nothing in any more; the engine stops when it has taken what is there."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._commands.put(None)

    def check_open(self) -> None:
        """Return while the engine runs.

        Raises:
            ModelError: it was closed.
            EngineError: it broke down.
        """
        if self.failure is not None:
            raise EngineError(f"the engine stopped: {self.failure}") from self.failure
        if self._closed:
            raise ModelError("the model is closed", "Open it again with Model.open.")

    # -- for the engine's thread

    def count_waiting(self, change: int) -> None:
        """Some requests wait no longer, or wait again."""
        with self._lock:
            self._n_waiting += change

    def fail(self, error: BaseException) -> None:
        """Let nothing in any more: the engine broke down."""
        with self._lock:
            self.failure = error

    def work(self, *, block: bool) -> bool:
        """Run the commands that are there, with ``block`` at least one. False when closed."""
        while block or not self._commands.empty():
            command = self._commands.get()
            if command is None:
                return False
            command()
            block = False
        return True

    def empty(self) -> None:
        """Run what is left, whether or not it was closed."""
        while not self._commands.empty():
            self.work(block=False)
