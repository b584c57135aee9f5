"""The answers of one request while they are written: started together, followed, ended together.

Does not know HTTP's shapes. The engine's thread tells of every piece through the event loop; who
hangs up, or waits too long, has all answers of the request cancelled, each within a token.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from edgesteer.engine.job import Job, Reply
from edgesteer.engine.watch import Reading
from edgesteer.errors import EngineError
from edgesteer.server.errors import RequestError

__all__ = ["Answers", "ClientGone", "Mailbox", "Piece", "unless_gone"]

T = TypeVar("T")
Ask = tuple[Any, Mapping[str, Any]]
"""A prompt and the options that `Model.start` gets with it."""


class ClientGone(Exception):  # noqa: N818 - nobody is left to call it an error
    """The client has hung up."""


@dataclass(frozen=True)
class Piece:
    """Something new about answer `index`: text, what was read at a token, or its end."""

    index: int
    text: str = ""
    reading: Reading | None = None
    end: bool = False


class Mailbox:
    """Calls from the engine's thread to the event loop, which is woken once for many."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: deque[Callable[[], None]] = deque()
        self._woken = False

    def post(self, call: Callable[[], None]) -> None:
        """Let the event loop make a call soon; from any thread."""
        self._calls.append(call)
        if not self._woken:
            self._woken = True
            self._loop.call_soon_threadsafe(self._run)

    def _run(self) -> None:
        self._woken = False  # before looking: what comes from now on wakes the loop again
        while self._calls:
            self._calls.popleft()()


class Answers:
    """The running answers of one request. Made and read on the event loop."""

    def __init__(self, mailbox: Mailbox, seconds: float) -> None:
        """All answers are ended `seconds` from now, whatever they have come to."""
        self._mailbox = mailbox
        self._news: asyncio.Queue[Piece] = asyncio.Queue()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._time_is_up)
        self._peeked: Piece | None = None
        self.jobs: list[Job] = []
        self.late = self.closed = False

    def start(self, start: Callable[..., Job], asks: Sequence[Ask]) -> None:
        """Begin all answers; runs on a thread, for a long prompt takes a while to read.

        Raises what `Model.start` raises; those that had begun are to be cancelled then, and when
        the time was up meanwhile (`late`).
        """
        for index, (prompt, options) in enumerate(asks):
            watched = {"on_reading": partial(self._tell_reading, index)}
            job = start(
                prompt,
                on_piece=partial(self._tell, index),
                on_done=partial(self._tell_end, index),
                dispatch=self._mailbox.post,
                **options,
                **(watched if options.get("watch") else {}),
            )
            self.jobs.append(job)

    def _tell(self, index: int, text: str) -> None:
        self._news.put_nowait(Piece(index, text))

    def _tell_reading(self, index: int, reading: Reading) -> None:
        self._news.put_nowait(Piece(index, reading=reading))

    def _tell_end(self, index: int, _job: Job) -> None:
        self._news.put_nowait(Piece(index, end=True))

    def _time_is_up(self) -> None:
        self.late = True
        self.cancel()

    @property
    def seed(self) -> int:
        """The seed of the first answer."""
        sequence = self.jobs[0].sequence if self.jobs else None
        return sequence.request.seed if sequence is not None else 0

    def cancel(self) -> None:
        """End all that still run, within a token."""
        for job in self.jobs:
            job.cancel()

    def close(self) -> None:
        """Cancel what runs and stop the clock."""
        self.closed = True
        self._timer.cancel()
        self.cancel()

    async def begun(self) -> None:
        """Wait for the first piece of text, or for an answer's end.

        Raises what ended that answer, and RequestError (503) when the time was up before.
        """
        if self._peeked is None and self.jobs:
            self._peeked = await self._news.get()
            if self._peeked.end:
                self.reply(self._peeked.index)

    async def pieces(self) -> AsyncIterator[Piece]:
        """All news in order, the end of each answer included.

        What failed is told by :meth:`reply`.
        """
        left = len(self.jobs)
        while left:
            piece = self._peeked or await self._news.get()
            self._peeked = None
            left -= piece.end
            yield piece

    async def replies(self) -> list[Reply]:
        """Wait for all answers; raises what ended the first that failed."""
        async for piece in self.pieces():
            if piece.end:
                self.reply(piece.index)
        return [job.result() for job in self.jobs]

    def reply(self, index: int) -> Reply:
        """A finished answer.

        Raises what ended it: RequestError (503) when its time was up before its first token, and
        RequestError (422) when the engine could not do what its steering or schema asks for.
        """
        job = self.jobs[index]
        try:
            reply = job.result()
        except EngineError as error:
            narrowed = job.sequence is not None and job.sequence.request.constraints.grammar
            if type(error) is EngineError and (job.steering or narrowed):
                raise RequestError(422, error.message, error.hint, code="answer_failed") from error
            raise
        if self.late and reply.finish == "cancelled" and not reply.usage.completion_tokens:
            raise RequestError(
                503,
                "the time for this request was up before its answer began",
                "ask again when fewer are waiting",
                code="timeout",
                retry_after=5,
            )
        return reply


async def unless_gone(receive: Callable[[], Awaitable[Any]], work: Awaitable[T]) -> T:
    """The result of `work`, which is cancelled when the client hangs up first.

    Raises ClientGone.
    """
    working = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientGone
    finally:
        for task in (working, gone):
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task


async def _gone(receive: Callable[[], Awaitable[Any]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
