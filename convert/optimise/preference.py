"""The optimised vector: directions that make the model prefer one answer over the other, both ways.

Does not know where the start comes from, nor how strong is right for a person.

Bidirectional preference (Cao et al. 2024, arXiv 2406.00045): maximise, over v,

    mean over pairs and s = +1, -1 of  log sigmoid(s beta D(s v))
    D(u) = [log p(y+ | x, u) - log p(y+ | x)] - [log p(y- | x, u) - log p(y- | x)]

with u added to the residual stream behind the steered blocks. Unlike there, v stays on a budget:
after each step it is scaled so that the mean KL(steered || plain) on neutral text, over both signs,
is `kl` nats a token. The gradient of that KL is subtracted as often as takes its part along v away,
so that what is gained is preference for equal damage, never strength. The start is scaled to the
same budget, so that step 0 is the method that it comes from, and every later figure is comparable.

The effect is half of D(v) - D(-v), in nats, averaged over pairs. On one half of the held-out pairs
the best step is found, and the search ends when it has not got better for a while; what was gained
is told from the other half.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.optimise.checkpoint import Kept, State
from convert.optimise.choices import Choice, Choices
from convert.optimise.steered import Known, SteeredModel, Texts
from edgesteer.errors import InputError

__all__ = ["Optimised", "Settings", "optimise"]

Array = NDArray[np.float32]
Told = Callable[[int, int, str], None]

_DECAY = (0.9, 0.99)


@dataclass(frozen=True)
class Settings:
    """How the search is run.

    kl        nats a token on neutral text, the mean of both signs
    beta      how many nats count as decided: 1 / beta
    rate      step of Adam, as a share of a direction's length
    batch     pairs a step
    steps     at most
    every     steps between evaluations on held-out pairs
    patience  evaluations without progress after which it ends
    seed      of the order of the pairs
    """

    kl: float = 0.1
    beta: float = 0.1
    rate: float = 0.05
    batch: int = 4
    steps: int = 80
    every: int = 5
    patience: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        numbers = {k: v for k, v in asdict(self).items() if k != "seed"}
        bad = [k for k, v in numbers.items() if not (math.isfinite(v) and v > 0)]
        if bad:
            raise InputError(f"{bad[0]} must be above 0", "leave it out for its default")


@dataclass(frozen=True, eq=False)
class Optimised:
    """What was found: directions float32 [L, d] at the KL budget, and effects in nats.

    history       at step 0, every, 2 every, ... on the pairs that choose; the best one belongs to
                  `directions`
    before, after   of the start and of what was found, on pairs that chose nothing
    """

    directions: Array
    history: tuple[float, ...]
    steps: int
    before: float
    after: float

    @property
    def best_step(self) -> int:
        """The number of the evaluation that was best."""
        return int(np.argmax(self.history))


def optimise(
    model: SteeredModel,
    choices: Choices,
    neutral: Sequence[Choice],
    start: Array,
    settings: Settings | None = None,
    *,
    key: str = "",
    checkpoints: Path | None = None,
    progress: Told | None = None,
) -> Optimised:
    """Searches from `start`, float32 [L, d], one row for each of the model's layers.

    `neutral` are texts for the budget. With a folder of `checkpoints` an interrupted search goes on
    where it was; `key` says what model it belongs to. The same input gives the same directions.
    Raises InputError when the start is zero or has no effect at all.
    """
    search = _Search(model, choices, neutral, start, settings or Settings())
    shape = (start.shape[0], start.shape[1])
    kept = Kept(checkpoints, search.key(key), shape)
    state = kept.load() or search.begin()
    while not search.ended(state):
        state = search.advance(state)
        if progress is not None:
            progress(state.step, search.settings.steps, "optimising")
        kept.save(state)
    before, after = search.judge(state)
    kept.forget()
    return Optimised(state.best, state.history, state.step, before, after)


class _Search:
    """The model, the texts in batches, and the steps of the search."""

    def __init__(
        self,
        model: SteeredModel,
        choices: Choices,
        neutral: Sequence[Choice],
        start: Array,
        settings: Settings,
    ) -> None:
        if not start.any():
            raise InputError("the vector to start from is zero", "give other pairs")
        self.model, self.settings, self._start = model, settings, start
        self._pairs = _both(model.read([one for pair in choices.train for one in pair]))
        self._texts = (*choices.train, *choices.heldout, tuple(neutral))
        # one coordinate of Adam is one typical coordinate of the direction at that layer
        norms = np.linalg.norm(start.astype(np.float64), axis=1, keepdims=True)
        self._unit = np.maximum(norms, norms.max() * 1e-3) / math.sqrt(start.shape[1])
        self._neutral = model.batch(model.read(neutral))
        self._plain = model.distributions(self._neutral)
        heldout = _both(model.read([one for pair in choices.heldout for one in pair]))
        self._choosing, self._telling = (
            [self._texts_of(part) for part in _parts(heldout[first::2], settings.batch)]
            for first in (0, 1)
        )

    def key(self, key: str) -> str:
        """sha256 (hex) of all that the result depends on."""
        texts = [[[list(one.ids), one.start] for one in pair] for pair in self._texts]
        facts = [key, asdict(self.settings), list(self.model.layers), len(self._pairs), texts]
        digest = hashlib.sha256(json.dumps(facts).encode())
        digest.update(self._start.tobytes())
        return digest.hexdigest()

    def begin(self) -> State:
        """The start, scaled to the budget, and its effect."""
        vector = self._scaled_start()
        zero = np.zeros_like(vector)
        return State(vector, zero, zero, vector, 0, (self._effect(vector, self._choosing),))

    def judge(self, state: State) -> tuple[float, float]:
        """The effect of the start and of the best, on pairs that chose nothing."""
        start = self._scaled_start()
        return self._effect(start, self._telling), self._effect(state.best, self._telling)

    def _scaled_start(self) -> Array:
        return self._to_budget(self._start.astype(np.float32), tries=8)

    def ended(self, state: State) -> bool:
        """Whether nothing more is to be done."""
        since = len(state.history) - 1 - int(np.argmax(state.history))
        return state.step >= self.settings.steps or since >= self.settings.patience

    def advance(self, state: State) -> State:
        """Some steps of the search, and an evaluation."""
        vector, first, second, step = state.vector, state.first, state.second, state.step
        until = min(step + self.settings.every, self.settings.steps)
        while step < until:
            gradient = self._gradient(vector, self._batch(step)) * self._unit
            step += 1
            first = _DECAY[0] * first + (1 - _DECAY[0]) * gradient
            second = _DECAY[1] * second + (1 - _DECAY[1]) * gradient**2
            mean, square = first / (1 - _DECAY[0] ** step), second / (1 - _DECAY[1] ** step)
            move = self.settings.rate * self._unit * mean / (np.sqrt(square) + 1e-12)
            vector = self._to_budget((vector - move).astype(np.float32), tries=1)
        vector = self._to_budget(vector, tries=4)
        effect = self._effect(vector, self._choosing)
        best = vector if effect > max(state.history) else state.best
        kept = (first.astype(np.float32), second.astype(np.float32))
        return State(vector, *kept, best, step, (*state.history, effect))

    def _batch(self, step: int) -> list[tuple[Known, Known]]:
        """The pairs of one step: every round takes all of them, in an order of its own."""
        size, n = min(self.settings.batch, len(self._pairs)), len(self._pairs)
        a_round = n // size
        order = np.random.default_rng([self.settings.seed, step // a_round]).permutation(n)
        at = (step % a_round) * size
        return [self._pairs[i] for i in order[at : at + size]]

    def _texts_of(self, pairs: Sequence[tuple[Known, Known]]) -> Texts:
        """The texts of some pairs, positive ones first."""
        return self.model.batch([pair[side] for side in (0, 1) for pair in pairs])

    def _gradient(self, vector: Array, pairs: Sequence[tuple[Known, Known]]) -> Array:
        """Of the loss at a constant KL: float32 [L, d]."""
        import torch

        texts = self._texts_of(pairs)
        plain = self._tensor(
            np.array([p[side].plain for side in (0, 1) for p in pairs], np.float32)
        )
        v = self._tensor(vector).requires_grad_()
        for sign in (1, -1):
            change = self.model.logprobs(texts, sign * v) - plain
            ours, theirs = change.chunk(2)
            loss = -torch.nn.functional.logsigmoid(sign * self.settings.beta * (ours - theirs))
            (loss.mean() / 2).backward()
        loss_gradient = v.grad.cpu().numpy().astype(np.float64)
        v.grad = None
        for sign in (1, -1):
            (self.model.kl(self._neutral, sign * v, self._plain) / 2).backward()
        cost_gradient = v.grad.cpu().numpy().astype(np.float64)
        along = float(np.sum(cost_gradient * vector))
        share = float(np.sum(loss_gradient * vector)) / along if along else 0.0
        return np.asarray(loss_gradient - share * cost_gradient, np.float32)

    def _to_budget(self, vector: Array, tries: int) -> Array:
        """The vector at the strength that spends the budget: KL grows with its square."""
        import torch

        with torch.no_grad():
            for _ in range(tries):
                v = self._tensor(vector)
                costs = [
                    float(self.model.kl(self._neutral, sign * v, self._plain)) for sign in (1, -1)
                ]
                spent = sum(costs) / 2 / self.settings.kl
                if not math.isfinite(spent) or spent <= 0:
                    raise InputError(
                        "the vector has no effect on the model's words, or an endless one",
                        "start from other layers",
                    )
                if abs(math.log(spent)) < 0.01:
                    break
                vector = (vector * min(max(spent**-0.5, 0.02), 50.0)).astype(np.float32)
        return vector

    def _effect(self, vector: Array, pairs: Sequence[Texts]) -> float:
        """Half of D(v) - D(-v) in nats, the mean over pairs."""
        import torch

        v, found = self._tensor(vector), []
        with torch.no_grad():
            for texts in pairs:
                margins = []
                for sign in (1, -1):
                    ours, theirs = self.model.logprobs(texts, sign * v).chunk(2)
                    margins.append(ours - theirs)
                found += ((margins[0] - margins[1]) / 2).tolist()
        return float(np.mean(found))

    def _tensor(self, vector: Array) -> Any:
        import torch

        return torch.tensor(vector, device=self.model.model.device)


def _both(known: Sequence[Known]) -> list[tuple[Known, Known]]:
    """Pairs of what was read one after the other."""
    return list(zip(known[::2], known[1::2], strict=True))


def _parts(pairs: Sequence[tuple[Known, Known]], size: int) -> list[Sequence[tuple[Known, Known]]]:
    """Pairs in batches, those of like length together."""
    ordered = sorted(pairs, key=lambda pair: max(len(one.lower) for one in pair))
    return [ordered[i : i + size] for i in range(0, len(ordered), size)]
