"""Texts to activations through transformers: the reference that other captures are held against.

Does not know contrast pairs. Every block's output is taken by a hook, the last block's too, before
the final norm: `output_hidden_states` gives the last one after it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.activations import Activations
from convert.capture import Positions, Progress, check_texts
from convert.capture.positions import as_positions, token_span, written_out
from convert.capture.tokens import Tokens
from convert.capture.torch_model import OpenModel, find_blocks, open_model
from convert.rendering import Passage
from edgesteer.errors import InputError, ModelError
from edgesteer.identity import ModelIdentity
from edgesteer.layers import LayerRange

__all__ = ["TorchCapture"]

BATCH_TOKENS = 4096
"""Padded tokens that go through the model at once."""


class TorchCapture:
    """Reads the residual stream of a transformers model.

    Texts are tokenised as llama.cpp tokenises them (tokens.py), sorted by length, padded on the
    right and run in batches; rows come back in the order of the texts.
    """

    def __init__(self, opened: OpenModel, *, batch_tokens: int = BATCH_TOKENS) -> None:
        self.opened = opened
        self._model = opened.model
        self._blocks = find_blocks(opened.model)
        self._batch_tokens = batch_tokens
        self.tokens: Tokens = opened.tokens
        self.identity: ModelIdentity = opened.identity

    @classmethod
    def open(
        cls,
        source: str | os.PathLike[str],
        *,
        device: str = "auto",
        dtype: str = "float32",
        batch_tokens: int = BATCH_TOKENS,
        allow_download: bool = False,
    ) -> TorchCapture:
        """Opens an HF folder, a GGUF file, or with `allow_download` a hub id.

        `device` is auto, cpu, gpu, cuda or mps; `dtype` float32, bfloat16 or float16.
        Raises MissingExtraError, NotFoundError, DeviceError, InputError, ModelError.
        """
        opened = open_model(source, device=device, dtype=dtype, allow_download=allow_download)
        return cls(opened, batch_tokens=batch_tokens)

    @property
    def name(self) -> str:
        """Which capture this is and its number format: "torch float32"."""
        return f"torch {str(self._model.dtype).removeprefix('torch.')}"

    @property
    def has_chat_template(self) -> bool:
        """Whether `render` can be used."""
        return self.tokens.has_chat_template

    def render(self, messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """The chat template's text. Raises ModelError without one, InputError when it refuses."""
        return self.tokens.render(messages, add_generation_prompt)

    def capture(
        self,
        texts: Sequence[str | Passage],
        layers: Sequence[int] | None = None,
        positions: Positions = "last",
        progress: Progress | None = None,
        *,
        token_ids: Sequence[Sequence[int]] | None = None,
    ) -> Activations:
        """Rows float32 [n, L, d] of the texts at `layers` (None: 1..n_layer-1).

        `token_ids` are used instead of this tokenizer's, one list a text: llama.cpp's own, to
        compare the two programs on the very same tokens.

        Raises InputError (no text, a text without tokens, a token that is not there), LayerError,
        ContextFullError when a text is longer than the model's context.
        """
        words = written_out(as_positions(positions), self.render, self.tokens.encode)
        wanted = self._layers(layers)
        passages = [Passage(text) if isinstance(text, str) else text for text in texts]
        ids = [list(map(int, one)) for one in token_ids or map(self._encode, passages)]
        self._check(passages, ids)
        spans = [self._spans(words, *both) for both in zip(passages, ids, strict=True)]
        every = words == ("all",)
        rows: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(ids)
        done = 0
        for batch in _batches([len(one) for one in ids], self._batch_tokens):
            part = self._run([ids[i] for i in batch], [spans[i] for i in batch], wanted, every)
            for i, one in zip(batch, part, strict=True):
                rows[i] = one
            done += len(batch)
            if progress is not None:
                progress(done, len(ids), "texts")
        owners = np.repeat(np.arange(len(ids)), [len(one) for one in rows])
        return Activations.of(
            np.concatenate(rows),
            wanted,
            self.identity,
            positions=",".join(words),
            capture=self.name,
            n_tokens=np.array([len(ids[i]) for i in owners], np.int32),
            owners=owners,
        )

    def _encode(self, passage: Passage) -> list[int]:
        return self.tokens.encode(passage.text)

    def _spans(
        self, words: tuple[str, ...], passage: Passage, ids: list[int]
    ) -> list[tuple[int, int]]:
        answer_at = self.tokens.answer_at(passage, ids)
        return [token_span(word, len(ids), answer_at) for word in words]

    def _layers(self, layers: Sequence[int] | None) -> tuple[int, ...]:
        last = self.identity.n_layer - 1
        chosen = range(1, last + 1) if layers is None else layers
        return LayerRange.of(chosen).resolve(self.identity.n_layer)

    def _check(self, passages: list[Passage], ids: list[list[int]]) -> None:
        if len(ids) != len(passages):
            raise InputError(
                f"{len(ids)} lists of token ids for {len(passages)} texts", "give one list a text"
            )
        most = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        check_texts(passages, ids, most or 0, "")

    def _run(
        self,
        ids: list[list[int]],
        spans: list[list[tuple[int, int]]],
        layers: tuple[int, ...],
        every: bool,
    ) -> list[NDArray[np.float32]]:
        """float32 [rows, L, d] of each text of one batch: a row a span, or `every` token's."""
        import torch

        width = max(map(len, ids))
        tokens = torch.zeros((len(ids), width), dtype=torch.long)
        mask = torch.zeros_like(tokens)
        for i, one in enumerate(ids):
            tokens[i, : len(one)] = torch.tensor(one)
            mask[i, : len(one)] = 1
        device = self._model.device
        with self._hooked(spans, layers, pool=not every) as seen, torch.inference_mode():
            self._model.base_model(
                input_ids=tokens.to(device), attention_mask=mask.to(device), use_cache=False
            )
            stacked = torch.stack([seen[layer] for layer in layers], dim=1).cpu().numpy()
        counts = [sum(stop - start for start, stop in of) if every else len(of) for of in spans]
        return np.split(stacked, np.cumsum(counts)[:-1])

    @contextlib.contextmanager
    def _hooked(
        self, spans: list[list[tuple[int, int]]], layers: tuple[int, ...], *, pool: bool
    ) -> Iterator[dict[int, Any]]:
        """Collects float32 [rows, d] of each layer while the model runs inside this block."""
        import torch

        seen: dict[int, Any] = {}

        def keep(layer: int, output: Any) -> None:
            hidden = output[0] if isinstance(output, tuple) else output
            expected = (len(spans), self.identity.n_embd)
            if hidden.ndim != 3 or (hidden.shape[0], hidden.shape[2]) != expected:
                raise ModelError(
                    f"block {layer} gives {list(hidden.shape)}, not one residual stream a text",
                    "capture with llama instead",
                )
            parts = [
                hidden[i, start:stop].float() for i, of in enumerate(spans) for start, stop in of
            ]
            seen[layer] = torch.cat([p.mean(0, keepdim=True) if pool else p for p in parts])

        hooks = [
            self._blocks[layer].register_forward_hook(
                lambda _module, _inputs, output, layer=layer: keep(layer, output)
            )
            for layer in layers
        ]
        try:
            yield seen
        finally:
            for hook in hooks:
                hook.remove()


def _batches(lengths: list[int], most: int) -> list[list[int]]:
    """Numbers of texts in batches of at most `most` padded tokens, longest first."""
    batches: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batches and lengths[batches[-1][0]] * (len(batches[-1]) + 1) <= most:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches
