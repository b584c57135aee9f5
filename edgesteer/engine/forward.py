"""Forward passes over many given texts: side by side in one batch, shared beginnings once.

Knows nothing of what is done with logits or activations; that is the consumer's (tasks.py).

A token that several texts have in common lies in the cache once and belongs to all of their
sequences. What is left there from earlier texts is used again under the rule of lane.py: after
the same tokens with the same stamps.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edgesteer.engine.context import Context
from edgesteer.engine.forest import Branch, branches, distinct, even_starts, longest_known
from edgesteer.engine.plan import Plan
from edgesteer.engine.rows import GateState, Part
from edgesteer.engine.sequence import common_prefix
from edgesteer.errors import ContextFullError, EngineError

FloatArray = npt.NDArray[np.float32]
#: A token and its stamp.
Cell = tuple[int, str]

__all__ = ["Call", "Consumer", "Forward", "Piece", "Text"]


@dataclass(frozen=True, eq=False)
class Text:
    """Tokens to be read under a plan; rows are wanted from token ``first`` to the end."""

    cells: tuple[Cell, ...]
    first: int
    plan: Plan
    n_prompt: int
    gates: GateState = field(default_factory=GateState)


@dataclass(frozen=True)
class Piece:
    """Consecutive rows of a decode call: tokens ``start..end`` of the texts that share them.

    ``row`` is the first of them in the call; ``wanted`` are the texts that want these rows.
    """

    text: Text
    low: int
    high: int
    start: int
    end: int
    row: int
    wanted: tuple[int, ...]


@dataclass(frozen=True)
class Call:
    """One decode call: its pieces, in the order of its rows, and how many rows it has."""

    pieces: tuple[Piece, ...]
    n: int

    @property
    def wanted_rows(self) -> list[int]:
        """The rows that any text wants."""
        return [p.row + i for p in self.pieces if p.wanted for i in range(p.end - p.start)]

    def parts(self) -> list[Part]:
        """The rows as the steering of rows wants them."""
        return [
            Part(
                p.text.plan,
                p.text.gates,
                np.arange(p.start, p.end, dtype=np.int64),
                p.text.n_prompt,
                range(p.end - p.start) if p.wanted else (),
            )
            for p in self.pieces
        ]


class Consumer(Protocol):
    """What is done with the rows."""

    outputs: bool  # wanted rows are asked for as outputs of the last block
    phased: bool  # prompts and answers may not share a decode call
    max_rows: int  # wanted rows of the texts that are read together

    def arm(self, context: Context, call: Call) -> None:
        """Get ready for a decode call."""

    def collect(self, context: Context, call: Call, captured: dict[int, FloatArray]) -> None:
        """Take what a decode call gave."""


class Forward:
    """A context for reading, and what its cache holds of the texts read before."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._whole = context.weights.recurrent  # a memory that can be continued but not cut
        self._most = 1 if self._whole else context.n_seq // 2
        self._held: dict[int, tuple[Cell, ...]] = {}

    def clear(self) -> None:
        """Forget all."""
        self.context.clear()
        self._held.clear()

    def run(
        self, texts: Sequence[Text], consumer: Consumer, chunk: Callable[[], int]
    ) -> Generator[int]:
        """Read texts; after each decode call yields how many it has read to their end.

        ``chunk()`` says how many rows the next call may have. A consumer knows texts by their
        numbers in ``texts``.

        Raises:
            ContextFullError: a text does not fit the context.
            BaseException: what the consumer or an operation raised; the cache is then empty.
        """
        order = sorted(range(len(texts)), key=lambda i: (_edits(texts[i]), texts[i].cells))
        try:
            for group in self._groups(texts, order, consumer.max_rows):
                yield from self._read([texts[i] for i in group], group, consumer, chunk)
        except BaseException:  # also when nobody asks for more
            self.clear()
            raise

    def _groups(
        self, texts: Sequence[Text], order: Sequence[int], max_rows: int
    ) -> Iterator[list[int]]:
        """Sorted texts, as many together as fill about one decode call."""
        group: list[int] = []
        cells = rows = 0
        for i in order:
            text = texts[i]
            n, wanted = len(text.cells), len(text.cells) - text.first
            if group:
                last = texts[group[-1]]
                n -= common_prefix(last.cells, text.cells)
                if (
                    len(group) >= self._most
                    or cells + n > self.context.n_batch
                    or rows + wanted > max_rows
                    or last.plan.adapter != text.plan.adapter
                ):
                    yield group
                    group, cells, rows, n = [], 0, 0, len(text.cells)
            group.append(i)
            cells, rows = cells + n, rows + wanted
        yield group

    def _read(
        self,
        group: Sequence[Text],
        numbers: Sequence[int],
        consumer: Consumer,
        chunk: Callable[[], int],
    ) -> Generator[int]:
        context = self.context
        cells = [text.cells for text in group]
        ids, starts = self._seat(cells, [text.first for text in group])
        found = branches(cells, starts, [(t.first, t.n_prompt) for t in group])
        if consumer.phased:
            found.sort(key=lambda b: b.start >= group[b.low].n_prompt)  # a stable order
        context.set_adapter(group[0].plan.adapter)
        context.owners[: len(ids)] = ids
        while found:
            call = self._next_call(group, numbers, found, consumer, chunk())
            self._fill(call, consumer.outputs)
            consumer.arm(context, call)
            self._decode(call, set(ids))
            captured = context.hook.end() if context.hook is not None else {}
            consumer.collect(context, call, captured)
            read = {t for p in call.pieces for t in range(p.low, p.high) if p.end == len(cells[t])}
            if not found:
                for i, held in zip(ids, cells, strict=True):
                    self._held[i] = held
            yield len(read)

    def _seat(
        self, texts: Sequence[tuple[Cell, ...]], limits: Sequence[int]
    ) -> tuple[list[int], list[int]]:
        """A sequence id for each text, with as much of it as the cache holds already.

        Nothing from ``limits[i]`` on is taken from the cache: its rows are wanted.
        """
        known = sorted(self._held.items(), key=lambda item: item[1])
        lists = [held for _, held in known]
        matches = [longest_known(text, lists) for text in texts]
        starts = [min(n, limit) for (_, n), limit in zip(matches, limits, strict=True)]
        if self._whole:
            starts = [
                n if n and n == len(lists[at]) else 0
                for (at, _), n in zip(matches, starts, strict=True)
            ]
        starts = even_starts(texts, starts)
        sources = [known[at][0] if n else -1 for (at, _), n in zip(matches, starts, strict=True)]
        self._forget(len(texts), set(sources))
        free = [i for i in range(self.context.n_seq) if i not in self._held][: len(texts)]
        for i, source, n in zip(free, sources, starts, strict=True):
            if n:
                self.context.copy(source, i)
                if n < len(self._held[source]):
                    self.context.drop(i, n)
        need = distinct(texts)
        if distinct(sorted(self._held.values())) + need > self.context.n_ctx:
            for i in list(self._held):
                self._drop(i)
        return free, starts

    def _forget(self, n: int, needed: set[int]) -> None:
        """Free ``n`` sequence ids, the longest unused first."""
        for i in list(self._held):
            if self.context.n_seq - len(self._held) >= n:
                return
            if i not in needed:
                self._drop(i)

    def _drop(self, i: int) -> None:
        self.context.drop(i, 0)
        del self._held[i]

    def _next_call(
        self,
        group: Sequence[Text],
        numbers: Sequence[int],
        found: list[Branch],
        consumer: Consumer,
        room: int,
    ) -> Call:
        """Take the next rows from the branches that are left."""
        outputs = self.context.n_outputs if consumer.outputs else room
        pieces: list[Piece] = []
        n_rows, room = 0, min(room, self.context.n_batch)
        while found and room:
            b = found[0]
            text = group[b.low]
            if consumer.phased and pieces:
                before = pieces[-1]
                if (b.start >= text.n_prompt) != (before.start >= before.text.n_prompt):
                    break
            wanted = tuple(t for t in range(b.low, b.high) if b.start >= group[t].first)
            n = min(b.end - b.start, room, outputs if wanted else room)
            if not n:
                break
            mine = tuple(numbers[t] for t in wanted)
            pieces.append(Piece(text, b.low, b.high, b.start, b.start + n, n_rows, mine))
            n_rows, room, outputs = n_rows + n, room - n, outputs - (n if wanted else 0)
            found[0] = Branch(b.low, b.high, b.start + n, b.end)
            if found[0].start == b.end:
                del found[0]
        return Call(tuple(pieces), n_rows)

    def _fill(self, call: Call, outputs: bool) -> None:
        context = self.context
        for p in call.pieces:
            rows = slice(p.row, p.row + p.end - p.start)
            context.tokens[rows] = [token for token, _ in p.text.cells[p.start : p.end]]
            context.positions[rows] = np.arange(p.start, p.end)
            context.outputs[rows] = outputs and bool(p.wanted)
            context.share(rows, p.low, p.high - p.low)

    def _decode(self, call: Call, mine: set[int]) -> None:
        rc = self.context.decode(call.n)
        while rc == 1 and (others := [i for i in self._held if i not in mine]):
            self._drop(others[0])
            rc = self.context.decode(call.n)
        if rc == 1:
            raise ContextFullError(f"the texts do not fit {self.context.n_ctx} tokens")
        if rc != 0:
            raise EngineError(f"llama_decode stopped with code {rc}")


def _edits(text: Text) -> tuple[str, float]:
    """What sorts texts by the adapter of their plans."""
    adapter = text.plan.adapter
    return (str(adapter[0]), adapter[1]) if adapter else ("", 0.0)
