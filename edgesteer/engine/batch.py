"""The scheduler: one worker thread that owns the contexts and batches all running sequences.

Knows nothing of prompts as text, of names of vectors or of who listens.

Each turn of the loop feeds one token of every sequence that is writing, then a chunk of the
prompts. While all running sequences are steered alike they run in a native lane (llama.cpp's
control vector, free); as soon as they differ, all move to a hooked lane, with their KV cache.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

from edgesteer.engine.context import Context
from edgesteer.engine.errands import Errands
from edgesteer.engine.forward import Forward
from edgesteer.engine.inbox import Inbox
from edgesteer.engine.lane import Lane, Slot
from edgesteer.engine.llama import Weights
from edgesteer.engine.parked import Parked
from edgesteer.engine.plan import Plan
from edgesteer.engine.sequence import ActiveSequence, by_adapter
from edgesteer.engine.waiting import better_waits
from edgesteer.engine.writer import Writer
from edgesteer.errors import Cancelled, ContextFullError, EngineError, ModelError

log = logging.getLogger("edgesteer.engine")
T = TypeVar("T")

#: Prompt tokens fed between two tokens of the others, so that nobody's stream stalls for long.
SHARED_CHUNK = 128
ALONE_CHUNK = 512
#: What a decode call of few tokens takes, counted in tokens of a long one.
LEAST_CHUNK = 16


class Scheduler:
    """Runs sequences and tasks on one thread of its own."""

    def __init__(
        self,
        weights: Weights,
        make_context: Callable[[bool], Context],
        make_reading: Callable[[bool, int], Context],
        *,
        n_slots: int,
        max_waiting: int = 1024,
    ) -> None:
        """``make_context(hooked)`` makes a context of ``n_slots`` when one is first needed.

        ``make_reading(hooked, n_cells)`` makes the one in which given texts are read.
        """
        self.weights, self._make_context = weights, make_context
        self._make_reading = make_reading
        self._forward: Forward | None = None
        self._writer, self._inbox = Writer(weights), Inbox(max_waiting)
        self._waiting: list[ActiveSequence] = []
        self._errands = Errands(self._inbox)
        self._active: list[ActiveSequence] = []
        self._lanes: dict[bool, Lane] = {}
        self._parked = Parked(cuttable=not weights.recurrent)
        self._lane: Lane | None = None
        self._n_slots = n_slots
        self._turn = 0
        self._crowded = False
        self.thread = threading.Thread(target=self._loop, name="edgesteer", daemon=True)
        self.thread.start()

    # -- called from any thread

    def submit(self, sequences: Sequence[ActiveSequence]) -> None:
        """Queue sequences; those submitted together are steered side by side.

        Raises:
            Busy: too many are waiting already.
        """
        self._inbox.send(lambda: self._waiting.extend(sequences), waiting=len(sequences))

    def cancel(self, sequence: ActiveSequence) -> None:
        """End a sequence as soon as possible, also in the middle of its prompt."""
        sequence.cancelled = True
        lane, active = self._lane, list(self._active)
        if lane is not None and sequence in active and all(s.cancelled for s in active):
            lane.context.abort()
        self._inbox.wake()

    def steer(self, sequence: ActiveSequence, plan: Plan) -> None:
        """Steer a running sequence by ``plan`` from its next token on."""

        def change() -> None:
            if sequence.change_plan(plan) and sequence.slot is not None:
                self._lane_of(sequence.slot).reset(sequence.slot)

        self._inbox.send(change)

    def call(self, run: Callable[[Scheduler], T]) -> T:
        """Run ``run(scheduler)`` on the engine's thread between two steps; wait for its result."""

        def at_once(scheduler: Scheduler) -> Generator[None, None, T]:
            yield from ()
            return run(scheduler)

        return self.read(at_once)

    def read(self, run: Callable[[Scheduler], Generator[Any, None, T]]) -> T:
        """Run ``run(scheduler)`` on the engine's thread, answers going on between its steps.

        Returns:
            What it returns; this thread waits for it.
        """
        if threading.current_thread() is self.thread:
            raise EngineError(
                "a callback of a running answer can not wait for the engine that calls it",
                "Do it on another thread, or after the answer.",
            )
        return self._errands.run(lambda: run(self))

    def close(self) -> None:
        """Cancel what runs, stop the thread, free the contexts. May be called twice.

        Raises:
            EngineError: called by the engine itself, that is by a callback of a running answer.
        """
        if threading.current_thread() is self.thread:
            raise EngineError(
                "a callback of a running answer can not close the model",
                "Close it on another thread, or after the answer.",
            )
        self._inbox.close()
        for sequence in list(self._active):
            self.cancel(sequence)
        self.thread.join()

    # -- for tasks, on the engine's thread

    def check_open(self) -> None:
        """Raise ModelError when the model is being closed, so that long tasks end."""
        self._inbox.check_open()

    def lane(self, *, hooked: bool) -> Lane:
        """The lane of that kind, made when first needed."""
        found = self._lanes.get(hooked)
        if found is None:
            found = self._lanes[hooked] = Lane(self._make_context(hooked), self._parked)
        return found

    def forward(self, *, hooked: bool, n_cells: int) -> Forward:
        """What reads given texts of up to ``n_cells`` tokens, with an eval callback if needed."""
        found = self._forward
        if found is not None:
            context = found.context
            if n_cells <= context.n_ctx and (context.hook is not None or not hooked):
                return found
            hooked, n_cells = hooked or context.hook is not None, max(n_cells, context.n_ctx)
            self._forward = None
            context.close()
        self._forward = Forward(self._make_reading(hooked, n_cells))
        return self._forward

    def chunk(self) -> int:
        """How many rows a task may feed at once beside what is running."""
        return SHARED_CHUNK if self._active else ALONE_CHUNK

    # -- the loop

    def _loop(self) -> None:
        try:
            while self._drain():
                self._one_turn()
        except BaseException as error:
            log.exception("the engine's thread failed")
            self._inbox.fail(error)
        finally:
            self._shut_down()

    def _drain(self) -> bool:
        """Take what arrived; block while there is nothing to do. False when closing."""
        idle = not (self._active or self._waiting or self._errands)
        return self._inbox.work(block=idle)

    def _one_turn(self) -> None:
        for each in self._lanes.values():
            each.context.clear_abort()  # those whom it was meant for are ended in the next line
        for sequence in [s for s in (*self._active, *self._waiting) if s.cancelled]:
            self._end(sequence, "cancelled")
        self._errands.step()
        self._admit()
        if not self._active:
            return
        lane = self._choose_lane()
        if lane is None:
            return
        writing = [s for s in self._active if s.decoding]
        for alike in by_adapter(writing):  # one adapter a decode call
            still = [s for s in alike if s.decoding]  # an earlier call may have set some back
            if still:
                self._write(lane, sorted(still, key=lambda s: s.slot.index))
        reading = [s for s in self._active if not s.decoding]
        if reading:
            self._read_prompts(lane, reading, SHARED_CHUNK if writing else ALONE_CHUNK)

    def _admit(self) -> None:
        slots = self._lane.slots if self._lane is not None else []
        for sequence in list(self._waiting):
            if (self._crowded and self._active) or len(self._active) >= self._n_slots:
                return
            if better_waits(sequence, self._active, slots):
                continue
            self._waiting.remove(sequence)
            self._inbox.count_waiting(-1)
            sequence.started = sequence.started or time.perf_counter()
            self._active.append(sequence)

    def _set_back(self, lane: Lane, sequence: ActiveSequence) -> None:
        """Let an active sequence wait again, before all others; what it has read may be lost."""
        if sequence.slot is not None:
            lane.release(sequence.slot)
            sequence.slot = None
        self._active.remove(sequence)
        self._waiting.insert(0, sequence)
        self._inbox.count_waiting(1)

    def _choose_lane(self) -> Lane | None:
        """The lane that all active sequences can share; those elsewhere move there."""
        first = self._active[0].plan
        others = [s for s in self._active if s.plan.key != first.key or not s.plan.native]
        past = [seg.plan for s in self._active if not s.decoding for seg in s.segments]
        try:
            watched = any(s.watched for s in self._active)
            differ = bool(others) or not all(plan.native for plan in past)
            lane = self.lane(hooked=differ or watched)
        except BaseException as error:  # noqa: BLE001, whoever needs that lane hears of it
            new = [s for s in self._active if s.slot is None]
            for sequence in new or others or list(self._active):
                self._end(sequence, "error", error)
            return None
        self._lane = lane
        for sequence in list(self._active):
            if sequence.slot is None or sequence.slot not in lane.slots:
                self._move(sequence, lane)
        return lane

    def _move(self, sequence: ActiveSequence, lane: Lane) -> None:
        """Give a sequence a slot in ``lane``, with its KV cache if it has one elsewhere."""
        old = sequence.slot
        if old is None:
            placed = lane.place(sequence.tokens, sequence.wanted_stamps())
            if placed is None:  # a task holds a slot: wait for a turn
                self._set_back(lane, sequence)
                return
            sequence.slot, n_cached = placed
            if sequence.n_cached is None:
                sequence.n_cached = n_cached
            return
        source = self._lane_of(old)
        placed = lane.place([0], [""])
        if placed is None:
            raise EngineError("no slot to move a sequence to")
        slot = placed[0]
        lane.reset(slot)
        state = source.context.save_sequence(old.index)
        while not lane.context.load_sequence(slot.index, state):
            if not lane.evict():
                break  # read again under its own segments
        else:
            slot.tokens, slot.stamps = list(old.tokens), list(old.stamps)
        source.release(old)
        sequence.slot = slot

    def _lane_of(self, slot: Slot) -> Lane:
        return next(lane for lane in self._lanes.values() if slot in lane.slots)

    def _read_prompts(self, lane: Lane, readers: list[ActiveSequence], room: int) -> None:
        """Feed ``room`` tokens of prompts; of many short ones all, so that they go on together."""
        self._turn += 1
        first = self._turn % len(readers)
        for sequence in readers[first:] + readers[:first]:
            if sequence.cancelled:
                continue
            before = sequence.fed
            self._read_prompt(lane, sequence, room)
            room -= max(sequence.fed - before, LEAST_CHUNK)
            if sequence.decoding:  # from here on somebody waits for a next token
                room = min(room, SHARED_CHUNK)
            if room <= 0:
                return

    def _read_prompt(self, lane: Lane, sequence: ActiveSequence, chunk: int) -> None:
        try:
            ready = lane.prefill(sequence, chunk)
        except Cancelled:
            return  # the next turn ends it, or tries again for those not cancelled
        except ContextFullError as error:
            self._make_room(lane, sequence, error)
            return
        except BaseException as error:  # noqa: BLE001
            self._end(sequence, "error", error)
            return
        if ready:
            self._choose(lane, sequence, lane.context.last_row)

    def _make_room(self, lane: Lane, sequence: ActiveSequence, error: ContextFullError) -> None:
        """The cache is full while a prompt is read: wait for writers, step back for readers."""
        others = [s for s in self._active if s is not sequence]
        if not others:
            self._end(sequence, "error", error)
        elif not any(s.decoding for s in others):
            self._set_back(lane, sequence)
            self._crowded = True  # nobody enters until somebody has left

    def _write(self, lane: Lane, sequences: list[ActiveSequence]) -> None:
        try:
            lane.step(sequences)
        except Cancelled:
            return
        except ContextFullError:
            if len(self._active) == 1:
                self._end(sequences[0], "context")
            else:  # together they do not fit: the youngest goes on when another has left
                self._set_back(lane, max(self._active, key=lambda s: s.serial))
                self._crowded = True
            return
        except BaseException as error:  # noqa: BLE001
            if len(sequences) == 1:
                self._end(sequences[0], "error", error)
            else:  # one of them is to blame: go on one by one, the others unharmed
                for sequence in sequences:
                    if sequence.decoding:  # else its memory is gone: it is read again first
                        self._write(lane, [sequence])
            return
        for row, sequence in enumerate(sequences):
            self._choose(lane, sequence, row)

    def _choose(self, lane: Lane, sequence: ActiveSequence, row: int) -> None:
        """Choose a sequence's next token from the logits of ``row``."""
        try:
            finish = self._writer.write(sequence, lane.context, row)
        except BaseException as error:  # noqa: BLE001
            self._end(sequence, "error", error)
            return
        if finish:
            self._end(sequence, finish)

    def _end(
        self, sequence: ActiveSequence, finish: str, error: BaseException | None = None
    ) -> None:
        if sequence.finished:
            return
        sequence.finished = True
        sequence.ended = time.perf_counter()
        self._crowded = False
        if sequence in self._active:
            self._active.remove(sequence)
        elif sequence in self._waiting:
            self._waiting.remove(sequence)
            self._inbox.count_waiting(-1)
        if finish != "error":
            rest = sequence.text.finish()
            if rest:
                sequence.listener.on_text(rest)
        sequence.listener.on_end(sequence, finish, error)
        if sequence.slot is not None:
            self._lane_of(sequence.slot).release(sequence.slot)
        if sequence.sampler is not None:
            sequence.sampler.close()
            sequence.sampler = None

    def _shut_down(self) -> None:
        """Nothing is sent any more: end all that was, then free the contexts."""
        self._inbox.empty()
        why = self._inbox.failure
        for sequence in [*self._active, *self._waiting]:
            if why is None:
                self._end(sequence, "cancelled")
            else:
                self._end(sequence, "error", EngineError(f"the engine stopped: {why}"))
        self._errands.end(ModelError("the model was closed") if why is None else why)
        for lane in self._lanes.values():
            lane.context.close()
        self._lanes.clear()
        if self._forward is not None:
            self._forward.context.close()
            self._forward = None
