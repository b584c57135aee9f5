"""Reader: the side of a Model that looks rather than talks: tokens, logits, activations, fit.

Knows nothing of answers, jobs or conversations.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgesteer.compose import vector_of
from edgesteer.engine import tasks
from edgesteer.engine.adapters import check_adapter
from edgesteer.engine.arch import check_steerable
from edgesteer.engine.batch import Scheduler
from edgesteer.engine.context import Context
from edgesteer.engine.llama import Weights
from edgesteer.engine.plan import Plan, make_plan
from edgesteer.engine.template import ChatTemplate
from edgesteer.engine.watch import Watch
from edgesteer.errors import ContextFullError, EdgesteerWarning, InputError
from edgesteer.identity import ModelIdentity
from edgesteer.layers import as_layers
from edgesteer.library import Library
from edgesteer.plain import shown
from edgesteer.steering import Steering, Term, as_steering

if TYPE_CHECKING:
    from edgesteer.monitor.readout import Readout

FloatArray = npt.NDArray[np.float32]
Prompt = str | Sequence[Mapping[str, str]]


@dataclass(frozen=True, eq=False)
class Capture:
    """Activations read from a model: ``rows`` float32 ``[n, len(layers), n_embd]``."""

    rows: FloatArray
    layers: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Score:
    """The log-probabilities (nats) of a completion: ``logprobs`` float64, one a token."""

    tokens: tuple[int, ...]
    logprobs: npt.NDArray[np.float64]

    @property
    def total(self) -> float:
        """Their sum: the log-probability of the whole completion."""
        return float(self.logprobs.sum())

    @property
    def mean(self) -> float:
        """Their mean: comparable between completions of different lengths."""
        return float(self.logprobs.mean())


class Reader:
    """Base of :class:`edgesteer.Model`."""

    def __init__(
        self,
        weights: Weights,
        identity: ModelIdentity,
        library: Library,
        n_ctx: int,
        n_seq: int,
        queue: int,
    ) -> None:
        self._weights, self.identity, self.library = weights, identity, library
        self.n_ctx, self.n_seq = n_ctx, n_seq
        bos, eos = (
            weights.piece(t, special=True).decode("utf-8", "replace") if t >= 0 else ""
            for t in (weights.bos, weights.eos)
        )
        source = weights.metadata("tokenizer.chat_template")
        self._template = ChatTemplate(source, bos, eos, strip_bos=weights.adds_bos)
        self._scheduler = Scheduler(weights, self._make_context, n_slots=n_seq, max_waiting=queue)
        self._steerable = False
        self._checked: set[Path] = set()  # adapters that fit these weights

    def _make_context(self, hooked: bool) -> Context:
        raise NotImplementedError

    # -- what it is

    @property
    def n_layer(self) -> int:
        """Decoder blocks; layers 1..n_layer-1 can be steered."""
        return self._weights.n_layer

    @property
    def n_embd(self) -> int:
        """Width of the residual stream."""
        return self._weights.n_embd

    @property
    def n_vocab(self) -> int:
        """Size of the vocabulary."""
        return self._weights.n_vocab

    @property
    def architecture(self) -> str:
        """llama.cpp's name for the architecture."""
        return self.identity.architecture

    @property
    def description(self) -> str:
        """llama.cpp's one-line description: architecture, size, quantisation."""
        return self._weights.description

    @property
    def has_chat_template(self) -> bool:
        """Whether conversations can be rendered; without one, use ``raw=True``."""
        return self._template.usable

    # -- steering

    def bind(
        self, steer: Any, note: Callable[[EdgesteerWarning], object] | None = None
    ) -> Steering:
        """A steering whose names are bound to vectors of the library and checked for this model.

        ``note`` takes the warnings, if there are any; without it they are issued.

        Raises:
            SteeringError, LayerError, NotFoundError, VectorMismatchError: it can not be applied.
            ArchitectureError: this model's architecture ignores control vectors.
        """
        steering = as_steering(steer).bind(
            lambda name: self.library.load_vector(name, self.identity)
        )
        steering.check(self.identity, note)
        if steering and not self._steerable:
            check_steerable(self)
            self._steerable = True
        return steering

    def _plan(
        self, steer: Any, note: Callable[[EdgesteerWarning], object] | None = None
    ) -> tuple[Steering, Plan]:
        steering = self.bind(steer, note)
        return steering, make_plan(steering, self.n_layer, self.n_embd, self._adapter)

    def readouts(self, watch: Any) -> dict[str, Readout]:
        """name -> read-out: what ``watch`` names, checked for this model.

        Args:
            watch: vectors' names ("calm formal@12"), a Readout, a ControlVector, or a list of
                them. A vector is read by the read-out kept with it, or else raw.

        Raises:
            InputError, LayerError, NotFoundError, VectorMismatchError: it can not be read.
        """
        from edgesteer.monitor.watching import as_readouts

        return as_readouts(
            watch, self.identity, lambda name: self.library.load_vector(name, self.identity)
        )

    def _watch(self, watch: Any) -> Watch | None:
        if watch is None:
            return None
        from edgesteer.monitor.watching import as_probe

        probes = [as_probe(*item) for item in self.readouts(watch).items()]
        return Watch(probes, self._token_text)

    def _token_text(self, token: int) -> str:
        return self._weights.piece(token, special=True).decode("utf-8", "replace")

    def _adapter(self, term: Term) -> Path:
        """The file of a term's ablation adapter, made from these very weights when first needed."""
        from convert.ablation import write_ablation

        vector, model = vector_of(term), self._weights.path
        layers, found = term.resolved_layers(self.n_layer), model.stat()
        facts = (str(model.resolve()), found.st_size, found.st_mtime_ns, vector.digest, layers)
        name = hashlib.sha256(repr(facts).encode()).hexdigest()[:32]
        path = self.library.cache / "adapters" / f"{name}.gguf"
        if path not in self._checked:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                write_ablation(vector, model, path, layers=layers)
            check_adapter(path, model)
            self._checked.add(path)
        return path

    # -- reading

    def _prompt_tokens(self, prompt: Prompt, system: str | None, raw: bool) -> list[int]:
        listed = isinstance(prompt, Sequence) and all(isinstance(m, Mapping) for m in prompt)
        if not isinstance(prompt, str) and not listed:
            raise InputError(
                f"a prompt must be text or a list of messages, not {shown(prompt)}",
                'write "What is new?" or [{"role": "user", "content": "What is new?"}]',
            )
        if raw:
            if not isinstance(prompt, str) or system is not None:
                raise InputError("with raw=True the prompt is one text, without a system message")
            text = prompt
        else:
            messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
            text = self.render([*_system(system), *messages])
        tokens = self.tokenize(text)
        if not tokens:
            raise InputError("the prompt is empty", "Give it at least one token.")
        if len(tokens) >= self.n_ctx:
            raise ContextFullError(
                f"the prompt has {len(tokens)} tokens and the context {self.n_ctx}",
                _cure(len(tokens), self._weights.n_ctx_train),
            )
        return tokens

    def render(
        self, messages: Sequence[Mapping[str, str]], *, add_generation_prompt: bool = True
    ) -> str:
        """A conversation as text, by the model's own chat template."""
        return self._template.render(messages, add_generation_prompt=add_generation_prompt)

    def tokenize(self, text: str, *, special: bool = True) -> list[int]:
        """Token ids of a text.

        ``special`` adds what the model wants at the start and reads control tokens that are
        written in the text.
        """
        return self._weights.tokenize(text, add_special=special, parse_special=special)

    def detokenize(self, tokens: Sequence[int]) -> str:
        """The text of token ids, control tokens left out."""
        return b"".join(self._weights.piece(t) for t in tokens).decode("utf-8", "replace")

    def token_bytes(self, token: int) -> bytes:
        """The bytes of one token, of a control token its name. Raises InputError for none."""
        return self._weights.piece(token, special=True)

    def _check_tokens(self, tokens: Sequence[int]) -> None:
        for token in tokens:
            if not 0 <= token < self.n_vocab:
                raise InputError(f"token {token} is outside the vocabulary of {self.n_vocab}")

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
        if not 0 <= first < len(tokens):
            raise InputError(f"first must be within the {len(tokens)} tokens, not {first}")
        self._check_tokens(tokens)
        if len(tokens) >= self.n_ctx:
            raise ContextFullError(f"{len(tokens)} tokens do not fit the context of {self.n_ctx}")
        _, plan = self._plan(steer)
        return self._scheduler.call(lambda s: tasks.read_logits(s, tokens, plan, first, n_prompt))

    def score(
        self,
        prompts: Sequence[Prompt],
        completions: Sequence[str],
        *,
        steer: Any = None,
        system: str | None = None,
        raw: bool = False,
    ) -> list[Score]:
        """Log-probabilities of given completions, steered; a prompt that repeats is read once.

        Args:
            prompts: as for ``ask``, one for each completion.
            completions: texts whose probability is asked for, tokenised on their own.
            steer: one steering for all, or a list with one for each.
            system, raw: as for ``ask``.

        Raises:
            InputError: lists of different lengths, or an empty completion.
            ContextFullError: prompt and completion do not fit the context.
        """
        steers = list(steer) if isinstance(steer, (list, tuple)) else [steer] * len(prompts)
        if not len(prompts) == len(completions) == len(steers):
            raise InputError(
                f"{len(prompts)} prompts, {len(completions)} completions, {len(steers)} steerings",
                "Give as many of each.",
            )
        scores = []
        for prompt, completion, one in zip(prompts, completions, steers, strict=True):
            head = self._prompt_tokens(prompt, system, raw)
            tail = self.tokenize(completion, special=False)
            if not tail:
                raise InputError("an empty completion has no probability")
            logits = self.logits([*head, *tail], one, first=len(head) - 1, n_prompt=len(head))
            shifted = logits[:-1].astype(np.float64)
            shifted -= shifted.max(axis=1, keepdims=True)
            norm = np.log(np.exp(shifted).sum(axis=1))
            scores.append(Score(tuple(tail), shifted[np.arange(len(tail)), tail] - norm))
        return scores

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

        Args:
            texts: what to read.
            layers: blocks whose output is read; None is all that can be steered.
            positions: "last" token, "mean" (over the tokens from ``spans[i]`` on), "all" (of one
                text) or a token index.
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
        if positions == "all" and len(texts) > 1:
            raise InputError('positions "all" is of one text', "Capture them one by one.")
        tokens = [self.tokenize(t) if isinstance(t, str) else list(t) for t in texts]
        for one in tokens:
            self._check_tokens(one)
        rows = self._scheduler.call(
            lambda s: tasks.read_activations(s, tokens, chosen, positions, spans, progress)
        )
        return Capture(rows, chosen)


def _system(text: str | None) -> list[dict[str, str]]:
    return [{"role": "system", "content": text}] if text else []


def _cure(n_tokens: int, longest: int) -> str:
    """What to do about a prompt that does not fit; the model was trained on `longest` tokens."""
    if not longest or n_tokens + 512 <= longest:
        return f"Open the model with --ctx {n_tokens + 512} or shorten the prompt."
    if n_tokens < longest:
        return f"Open the model with --ctx {longest}, where this model ends, or shorten the prompt."
    return f"Shorten the prompt: this model ends at {longest} tokens."
