"""Capture: texts to activations. What every capture promises.

Does not know llama.cpp (llama.py) nor torch (torch.py); positions.py says which tokens are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from convert.activations import Activations
from convert.capture.positions import Positions
from convert.rendering import Passage
from edgesteer.errors import ContextFullError, InputError
from edgesteer.identity import ModelIdentity

__all__ = ["ActivationCapture", "Positions", "Progress", "check_texts"]


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
        """Rows of the texts in order, those of one text together; `layers` None is 1..n_layer-1.

        The positions of the result have no `template` left in them: it is written out.
        """
        ...


def check_texts(
    passages: Sequence[Passage], ids: Sequence[Sequence[int]], most: int, cure: str
) -> None:
    """Raises InputError or ContextFullError for texts that can not be read, before any is.

    `ids` are the tokens of each passage, `most` is how many fit the model (0: no limit), `cure`
    says how more would.
    """
    if not passages:
        raise InputError("there is no text to read", "give one text at least")
    for number, (passage, one) in enumerate(zip(passages, ids, strict=True), 1):
        at = passage.where or f"text {number}"
        shown = repr(passage.text[:40] + ("..." if len(passage.text) > 40 else ""))
        if not one:
            raise InputError(f"{at} ({shown}) has no tokens", "delete it")
        if most and len(one) > most:
            raise ContextFullError(
                f"{at} ({shown}) has {len(one)} tokens, and {most} can be read",
                f"shorten it, or {cure}" if cure else "shorten it",
            )
