"""Helpers of the engine's tests: vectors, greedy decoding by hand, activations under steering.

They use the engine's inner parts, to see what an app can not see.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgesteer import ControlVector, Model, Steering
from edgesteer.engine.batch import Scheduler
from edgesteer.engine.context import Context
from edgesteer.engine.lane import Lane, Slot
from edgesteer.engine.plan import Plan, make_plan
from edgesteer.engine.rows import GateState

from ..tiny import output_rows

Floats = NDArray[np.float32]
PROMPT = "Tell me of the sea."


def direction(seed: int = 0, width: int = 64, scale: float = 1.0) -> Floats:
    """A random direction of the stated length."""
    v = np.random.default_rng(seed).standard_normal(width)
    return (v * scale / np.linalg.norm(v)).astype(np.float32)


def vector(
    *layers: int, seed: int = 0, scale: float = 4.0, name: str = "v", width: int = 64
) -> ControlVector:
    """Random directions of length ``scale`` at these layers (1, 2 and 3 when none are named)."""
    chosen = layers or (1, 2, 3)
    return ControlVector({n: direction(seed * 100 + n, width, scale) for n in chosen}, name=name)


def steering(text: str, **vectors: ControlVector) -> Steering:
    """A steering text with its vectors: ``v`` and ``w`` unless others are given."""
    known = {"v": vector(), "w": vector(seed=1, name="w"), **vectors}
    return Steering.parse(text).bind(known.__getitem__)


def push(token: int, strength: float = 1e4, name: str = "push") -> ControlVector:
    """At the last layer, strong enough that the model writes one token only."""
    row = output_rows()[token]
    return ControlVector({3: row * strength / np.linalg.norm(row)}, name=name)


def plan_of(model: Model, steer: Any) -> Plan:
    """The plan of a steering on a model."""
    return make_plan(model.bind(steer), model.n_layer, model.n_embd, model._adapter)


def in_callback(plan: Plan) -> Plan:
    """The same plan, but the callback must carry it, term by term."""
    return replace(plan, native=False)


def empty_caches(model: Model) -> None:
    """Bring the caches into the state of a fresh model: bitwise equal calls give equal bits then.

    Where a token lies in the cache decides in which order attention adds up. Nothing is done
    while answers are being written.
    """

    def run(scheduler: Scheduler) -> None:
        if scheduler._active or scheduler._waiting:
            return
        for lane in scheduler._lanes.values():
            while lane.evict():
                pass
            lane.context.clear()
        scheduler._parked.clear()
        if scheduler._forward is not None:
            scheduler._forward.clear()

    model._scheduler.call(run)


def clean_logits(model: Model, tokens: Sequence[int], steer: Any = None) -> Floats:
    """``model.logits`` with empty caches: float32 ``[len(tokens), n_vocab]``."""
    empty_caches(model)
    return model.logits(tokens, steer)


def fresh_logits(
    model: Model, tokens: Sequence[int], steer: Any = None, n_prompt: int | None = None
) -> Floats:
    """Logits behind the last token, all tokens read anew in an empty cache."""
    plan = plan_of(model, steer)
    hooked = not plan.native
    return run_in_lane(model, tokens, plan, hooked=hooked, n_prompt=n_prompt)[0]


def greedy(
    model: Model, tokens: Sequence[int], n: int, steer: Any = None, n_prompt: int | None = None
) -> list[int]:
    """The next ``n`` tokens by reading everything anew for each: no cache is involved."""
    out = list(tokens)
    prompt = len(tokens) if n_prompt is None else n_prompt
    for _ in range(n):
        out.append(int(fresh_logits(model, out, steer, prompt).argmax()))
    return out[len(tokens) :]


def greedy_text(model: Model, prompt: str, n: int, steer: Any = None) -> str:
    """What :func:`greedy` gives for a question in the chat template, as text."""
    tokens = model.tokenize(model.render([{"role": "user", "content": prompt}]))
    return model.detokenize(greedy(model, tokens, n, steer))


def borrow(scheduler: Scheduler, *, hooked: bool) -> Generator[None, None, tuple[Lane, Slot]]:
    """An empty slot of a lane, as soon as there is one, to be given back with ``lane.release``."""
    lane = scheduler.lane(hooked=hooked)
    while (placed := lane.place([0], [""])) is None:
        yield
    lane.reset(placed[0])
    return lane, placed[0]


def replayed(model: Model, changes: Mapping[int, Any], n: int, prompt: str = PROMPT) -> str:
    """The answer when ``changes[i]`` steers from the ``i``-th generated token on, by hand.

    All through the callback, token by token, from an empty cache.
    """
    tokens = model.tokenize(model.render([{"role": "user", "content": prompt}]))
    plans = {at: plan_of(model, steer) for at, steer in changes.items()}

    def run(scheduler: Scheduler) -> Generator[None, None, str]:
        lane, slot = yield from borrow(scheduler, hooked=True)
        plan, out = plans[0], list[int]()
        try:
            lane.feed(slot, list(tokens), plan, len(tokens), GateState(), True)
            for i in range(1, n + 1):
                out.append(int(lane.context.logits(lane.context.last_row).argmax()))
                plan = plans.get(i, plan)
                lane.feed(slot, [out[-1]], plan, len(tokens), GateState(), True)
        finally:
            lane.reset(slot)
            lane.release(slot)
        return model.detokenize(out)

    return model._scheduler.read(run)


def logits_by(
    model: Model, tokens: Sequence[int], plan: Plan, *, hooked: bool, chunk: int = 512
) -> Floats:
    """Logits behind the last token, read in a lane of the stated kind."""
    return run_in_lane(model, tokens, plan, hooked=hooked, chunk=chunk)[0]


def activations(
    model: Model,
    tokens: Sequence[int],
    steer: Any = None,
    n_prompt: int | None = None,
    chunk: int = 64,
) -> Floats:
    """float32 ``[n_layer, len(tokens), n_embd]``: the residual stream as steering left it."""
    plan = plan_of(model, steer)
    return run_in_lane(model, tokens, plan, hooked=True, n_prompt=n_prompt, chunk=chunk)[1]


def run_in_lane(
    model: Model,
    tokens: Sequence[int],
    plan: Plan,
    *,
    hooked: bool,
    n_prompt: int | None = None,
    chunk: int = 512,
) -> tuple[Floats, Floats]:
    """Feed tokens in a lane; the last logits, and in a hooked lane all residual rows."""
    prompt = len(tokens) if n_prompt is None else n_prompt
    empty_caches(model)

    def run(scheduler: Scheduler) -> Generator[None, None, tuple[Floats, Floats]]:
        lane, slot = yield from borrow(scheduler, hooked=hooked)
        rows: list[Floats] = []
        stop = _spy(lane, rows) if hooked else (lambda: None)
        gates = GateState()
        try:
            while (start := len(slot.tokens)) < len(tokens):
                end = min(len(tokens), start + chunk)
                if start < prompt < end:
                    end = prompt
                lane.feed(
                    slot, list(tokens[start:end]), plan, prompt, gates, True, want_all=chunk <= 64
                )
            last = lane.context.logits(lane.context.last_row)
        finally:
            stop()
            lane.reset(slot)
            lane.release(slot)
        return last, np.concatenate(rows, axis=1) if rows else np.empty(0, np.float32)

    return model._scheduler.read(run)


def _spy(lane: Lane, rows: list[Floats]) -> Callable[[], None]:
    """Also copy every layer's rows in each decode call of a hooked lane."""
    hook, n_layer = lane.context.hook, lane.context.weights.n_layer
    assert hook is not None
    arm, end = hook.arm, hook.end

    def arm_all(edits: Any = None, *_: Any, **__: Any) -> None:
        arm(edits, captures=frozenset(range(n_layer)))

    def keep(*, ran: bool = True) -> dict[int, Floats]:
        found = end(ran=ran)
        if len({len(block) for block in found.values()}) == 1:
            rows.append(np.stack([found[layer] for layer in range(n_layer)]))
        return found

    hook.arm, hook.end = arm_all, keep  # type: ignore[method-assign]

    def stop() -> None:
        del hook.arm, hook.end
        hook.disarm()

    return stop


class Latch:
    """Collects pieces of a job and lets a test wait for the n-th."""

    def __init__(self, at: int = 1) -> None:
        self.pieces: list[str] = []
        self._at, self._reached, self._go = at, threading.Event(), threading.Event()

    def __call__(self, piece: str) -> None:
        """An ``on_piece`` that stops the engine at the n-th piece until :meth:`go`."""
        self.pieces.append(piece)
        if len(self.pieces) == self._at:
            self._reached.set()
            self._go.wait(30)

    def wait(self) -> None:
        """Wait until the job has written so much; the engine then stands still."""
        assert self._reached.wait(30)

    def go(self) -> None:
        """Let the engine go on."""
        self._go.set()


def decoded_rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collects how many rows each later decode call has."""
    seen: list[int] = []
    decode = Context.decode

    def count(self: Context, n: int) -> int:
        seen.append(n)
        return decode(self, n)

    monkeypatch.setattr(Context, "decode", count)
    return seen
