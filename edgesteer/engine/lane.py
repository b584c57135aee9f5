"""A context and its slots: which tokens lie in whose KV cache, and under which steering.

Knows nothing of requests waiting, of sampling or of threads.

A slot's tokens each carry a stamp: what acted on them when they were read. A cached token may be
used again only after the same tokens with the same stamps. Nothing else decides reuse.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edgesteer.engine.context import Context
from edgesteer.engine.parked import WORTH_PARKING, Parked, ParkedSequence, same_beginning
from edgesteer.engine.plan import Plan
from edgesteer.engine.rows import GateState, Part, RowSteering
from edgesteer.engine.sequence import ActiveSequence
from edgesteer.errors import Cancelled, ContextFullError, EngineError

FloatArray = npt.NDArray[np.float32]
_clock = itertools.count(1)


@dataclass(eq=False)
class Slot:
    """One sequence id of a context and what its KV cache holds."""

    index: int
    tokens: list[int] = field(default_factory=list)
    stamps: list[str] = field(default_factory=list)
    busy: bool = False
    used: int = 0

    def touch(self) -> None:
        """Mark as used just now."""
        self.used = next(_clock)


class Lane:
    """One context with its slots. ``hooked`` lanes steer by callback, others natively."""

    def __init__(self, context: Context, parked: Parked) -> None:
        """``parked`` may be shared with other lanes of the same model."""
        self.context, self._parked = context, parked
        self.hooked = context.hook is not None
        self.slots = [Slot(i) for i in range(context.n_seq)]
        self.can_trim = not context.weights.recurrent
        self._rows = RowSteering(context.weights.n_layer)

    # -- slots

    def place(self, tokens: Sequence[int], stamps: Sequence[str]) -> tuple[Slot, int] | None:
        """A slot for a sequence, with as much of its beginning as any slot or parked one holds.

        What other idle slots hold is parked: cells in use slow every answer down.

        Returns:
            ``(slot, n_reused)``, or None when every slot is busy. At least one token is left to
            be fed, so that there are logits to choose from.
        """
        idle = [s for s in self.slots if not s.busy]
        if not idle:
            return None
        limit = len(tokens) - 1
        matches = {s.index: min(self._match(s, tokens, stamps), limit) for s in self.slots}
        best = max(self.slots, key=lambda s: (matches[s.index], not s.busy))
        n = self._usable(matches[best.index], len(best.tokens))
        parked, n_parked = self._parked.best(tokens, stamps, limit)
        take_back = parked is not None and n_parked > n
        go_on = n and not take_back and not best.busy
        if go_on and (self._park(best, n) or 2 * n >= len(best.tokens)):
            target = best  # the same conversation, more or less: in its place
        else:
            target = min(idle, key=lambda s: (len(s.tokens) > 0, s.used))
            go_on = n and not take_back and target is best  # too large to park, and no other slot
        for slot in [s for s in idle if not (go_on and s is target)]:
            if self._park(slot) or slot is target:
                self.reset(slot)
        if parked is not None and take_back:
            n = n_parked if self._unpark(target, parked, n_parked) else 0
        elif n and not go_on:
            self.context.copy(best.index, target.index)
            target.tokens, target.stamps = list(best.tokens), list(best.stamps)
        self.trim(target, n)
        target.busy = True
        target.touch()
        return target, len(target.tokens)

    def _match(self, slot: Slot, tokens: Sequence[int], stamps: Sequence[str]) -> int:
        return same_beginning(slot.tokens, slot.stamps, tokens, stamps)

    def _usable(self, n: int, of: int) -> int:
        """``n`` of ``of`` tokens: a recurrent memory can be continued but not cut."""
        return n if self.can_trim or n == of else 0

    def _park(self, slot: Slot, kept: int = 0) -> bool:
        """Keep what an idle slot holds outside the context, as far as that is worth it.

        ``kept`` of its tokens stay where they are. False when it is too much to copy.
        """
        known = max(kept, self._parked.best(slot.tokens, slot.stamps, len(slot.tokens))[1])
        for other in self.slots:
            if other is not slot:
                n = self._match(other, slot.tokens, slot.stamps)
                known = max(known, self._usable(n, len(other.tokens)))
        if len(slot.tokens) - known < WORTH_PARKING:
            return True
        try:
            if self.context.state_size(slot.index) > self._parked.largest:
                return False
            state = self.context.save_sequence(slot.index)
        except (EngineError, MemoryError):  # it is a convenience: nobody's answer fails for it
            return False
        self._parked.add(slot.tokens, slot.stamps, state)
        return True

    def _unpark(self, slot: Slot, parked: ParkedSequence, n: int) -> bool:
        """Let an idle slot hold a parked sequence, of which ``n`` tokens are to be used.

        False when there is no room for it.
        """
        self.reset(slot)
        while not self.context.load_sequence(slot.index, parked.state):
            if not self.evict():
                return False
        slot.tokens, slot.stamps = list(parked.tokens), list(parked.stamps)
        if len(parked.tokens) - n < WORTH_PARKING:
            self._parked.drop(parked)
        return True

    def trim(self, slot: Slot, n: int) -> None:
        """Keep the first ``n`` tokens of a slot (none, where the memory can not be cut)."""
        if n == len(slot.tokens):
            return
        if not self.context.drop(slot.index, n):
            n = 0
            self.context.drop(slot.index, 0)
        del slot.tokens[n:], slot.stamps[n:]

    def reset(self, slot: Slot) -> None:
        """Empty a slot."""
        self.context.drop(slot.index, 0)
        slot.tokens, slot.stamps = [], []

    def release(self, slot: Slot) -> None:
        """Give a slot back; what it holds stays for later reuse."""
        slot.busy = False
        slot.touch()

    def evict(self) -> bool:
        """Empty the idle slot used longest ago, parking what it held; False when there is none."""
        idle = [s for s in self.slots if not s.busy and s.tokens]
        if not idle:
            return False
        oldest = min(idle, key=lambda s: s.used)
        self._park(oldest)
        self.reset(oldest)
        return True

    # -- feeding tokens

    def prefill(self, sequence: ActiveSequence, chunk: int) -> bool:
        """Feed up to ``chunk`` tokens of one sequence; True when the last one's logits are ready.

        Raises:
            ContextFullError: no room, even with all idle slots emptied.
            Cancelled: the decode call was aborted; the slot holds what it held before.
        """
        slot = sequence.slot
        start = len(slot.tokens)
        part = sequence.part_at(start)
        end = min(part.end, start + min(chunk, self.context.n_batch))
        last = end == len(sequence.tokens)
        tokens, layers = sequence.tokens[start:end], sequence.watched
        rows = self.feed(
            slot, tokens, part.plan, part.n_prompt, sequence.gates, last, captures=layers
        )
        sequence.note_carrier(self.hooked)
        sequence.tell(start, end - start, rows)
        return last

    def feed(
        self,
        slot: Slot,
        tokens: Sequence[int],
        plan: Plan,
        n_prompt: int,
        gates: GateState,
        want_last: bool,
        want_all: bool = False,
        captures: frozenset[int] = frozenset(),
    ) -> dict[int, FloatArray]:
        """Feed tokens of one sequence under one plan, in one decode call.

        Returns:
            layer -> float32 ``[len(tokens), n_embd]`` for the layers in ``captures`` (hooked lanes
            only), as steering left them; of the model's last block only the rows with an output.
        """
        context, start, n = self.context, len(slot.tokens), len(tokens)
        context.set_adapter(plan.adapter)
        context.tokens[:n] = tokens
        context.positions[:n] = np.arange(start, start + n)
        context.sequences[:n] = slot.index
        context.outputs[:n] = want_all
        context.outputs[n - 1] = want_last or want_all
        if self.hooked:
            outputs = np.flatnonzero(context.outputs[:n]).tolist()
            positions = np.arange(start, start + n, dtype=np.int64)
            self._arm([Part(plan, gates, positions, n_prompt, outputs)], captures)
        else:
            context.set_vector(plan.buffer(prompt=start < n_prompt))
        rows = self._decode([(slot, start)], n)
        slot.tokens += tokens
        slot.stamps += plan.stamps(start, start + n, n_prompt)
        return rows

    def step(self, sequences: Sequence[ActiveSequence]) -> None:
        """Feed the last chosen token of each sequence, in one decode call.

        All of their plans have the same adapter, or none.
        """
        context, n = self.context, len(sequences)
        starts = []
        for i, sequence in enumerate(sequences):
            slot = sequence.slot
            start = len(slot.tokens)
            starts.append((slot, start))
            context.tokens[i] = sequence.tokens[start]
            context.positions[i] = start
            context.sequences[i] = slot.index
        context.outputs[:n] = 1
        context.set_adapter(sequences[0].plan.adapter)
        if self.hooked:
            self._arm(
                [
                    Part(s.plan, s.gates, np.array([start]), s.n_prompt, (0,))
                    for s, (_, start) in zip(sequences, starts, strict=True)
                ],
                frozenset().union(*(s.watched for s in sequences)),
            )
        else:
            context.set_vector(sequences[0].plan.generated)
        rows = self._decode(starts, n)
        for sequence, (slot, start) in zip(sequences, starts, strict=True):
            slot.tokens.append(sequence.tokens[start])
            slot.stamps += sequence.plan.stamps(start, start + 1, sequence.n_prompt)
            sequence.note_carrier(self.hooked)
        for i, (sequence, (_, start)) in enumerate(zip(sequences, starts, strict=True)):
            sequence.tell(start, 1, {layer: rows[layer][i : i + 1] for layer in sequence.watched})

    def _arm(self, parts: list[Part], captures: frozenset[int]) -> None:
        if self.context.hook is not None:
            self.context.hook.arm(self._rows.edits(parts), captures)

    def _decode(self, starts: Sequence[tuple[Slot, int]], n: int) -> dict[int, FloatArray]:
        """Decode; on any failure take back the rows of this call from every slot in it."""
        captured: dict[int, FloatArray] = {}
        try:
            rc = self.context.decode(n)
            while rc == 1 and self.evict():
                rc = self.context.decode(n)
            if self.context.hook is not None:
                captured = self.context.hook.end(ran=rc == 0)
        except BaseException:
            self._take_back(starts)
            raise
        if rc == 1:
            raise ContextFullError(
                f"the context of {self.context.n_ctx} tokens is full",
                "Use a larger --ctx, a shorter prompt, or fewer answers at once.",
            )
        if rc == 2:
            self.context.clear_abort()
            self._take_back(starts)
            raise Cancelled("the decode call was aborted")
        return captured

    def _take_back(self, starts: Sequence[tuple[Slot, int]]) -> None:
        for slot, start in starts:
            if not self.context.drop(slot.index, start):
                self.reset(slot)
