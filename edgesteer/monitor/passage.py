"""Reads a given text: the score of every read-out at each of its tokens.

Does not know how it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgesteer.errors import ContextFullError, InputError
from edgesteer.model import Model
from edgesteer.monitor.readout import Readout

__all__ = ["Passage", "ReadAs", "Summary", "read_passage"]

ReadAs = Literal["prompt", "answer", "raw"]
Floats = NDArray[np.float64]
_MARK = "\ue000"  # of the private use area: in no chat template


@dataclass(frozen=True)
class Summary:
    """What one read-out says about a text.

    `decides` is the score that is held against the threshold: that of the tokens which the read-out
    was fitted on. `fires` says whether it passes, None for a read-out without a threshold.
    """

    mean: float
    highest: float
    highest_at: int
    over: float | None
    decides: float
    fires: bool | None


@dataclass(frozen=True, eq=False)
class Passage:
    """A text that was read, token by token.

    pieces   the text of each token, those of the chat template too
    inside   which tokens belong to the text itself
    scores   name -> float64 [n]
    """

    pieces: tuple[str, ...]
    inside: tuple[bool, ...]
    scores: Mapping[str, Floats]
    read_as: ReadAs

    @property
    def own(self) -> NDArray[np.int64]:
        """The numbers of the text's own tokens."""
        return np.flatnonzero(self.inside)

    def summary(self, name: str, readout: Readout) -> Summary:
        """What a read-out says about the text."""
        scores = self.scores[name]
        own = scores[self.own]
        if readout.positions == "last":
            decides = float(scores[-1])
        elif readout.positions == "mean":
            decides = float(scores.mean())
        else:
            decides = float(own.mean())
        threshold = readout.threshold
        return Summary(
            mean=float(own.mean()),
            highest=float(own.max()),
            highest_at=int(self.own[own.argmax()]),
            over=None if threshold is None else float((own > threshold).mean()),
            decides=decides,
            fires=None if threshold is None else decides > threshold,
        )

    def to_dict(self, readouts: Mapping[str, Readout]) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            "read_as": self.read_as,
            "readouts": [
                {
                    "name": name,
                    "layer": readout.layer,
                    "unit": readout.unit,
                    "threshold": readout.threshold,
                    "positions": readout.positions,
                    **vars(self.summary(name, readout)),
                }
                for name, readout in readouts.items()
            ],
            "tokens": [
                {
                    "text": piece,
                    "inside": inside,
                    "values": {k: round(float(v[i]), 4) for k, v in self.scores.items()},
                }
                for i, (piece, inside) in enumerate(zip(self.pieces, self.inside, strict=True))
            ],
        }


def read_passage(
    model: Model,
    text: str,
    readouts: Mapping[str, Readout],
    *,
    read_as: ReadAs | None = None,
    answer_to: str = "",
) -> Passage:
    """Reads a text, unsteered.

    read_as    "prompt": as a message to the model; "answer": as its answer to `answer_to`; "raw":
               without the chat template. Default: what the first read-out was fitted on, "raw"
               where the model has no chat template

    Raises InputError for an empty text, ContextFullError for one that is too long.
    """
    how = read_as or _usual(model, readouts)
    tokens, first, end = _tokens(model, text, how, answer_to)
    if first >= end:
        raise InputError("there is no text to read", "give a word at least")
    if len(tokens) >= model.n_ctx:
        raise ContextFullError(
            f"a text of {len(tokens)} tokens does not fit the context of {model.n_ctx}",
            f"open the model with --ctx {len(tokens) + 64}, or read it in parts",
        )
    layers = sorted({readout.layer for readout in readouts.values()})
    capture = model.capture([tokens], layers, "all")
    scores = {
        name: readout.score(capture.rows[:, capture.layers.index(readout.layer)])
        for name, readout in readouts.items()
    }
    pieces = tuple(model.token_bytes(token).decode("utf-8", "replace") for token in tokens)
    inside = tuple(first <= i < end for i in range(len(tokens)))
    return Passage(pieces, inside, scores, how)


def _usual(model: Model, readouts: Mapping[str, Readout]) -> ReadAs:
    if not model.has_chat_template:
        return "raw"
    fitted = next(iter(readouts.values())).positions
    return "prompt" if fitted in ("last", "mean") else "answer"


def _tokens(model: Model, text: str, how: ReadAs, answer_to: str) -> tuple[list[int], int, int]:
    """All tokens, and where the text's own begin and end."""
    if how == "raw":
        tokens = model.tokenize(text)
        own = model.tokenize(text, special=False)
        return tokens, len(tokens) - len(own), len(tokens)
    if how == "answer":
        head = model.tokenize(model.render([{"role": "user", "content": answer_to}]))
        tail = model.tokenize(text, special=False)
        return head + tail, len(head), len(head) + len(tail)
    rendered = model.render([{"role": "user", "content": text}])
    tokens = model.tokenize(rendered)
    before, after = _around(model, text, rendered)
    first = _common(model.tokenize(before), tokens)
    behind = _common(model.tokenize(after)[::-1], tokens[::-1]) if after else 0
    return tokens, first, max(len(tokens) - behind, first)


def _around(model: Model, text: str, rendered: str) -> tuple[str, str]:
    """What a chat template puts before and behind a text, which may itself be part of that."""
    before, _, after = model.render([{"role": "user", "content": _MARK}]).partition(_MARK)
    if rendered.startswith(before) and rendered[len(before) :].endswith(after):
        return before, after
    before, _, after = rendered.partition(text.strip())
    return before, after


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    n = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        n += 1
    return n
