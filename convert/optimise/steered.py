"""The model with a vector added: log-probabilities of answers, and KL on neutral text, with grads.

Does not know what is optimised. A direction is added to the output of its block at every token, as
llama.cpp does it. What lies below the first steered block never changes: it is computed once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from convert.capture.torch_model import OpenModel, find_blocks
from convert.optimise.choices import Choice
from edgesteer.errors import ContextFullError

__all__ = ["Known", "SteeredModel", "Texts"]


READ_AT_ONCE = 16
"""Texts that go through the lower blocks together."""


@dataclass(frozen=True, eq=False)
class Known:
    """One text, and what the lower blocks make of it.

    lower is the output of the first steered block, float [tokens, d], on the model's device; plain
    the log-probability of the text from its start on, unsteered.
    """

    choice: Choice
    lower: Any
    plain: float


@dataclass(frozen=True, eq=False)
class Texts:
    """Texts of one batch, padded on the right: tensors [n, width], lower [n, width, d]."""

    ids: Any
    mask: Any
    starts: tuple[int, ...]
    lengths: tuple[int, ...]
    lower: Any


class _Enough(Exception):  # noqa: N818 - no error: what lies above is not wanted
    """Ends a forward pass behind the first steered block."""


class SteeredModel:
    """A loaded transformers model whose `layers` are steered. Its own weights get no gradients."""

    def __init__(self, opened: OpenModel, layers: Sequence[int]) -> None:
        self.model = opened.model
        self.layers = tuple(layers)
        self._blocks = find_blocks(opened.model)
        self._packed = False  # whether a block's output comes in a tuple
        self.model.requires_grad_(False)

    def read(self, choices: Sequence[Choice]) -> list[Known]:
        """Runs texts through the plain model, once and for all.

        Raises ContextFullError for a text that is longer than the model takes.
        """
        import torch

        most = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        longest = max(len(one.ids) for one in choices)
        if most and longest > most:
            raise ContextFullError(
                f"a text has {longest} tokens, and {most} can be read", "shorten it"
            )
        found: list[Known] = []
        for at in range(0, len(choices), READ_AT_ONCE):
            part = choices[at : at + READ_AT_ONCE]
            texts = self._padded(part)
            with torch.no_grad():
                lower = self._lower(texts)
                plain = self.logprobs(replace(texts, lower=lower), None).tolist()
            for row, value, one in zip(lower, plain, part, strict=True):
                found.append(Known(one, row[: len(one.ids)].clone(), value))
        return found

    def batch(self, known: Sequence[Known]) -> Texts:
        """Texts that were read, as one batch."""
        import torch

        texts = self._padded([one.choice for one in known])
        width = texts.ids.shape[1]
        rows = [torch.nn.functional.pad(k.lower, (0, 0, 0, width - len(k.lower))) for k in known]
        return replace(texts, lower=torch.stack(rows))

    def _padded(self, choices: Sequence[Choice]) -> Texts:
        import torch

        width, device = max(len(one.ids) for one in choices), self.model.device
        ids = torch.zeros((len(choices), width), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for i, one in enumerate(choices):
            ids[i, : len(one.ids)] = torch.tensor(one.ids)
            mask[i, : len(one.ids)] = 1
        starts = tuple(one.start for one in choices)
        lengths = tuple(len(one.ids) for one in choices)
        return Texts(ids.to(device), mask.to(device), starts, lengths, None)

    def _lower(self, texts: Texts) -> Any:
        """The output of the first steered block, float [n, width, d]."""
        seen: list[Any] = []

        def keep(_module: Any, _inputs: Any, output: Any) -> None:
            self._packed = isinstance(output, tuple)
            seen.append(output[0] if self._packed else output)
            raise _Enough

        hook = self._blocks[self.layers[0]].register_forward_hook(keep)
        try:
            with contextlib.suppress(_Enough):
                self.model.base_model(
                    input_ids=texts.ids, attention_mask=texts.mask, use_cache=False
                )
        finally:
            hook.remove()
        return seen[0].detach()

    def logprobs(self, texts: Texts, vector: Any | None) -> Any:
        """Log-probability of each text from its start on, in nats: a tensor [n].

        `vector` is a tensor [L, d] for the layers, None for the plain model.
        """
        import torch

        first = min(texts.starts)
        logits = self._logits(texts, vector, first - 1)[:, :-1]
        targets = texts.ids[:, first:]
        found = torch.log_softmax(logits.float(), -1).gather(-1, targets[..., None])[..., 0]
        counted = torch.zeros_like(found)
        for i, (start, length) in enumerate(zip(texts.starts, texts.lengths, strict=True)):
            counted[i, start - first : length - first] = 1
        return (found * counted).sum(1)

    def distributions(self, texts: Texts) -> Any:
        """Plain log-probabilities behind every token but the first: float [tokens, n_vocab]."""
        import torch

        with torch.no_grad():
            return self._flat(texts, self._logits(texts, None, 0)).clone()

    def kl(self, texts: Texts, vector: Any, plain: Any) -> Any:
        """Mean KL(steered || plain) in nats a token; `plain` comes from `distributions`."""
        steered = self._flat(texts, self._logits(texts, vector, 0))
        return (steered.exp() * (steered - plain)).sum(-1).mean()

    def _flat(self, texts: Texts, logits: Any) -> Any:
        import torch

        logs = torch.log_softmax(logits.float(), -1)
        return torch.cat([logs[i, 1:length] for i, length in enumerate(texts.lengths)])

    def _logits(self, texts: Texts, vector: Any | None, first: int) -> Any:
        """Logits behind the tokens `first` and later: [n, width - first, n_vocab]."""
        with self._short_cut(texts.lower), self._added(vector):
            return self.model(
                input_ids=texts.ids,
                attention_mask=texts.mask,
                use_cache=False,
                logits_to_keep=texts.ids.shape[1] - first,
            ).logits

    @contextlib.contextmanager
    def _added(self, vector: Any | None) -> Iterator[None]:
        def adder(row: Any) -> Callable[[Any, Any, Any], Any]:
            def add(_module: Any, _inputs: Any, output: Any) -> Any:
                if isinstance(output, tuple):
                    return (output[0] + row.to(output[0].dtype), *output[1:])
                return output + row.to(output.dtype)

            return add

        hooks = []
        if vector is not None:
            hooks = [
                self._blocks[layer].register_forward_hook(adder(vector[i]))
                for i, layer in enumerate(self.layers)
            ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    @contextlib.contextmanager
    def _short_cut(self, lower: Any) -> Iterator[None]:
        """Blocks up to the first steered one hand on what is known; their own work is left out."""

        def known(hidden: Any, *_args: Any, **_kwargs: Any) -> Any:
            return (lower,) if self._packed else lower

        replaced = [self._blocks[i] for i in range(self.layers[0] + 1)]
        for block in replaced:
            block.forward = known
        try:
            yield
        finally:
            for block in replaced:
                del block.forward  # the class's own method is there again
