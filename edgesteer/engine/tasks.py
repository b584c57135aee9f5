"""Reading the model rather than letting it write: logits and activations of given tokens.

Knows nothing of text or templates. Each function runs on the engine's thread (Scheduler.call).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from edgesteer.engine.batch import Scheduler
from edgesteer.engine.lane import Lane, Slot
from edgesteer.engine.plan import PLAIN_PLAN, Plan
from edgesteer.engine.rows import GateState
from edgesteer.engine.sequence import common_prefix
from edgesteer.errors import Cancelled, ContextFullError, EngineError, InputError

FloatArray = npt.NDArray[np.float32]


def read_logits(
    scheduler: Scheduler, tokens: Sequence[int], plan: Plan, first: int, n_prompt: int | None = None
) -> FloatArray:
    """Logits behind the tokens ``first..``, steered by ``plan``.

    Returns:
        float32 ``[len(tokens) - first, n_vocab]``: row ``i`` is the distribution of the token that
        follows ``tokens[first + i]``.
    """
    lane = scheduler.lane(hooked=not plan.native)
    gates, rows = GateState(), []
    prompt = len(tokens) if n_prompt is None else n_prompt
    known = list(tokens[: first + 1])
    placed = lane.place(known, plan.stamps(0, len(known), prompt))
    if placed is None:
        raise EngineError("all slots are busy")
    slot = placed[0]
    try:
        while (start := len(slot.tokens)) < len(tokens):
            limit = first if start < first else start + lane.context.n_outputs
            end = min(limit, len(tokens), start + lane.context.n_batch)
            if start < prompt < end:
                end = prompt
            wanted = start >= first
            piece = list(tokens[start:end])
            scheduler.check_open()
            try:
                lane.feed(slot, piece, plan, prompt, gates, want_last=wanted, want_all=wanted)
            except Cancelled:  # meant for an answer that has ended meanwhile
                continue
            if wanted:
                rows += [lane.context.logits(i) for i in range(end - start)]
    except BaseException:
        lane.reset(slot)
        raise
    finally:
        lane.release(slot)
    return np.stack(rows)


def read_activations(
    scheduler: Scheduler,
    texts: Sequence[Sequence[int]],
    layers: Sequence[int],
    positions: str | int,
    spans: Sequence[int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> FloatArray:
    """Residual-stream rows of token sequences, read unsteered.

    Args:
        texts: token ids of each text; beginnings that texts share are read once.
        layers: 0-based blocks whose output is read.
        positions: "last", "mean" (over the tokens from ``spans[i]`` on), "all" (one text only) or
            an index (negative ones count from the end).
        spans: first token of the part to average, 0 where not given.

    Returns:
        float32 ``[n, len(layers), n_embd]``; for "all" ``[n_tokens, len(layers), n_embd]``.
    """
    lane, slot = scheduler.borrow(hooked=True)
    out: list[FloatArray] = [np.empty(0, np.float32)] * len(texts)
    try:
        # sorted, so that neighbours share their beginnings, which are then read once
        for done, i in enumerate(sorted(range(len(texts)), key=lambda i: list(texts[i]))):
            start = spans[i] if spans else 0
            out[i] = _one_text(scheduler, lane, slot, list(texts[i]), layers, positions, start)
            if progress is not None:
                progress(done + 1, len(texts))
    finally:
        lane.reset(slot)
        lane.release(slot)
        if lane.context.hook is not None:
            lane.context.hook.disarm()
    return np.concatenate(out)


def _one_text(
    scheduler: Scheduler,
    lane: Lane,
    slot: Slot,
    tokens: list[int],
    layers: Sequence[int],
    positions: str | int,
    span: int,
) -> FloatArray:
    context, n = lane.context, len(tokens)
    if n >= context.n_ctx:
        raise ContextFullError(
            f"a text of {n} tokens does not fit the context of {context.n_ctx}",
            "Open the model with a larger context (--ctx).",
        )
    first, last = _range(positions, n, span)
    total: FloatArray | None = None
    parts: list[FloatArray] = []
    lane.trim(slot, min(common_prefix(slot.tokens, tokens), first))
    while (start := len(slot.tokens)) < last:
        scheduler.check_open()
        reading = start >= first
        end = min(first, start + context.n_batch) if not reading else last
        # the last block computes only rows whose logits are wanted, and their number is bounded
        outputs = reading and max(layers) == context.weights.n_layer - 1
        end = min(end, start + (context.n_outputs if outputs else context.n_batch))
        wanted = frozenset(layers) if reading else frozenset[int]()
        try:
            rows = lane.read(slot, tokens[start:end], wanted, max(layers), outputs)
        except Cancelled:  # meant for an answer that has ended meanwhile
            continue
        if reading:
            block = np.stack([rows[layer] for layer in layers], axis=1)
            if positions == "mean":
                total = block.sum(0, dtype=np.float64) + (0 if total is None else total)
            else:
                parts.append(block)
    if positions == "mean":
        return (np.asarray(total) / (last - first))[None].astype(np.float32)
    return np.concatenate(parts)


def _range(positions: str | int, n: int, span: int) -> tuple[int, int]:
    """The tokens to read, as a half-open range."""
    if n == 0:
        raise InputError("an empty text has no activations")
    if positions == "last":
        return n - 1, n
    if positions == "all":
        return 0, n
    if positions == "mean":
        if not 0 <= span < n:
            raise InputError(f"the part to average starts at token {span} of {n}")
        return span, n
    if isinstance(positions, int):
        index = positions + n if positions < 0 else positions
        if not 0 <= index < n:
            raise InputError(f"token {positions} is outside a text of {n} tokens")
        return index, index + 1
    raise InputError(f"unknown positions {positions!r}", "Use last, mean, all or a number.")


def next_logits(scheduler: Scheduler, tokens: Sequence[int], plan: Plan = PLAIN_PLAN) -> FloatArray:
    """float32 ``[n_vocab]``: the logits of the token after ``tokens``."""
    rows: FloatArray = read_logits(scheduler, tokens, plan, len(tokens) - 1)[0]
    return rows
