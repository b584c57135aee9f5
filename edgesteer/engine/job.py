"""One running answer: stream it, steer it while it runs, cancel it, take its result.

Knows nothing of how answers are computed; the scheduler calls it from the engine's thread.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from edgesteer.engine.batch import Scheduler
from edgesteer.engine.plan import Plan
from edgesteer.engine.sequence import ActiveSequence, TokenLogprob, Trace
from edgesteer.engine.watch import Reading
from edgesteer.errors import EngineError
from edgesteer.steering import Steering, Term

log = logging.getLogger("edgesteer.engine")
Dispatch = Callable[[Callable[[], None]], Any]


@dataclass(frozen=True)
class Usage:
    """Token counts; ``cached_tokens`` of the prompt were already in the KV cache."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


@dataclass(frozen=True)
class Timing:
    """Seconds: waiting in the queue, reading the prompt, writing the answer."""

    queue_s: float
    prompt_s: float
    decode_s: float
    first_token_s: float
    completion_tokens: int

    @property
    def tokens_per_s(self) -> float:
        """Tokens written a second, the first one aside (it belongs to the prompt)."""
        return max(self.completion_tokens - 1, 0) / self.decode_s if self.decode_s > 0 else 0.0


@dataclass(frozen=True)
class Reply:
    """A finished answer.

    Attributes:
        text: the answer, without stop strings.
        finish: "stop" (the model ended it, or a stop string), "length", "context" (no room left)
            or "cancelled".
        steering: what was on at the end, in text form ("" for none).
        carrier: what carried it: "none", "native", "callback", "lora", or two of them joined by +.
        seed: the seed that gives this answer again.
        logprobs: one for each token, when they were asked for.
        readings: one for each token that was read, prompt and answer, when it was watched.
    """

    text: str
    finish: str
    steering: str
    carrier: str
    usage: Usage
    timing: Timing
    seed: int
    warnings: tuple[str, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()
    readings: tuple[Reading, ...] = field(default=(), repr=False)
    trace: Trace | None = field(default=None, repr=False, compare=False)


class LiveStrengths(MutableMapping[str, float]):
    """Strengths by name, of something that is running: setting one takes effect at once."""

    def __init__(self, get: Callable[[], Steering], put: Callable[[Steering], None]) -> None:
        self._get, self._put = get, put

    def __getitem__(self, name: str) -> float:
        return self._get().strengths[name]

    def __setitem__(self, name: str, strength: float) -> None:
        steering = self._get()
        if name in steering.strengths:
            self._put(steering.with_strength(name, float(strength)))
        else:
            self._put(steering + Steering((Term(name, float(strength)),)))

    def __delitem__(self, name: str) -> None:
        if name not in self._get().strengths:
            raise KeyError(name)
        self._put(self._get().without(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._get().strengths)

    def __len__(self) -> int:
        return len(self._get().strengths)

    def __repr__(self) -> str:
        return f"<{self._get() or 'no steering'}>"


class Job:
    """A running answer, made by ``Model.start`` or ``Chat.start``."""

    def __init__(
        self,
        scheduler: Scheduler,
        steering: Steering,
        plan_for: Callable[[Steering], tuple[Steering, Plan]],
        warnings: tuple[str, ...],
        on_piece: Callable[[str], None] | None,
        on_done: Callable[[Job], None] | None,
        dispatch: Dispatch | None,
        on_reading: Callable[[Reading], None] | None = None,
    ) -> None:
        self._scheduler, self._plan_for = scheduler, plan_for
        self._steering, self._warnings = steering, warnings
        self._on_piece, self._on_done, self._on_reading = on_piece, on_done, on_reading
        self._dispatch = dispatch or (lambda call: call())
        self._pieces: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._readings: queue.SimpleQueue[Reading | None] = queue.SimpleQueue()
        self._parts: list[str] = []
        self._read: list[Reading] = []
        self._ended, self._turning = threading.Event(), threading.Lock()
        self._error: BaseException | None = None
        self._reply: Reply | None = None
        self.sequence: ActiveSequence | None = None
        self.steer: MutableMapping[str, float] = LiveStrengths(
            lambda: self._steering, self.set_steering
        )

    # -- for its owner

    @property
    def done(self) -> bool:
        """Whether the answer has ended, in whatever way."""
        return self._ended.is_set()

    @property
    def failed(self) -> bool:
        """Whether an error ended the answer; `result` raises it."""
        return self.done and self._error is not None

    @property
    def text(self) -> str:
        """What has been written so far."""
        return "".join(self._parts)

    @property
    def steering(self) -> Steering:
        """The steering in force."""
        return self._steering

    def set_steering(self, steering: Any) -> None:
        """Steer by something else from the next token on.

        Raises:
            EdgesteerError: as when a job is started with it; the running answer is not touched.
        """
        bound, plan = self._plan_for(steering)
        with self._turning:  # what is said to be in force is what was sent last
            self._steering = bound
            if self.sequence is not None and not self.done:
                self._scheduler.steer(self.sequence, plan)

    def pieces(self) -> Iterator[str]:
        """The text, piece by piece, as it is written; each piece goes to one reader.

        Raises:
            EdgesteerError: what ended the answer, if it failed.
        """
        self._refuse_on_engine()
        while (piece := self._pieces.get()) is not None:
            yield piece
        self._pieces.put(None)  # for whoever reads again
        if self._error is not None:
            raise self._error

    def readings(self) -> Iterator[Reading]:
        """What a watched answer reads, token by token as it is fed; each goes to one reader.

        The texts of the generated ones together are the answer: the last ones may have no values.

        Raises:
            EdgesteerError: what ended the answer, if it failed.
        """
        self._refuse_on_engine()
        while (reading := self._readings.get()) is not None:
            yield reading
        self._readings.put(None)
        if self._error is not None:
            raise self._error

    def result(self, timeout: float | None = None) -> Reply:
        """Wait for the end.

        Raises:
            TimeoutError: not within ``timeout`` seconds; the job goes on.
            EdgesteerError: what ended the answer, if it failed.
        """
        self._refuse_on_engine()
        if not self._ended.wait(timeout):
            raise TimeoutError(f"no answer within {timeout:g} s")
        if self._error is not None:
            raise self._error
        if self._reply is None:
            raise RuntimeError("a job ended without a reply")
        return self._reply

    def cancel(self) -> None:
        """End the answer within a token, also while its prompt is read; what is there stays."""
        if self.sequence is not None and not self.done:
            self._scheduler.cancel(self.sequence)

    def _refuse_on_engine(self) -> None:
        engine = getattr(self._scheduler, "thread", None)
        if not self.done and engine is threading.current_thread():
            raise EngineError(
                "a callback of a running answer can not wait for the engine that calls it",
                "Do it on another thread, or after the answer.",
            )

    # -- for the scheduler, on the engine's thread

    def on_text(self, text: str) -> None:
        """A piece of the answer."""
        self._parts.append(text)
        self._pieces.put(text)
        if self._on_piece is not None:
            self._run(partial(self._on_piece, text))

    def on_reading(self, reading: Reading) -> None:
        """What was read at a token."""
        self._read.append(reading)
        self._readings.put(reading)
        if self._on_reading is not None:
            self._run(partial(self._on_reading, reading))

    def _read_rest(self, sequence: ActiveSequence) -> None:
        """The end of the text that came with tokens which were not read any more."""
        shown = sum(len(reading.text) for reading in self._read if reading.generated)
        if sequence.watched and (rest := self.text[shown:]):
            last = len(sequence.tokens) - 1
            self.on_reading(Reading(last, sequence.tokens[last], rest, generated=True))

    def on_end(self, sequence: ActiveSequence, finish: str, error: BaseException | None) -> None:
        """The end of the answer."""
        self._read_rest(sequence)
        if self._error is None:
            self._error = error
        if self._error is None:
            self._reply = self._make_reply(sequence, finish)
        self._ended.set()
        self._pieces.put(None)
        self._readings.put(None)
        if self._on_done is not None:
            self._run(partial(self._on_done, self))

    def _run(self, call: Callable[[], Any]) -> None:
        """Run a callback of the owner's; what it raises ends this job, never the engine."""

        def guarded() -> None:
            try:
                call()
            except Exception as error:  # noqa: BLE001
                self._fail(error)

        try:
            self._dispatch(guarded)
        except Exception as error:  # noqa: BLE001, such as an event loop that has ended
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if self.done:
            log.error("a callback at the end of an answer failed", exc_info=error)
        else:
            self._error = error
            self.cancel()

    def _make_reply(self, s: ActiveSequence, finish: str) -> Reply:
        first = s.first_token or s.ended
        started = s.started or s.ended
        return Reply(
            text=self.text,
            finish=finish,
            steering=str(self._steering) if self._steering else "",
            carrier=s.carrier,
            usage=Usage(s.n_prompt, s.n_cached or 0, s.n_generated),
            timing=Timing(
                queue_s=started - s.submitted,
                prompt_s=first - started,
                decode_s=s.ended - first,
                first_token_s=first - s.submitted,
                completion_tokens=s.n_generated,
            ),
            seed=s.request.seed,
            warnings=self._warnings,
            logprobs=tuple(s.logprobs),
            readings=tuple(self._read),
            trace=s.trace(),
        )


class Stream:
    """An answer as an iterator of text; ``reply`` when it has ended.

    Leaving the loop early, or an exception in it, cancels the answer.
    """

    def __init__(self, job: Job, on_reply: Callable[[Reply], object] | None = None) -> None:
        self.job = job
        self._on_reply = on_reply
        self._iterator = self._run()

    def _run(self) -> Iterator[str]:
        try:
            yield from self.job.pieces()
        finally:
            if not self.job.done:
                self.job.cancel()
            self._settle()

    def _settle(self) -> None:
        if self._on_reply is not None:
            with contextlib.suppress(Exception):
                self._on_reply(self.job.result())

    def __iter__(self) -> Iterator[str]:
        return self._iterator

    def __next__(self) -> str:
        return next(self._iterator)

    def readings(self) -> Iterator[Reading]:
        """Instead of the text: what a watched answer reads, token by token (see Job.readings)."""
        try:
            yield from self.job.readings()
        finally:
            if not self.job.done:
                self.job.cancel()
            self._settle()

    def close(self) -> None:
        """Stop reading: an answer that still runs is cancelled."""
        self._iterator.close()  # type: ignore[attr-defined]
        if not self.job.done:  # never begun to read
            self.job.cancel()
            with contextlib.suppress(Exception):
                self.job.result()

    def cancel(self) -> None:
        """End the answer; the loop then ends with what is there."""
        self.job.cancel()

    @property
    def reply(self) -> Reply:
        """The finished reply (waits for it)."""
        return self.job.result()
