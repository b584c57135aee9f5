"""Writes one token of an answer: chooses it, turns it into text, sees whether the answer ends.

Knows nothing of slots, lanes or other sequences.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edgesteer.engine.context import Context
from edgesteer.engine.llama import Weights
from edgesteer.engine.sampler import Sampler
from edgesteer.engine.sequence import ActiveSequence, TokenLogprob


class Writer:
    """Adds tokens to answers."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights

    def write(self, sequence: ActiveSequence, context: Context, row: int) -> str:
        """Choose a sequence's next token from the logits of batch row ``row``.

        Returns:
            Why the answer ends with it ("stop", "length", "context"), or "".

        Raises:
            BaseException: what a callback of the owner raised, or a sampler.
        """
        if sequence.sampler is None:
            sequence.sampler = self._sampler(sequence, context.n_ctx)
        token = context.sample(sequence.sampler, row)
        if sequence.request.constraints.logprobs is not None:
            sequence.logprobs.append(self._logprob(sequence, token, context.logits(row)))
        return self._add(sequence, token, context.n_ctx)

    def _add(self, sequence: ActiveSequence, token: int, n_ctx: int) -> str:
        request = sequence.request
        if not sequence.n_generated:
            sequence.first_token = time.perf_counter()
        if self._weights.is_end(token) and not request.ignore_eos:
            return "stop"
        text = sequence.text.feed(self._weights.piece(token))
        sequence.n_generated += 1
        sequence.tokens.append(token)
        sequence.pieces.append(text)
        if text:
            sequence.listener.on_text(text)
        if sequence.text.stopped:
            return "stop"
        if sequence.n_generated >= request.max_tokens:
            return "length"
        return "context" if len(sequence.tokens) >= n_ctx else ""

    def _logprob(
        self, sequence: ActiveSequence, token: int, logits: npt.NDArray[np.float32]
    ) -> TokenLogprob:
        values = logits - logits.max()
        values -= np.log(np.exp(values).sum())
        n = sequence.request.constraints.logprobs or 0
        likeliest = np.argsort(-values, kind="stable")[:n]
        top = tuple((int(t), self._text(int(t)), float(values[t])) for t in likeliest)
        return TokenLogprob(token, self._text(token), float(values[token]), top)

    def _text(self, token: int) -> str:
        return self._weights.piece(token, special=True).decode("utf-8", "replace")

    def _sampler(self, sequence: ActiveSequence, n_ctx: int) -> Sampler:
        request = sequence.request
        asked = request.sampling.repeat_last_n
        # llama.cpp takes -1 for none, and memory for as many tokens as it is told
        look_back = n_ctx if asked < 0 else min(asked, n_ctx)
        sampling = replace(request.sampling, repeat_last_n=look_back)
        bias = dict(request.constraints.bias)
        if request.ignore_eos:
            bias |= dict.fromkeys(self._weights.end_tokens(), float("-inf"))
        grammar = request.constraints.grammar
        sampler = Sampler(self._weights, sampling, request.seed, bias, grammar)
        if sampling.repeat_penalty != 1.0 and look_back:
            sampler.accept(request.tokens[-look_back:])
        return sampler
