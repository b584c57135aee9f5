"""Opened: what every use of an open model needs: its facts, its tokens, steering bound to it.

Knows nothing of answers, and does not run the model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgesteer.compose import vector_of
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
from edgesteer.library import Library
from edgesteer.plain import shown
from edgesteer.steering import Steering, Term, as_steering

if TYPE_CHECKING:
    from edgesteer.monitor.readout import Readout

Prompt = str | Sequence[Mapping[str, str]]


class Opened:
    """Base of :class:`edgesteer.reading.Reader`, and so of every model."""

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
        self._scheduler = Scheduler(
            weights,
            self._make_context,
            self._make_reading_context,
            n_slots=n_seq,
            max_waiting=queue,
        )
        self._steerable = False
        self._checked: set[Path] = set()  # adapters that fit these weights

    def _make_context(self, hooked: bool) -> Context:
        raise NotImplementedError

    def _make_reading_context(self, hooked: bool, n_cells: int) -> Context:
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

    def prepare(
        self, steer: Any, note: Callable[[EdgesteerWarning], object] | None = None
    ) -> Steering:
        """As :meth:`bind`, with all done that an answer would have to do first.

        Files for edits of the weights are made; numbers that would overflow are refused.
        """
        return self._plan(steer, note)[0]

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
        return self.token_bytes(token).decode("utf-8", "replace")

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

    @property
    def calls_tools(self) -> bool:
        """Whether the chat template takes tools, and has calls written as <tool_call>JSON."""
        return self._template.calls_tools

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        add_generation_prompt: bool = True,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> str:
        """A conversation as text, by the model's own chat template.

        ``tools`` are described to the model as OpenAI's API describes them; see ``calls_tools``.
        """
        return self._template.render(
            messages, add_generation_prompt=add_generation_prompt, tools=tools
        )

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


def _system(text: str | None) -> list[dict[str, str]]:
    return [{"role": "system", "content": text}] if text else []


def _cure(n_tokens: int, longest: int) -> str:
    """What to do about a prompt that does not fit; the model was trained on `longest` tokens."""
    if not longest or n_tokens + 512 <= longest:
        return f"Open the model with --ctx {n_tokens + 512} or shorten the prompt."
    if n_tokens < longest:
        return f"Open the model with --ctx {longest}, where this model ends, or shorten the prompt."
    return f"Shorten the prompt: this model ends at {longest} tokens."
