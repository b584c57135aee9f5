"""Labelled texts -> rows of the residual stream, one a text, at many layers.

Does not know directions or labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesteer.errors import PairsError
from edgesteer.model import Model
from edgesteer.monitor.examples import Example, Examples

__all__ = ["Rows", "read_rows", "text_of"]

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False)
class Rows:
    """`rows` float32 [n, len(layers), n_embd] of n texts, and how many tokens each of them has."""

    rows: NDArray[np.float32]
    layers: tuple[int, ...]
    n_tokens: tuple[int, ...]

    def at(self, layer: int) -> NDArray[np.float32]:
        """float32 [n, n_embd]."""
        return np.asarray(self.rows[:, self.layers.index(layer)])

    def only(self, chosen: NDArray[np.bool_]) -> Rows:
        """Those of the texts that `chosen` is true for."""
        kept = tuple(n for n, keep in zip(self.n_tokens, chosen, strict=True) if keep)
        return Rows(self.rows[chosen], self.layers, kept)


def read_rows(
    model: Model,
    examples: Examples,
    layers: Sequence[int],
    *,
    positions: str,
    progress: Progress | None = None,
) -> Rows:
    """Reads the texts, unsteered, as the model meets them in a chat.

    positions   "answer": the mean over the answer's tokens; "last": the prompt's last token, from
                which the answer begins; "mean": the mean over the prompt's tokens

    Raises PairsError when an answer has no token, ContextFullError when a text is too long.
    """
    tokens: list[list[int]] = []
    starts: list[int] = []
    for example in examples.items:
        head = model.tokenize(text_of(model, example))
        tail = []
        if example.answer is not None:
            tail = model.tokenize(example.answer, special=False)
            if not tail:
                raise PairsError(f"{examples.name}: an answer is empty", "leave that text out")
        tokens.append(head + tail)
        starts.append(len(head) if positions == "answer" and tail else 0)

    def tell(done: int, total: int) -> None:
        if progress is not None:
            progress(done, total, "texts")

    where = "last" if positions == "last" else "mean"
    spans = starts if where == "mean" else None
    rows = model.capture(tokens, list(layers), where, spans=spans, progress=tell).rows
    counts = [len(t) - s for t, s in zip(tokens, starts, strict=True)]
    return Rows(rows, tuple(layers), tuple(counts))


def text_of(model: Model, example: Example) -> str:
    """The prompt as the model meets it: in its chat template, up to where the answer begins."""
    messages = [{"role": "user", "content": example.prompt}]
    if example.system is not None:
        messages.insert(0, {"role": "system", "content": example.system})
    if model.has_chat_template:
        return model.render(messages)
    return "\n".join(message["content"] for message in messages) + "\n"
