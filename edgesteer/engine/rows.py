"""Steers the rows of one decode call, each its own way: plans -> edits for the hook.

Knows nothing of llama.cpp or of KV caches; rows, positions and plans come from the scheduler.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesteer.engine.hooks import Edit
from edgesteer.engine.plan import Plan, Reader, TermPlan

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


@dataclass
class GateState:
    """What the gates of one sequence have read, and which of them stand open.

    ``readings`` maps a read-out and the length of the prompt to float64 ``[n_prompt]``, NaN where
    nothing was read. ``held`` maps a gate that is read at each token and remembers to {position:
    for how many tokens more it would stay open}, -1 where it was closed. Reading a token again
    changes nothing.
    """

    readings: dict[tuple[str, int], npt.NDArray[np.float64]] = field(default_factory=dict)
    held: dict[tuple[Any, ...], dict[int, int]] = field(default_factory=dict)

    def copy(self) -> GateState:
        """The same readings, for another sequence."""
        return GateState(
            {key: values.copy() for key, values in self.readings.items()},
            {key: dict(states) for key, states in self.held.items()},
        )

    def walk(
        self, reader: Reader, positions: IntArray, reading: FloatArray
    ) -> npt.NDArray[np.bool_]:
        """Which of some consecutive tokens a gate that is read at each of them lets through."""
        opens = reader.opens(reading)
        if not reader.sticky:
            return opens
        stays = reader.stays(reading)
        states = self.held.setdefault(reader.state_key, {})
        left = states.get(int(positions[0]) - 1, -1)
        for i, position in enumerate(positions.tolist()):
            if opens[i] or (left >= 0 and stays[i]):
                left = reader.hold
            elif left >= 0:
                left -= 1
            states[position] = left
        return np.array([states[position] >= 0 for position in positions.tolist()], bool)

    def note(self, reader: Reader, n_prompt: int, positions: IntArray, reading: FloatArray) -> None:
        """Keep what was read at some positions."""
        known = self.readings.setdefault((reader.key, n_prompt), np.full(n_prompt, np.nan))
        prompt = positions < n_prompt
        known[positions[prompt]] = reading[prompt]

    def complete(self, n_prompt: int) -> list[str]:
        """The read-outs of which each token of a prompt of that length is known."""
        return [
            key
            for (key, n), known in self.readings.items()
            if n == n_prompt and not np.isnan(known).any()
        ]

    def is_open(self, reader: Reader, n_prompt: int) -> bool:
        """Whether the gate is open; it is not before the last token of the prompt was read."""
        known = self.readings.get((reader.key, n_prompt))
        if known is None or np.isnan(known[-1]):
            return False
        value = np.nanmean(known) if reader.scope == "mean" else known[-1]
        return bool(reader.opens(value))


@dataclass
class Part:
    """The consecutive rows of one sequence in a decode call.

    ``positions`` int64 ``[n]``; ``outputs`` are the indices (into these rows) whose logits are
    wanted, which are the only rows that the last block of most architectures computes.
    """

    plan: Plan
    gates: GateState
    positions: IntArray
    n_prompt: int
    outputs: Sequence[int]


class RowSteering:
    """Builds the edits of decode calls, keeping what can be reused between them."""

    def __init__(self, n_layer: int) -> None:
        self._last_layer = n_layer - 1
        self._stack_key: tuple[tuple[int, bool], ...] = ()
        self._plans: list[Plan] = []  # keeps the ids in _stack_key from being reused
        self._stack: dict[int, Edit] = {}

    def edits(self, parts: Sequence[Part]) -> dict[int, Edit]:
        """layer -> edit for a decode call whose rows are ``parts``, one after another."""
        if all(part.plan.native for part in parts):
            # a row without an output is missing from the last block: those behind it move up
            if all(len(part.positions) == 1 and part.outputs for part in parts):
                return self._stacked(parts)
            return self._additive(parts)
        return _General(parts, self._last_layer).edits()

    def _stacked(self, parts: Sequence[Part]) -> dict[int, Edit]:
        """One row a sequence, each with an output, all additive: prepared once for many steps."""
        key = tuple((id(p.plan), bool(p.positions[0] < p.n_prompt)) for p in parts)
        if key != self._stack_key:
            self._stack_key, self._plans = key, [p.plan for p in parts]
            buffers = [p.plan.buffer(prompt=k[1]) for p, k in zip(parts, key, strict=True)]
            self._stack = {layer: _add_rows(block) for layer, block in _stack(buffers).items()}
        return self._stack

    def _additive(self, parts: Sequence[Part]) -> dict[int, Edit]:
        """Any rows, all additive: one addition a layer, part and phase."""
        spans: list[tuple[int, int, FloatArray]] = []
        outputs: list[int] = []
        start = 0
        for part in parts:
            n = len(part.positions)
            split = min(max(part.n_prompt - int(part.positions[0]), 0), n)
            outputs += [start + i for i in part.outputs]
            for low, high, prompt in ((0, split, True), (split, n, False)):
                buffer = part.plan.buffer(prompt=prompt)
                if buffer is not None and low < high:
                    spans.append((start + low, start + high, buffer))
            start += n
        used = {id(buffer): np.flatnonzero(buffer.any(axis=1)) for _, _, buffer in spans}
        by_layer: dict[int, list[tuple[int, int, FloatArray]]] = {}
        for low, high, buffer in spans:
            for i in used[id(buffer)].tolist():
                by_layer.setdefault(i + 1, []).append((low, high, buffer[i]))
        edits = {layer: _add_spans(mine) for layer, mine in by_layer.items()}
        if self._last_layer in by_layer and len(outputs) < start:
            edits[self._last_layer] = _add_cropped(by_layer[self._last_layer], outputs, start)
        return edits


def _stack(buffers: Sequence[FloatArray | None]) -> dict[int, FloatArray]:
    shapes = [b for b in buffers if b is not None]
    if not shapes:
        return {}
    used = np.any([b.any(axis=1) for b in shapes], axis=0)
    zero = np.zeros(shapes[0].shape[1], np.float32)
    return {
        int(i) + 1: np.stack([zero if b is None else b[i] for b in buffers])
        for i in np.flatnonzero(used)
    }


def _add_rows(block: FloatArray) -> Edit:
    def edit(rows: FloatArray, first: int) -> bool:
        rows += block[first : first + len(rows)]
        return True

    return edit


def _add_spans(spans: Sequence[tuple[int, int, FloatArray]]) -> Edit:
    """Add ``v`` to the rows ``low..high`` of the decode call, for each ``(low, high, v)``."""

    def edit(rows: FloatArray, first: int) -> bool:
        for low, high, v in spans:
            rows[max(low - first, 0) : max(high - first, 0)] += v
        return True

    return edit


def _add_cropped(
    spans: Sequence[tuple[int, int, FloatArray]], outputs: Sequence[int], total: int
) -> Edit:
    """As :func:`_add_spans`, in a last block of ``outputs`` rows only, or of all ``total``."""
    whole = _add_spans(spans)
    places = [(*np.searchsorted(outputs, (low, high)).tolist(), v) for low, high, v in spans]
    cropped = _add_spans(places)

    def edit(rows: FloatArray, first: int) -> bool:
        return (whole if len(rows) == total else cropped)(rows, first)

    return edit


class _General:
    """Any mixture of operations, positions, schedules and gates, term by term."""

    def __init__(self, parts: Sequence[Part], last_layer: int) -> None:
        self._parts, self._last = parts, last_layer
        self._starts = np.cumsum([0] + [len(p.positions) for p in parts])
        self._total = int(self._starts[-1])
        offsets = zip(parts, self._starts[:-1], strict=True)
        self._outputs = np.array([s + i for p, s in offsets for i in p.outputs], np.int64)
        #: rows [n] of each (part, term) that its gate lets through; set when the gate is read
        self._open: dict[tuple[int, int], npt.NDArray[np.bool_]] = {}
        self._dose: dict[tuple[int, int], FloatArray] = {}

    def edits(self) -> dict[int, Edit]:
        layers = set()
        for i, part in enumerate(self._parts):
            for j, term in enumerate(part.plan.terms):
                self._dose[i, j] = term.dose(part.positions, part.n_prompt)
                layers |= set(term.at)
                if term.reader is not None:
                    layers.add(term.reader.layer)
        return {layer: self._edit(layer) for layer in layers}

    def _edit(self, layer: int) -> Edit:
        def edit(rows: FloatArray, first: int) -> bool:
            index = np.arange(first, first + len(rows))
            if layer == self._last and len(rows) != self._total and len(self._outputs):
                index = self._outputs[index]
            wrote = False
            for i, part in enumerate(self._parts):
                mine = np.flatnonzero((index >= self._starts[i]) & (index < self._starts[i + 1]))
                if len(mine):
                    span = slice(int(mine[0]), int(mine[-1]) + 1)  # rows of a part are consecutive
                    wrote |= self._steer(layer, i, part, rows[span], index[mine] - self._starts[i])
            return wrote

        return edit

    def _steer(self, layer: int, i: int, part: Part, rows: FloatArray, index: IntArray) -> bool:
        for j, term in enumerate(part.plan.terms):
            if term.reader is not None and term.reader.layer == layer:
                self._read(i, j, part, term.reader, rows, index)
        wrote = False
        for j, term in enumerate(part.plan.terms):
            operation = term.at.get(layer)
            if operation is None:
                continue
            dose = self._dose[i, j][index]
            if term.reader is not None:
                dose = np.where(self._is_open(i, j, part, term.reader)[index], dose, _off(term))
            if term.term.operation == "clamp" and np.isnan(dose).all():
                continue
            if term.term.operation != "clamp" and not dose.any():
                continue
            operation(rows, dose)
            wrote = True
        return wrote

    def _read(
        self, i: int, j: int, part: Part, reader: Reader, rows: FloatArray, index: IntArray
    ) -> None:
        reading = reader.read(rows)
        if reader.scope == "token":
            mask = self._open.setdefault((i, j), np.zeros(len(part.positions), bool))
            mask[index] = part.gates.walk(reader, part.positions[index], reading)
        else:
            part.gates.note(reader, part.n_prompt, part.positions[index], reading)

    def _is_open(self, i: int, j: int, part: Part, reader: Reader) -> npt.NDArray[np.bool_]:
        """Which rows of a part a gate lets through: [n], from the prompt's last token on."""
        if reader.scope == "token":
            closed = np.zeros(len(part.positions), bool)
            return self._open.get((i, j), closed)
        return (part.positions >= part.n_prompt - 1) & part.gates.is_open(reader, part.n_prompt)


def _off(term: TermPlan) -> float:
    return float("nan") if term.term.operation == "clamp" else 0.0
