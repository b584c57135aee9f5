"""Reading the model rather than letting it write: logits and activations of given tokens.

Knows nothing of text or templates. Each function is a task for the engine's thread
(Scheduler.call), a generator that is advanced between the steps of running answers.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesteer.engine.batch import Scheduler
from edgesteer.engine.context import Context
from edgesteer.engine.forward import Call, Text
from edgesteer.engine.plan import PLAIN_PLAN, Plan
from edgesteer.engine.rows import RowSteering
from edgesteer.errors import EngineError, InputError

FloatArray = npt.NDArray[np.float32]
#: ``sink(i, position, rows)``: rows float32 ``[n, n_vocab]`` of text ``i``, from the token at
#: ``position`` on; valid during the call only.
Sink = Callable[[int, int, FloatArray], object]
#: Bytes of logits that are kept at once for texts whose rows are handed over as a whole.
LOGITS_BYTES = 64 << 20

__all__ = ["Activations", "Sink", "Span", "next_logits", "read_activations", "read_logits", "text"]


def text(tokens: Sequence[int], plan: Plan, first: int, n_prompt: int) -> Text:
    """A text to be read for its logits, under a plan of its own (:meth:`Plan.again`)."""
    stamps = plan.stamps(0, len(tokens), n_prompt)
    return Text(tuple(zip(map(int, tokens), stamps, strict=True)), first, plan, n_prompt)


def read_logits(
    scheduler: Scheduler, texts: Sequence[Text], sink: Sink, *, whole: bool = False
) -> Generator[None]:
    """Hand the logits of each text's tokens ``first..`` to ``sink``, piece by piece in order.

    ``whole`` says that the sink keeps all rows of a text: fewer texts are then read together.
    """
    plans = {id(t.plan): t.plan for t in texts}
    one = next(iter(plans.values())) if len(plans) == 1 else None
    native = one if one is not None and one.native else None
    forward = scheduler.forward(hooked=native is None, n_cells=max(len(t.cells) for t in texts))
    row_bytes = 4 * scheduler.weights.n_vocab
    most = max(1, LOGITS_BYTES // row_bytes) if whole else 1 << 60
    steering = RowSteering(scheduler.weights.n_layer)
    consumer = _Logits(sink, native, steering, max_rows=most)
    yield from _advance(scheduler, forward.run(texts, consumer, scheduler.chunk))


def next_logits(
    scheduler: Scheduler, tokens: Sequence[int], plan: Plan = PLAIN_PLAN
) -> Generator[None, None, FloatArray]:
    """float32 ``[n_vocab]``: the logits of the token after ``tokens``."""
    found: list[FloatArray] = []
    one = text(tokens, plan, len(tokens) - 1, len(tokens))
    yield from read_logits(scheduler, [one], lambda _i, _at, rows: found.append(rows[0].copy()))
    return found[0]


@dataclass(frozen=True)
class Span:
    """Which tokens of a text are read: ``first..end``; their mean or each of them."""

    first: int
    end: int
    mean: bool = False


class Activations:
    """Collects residual-stream rows: :attr:`rows` holds each text's, float32 ``[n, L, d]``."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = spans
        self._sums: dict[int, Any] = {}
        self._parts: dict[int, list[FloatArray]] = {}

    def add(self, i: int, block: npt.NDArray[Any], n: int) -> None:
        """Rows ``[k, L, d]`` of text ``i``, or the sum of ``n`` of them as ``[1, L, d]``."""
        if self._spans[i].mean:
            self._sums[i] = self._sums.get(i, 0) + block[0]
        else:
            self._parts.setdefault(i, []).append(block[:n])

    def rows(self, i: int) -> FloatArray:
        """The rows of text ``i``."""
        span = self._spans[i]
        if span.mean:
            mean = np.asarray(self._sums[i]) / (span.end - span.first)
            return mean[None].astype(np.float32)
        return np.concatenate(self._parts[i])


def read_activations(
    scheduler: Scheduler,
    texts: Sequence[Sequence[int]],
    layers: Sequence[int],
    spans: Sequence[Span],
    progress: Callable[[int, int], None] | None = None,
) -> Generator[None, None, list[FloatArray]]:
    """Residual-stream rows of token sequences, read unsteered.

    Args:
        texts: token ids of each text; beginnings that texts share are read once.
        layers: 0-based blocks whose output is read; the pass ends behind the last of them.
        spans: which tokens of each text, all with or all without ``mean``.
        progress: called with (texts done, texts in all).

    Returns:
        For each text float32 ``[n, len(layers), n_embd]``, with ``mean`` ``n`` is 1.
    """
    stamp = f"until {max(layers)}"  # of later blocks the cache holds nothing
    read = [
        Text(tuple((int(t), stamp) for t in tokens[: s.end]), s.first, PLAIN_PLAN, 0)
        for tokens, s in zip(texts, spans, strict=True)
    ]
    forward = scheduler.forward(hooked=True, n_cells=max(s.end for s in spans))
    found = Activations(spans)
    consumer = _Rows(found, layers, spans[0].mean, last=scheduler.weights.n_layer - 1)
    finished = 0

    def tell(n: int) -> None:
        nonlocal finished
        for _ in range(n):
            finished += 1
            if progress is not None:
                progress(finished, len(texts))

    yield from _advance(scheduler, forward.run(read, consumer, scheduler.chunk), tell)
    return [found.rows(i) for i in range(len(texts))]


