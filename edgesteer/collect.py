"""What comes of rows that a model was read for: captures, scores, whole logits for a reduction.

Knows nothing of the engine; rows arrive in pieces, in the order of a text's tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Capture", "Score", "TokenLogprobs", "WholeTexts"]

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Capture:
    """Activations read from a model.

    Attributes:
        rows: float32 ``[n, len(layers), n_embd]``, the texts one after another.
        layers: the blocks whose outputs these are.
        owners: int32 ``[n]``: the number of the text of each row.
    """

    rows: FloatArray
    layers: tuple[int, ...]
    owners: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))


@dataclass(frozen=True, eq=False)
class Score:
    """The log-probabilities (nats) of a completion: ``logprobs`` float64, one a token."""

    tokens: tuple[int, ...]
    logprobs: npt.NDArray[np.float64]

    @property
    def total(self) -> float:
        """Their sum: the log-probability of the whole completion."""
        return float(self.logprobs.sum())

    @property
    def mean(self) -> float:
        """Their mean: comparable between completions of different lengths."""
        return float(self.logprobs.mean())


class TokenLogprobs:
    """Turns logits into the log-probabilities of the tokens that really follow.

    ``targets[i]`` are the tokens that follow the token at ``firsts[i]`` of text ``i``.
    """

    def __init__(self, targets: Sequence[Sequence[int]], firsts: Sequence[int]) -> None:
        self._targets, self._firsts = targets, firsts
        self.logprobs = [np.empty(len(one), np.float64) for one in targets]

    def __call__(self, i: int, position: int, rows: FloatArray) -> None:
        """Rows ``[n, n_vocab]`` of text ``i`` from token ``position`` on."""
        at = position - self._firsts[i]
        targets = self._targets[i][at : at + len(rows)]
        for k, (row, target) in enumerate(zip(rows, targets, strict=True)):
            top = row.max()
            norm = np.exp(row - top).sum(dtype=np.float64)
            self.logprobs[i][at + k] = float(row[target]) - float(top) - np.log(norm)


class WholeTexts:
    """Gathers the logits of each text and gives them to ``reduce(i, logits)`` when complete."""

    def __init__(
        self,
        lengths: Sequence[int],
        firsts: Sequence[int],
        reduce: Callable[[int, FloatArray], Any],
    ) -> None:
        self._lengths, self._firsts, self._reduce = lengths, firsts, reduce
        self._open: dict[int, FloatArray] = {}
        self.results: list[Any] = [None] * len(lengths)

    def __call__(self, i: int, position: int, rows: FloatArray) -> None:
        """Rows ``[n, n_vocab]`` of text ``i`` from token ``position`` on."""
        first, total = self._firsts[i], self._lengths[i] - self._firsts[i]
        held = self._open.get(i)
        if held is None:
            held = self._open[i] = np.empty((total, rows.shape[1]), np.float32)
        at = position - first
        held[at : at + len(rows)] = rows
        if at + len(rows) == total:
            self.results[i] = self._reduce(i, self._open.pop(i))
