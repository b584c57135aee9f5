"""Sampling: how the next token is drawn.

Does not know the engine: it only checks the numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgesteer.errors import InputError
from edgesteer.plain import shown

__all__ = ["Sampling"]

_SEEDS = 2**32


@dataclass(frozen=True)
class Sampling:
    """The numbers that govern sampling. Raises InputError for one that makes no sense.

    temperature     0 takes the likeliest token each time; above it, logits are divided by it
    top_k           only the k likeliest tokens are in the draw; 0 keeps all
    top_p           the smallest set of tokens whose probability reaches p; 1 keeps all
    min_p           tokens with less than this share of the likeliest one's probability are out
    repeat_penalty  logits of the last `repeat_last_n` tokens are damped by this factor; 1 is none
    repeat_last_n   how many tokens are looked back on; -1 is the whole context, 0 none
    frequency_penalty, presence_penalty
                    what is taken off a logit for each time, or once, that the answer had the token
                    among its last `repeat_last_n`; 0 is none, below 0 favours what was said
    seed            0..2**32-1; None draws one

    >>> Sampling(temperature=0).greedy
    True
    """

    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    repeat_penalty: float = 1.0
    repeat_last_n: int = 64
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    seed: int | None = None

    def __post_init__(self) -> None:
        _check("temperature", self.temperature, 0.0, 100.0, "0 is greedy, 0.8 is usual")
        _check("top_p", self.top_p, 0.0, 1.0, "1 switches it off, 0.95 is usual")
        _check("min_p", self.min_p, 0.0, 1.0, "0 switches it off, 0.05 is usual")
        _check("repeat_penalty", self.repeat_penalty, 1e-3, 100.0, "1 switches it off")
        _check("top_k", self.top_k, 0, 2**31 - 1, "0 switches it off, 40 is usual", whole=True)
        _check("repeat_last_n", self.repeat_last_n, -1, 2**31 - 1, "64 is usual", whole=True)
        for name in ("frequency_penalty", "presence_penalty"):
            _check(name, getattr(self, name), -100.0, 100.0, "0 switches it off")
        if self.seed is not None:
            _check("seed", self.seed, 0, _SEEDS - 1, "leave it out to draw one", whole=True)

    @property
    def greedy(self) -> bool:
        """True when no draw takes place."""
        return self.temperature == 0


def _check(
    name: str, value: object, low: float, high: float, hint: str, *, whole: bool = False
) -> None:
    kinds = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds):
        kind = "a whole number" if whole else "a number"
        raise InputError(f"{name} must be {kind}, not {shown(value)}", hint)
    if not low <= value <= high:  # nan is not, nor is inf
        raise InputError(f"{name} must lie within {low:g} and {high:g}, not {shown(value)}", hint)
