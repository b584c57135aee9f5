"""Texts to activations through llama.cpp: the very weights that will be steered, no torch.

Does not know llama.cpp itself: an open `edgesteer.Model` does the reading.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from convert.activations import Activations
from convert.capture import Positions, Progress, check_texts
from convert.capture.positions import as_positions, shared_prefix, token_span, written_out
from convert.rendering import Passage
from edgesteer.identity import ModelIdentity
from edgesteer.layers import LayerRange

if TYPE_CHECKING:
    from edgesteer.model import Model

__all__ = ["LlamaCapture"]


class LlamaCapture:
    """Reads the residual stream of an open model; the model stays open."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.identity: ModelIdentity = model.identity
        self.name = "llama"

    @property
    def has_chat_template(self) -> bool:
        """Whether `render` can be used."""
        return self._model.has_chat_template

    def render(self, messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """The chat template's text. Raises ModelError without one, InputError when it refuses."""
        return self._model.render(messages, add_generation_prompt=add_generation_prompt)

    def capture(
        self,
        texts: Sequence[str | Passage],
        layers: Sequence[int] | None = None,
        positions: Positions = "last",
        progress: Progress | None = None,
    ) -> Activations:
        """Rows float32 [n, L, d] of the texts at `layers` (None: 1..n_layer-1).

        Raises InputError (no text, a text without tokens, a token that is not there), LayerError,
        ContextFullError when a text is longer than the model's context.
        """
        words = written_out(as_positions(positions), self.render, self._encode)
        n_layer = self.identity.n_layer
        wanted = LayerRange.of(range(1, n_layer) if layers is None else layers).resolve(n_layer)
        passages = [Passage(text) if isinstance(text, str) else text for text in texts]
        ids = [self._encode(passage.text) for passage in passages]
        check_texts(passages, ids, self._model.n_ctx - 1, "open the model with a larger --ctx")
        starts = [self._answer_at(*both) for both in zip(passages, ids, strict=True)]
        spans = [
            [token_span(word, len(one), at) for word in words]
            for one, at in zip(ids, starts, strict=True)
        ]
        if words == ("all",):
            found = self._model.capture(ids, wanted, "all", progress=_told(progress))
            rows, owners = found.rows, found.owners
        else:
            rows = self._read(ids, spans, wanted, progress)
            owners = np.repeat(np.arange(len(ids), dtype=np.int32), len(words))
        return Activations.of(
            rows,
            wanted,
            self.identity,
            positions=",".join(words),
            capture=self.name,
            n_tokens=np.array([len(ids[i]) for i in owners]),
            owners=owners,
        )

    def _read(
        self,
        ids: list[list[int]],
        spans: list[list[tuple[int, int]]],
        layers: tuple[int, ...],
        progress: Progress | None,
    ) -> NDArray[np.float32]:
        """One row a span: a text is cut behind the span's end, where nothing looks ahead."""

        tell = _told(progress)
        cut = [one[:stop] for one, of in zip(ids, spans, strict=True) for _, stop in of]
        starts = [start for of in spans for start, _ in of]
        if all(start == len(one) - 1 for one, start in zip(cut, starts, strict=True)):
            return self._model.capture(cut, layers, "last", progress=tell).rows
        return self._model.capture(cut, layers, "mean", spans=starts, progress=tell).rows

    def _encode(self, text: str) -> list[int]:
        return self._model.tokenize(text, special=True)

    def _answer_at(self, passage: Passage, ids: list[int]) -> int | None:
        """The number of the answer's first token in `ids`; None for a text without a prompt."""
        if not passage.answer_at:
            return None
        return shared_prefix(self._encode(passage.text[: passage.answer_at]), ids)


def _told(progress: Progress | None) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    return lambda done, total: progress(done, total, "texts")
