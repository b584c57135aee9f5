"""How the next token is chosen: a chain of llama.cpp's own samplers.

Does not know contexts, sequences or text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgesteer.engine.llama import C, Weights
from edgesteer.sampling import Sampling


class Sampler:
    """A chain of llama.cpp's samplers, in llama.cpp's own order."""

    def __init__(
        self, weights: Weights, sampling: Sampling, seed: int, bias: Mapping[int, float] = {}
    ) -> None:
        """Build the chain; temperature 0 is greedy; ``bias`` is added to the logits of tokens."""
        self._chain = C.llama_sampler_chain_init(C.llama_sampler_chain_default_params())
        parts = self._parts(weights, sampling, seed)
        if bias:
            table = (C.llama_logit_bias * len(bias))(*bias.items())
            parts.insert(0, C.llama_sampler_init_logit_bias(weights.n_vocab, len(bias), table))
        for part in parts:
            C.llama_sampler_chain_add(self._chain, part)

    @staticmethod
    def _parts(weights: Weights, s: Sampling, seed: int) -> list[Any]:
        parts = []
        if s.repeat_penalty != 1.0:
            parts.append(
                C.llama_sampler_init_penalties(
                    weights.n_vocab, s.repeat_last_n, s.repeat_penalty, 0.0, 0.0
                )
            )
        if s.temperature <= 0:
            return [*parts, C.llama_sampler_init_greedy()]
        if s.top_k > 0:
            parts.append(C.llama_sampler_init_top_k(s.top_k))
        if s.top_p < 1:
            parts.append(C.llama_sampler_init_top_p(s.top_p, 1))
        if s.min_p > 0:
            parts.append(C.llama_sampler_init_min_p(s.min_p, 1))
        return [*parts, C.llama_sampler_init_temp(s.temperature), C.llama_sampler_init_dist(seed)]

    @property
    def handle(self) -> Any:
        """The ``llama_sampler *`` of the chain."""
        return self._chain

    def accept(self, tokens: Sequence[int]) -> None:
        """Tell the chain of tokens that it did not choose (the prompt, for the penalties)."""
        for token in tokens:
            C.llama_sampler_accept(self._chain, token)

    def close(self) -> None:
        """Free the chain."""
        if self._chain:
            C.llama_sampler_free(self._chain)
            self._chain = None
