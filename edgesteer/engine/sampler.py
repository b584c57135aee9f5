"""How the next token is chosen: a chain of llama.cpp's own samplers.

Does not know contexts, sequences or text.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesteer.engine.llama import C, Weights
from edgesteer.errors import EngineError, InputError
from edgesteer.sampling import Sampling

#: Logits divided by less than this overflow; the draw would be the likeliest token anyway.
COLDEST = 1e-6
#: The one seed that llama.cpp takes for "any".
LLAMA_DRAWS_A_SEED = 2**32 - 1

FloatArray = npt.NDArray[np.float32]
_TOKEN_DATA = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


class Sampler:
    """A chain of llama.cpp's samplers, in llama.cpp's own order."""

    def __init__(
        self,
        weights: Weights,
        sampling: Sampling,
        seed: int,
        bias: Mapping[int, float] = {},
        grammar: str = "",
    ) -> None:
        """Build the chain; temperature 0 is greedy; ``bias`` is added to the logits of tokens.

        Raises:
            InputError: the grammar can not be read.
        """
        self._penalties: Any = None
        self._grammar: Any = None
        if grammar:
            self._grammar = C.llama_sampler_init_grammar(weights.vocab, grammar.encode(), b"root")
            if not self._grammar:
                raise InputError(
                    "llama.cpp can not read this grammar",
                    "GBNF needs a rule 'root ::= ...' and no left recursion; -vv shows its words.",
                )
        parts = self._parts(weights, sampling, seed)
        self._chain = C.llama_sampler_chain_init(C.llama_sampler_chain_default_params())
        if bias:
            table = (C.llama_logit_bias * len(bias))(*bias.items())
            parts.insert(0, C.llama_sampler_init_logit_bias(weights.n_vocab, len(bias), table))
        for part in parts:
            C.llama_sampler_chain_add(self._chain, part)
        #: Nothing but the likeliest token is asked for: the chain, which would first copy the
        #: whole vocabulary, need not run.
        self.greedy = sampling.temperature < COLDEST and len(parts) == 1 and not grammar

    def _parts(self, weights: Weights, s: Sampling, seed: int) -> list[Any]:
        parts = []
        if s.repeat_penalty != 1.0 or s.frequency_penalty or s.presence_penalty:
            self._penalties = C.llama_sampler_init_penalties(
                weights.n_vocab,
                s.repeat_last_n,
                s.repeat_penalty,
                s.frequency_penalty,
                s.presence_penalty,
            )
            parts.append(self._penalties)
        if s.temperature < COLDEST:
            return [*parts, C.llama_sampler_init_greedy()]
        if s.top_k > 0:
            parts.append(C.llama_sampler_init_top_k(s.top_k))
        if s.top_p < 1:
            parts.append(C.llama_sampler_init_top_p(s.top_p, 1))
        if s.min_p > 0:
            parts.append(C.llama_sampler_init_min_p(s.min_p, 1))
        draw = C.llama_sampler_init_dist(seed % LLAMA_DRAWS_A_SEED)
        return [*parts, C.llama_sampler_init_temp(s.temperature), draw]

    @property
    def handle(self) -> Any:
        """The ``llama_sampler *`` of the chain."""
        return self._chain

    @property
    def has_grammar(self) -> bool:
        """Whether :meth:`choose` must be used, which knows the grammar."""
        return bool(self._grammar)

    def choose(self, logits: FloatArray) -> int:
        """Choose from logits ``[n_vocab]``, refusing what the grammar forbids.

        To hold the whole vocabulary against a grammar takes tens of milliseconds. So a token is
        drawn without it, and only when the grammar forbids that one is another drawn of those that
        it allows: each allowed token comes out as often as if it had been drawn of those at once.

        Raises:
            EngineError: no token of this vocabulary continues the grammar.
        """
        token = self._draw(logits, allowed_only=False)
        if not self._allows(token):
            token = self._draw(logits, allowed_only=True)
        C.llama_sampler_accept(self._grammar, token)
        C.llama_sampler_accept(self._chain, token)
        return token

    def _draw(self, logits: FloatArray, *, allowed_only: bool) -> int:
        data = np.zeros(len(logits), _TOKEN_DATA)
        data["id"] = np.arange(len(logits))
        data["logit"] = logits
        array = _array(data)
        if allowed_only:
            C.llama_sampler_apply(self._grammar, ctypes.byref(array))
        C.llama_sampler_apply(self._chain, ctypes.byref(array))
        chosen = array.data[array.selected]
        # llama.cpp's own short cut ends the process when the grammar leaves nothing to choose.
        if array.selected < 0 or not math.isfinite(chosen.logit):
            raise EngineError(
                "no token of this model can continue the grammar", "Loosen the grammar."
            )
        return int(chosen.id)

    def _allows(self, token: int) -> bool:
        data = np.zeros(1, _TOKEN_DATA)
        data["id"] = token
        array = _array(data)
        C.llama_sampler_apply(self._grammar, ctypes.byref(array))
        return bool(np.isfinite(data["logit"][0]))

    def accept(self, tokens: Sequence[int]) -> None:
        """Tell the penalties of tokens that were not chosen here (a grammar must not hear them)."""
        if self._penalties is not None:
            for token in tokens:
                C.llama_sampler_accept(self._penalties, token)

    def close(self) -> None:
        """Free the chain and the grammar."""
        for sampler in (self._chain, self._grammar):
            if sampler:
                C.llama_sampler_free(sampler)
        self._chain = self._grammar = None


def _array(data: Any) -> Any:
    """A structured numpy array of candidates as llama.cpp takes it; `data` must outlive it."""
    entries = ctypes.cast(data.ctypes.data, ctypes.POINTER(C.llama_token_data))
    return C.llama_token_data_array(entries, len(data), -1, False)
