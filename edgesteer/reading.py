"""Reader: the side of a Model that looks rather than talks: logits, scores, activations.

Knows nothing of answers, jobs or conversations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from edgesteer.collect import Capture, Score, TokenLogprobs, WholeTexts
from edgesteer.engine import tasks
from edgesteer.engine.plan import Plan
from edgesteer.errors import ContextFullError, InputError
from edgesteer.layers import as_layers
from edgesteer.opened import Opened, Prompt

__all__ = ["Reader"]

FloatArray = npt.NDArray[np.float32]
T = TypeVar("T")


class Reader(Opened):
    """Base of :class:`edgesteer.Model`."""

    def logits(
        self,
        tokens: Sequence[int],
        steer: Any = None,
        *,
        first: int = 0,
        n_prompt: int | None = None,
    ) -> FloatArray:
        """Logits behind given tokens, steered.

        Returns:
            float32 ``[len(tokens) - first, n_vocab]``; row ``i`` is about the token after
            ``tokens[first + i]``. ``n_prompt`` says where the answer begins, for steerings that
            tell prompt from answer (default: all is prompt).
        """
        prompts = None if n_prompt is None else [n_prompt]
        found: FloatArray = self.logits_many([tokens], steer, first=first, n_prompt=prompts)[0]
        return found

    def logits_many(
        self,
        texts: Sequence[Sequence[int]],
        steer: Any = None,
        *,
        first: int | Sequence[int] = 0,
        n_prompt: Sequence[int] | None = None,
        reduce: Callable[[int, FloatArray], T] | None = None,
    ) -> list[T]:
        """Logits of many texts, read side by side in one batch, each steered its own way.

        Beginnings that texts share, under steerings that act alike on them, are read once.

        Args:
            texts: token ids.
            steer: one steering for all, or a list with one for each.
            first: the token from which on logits are wanted, one for all or one for each.
            n_prompt: where the answer begins in each text (default: all is prompt).
            reduce: called with ``(i, logits)`` as soon as a text is read, on the engine's thread,
                so that only a few texts' logits are in memory at once.

        Returns:
            What ``reduce`` returned for each text; without it the logits themselves, float32
            ``[len(texts[i]) - first, n_vocab]``.

        Raises:
            InputError: lists of different lengths, a token that is not there.
            ContextFullError: a text longer than the context.
            BaseException: what ``reduce`` raised.
        """
        firsts = [first] * len(texts) if isinstance(first, int) else list(first)
        whole = WholeTexts(
            [len(one) for one in texts], firsts, reduce or (lambda _i, logits: logits)
        )
        self._read_logits(texts, steer, firsts, n_prompt, whole, whole=True)
        return whole.results

    def _read_logits(
        self,
        texts: Sequence[Sequence[int]],
        steer: Any,
        firsts: Sequence[int],
        n_prompt: Sequence[int] | None,
        sink: tasks.Sink,
        *,
        whole: bool = False,
    ) -> None:
        """Check texts and hand their logits to ``sink``, on the engine's thread."""
        prompts = [len(one) for one in texts] if n_prompt is None else list(n_prompt)
        steers = _one_each(steer, len(texts))
        if not len(texts) == len(firsts) == len(prompts) == len(steers):
            raise InputError(
                f"{len(texts)} texts, {len(steers)} steerings, {len(firsts)} first tokens, "
                f"{len(prompts)} lengths of prompts",
                "Give as many of each.",
            )
        for tokens, at in zip(texts, firsts, strict=True):
            if not 0 <= at < len(tokens):
                raise InputError(f"first must be within the {len(tokens)} tokens, not {at}")
            self._check_tokens(tokens)
            if len(tokens) >= self.n_ctx:
                raise ContextFullError(
                    f"{len(tokens)} tokens do not fit the context of {self.n_ctx}"
                )
        if not texts:
            return
        read = [
            tasks.text(*each)
            for each in zip(texts, self._plans(steers), firsts, prompts, strict=True)
        ]
        self._scheduler.read(lambda s: tasks.read_logits(s, read, sink, whole=whole))

    def _plans(self, steers: Sequence[Any]) -> list[Plan]:
        """A plan for each text; equal steerings are planned once."""
        made: dict[int, Plan] = {}
        for steer in steers:
            if id(steer) not in made:
                made[id(steer)] = self._plan(steer)[1]
        return [made[id(steer)].again() for steer in steers]

    def score(
        self,
        prompts: Sequence[Prompt],
        completions: Sequence[str],
        *,
        steer: Any = None,
        system: str | None = None,
        raw: bool = False,
    ) -> list[Score]:
        """Log-probabilities of given completions, steered, many side by side in one batch.

        A prompt that repeats, under steerings that act alike on it, is read once.

        Args:
            prompts: as for ``ask``, one for each completion.
            completions: texts whose probability is asked for, tokenised on their own.
            steer: one steering for all, or a list with one for each.
            system, raw: as for ``ask``.

        Raises:
            InputError: lists of different lengths, or an empty completion.
            ContextFullError: prompt and completion do not fit the context.
        """
        steers = _one_each(steer, len(prompts))
        if not len(prompts) == len(completions) == len(steers):
            raise InputError(
                f"{len(prompts)} prompts, {len(completions)} completions, {len(steers)} steerings",
                "Give as many of each.",
            )
        heads = [self._prompt_tokens(prompt, system, raw) for prompt in prompts]
        tails = [self.tokenize(completion, special=False) for completion in completions]
        if not all(tails):
            raise InputError("an empty completion has no probability")
        firsts = [len(head) - 1 for head in heads]
        found = TokenLogprobs(tails, firsts)
        texts = [[*head, *tail[:-1]] for head, tail in zip(heads, tails, strict=True)]
        self._read_logits(texts, steers, firsts, [len(head) for head in heads], found)
        return [Score(tuple(tail), p) for tail, p in zip(tails, found.logprobs, strict=True)]

    def next_logits(self, prompt: Prompt, steer: Any = None, *, raw: bool = False) -> FloatArray:
        """float32 ``[n_vocab]``: the logits of the first token of an answer."""
        tokens = self._prompt_tokens(prompt, None, raw)
        last: FloatArray = self.logits(tokens, steer, first=len(tokens) - 1)[0]
        return last

    def capture(
        self,
        texts: Sequence[str | Sequence[int]],
        layers: Any = None,
        positions: str | int = "last",
        *,
        spans: Sequence[int] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Capture:
        """Residual-stream activations of texts (already rendered, or token ids), unsteered.

        Texts are read side by side, beginnings that they share once; the pass ends behind the
        last of the layers, and only the wanted rows are kept.

        Args:
            texts: what to read.
            layers: blocks whose output is read; None is all that can be steered.
            positions: "last" token, "mean" (over the tokens from ``spans[i]`` on), "all" (one row
                for each token, see ``Capture.owners``) or a token index.
            spans: for "mean", the first token of each text to average over.
            progress: called with (texts done, texts in all).

        Raises:
            LayerError: a layer that does not exist.
            ContextFullError: a text longer than the context.
        """
        chosen = as_layers("all" if layers is None else layers).resolve(self.n_layer)
        if not texts:
            raise InputError("there are no texts to read")
        if spans is not None and len(spans) != len(texts):
            raise InputError(f"{len(texts)} texts, but {len(spans)} spans", "Give one for each.")
        tokens = [self.tokenize(t) if isinstance(t, str) else list(t) for t in texts]
        starts = spans or [0] * len(texts)
        read = [
            tasks.span_of(positions, len(one), at) for one, at in zip(tokens, starts, strict=True)
        ]
        for one in tokens:
            self._check_tokens(one)
            if len(one) >= self.n_ctx:
                raise ContextFullError(
                    f"a text of {len(one)} tokens does not fit the context of {self.n_ctx}",
                    "Open the model with a larger context (--ctx).",
                )
        rows = self._scheduler.read(
            lambda s: tasks.read_activations(s, tokens, chosen, read, progress)
        )
        owners = np.repeat(np.arange(len(rows), dtype=np.int32), [len(one) for one in rows])
        return Capture(np.concatenate(rows), chosen, owners)


def _one_each(steer: Any, n: int) -> list[Any]:
    return list(steer) if isinstance(steer, (list, tuple)) else [steer] * n
