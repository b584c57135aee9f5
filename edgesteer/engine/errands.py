"""Work for the engine's thread that is no answer, one step at a time, for threads that wait for it.

Knows nothing of what the work is, nor of sequences.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from edgesteer.engine.inbox import Inbox
from edgesteer.errors import Cancelled

T = TypeVar("T")

__all__ = ["Errands"]


@dataclass(eq=False)
class _Errand:
    """``begin()`` makes the steps; ``done(result, error)`` tells who waits."""

    begin: Callable[[], Generator[Any, None, Any]]
    done: Callable[[Any, BaseException | None], None]
    given_up: bool = False
    _steps: Generator[Any, None, Any] | None = None

    def advance(self) -> bool:
        """Do one step; True when it was the last."""
        if self.given_up:
            self.end(Cancelled("nobody waits for this any more"))
            return True
        try:
            if self._steps is None:
                self._steps = self.begin()
            next(self._steps)
        except StopIteration as end:
            self.done(end.value, None)
        except BaseException as error:  # noqa: BLE001, goes to the caller, on its own thread
            self.done(None, error)
        else:
            return False
        return True

    def end(self, why: BaseException) -> None:
        """Break it off."""
        if self._steps is not None:
            self._steps.close()
        self.done(None, why)


class Errands:
    """Errands in the order in which they came."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._open: list[_Errand] = []

    def __bool__(self) -> bool:
        return bool(self._open)

    def run(self, begin: Callable[[], Generator[Any, None, T]]) -> T:
        """From another thread: have ``begin()`` run through, and wait for what it returns.

        When the wait is interrupted, the rest is not done.
        """
        reply: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
        errand = _Errand(begin, lambda result, error: reply.put((result, error)))
        self._inbox.send(lambda: self._open.append(errand))
        try:
            result, error = reply.get()
        except BaseException:
            errand.given_up = True
            raise
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    # -- for the engine's thread

    def step(self) -> None:
        """One step of the first of them."""
        if self._open and self._open[0].advance():
            del self._open[0]

    def end(self, why: BaseException) -> None:
        """Break all of them off."""
        for errand in self._open:
            errand.end(why)
        self._open.clear()
