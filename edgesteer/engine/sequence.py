"""One request on its way through the engine, and the record of what its KV cache rests on.

Knows nothing of llama.cpp calls or of how sequences share a batch.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from edgesteer.constraints import Constraints
from edgesteer.engine.plan import PLAIN, Plan, TermPlan
from edgesteer.engine.rows import GateState
from edgesteer.engine.text import TextStream
from edgesteer.engine.watch import FloatArray, Reading, Watch
from edgesteer.sampling import Sampling

_serial = itertools.count()


@dataclass(frozen=True)
class Segment:
    """Tokens before ``end`` (and after the segment before) were read under ``plan``."""

    end: int
    plan: Plan
    n_prompt: int


@dataclass(frozen=True)
class Trace:
    """What a finished answer leaves for the next turn: tokens, their stamps, their plans.

    With it a chat can keep its history as it was read, under whatever steering was on then, and
    rebuild it exactly when the cache has been given to somebody else.
    """

    tokens: tuple[int, ...]
    stamps: tuple[str, ...]
    segments: tuple[Segment, ...]
    gates: GateState = field(default_factory=GateState)

    def common(self, tokens: Sequence[int]) -> Trace:
        """The part of this trace that ``tokens`` begin with."""
        n = common_prefix(self.tokens, tokens)
        kept: list[Segment] = []
        for segment in self.segments:
            kept.append(Segment(min(segment.end, n), segment.plan, segment.n_prompt))
            if segment.end >= n:
                break
        return Trace(self.tokens[:n], self.stamps[:n], tuple(kept) if n else (), self.gates)


def common_prefix(a: Sequence[Any], b: Sequence[Any]) -> int:
    """How many leading items are equal."""
    if type(a) is not type(b):
        a, b = list(a), list(b)
    low, high = 0, min(len(a), len(b))
    if a[:high] == b[:high]:
        return high
    while low + 1 < high:  # the first difference lies in low..high
        middle = (low + high) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle
    return low


@dataclass(frozen=True)
class TokenLogprob:
    """A chosen token with its log-probability (nats) before sampling, and the likeliest ones.

    ``top`` holds ``(token, text, logprob)``, likeliest first.
    """

    token: int
    text: str
    logprob: float
    top: tuple[tuple[int, str, float], ...] = ()


@dataclass(frozen=True)
class Request:
    """What is asked of the engine.

    ``history`` is the trace of earlier turns that ``tokens`` may begin with.
    """

    tokens: tuple[int, ...]
    plan: Plan
    sampling: Sampling
    seed: int
    max_tokens: int
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False
    history: Trace | None = None
    constraints: Constraints = field(default_factory=Constraints)
    watch: Watch | None = None


class Listener(Protocol):
    """Who hears of a sequence's progress, on the engine's thread."""

    def on_text(self, text: str) -> None:
        """A piece of the answer."""

    def on_reading(self, reading: Reading) -> None:
        """What was read at a token, once for each in their order; only of a watched request."""

    def on_end(self, sequence: ActiveSequence, finish: str, error: BaseException | None) -> None:
        """The end, with what ended it."""


@dataclass(eq=False)
class ActiveSequence:
    """A request in the engine: waiting, reading its prompt, or writing its answer."""

    request: Request
    listener: Listener
    sampler: Any = None
    plan: Plan = field(init=False)
    tokens: list[int] = field(init=False)
    segments: list[Segment] = field(init=False)
    slot: Any = None
    cancelled: bool = False
    finished: bool = False
    n_generated: int = 0
    n_cached: int | None = None
    carrier: str = "none"
    logprobs: list[TokenLogprob] = field(default_factory=list)
    gates: GateState = field(default_factory=GateState)
    pieces: list[str] = field(default_factory=list)
    serial: int = field(default_factory=lambda: next(_serial))
    submitted: float = field(default_factory=time.perf_counter)
    started: float = 0.0
    first_token: float = 0.0
    ended: float = 0.0

    def __post_init__(self) -> None:
        self.plan = self.request.plan
        self.tokens = list(self.request.tokens)
        self.text = TextStream(self.request.stop)
        history = self.request.history
        self._old = history.common(self.tokens) if history else Trace((), (), ())
        self.segments = list(self._old.segments)
        self.gates = self._old.gates.copy()
        self._told = 0
        self._late: tuple[TermPlan, ...] = ()  # whose gates came when the prompt had been read

    @property
    def watched(self) -> frozenset[int]:
        """The layers whose rows are wanted."""
        return self.request.watch.layers if self.request.watch else frozenset()

    def tell(self, start: int, n: int, rows: Mapping[int, FloatArray]) -> None:
        """Tell the listener what was read at the ``n`` tokens from ``start`` on, each once."""
        watch = self.request.watch
        if watch is None:
            return
        for position, values in enumerate(watch.values(rows, n), start):
            if position < self._told:  # read again: its memory had to be given up
                continue
            self._told = position + 1
            token, number = self.tokens[position], position - self.n_prompt
            text = watch.piece(token) if number < 0 else self.pieces[number]
            self.listener.on_reading(Reading(position, token, text, number >= 0, values))

    @property
    def n_prompt(self) -> int:
        """Length of the prompt in tokens."""
        return len(self.request.tokens)

    @property
    def fed(self) -> int:
        """How many tokens are in the KV cache."""
        return len(self.slot.tokens) if self.slot is not None else 0

    @property
    def decoding(self) -> bool:
        """Whether just the token chosen last has to be fed."""
        return self.n_generated > 0 and self.fed == len(self.tokens) - 1

    def change_plan(self, plan: Plan) -> bool:
        """Steer by ``plan`` from the next fed token on.

        Returns:
            Whether what has been read must be read again, as it was read: a gate of the new plan
            looks at prompt tokens that went by before.
        """
        # a written token belongs to the old plan also when it has to be read again
        self._close_segment(len(self.tokens) - 1 if self.n_generated else self.fed)
        self.plan = plan
        self._late = plan.readings_of_prompt(set(self.gates.complete(self.n_prompt)))
        return bool(self._late) and self.fed > 0

    def _close_segment(self, end: int) -> None:
        """Tokens up to ``end``, so far as no segment has them, belong to the present plan."""
        if end > (self.segments[-1].end if self.segments else 0):
            self.segments.append(Segment(end, self.plan, self.n_prompt))

    def part_at(self, position: int) -> Segment:
        """The segment that covers ``position``; its end is a place where a chunk must stop."""
        for segment in self.segments:
            if position < segment.end:
                end = segment.end
                if position < segment.n_prompt < end:
                    end = segment.n_prompt
                plan = segment.plan
                if self._late and position < segment.n_prompt == self.n_prompt:
                    plan = plan.reading_too(self._late)
                return Segment(end, plan, segment.n_prompt)
        end = self.n_prompt if position < self.n_prompt else len(self.tokens)
        return Segment(end, self.plan, self.n_prompt)

    def wanted_stamps(self) -> list[str]:
        """The stamps that cached tokens must carry to be reusable by this sequence."""
        stamps = list(self._old.stamps)
        while len(stamps) < len(self.tokens):
            part = self.part_at(len(stamps))
            stamps += part.plan.stamps(len(stamps), part.end, part.n_prompt)
        return stamps

    def note_carrier(self, hooked: bool) -> None:
        """Record what carried the steering, for the reply."""
        if self.plan.key != PLAIN:
            self.carrier = self.plan.carried(hooked=hooked)

    def trace(self) -> Trace:
        """What this sequence leaves for the next turn."""
        n = len(self.tokens) - 1 if self.n_generated else self.fed
        if n < len(self._old.tokens):
            return self._old  # ended before it had read more than the turns before
        self._close_segment(n)
        whole = Trace(tuple(self.tokens[:n]), tuple(self.wanted_stamps()[:n]), tuple(self.segments))
        return replace(whole.common(self.tokens), gates=self.gates)


def by_adapter(sequences: Sequence[ActiveSequence]) -> list[list[ActiveSequence]]:
    """The sequences, those together whose weights are edited alike."""
    groups: dict[object, list[ActiveSequence]] = {}
    for sequence in sequences:
        groups.setdefault(sequence.plan.adapter, []).append(sequence)
    return list(groups.values())
