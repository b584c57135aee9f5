"""FakeModel: a Model without weights, for the tests of apps; it echoes and says how it was steered.

Knows nothing of llama.cpp: the same question always gets the same answer, at once or with `delay`.

    >>> from edgesteer.vector import ControlVector
    >>> with FakeModel() as model:
    ...     model.ask("Rain?", steer=ControlVector({1: [1.0] * 8}, name="calm") * 2).text
    'You said: Rain? [calm=2]'
"""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesteer.engine.job import Job
from edgesteer.engine.plan import Plan
from edgesteer.engine.sequence import ActiveSequence
from edgesteer.engine.tasks import Sink
from edgesteer.engine.watch import Reading
from edgesteer.identity import ModelIdentity
from edgesteer.layers import as_layers
from edgesteer.library import Library
from edgesteer.model import Capture, Model
from edgesteer.steering import Steering, Term

__all__ = ["FakeModel", "echo"]

FloatArray = npt.NDArray[np.float32]
SECONDS = 0.02  # for a token, in the timing of a reply, whatever the clock says


def echo(prompt: str, steering: Steering) -> str:
    """What a FakeModel answers unless it is given another function."""
    return f"You said: {prompt}{f' [{steering}]' if steering else ''}"


class _Writers:
    """Stands in for the scheduler."""

    def __init__(self, write: Callable[[ActiveSequence], None]) -> None:
        self._pool, self._write = ThreadPoolExecutor(8), write

    def submit(self, sequences: Sequence[ActiveSequence]) -> None:
        for sequence in sequences:
            self._pool.submit(self._write, sequence)

    def cancel(self, sequence: ActiveSequence) -> None:
        sequence.cancelled = True

    def steer(self, sequence: ActiveSequence, plan: Plan) -> None:
        sequence.change_plan(plan)

    def close(self) -> None:
        self._pool.shutdown()


