"""Capture: texts to activations. What every capture promises, and which token it reads.

Does not know llama.cpp (llama.py) nor torch (torch.py).

    last     the last token of the text
    mean     the mean over all tokens of the text
    answer   the mean over the tokens of the answer, the last token where there is no answer
    all      every token, one row each
    12, -2   one token, counted from the start or, if negative, from the end
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from convert.activations import Activations
from convert.rendering import Passage
from edgesteer.errors import InputError
from edgesteer.identity import ModelIdentity

__all__ = ["POSITIONS", "ActivationCapture", "Progress", "as_positions", "token_span"]

POSITIONS = ("last", "mean", "answer", "all")
Positions = str | int


class Progress(Protocol):
    """Is told how far a long piece of work has come."""

    def __call__(self, done: int, total: int, what: str) -> None:
        """`done` of `total` pieces of `what` are finished."""
        ...


class ActivationCapture(Protocol):
    """Reads a model: renders chat messages and turns texts into activations."""

    @property
    def name(self) -> str:
        """Which capture this is, with what matters to the values: "torch float32"."""
        ...

    @property
    def identity(self) -> ModelIdentity:
        """The model that is read."""
        ...

    @property
    def has_chat_template(self) -> bool:
        """Whether `render` can be used."""
        ...

    def render(self, messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """The chat template's text. Raises ModelError when it refuses the messages."""
        ...

    def capture(
        self,
        texts: Sequence[str | Passage],
        layers: Sequence[int] | None = None,
        positions: Positions = "last",
        progress: Progress | None = None,
    ) -> Activations:
        """Rows of the texts in order; `layers` None is 1..n_layer-1."""
        ...


def as_positions(positions: Positions) -> Positions:
    """One of the words above, or a number, which may come as text. Raises InputError.

    >>> as_positions("-2")
    -2
    """
    if positions in POSITIONS:
        return positions
    try:
        if not isinstance(positions, bool):
            return int(positions)
    except ValueError:
        pass
    raise InputError(
        f"{positions!r} is not a token position",
        f"write one of {', '.join(POSITIONS)}, or a number: 0 is the first token, -1 the last",
    )


def token_span(positions: Positions, n_tokens: int, answer_at: int) -> tuple[int, int]:
    """First and last-plus-one token to read, of a text with `n_tokens` tokens.

    `answer_at` is the number of the answer's first token. "last", "answer" and "mean" give one row,
    the mean of the span; so does a number; "all" gives the span's rows one by one.
    Raises InputError when the token does not exist.
    """
    if isinstance(positions, int):
        at = positions if positions >= 0 else n_tokens + positions
        if not 0 <= at < n_tokens:
            raise InputError(
                f"token {positions} of a text with {n_tokens} tokens",
                "use last, or -1 for the last",
            )
        return at, at + 1
    if positions == "last":
        return n_tokens - 1, n_tokens
    if positions == "answer":
        return min(answer_at, n_tokens - 1), n_tokens
    return 0, n_tokens


def shared_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens two texts have in common at the start: where an answer's tokens begin."""
    pairs = zip(a, b, strict=False)
    return next((i for i, (x, y) in enumerate(pairs) if x != y), min(len(a), len(b)))
