"""Texts to activations through llama.cpp: the very weights that will be steered, no torch.

Does not know llama.cpp itself: an open `edgesteer.Model` does the reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from convert.activations import Activations
from convert.capture import Positions, Progress, as_positions, shared_prefix, token_span
from convert.rendering import Passage
from edgesteer.errors import InputError
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

        Raises InputError (no text, a token that is not there), LayerError, ContextFullError when a
        text is longer than the model's context.
        """
        where = as_positions(positions)
        if not texts:
            raise InputError("there is no text to read", "give one text at least")
        n_layer = self.identity.n_layer
        wanted = LayerRange.of(range(1, n_layer) if layers is None else layers).resolve(n_layer)
        passages = [Passage(text) if isinstance(text, str) else text for text in texts]
        ids = [self._model.tokenize(passage.text, special=True) for passage in passages]
        starts = [self._answer_at(*both) for both in zip(passages, ids, strict=True)]
        parts: list[NDArray[np.float32]] = []
        if where == "all":
            for number, one in enumerate(ids, 1):
                parts.append(self._model.capture([one], wanted, "all").rows)
                if progress is not None:
                    progress(number, len(ids), "texts")
        else:
            parts.append(self._read(ids, starts, wanted, where, progress))
        counts = [len(part) for part in parts] if where == "all" else [1] * len(ids)
        owners = np.repeat(np.arange(len(ids)), counts)
        return Activations.of(
            np.concatenate(parts),
            wanted,
            self.identity,
            positions=str(where),
            capture=self.name,
            n_tokens=np.array([len(ids[i]) for i in owners]),
            owners=owners,
        )

    def _read(
        self,
        ids: list[list[int]],
        answers: list[int],
        layers: tuple[int, ...],
        positions: Positions,
        progress: Progress | None,
    ) -> NDArray[np.float32]:
        def tell(done: int, total: int) -> None:
            if progress is not None:
                progress(done, total, "texts")

        if positions == "answer":
            spans = [
                token_span("answer", len(one), at)[0] for one, at in zip(ids, answers, strict=True)
            ]
            return self._model.capture(ids, layers, "mean", spans=spans, progress=tell).rows
        return self._model.capture(ids, layers, positions, progress=tell).rows

    def _answer_at(self, passage: Passage, ids: list[int]) -> int:
        """The number of the answer's first token in `ids`, the tokens of the whole passage."""
        if not passage.answer_at:
            return 0
        prompt = passage.text[: passage.answer_at]
        return shared_prefix(self._model.tokenize(prompt, special=True), ids)