class FakeModel(Model):
    """A Model whose tokens are words, whose answers are `answer(prompt, steering)`.

    `identity` says what vectors must fit (default: llama, 4 layers, width 8); `delay` is the time
    in seconds between two pieces of an answer.
    """

    n_layer, n_embd, n_vocab = 4, 8, 32
    has_chat_template, calls_tools, description = True, False, "a fake"

    def __init__(
        self,
        name: str = "fake",
        *,
        identity: ModelIdentity | None = None,
        library: Library | None = None,
        n_ctx: int = 4096,
        answer: Callable[[str, Steering], str] = echo,
        delay: float = 0.0,
    ) -> None:
        self.identity = identity or ModelIdentity("llama", 4, 8, name)
        self.n_layer, self.n_embd = self.identity.n_layer, self.identity.n_embd
        self.name, self.path, self.device = name, Path(f"{name}.gguf"), "no device"
        self.library, self.n_ctx, self.n_seq, self.threads = library or Library(), n_ctx, 4, 1
        self.queue = 1024
        self._answer, self._delay, self._steerable = answer, delay, True
        self._words: list[str] = []
        self._scheduler: Any = _Writers(self._write)

    def close(self) -> None:
        """Wait for the answers that are being written."""
        self._scheduler.close()

    def _adapter(self, term: Term) -> Path:
        return Path(f"{term.name}.gguf")  # nothing loads it

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        add_generation_prompt: bool = True,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> str:
        """`<role>content` line by line; tools have no place in it."""
        text = "".join(f"<{m['role']}>{m['content']}\n" for m in messages)
        return text + ("<assistant>" if add_generation_prompt else "")

    def tokenize(self, text: str, *, special: bool = True) -> list[int]:
        """One token a word, numbered as they come."""
        words = re.findall(r"\S+\s*|\s+", text)
        self._words += [word for word in dict.fromkeys(words) if word not in self._words]
        return [self._words.index(word) for word in words]

    def detokenize(self, tokens: Sequence[int]) -> str:
        """The words again."""
        return "".join(self._words[token] for token in tokens)

    def token_bytes(self, token: int) -> bytes:
        """The word of that number."""
        return self._words[token].encode()

    def _read_logits(
        self,
        texts: Sequence[Sequence[int]],
        steer: Any,
        firsts: Sequence[int],
        n_prompt: Sequence[int] | None,
        sink: Sink,
        *,
        whole: bool = False,
    ) -> None:
        """Rows that are linear in the static part of the steering."""
        steers = list(steer) if isinstance(steer, (list, tuple)) else [steer] * len(texts)
        readout = _noise("readout", self.n_embd * self.n_vocab).reshape(self.n_embd, -1)
        for i, (tokens, one, first) in enumerate(zip(texts, steers, firsts, strict=True)):
            states = np.stack([_noise(self._words[t], self.n_embd) for t in tokens[first:]])
            static, _ = self.bind(one).split()
            push = static.compose(self.n_layer, self.n_embd).sum(axis=0)
            sink(i, first, np.asarray((states + push) @ readout, np.float32))

    def capture(
        self,
        texts: Sequence[str | Sequence[int]],
        layers: Any = None,
        positions: str | int = "last",
        **_options: Any,
    ) -> Capture:
        """Rows that are the mean over a text's words, growing with the layer."""
        chosen = as_layers("all" if layers is None else layers).resolve(self.n_layer)
        plain = [t.split() if isinstance(t, str) else [self._words[n] for n in t] for t in texts]
        words = [np.stack([_noise(word, self.n_embd) for word in text]) for text in plain]
        if positions != "all":
            words = [w.mean(axis=0, keepdims=True) for w in words]
        rows = np.concatenate(words)
        owners = np.repeat(np.arange(len(words), dtype=np.int32), [len(w) for w in words])
        return Capture(np.stack([rows * (1 + layer) for layer in chosen], axis=1), chosen, owners)

    def _write(self, sequence: ActiveSequence) -> None:
        job, request = sequence.listener, sequence.request
        assert isinstance(job, Job)  # noqa: S101
        prompt = self.detokenize(request.tokens).removesuffix("<assistant>").rstrip("\n")
        text = self._answer(prompt.rpartition("<user>")[2], job.steering)
        for stop in request.stop:
            text = text.partition(stop)[0]
        pieces, finish = re.findall(r"\S+\s*|\s+", text), "stop"
        request_end = len(request.tokens)
        self._tell(sequence, job, 0, [self._words[t] for t in request.tokens])
        for piece in pieces:
            if sequence.cancelled or sequence.n_generated == request.max_tokens:
                finish = "cancelled" if sequence.cancelled else "length"
                break
            time.sleep(self._delay)
            sequence.n_generated += 1
            job.on_text(piece)
            self._tell(sequence, job, request_end + sequence.n_generated - 1, [piece])
        sequence.submitted, sequence.started, sequence.first_token = 1.0, 1.0, 1.0 + SECONDS
        sequence.ended = sequence.first_token + SECONDS * max(0, sequence.n_generated - 1)
        sequence.note_carrier(hooked=not sequence.plan.native)
        job.on_end(sequence, finish, None)

    def _tell(self, sequence: ActiveSequence, job: Job, start: int, words: Sequence[str]) -> None:
        """Readings of some words, of the rows that `capture` gives them."""
        watch = sequence.request.watch
        if watch is None or not words:
            return
        states = np.stack([_noise(word, self.n_embd) for word in words])
        rows = {layer: states * (1 + layer) for layer in watch.layers}
        for i, values in enumerate(watch.values(rows, len(words))):
            generated = start >= len(sequence.request.tokens)
            job.on_reading(Reading(start + i, i, words[i], generated, values))


def _noise(word: str, n: int) -> FloatArray:
    """float32 [n]: the same for the same word, on every machine."""
    rng = np.random.default_rng(zlib.crc32(word.strip().encode()))
    return rng.standard_normal(n, dtype=np.float32)