def _advance(
    scheduler: Scheduler, steps: Generator[int], tell: Callable[[int], None] = lambda _: None
) -> Generator[None]:
    """Pass on the steps of a reading; closing this one closes that one."""
    try:
        for n in steps:
            tell(n)
            scheduler.check_open()
            yield
    finally:
        steps.close()


class _Logits:
    """Hands logits on. With ``native`` all texts are steered by it, else by the callback."""

    outputs = True

    def __init__(
        self, sink: Sink, native: Plan | None, steering: RowSteering, *, max_rows: int
    ) -> None:
        self._sink, self._native, self._steering = sink, native, steering
        self.max_rows = max_rows
        # the vector of prompt tokens and of others is not the same one
        self.phased = native is not None and native.prompt_key != native.generated_key

    def arm(self, context: Context, call: Call) -> None:
        if self._native is not None:
            piece = call.pieces[0]
            context.set_vector(self._native.buffer(prompt=piece.start < piece.text.n_prompt))
        elif context.hook is None:
            raise EngineError("texts steered differently are read in a hooked context")
        if context.hook is not None:
            if self._native is None:
                context.set_vector(None)
                context.hook.arm(self._steering.edits(call.parts()))
            else:
                context.hook.disarm()

    def collect(self, context: Context, call: Call, captured: dict[int, FloatArray]) -> None:
        n = len(call.wanted_rows)
        if not n:
            return
        logits, at = context.all_logits(n), 0
        for piece in call.pieces:
            if piece.wanted:
                size = piece.end - piece.start
                for i in piece.wanted:
                    self._sink(i, piece.start, logits[at : at + size])
                at += size


class _Rows:
    """Takes residual-stream rows while the graph runs, and ends the pass behind the last layer."""

    phased = False
    max_rows = 1 << 60

    def __init__(self, found: Activations, layers: Sequence[int], mean: bool, *, last: int) -> None:
        self._found, self._layers, self._mean, self._last = found, layers, mean, last
        self.outputs = max(layers) == last  # which computes only the rows that are asked for

    def arm(self, context: Context, call: Call) -> None:
        if context.hook is None:
            raise EngineError("activations are read in a hooked context")
        context.set_vector(None)
        wanted = np.array(call.wanted_rows, np.int64)
        sizes = [p.end - p.start for p in call.pieces if p.wanted]
        starts = np.cumsum([0, *sizes])

        def take(layer: int, rows: FloatArray, _first: int) -> npt.NDArray[Any]:
            cropped = layer == self._last and len(rows) == len(wanted)
            mine = rows if cropped else rows[wanted]
            if not self._mean:
                return mine.copy() if cropped else mine
            sums = [
                mine[a : a + n].sum(0, dtype=np.float64)
                for a, n in zip(starts[:-1], sizes, strict=True)
            ]
            return np.stack(sums)

        captures = frozenset(self._layers) if sizes else frozenset[int]()
        context.hook.arm(captures=captures, stop_after=max(self._layers), take=take)

    def collect(self, context: Context, call: Call, captured: dict[int, FloatArray]) -> None:
        if not captured:
            return
        block = np.stack([captured[layer] for layer in self._layers], axis=1)
        at = 0
        for piece in call.pieces:
            if piece.wanted:
                size = piece.end - piece.start
                rows = 1 if self._mean else size
                for i in piece.wanted:
                    self._found.add(i, block[at : at + rows], rows)
                at += rows


def span_of(positions: str | int, n: int, start: int) -> Span:
    """The tokens to read of a text of ``n``; ``start`` is where the part to average begins.

    Raises:
        InputError: no such positions, or outside the text.
    """
    if n == 0:
        raise InputError("an empty text has no activations")
    if positions == "last":
        return Span(n - 1, n)
    if positions == "all":
        return Span(0, n)
    if positions == "mean":
        if not 0 <= start < n:
            raise InputError(f"the part to average starts at token {start} of {n}")
        return Span(start, n, mean=True)
    if isinstance(positions, int):
        index = positions + n if positions < 0 else positions
        if not 0 <= index < n:
            raise InputError(f"token {positions} is outside a text of {n} tokens")
        return Span(index, index + 1)
    raise InputError(f"unknown positions {positions!r}", "Use last, mean, all or a number.")
