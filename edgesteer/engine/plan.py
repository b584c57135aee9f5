"""Turns a steering into a plan: what acts on which token, and the cheapest carrier that is right.

Knows nothing of contexts, batches or sampling; it only says what has to happen.

Carriers:
    none      nothing acts
    native    llama.cpp's own control vector: additive, the same for all rows of a decode call
    lora      a rank-1 adapter edits the weights: an ablation that asks for it (by=weights)
    callback  the eval callback rewrites the rows: everything else
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesteer.engine import ops
from edgesteer.errors import SteeringError
from edgesteer.gate import gate_readout
from edgesteer.steering import Steering, Term

FloatArray = npt.NDArray[np.float32]

PLAIN = "plain"
#: Beyond this, sums of squares come near the end of float32; what is infinite in the cache of one
#: answer spoils those beside it.
LARGEST = 1e9
_serial = itertools.count(1)
#: An adapter file and its scale.
Adapter = tuple[Path, float]


@dataclass(frozen=True, eq=False)
class Reader:
    """A gate's read-out: ``h . direction - offset`` at ``layer``, compared with a threshold.

    ``key`` names what is read, whatever it is compared with. A gate that is read at each token
    closes where a reading does not pass ``close`` any more, and ``hold`` tokens later.
    """

    key: str
    layer: int
    direction: FloatArray
    threshold: float
    above: bool
    scope: str
    offset: float = 0.0
    close: float | None = None
    hold: int = 0

    @property
    def state_key(self) -> tuple[Any, ...]:
        """Names the gate: what is read, and what it is compared with."""
        return (self.key, self.threshold, self.above, self.close, self.hold)

    @property
    def sticky(self) -> bool:
        """Whether it depends on what was read at earlier tokens."""
        return self.close is not None or self.hold > 0

    def read(self, rows: FloatArray) -> FloatArray:
        """The readings ``[n]`` of rows ``[n, d]``."""
        return rows @ self.direction - np.float32(self.offset)

    def stays(self, reading: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether readings keep a gate open that is open."""
        close = self.threshold if self.close is None else self.close
        value = np.asarray(reading)
        return value > close if self.above else value < close

    def opens(self, reading: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether readings pass the threshold."""
        value = np.asarray(reading)
        return value > self.threshold if self.above else value < self.threshold


@dataclass(frozen=True, eq=False)
class TermPlan:
    """One term, ready to run: an operation per layer, and when it acts."""

    term: Term
    at: dict[int, ops.Operation]
    reader: Reader | None

    def dose(self, positions: npt.NDArray[np.int64], n_prompt: int) -> FloatArray:
        """How much of the operation acts at each token position (gates aside).

        Args:
            positions: int64 ``[n]`` token positions in the sequence.
            n_prompt: length of the prompt; later positions are generated tokens.

        Returns:
            float32 ``[n]``: strength times schedule; 0 (NaN for clamp) where nothing acts.
        """
        term = self.term
        first, end = term.span(n_prompt)
        on = (positions >= max(first, n_prompt + term.after if term.after else 0)) & (
            positions < (end if end is not None else np.iinfo(np.int64).max)
        )
        dose = np.full(len(positions), term.strength, np.float32)
        if term.decay:
            age = np.maximum(positions - n_prompt - term.after, 0)
            dose *= np.clip(1 - age / term.decay, 0, 1).astype(np.float32)
        dose[~on] = np.nan if term.operation == "clamp" else 0
        return dose


@dataclass(frozen=True, eq=False)
class Plan:
    """What a steering does on one model.

    Attributes:
        text: the steering, in its canonical text form.
        key: the fingerprint of the whole effect; "plain" when nothing acts.
        prompt, generated: additive buffers float32 ``[n_layer-1, n_embd]`` for the two phases when
            the native carrier can do it all, None where nothing acts.
        native: whether the native carrier is right for the terms.
        terms: the terms for the callback carrier, in order.
        adapter: what edits the weights while this plan acts; rows can not share a decode call with
            rows that have another one, or none.
    """

    text: str
    key: str
    native: bool
    prompt: FloatArray | None
    generated: FloatArray | None
    prompt_key: str
    generated_key: str
    terms: tuple[TermPlan, ...]
    adapter: Adapter | None = None

    def buffer(self, *, prompt: bool) -> FloatArray | None:
        """The native buffer of a phase."""
        return self.prompt if prompt else self.generated

    def stamps(self, start: int, end: int, n_prompt: int) -> list[str]:
        """What acts on each of the tokens ``start..end``.

        Equal stamps after equal tokens mean equal KV cache entries.
        """
        split = min(max(n_prompt, start), end)
        keys = [self.prompt_key] * (split - start) + [self.generated_key] * (end - split)
        quiet = max(min(self._quiet(n_prompt), end) - start, 0)
        return [PLAIN] * quiet + keys[quiet:]

    def _quiet(self, n_prompt: int) -> int:
        """How many first tokens nothing acts on; a gate has to read them all the same."""
        if self.native or self.adapter is not None:
            return 0
        if any(plan.reader is not None for plan in self.terms):
            return 0
        return min((plan.term.span(n_prompt)[0] for plan in self.terms), default=0)

    def readings_of_prompt(self, known: Container[str]) -> tuple[TermPlan, ...]:
        """What reads the prompt for this plan's gates and does nothing else, but for ``known``."""
        return tuple(
            replace(term, at={})
            for term in self.terms
            if term.reader and term.reader.scope != "token" and term.reader.key not in known
        )

    def reading_too(self, terms: tuple[TermPlan, ...]) -> Plan:
        """The same effect, with terms that only read."""
        return replace(self, native=False, terms=(*self.terms, *terms))

    def again(self) -> Plan:
        """The plan for another sequence: itself, or with new stamps where they are unique."""
        keys = (self.prompt_key, self.generated_key)
        if not any("#" in key for key in keys):
            return self
        new = f"#{next(_serial)}"
        prompt, generated = (k.partition("#")[0] + new if "#" in k else k for k in keys)
        return replace(self, prompt_key=prompt, generated_key=generated)

    @property
    def carrier(self) -> str:
        """The cheapest right carrier; "lora+native" and the like where it takes two."""
        return self.carried(hooked=not self.native)

    def carried(self, *, hooked: bool) -> str:
        """What carries it in a hooked lane, or in one that is not."""
        if self.key == PLAIN:
            return "none"
        rows = "callback" if hooked else "native"
        if self.adapter is None:
            return rows
        return f"lora+{rows}" if self.terms else "lora"


PLAIN_PLAN = Plan("", PLAIN, True, None, None, PLAIN, PLAIN, ())


def make_plan(
    steering: Steering,
    n_layer: int,
    n_embd: int,
    adapter_of: Callable[[Term], Path] | None = None,
) -> Plan:
    """The plan of a bound steering.

    ``adapter_of`` gives the adapter file of a term that edits the weights.

    Raises:
        SteeringError: a gate at or above the layers that it should open, a rotation without a
            second direction, a name without its vector, or numbers that would overflow.
    """
    if not steering:
        return PLAIN_PLAN
    key = steering.fingerprint(n_layer, n_embd)
    if key == PLAIN:
        return PLAIN_PLAN
    acting = [term for term in steering.terms if term.acts]
    adapter = _adapter([term for term in acting if term.by == "weights"], adapter_of)
    acting = [term for term in acting if term.by != "weights"]
    for term in acting:
        _check_size(term)
    terms = tuple(_plan_term(term, n_layer) for term in acting)
    native = all(replace(term, positions="all").static for term in acting) and all(
        term.positions in ("all", "prompt", "generated") for term in acting
    )
    prompt = generated = None
    if native:
        prompt = _compose(acting, ("all", "prompt"), n_layer, n_embd)
        generated = _compose(acting, ("all", "generated"), n_layer, n_embd)
    keys = _keys(acting, key, prompt, generated, native)
    if adapter is not None:  # other weights act on every token, whatever else does
        prompt_key, generated_key = (f"{key}/weights" if k == PLAIN else k for k in keys)
    else:
        prompt_key, generated_key = keys
    return Plan(
        str(steering), key, native, prompt, generated, prompt_key, generated_key, terms, adapter
    )


def _adapter(
    terms: Sequence[Term], adapter_of: Callable[[Term], Path] | None
) -> tuple[Path, float] | None:
    if not terms:
        return None
    if len(terms) > 1:  # adapters add up, and two directions are hardly ever at right angles
        raise SteeringError(
            f"{terms[0].name} and {terms[1].name} both edit the weights: what they share would be "
            "taken out twice",
            "Leave by=weights out of all of them but one.",
        )
    if adapter_of is None:
        raise SteeringError(f"{terms[0].name}: this model's weights can not be edited")
    return adapter_of(terms[0]), terms[0].strength


def _compose(
    terms: Sequence[Term], phases: tuple[str, ...], n_layer: int, n_embd: int
) -> FloatArray | None:
    phase = Steering(tuple(replace(t, positions="all") for t in terms if t.positions in phases))
    total = phase.compose(n_layer, n_embd)
    return total if total.any() else None


def _keys(
    terms: Sequence[Term],
    key: str,
    prompt: FloatArray | None,
    generated: FloatArray | None,
    native: bool,
) -> tuple[str, str]:
    """Stamps of prompt and generated tokens.

    The effect on a token must be a function of its stamp and the tokens before it, so that which
    tokens count as "prompt" and what a gate saw either do not matter or make the stamp unique.
    """
    if native:
        whole = all(t.positions == "all" for t in terms)
        keys = (key, key) if whole else (f"{key}/prompt", f"{key}/generated")
        return (
            keys[0] if prompt is not None else PLAIN,
            keys[1] if generated is not None else PLAIN,
        )
    if not any(
        t.positions in ("prompt", "generated")
        or t.positions.startswith("last:")
        or t.decay
        or t.after
        or _remembers(t)
        for t in terms
    ):
        return key, key
    if all((t.positions == "generated" or t.after) and not _remembers(t) for t in terms):
        return PLAIN, f"{key}#{next(_serial)}"
    unique = f"{key}#{next(_serial)}"
    return unique, unique


def _remembers(term: Term) -> bool:
    """Whether its gate rests on what this very sequence has read before."""
    return term.gate is not None and (term.gate.scope != "token" or term.gate.sticky)


def _plan_term(term: Term, n_layer: int) -> TermPlan:
    if term.vector is None:
        raise SteeringError(f"the steering names {term.name!r} without its vector")
    layers = term.resolved_layers(n_layer)
    reader = _plan_gate(term, n_layer) if term.gate else None
    at: dict[int, ops.Operation] = {}
    for layer in layers:
        direction = term.vector.directions[layer]
        if term.operation == "rotate":
            at[layer] = ops.rotate(direction, _second_direction(term, layer))
        else:
            at[layer] = getattr(ops, term.operation)(direction)
    return TermPlan(term, at, reader)


def _check_size(term: Term) -> None:
    used = [v for v in (term.vector, term.toward_vector, term.gate_vector) if v is not None]
    sizes = [float(np.abs(v.matrix).max()) for v in used]
    if sizes and term.operation in ("add", "keepnorm", "clamp"):
        sizes.append(sizes[0] * abs(term.strength))
    if max(sizes, default=0.0) > LARGEST:
        raise SteeringError(
            f"{term.name}={term.strength:g} adds up to {max(sizes):.1g}: the model would overflow",
            "Steer less; the residual stream of a model has lengths from 1 to some 10,000.",
        )


def _second_direction(term: Term, layer: int) -> FloatArray:
    if term.toward_vector is None or layer not in term.toward_vector.directions:
        raise SteeringError(
            f"a rotation needs a second direction at layer {layer}",
            "Name it: rotate:calm=30?toward=happy",
        )
    toward: FloatArray = term.toward_vector.directions[layer]
    if term.vector is not None:
        u, w = ops.unit(term.vector.directions[layer]), ops.unit(toward)
        if 1 - abs(float(u @ w)) < 1e-6 or not (u.any() and w.any()):
            raise SteeringError(
                f"{term.name} and {term.toward} are parallel at layer {layer}: no plane to turn in",
                "Rotate toward another vector, or name layers at which the two differ.",
            )
    return toward


def _plan_gate(term: Term, n_layer: int) -> Reader:
    gate, vector = term.gate, term.gate_vector
    if gate is None or vector is None:
        raise SteeringError(f"the gate of {term.name!r} has no vector")
    layer = term.gate_layer(n_layer)
    readout = gate_readout(gate, vector)
    if readout is None:
        key, direction, offset = f"{vector.digest}@{layer}", ops.unit(vector.directions[layer]), 0.0
    else:
        key, offset = readout.key, readout.centre / readout.scale
        direction = (readout.direction / readout.scale).astype(np.float32)
    return Reader(
        key,
        layer,
        direction,
        gate.threshold,
        gate.above,
        gate.scope,
        offset,
        gate.close,
        gate.hold,
    )
