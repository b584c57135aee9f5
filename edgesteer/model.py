"""Model: an opened GGUF file that answers, is steered, and can be read.

Knows nothing of terminals, servers or how vectors are made. One worker thread owns the engine;
every method may be called from any thread, and the async ones are a thin bridge over the same.

    with Model.open("smollm2") as model:
        print(model.ask("How was your day?", steer="calm=1", seed=1).text)
"""

from __future__ import annotations

import asyncio
import random
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any

from edgesteer.collect import Capture
from edgesteer.constraints import read_constraints, read_limits
from edgesteer.engine.context import KV_TYPES, Context
from edgesteer.engine.job import Dispatch, Job, Reply, Stream, Timing, Usage
from edgesteer.engine.llama import MAX_SEQUENCES, Weights, default_threads, plan_offload
from edgesteer.engine.sequence import ActiveSequence, Request, Trace
from edgesteer.engine.watch import Reading
from edgesteer.errors import EdgesteerWarning, InputError
from edgesteer.identity import read_model_identity
from edgesteer.library import DEFAULT_MODEL, Library
from edgesteer.opened import Prompt
from edgesteer.reading import Reader
from edgesteer.sampling import Sampling

if TYPE_CHECKING:
    from edgesteer.chat import Chat

__all__ = ["Capture", "Job", "Model", "Reading", "Reply", "Stream", "Timing", "Usage"]


DEFAULT_CONTEXT = 4096
#: Of the context in which given texts are read: tokens in its cache unless one text needs more,
#: sequences, and bytes of logits that one decode call computes.
READING_CELLS = 1024
READING_SEQUENCES = 128
READING_LOGITS = 32 << 20
_SAMPLING = tuple(field.name for field in fields(Sampling) if field.name != "seed")


class Model(Reader):
    """An opened model. Make one with :meth:`open`; close it, or use it as a context manager."""

    def __init__(
        self,
        path: Path,
        *,
        name: str = "",
        device: str = "auto",
        gpu_layers: int | None = None,
        threads: int | None = None,
        n_ctx: int = DEFAULT_CONTEXT,
        n_seq: int = 4,
        queue: int = 1024,
        flash_attention: bool | None = None,
        kv_type: str = "f16",
        library: Library | None = None,
    ) -> None:
        """Open the GGUF file at ``path``; see :meth:`open` for the arguments."""
        _check_sizes(n_ctx, n_seq, queue, threads)
        if kv_type not in KV_TYPES:
            raise InputError(f"unknown cache type {kv_type!r}", f"Known: {', '.join(KV_TYPES)}.")
        self.library = library or Library()
        threads = threads or default_threads()
        offload = plan_offload(device, gpu_layers, threads)
        identity = read_model_identity(path)  # a strict reader looks at the file before llama.cpp
        weights = Weights(path, offload)
        self.name, self.path, self.device = name or path.stem, path, offload.text
        self.threads, self.queue = threads, queue
        if weights.n_ctx_train and n_ctx > weights.n_ctx_train:
            if n_ctx != DEFAULT_CONTEXT:  # asked for, not just left as it is
                warnings.warn(
                    f"the context is {weights.n_ctx_train} tokens, not {n_ctx}: this model was not "
                    "trained on more",
                    EdgesteerWarning,
                    stacklevel=2,
                )
            n_ctx = weights.n_ctx_train
            try:
                _check_sizes(n_ctx, n_seq, queue, threads)
            except InputError:
                weights.close()
                raise
        self._flash_attention, self._kv_type = flash_attention, kv_type
        self.options = MappingProxyType(
            {
                "device": device,
                "gpu_layers": gpu_layers,
                "threads": threads,
                "n_ctx": n_ctx,
                "n_seq": n_seq,
                "flash_attention": flash_attention,
                "kv_type": kv_type,
            }
        )
        """How it was opened: the options with which another process opens it alike."""
        super().__init__(weights, identity, self.library, n_ctx, n_seq, queue)
        self._close_lock = threading.Lock()

    @classmethod
    def open(cls, name_or_path: str | Path = DEFAULT_MODEL, **options: Any) -> Model:
        """Open a model by its name in the library or by its path.

        Args:
            name_or_path: "smollm2", the name of a registered model, or a GGUF file.
            **options: ``device`` "auto" | "cpu" | "gpu"; ``gpu_layers`` how many blocks go to the
                GPU; ``threads``; ``n_ctx`` KV cells, shared by all sequences; ``n_seq`` how many
                answers are written at once; ``queue`` how many more may wait;
                ``flash_attention`` True, False or None (llama.cpp decides); ``kv_type`` "f16" or
                "f32" (twice the cache, no flash attention, and what runs beside an answer does not
                change its rounding); ``library``.

        Raises:
            NotFoundError: no model of that name.
            ModelError, VectorFileError: the file is no model that llama.cpp can load.
            DeviceError: a GPU was asked for and is not there.
        """
        library = options.get("library") or Library()
        entry = library.find_model(str(name_or_path))
        return cls(entry.path, name=entry.name, **{**options, "library": library})

    def _make_context(self, hooked: bool) -> Context:
        return Context(
            self._weights,
            n_ctx=self.n_ctx,
            n_seq=self.n_seq,
            n_outputs=64 if hooked else 16,
            threads=self.threads,
            hooked=hooked,
            flash_attention=self._flash_attention,
            kv_type=self._kv_type,
        )

    def _make_reading_context(self, hooked: bool, n_cells: int) -> Context:
        rows = min(max(READING_LOGITS // (4 * self.n_vocab), 16), 256)
        return Context(
            self._weights,
            n_ctx=max(256, n_cells, min(self.n_ctx, READING_CELLS)),
            n_seq=3 if self._weights.recurrent else min(READING_SEQUENCES, rows),
            n_outputs=rows,
            threads=self.threads,
            hooked=hooked,
            flash_attention=self._flash_attention,
            kv_type=self._kv_type,
        )

    # -- asking

    def ask(self, prompt: Prompt, **options: Any) -> Reply:
        """Answer a prompt and wait for the end.

        Args:
            prompt: a user message, a list of ``{"role", "content"}``, or with ``raw=True`` text to
                continue.
            **options: ``steer`` (whatever :func:`as_steering` takes; names are looked up in the
                library), ``system``, ``max_tokens`` (512), ``temperature`` (0.8), ``top_k`` (40),
                ``top_p`` (0.95), ``min_p`` (0.05), ``repeat_penalty`` (1.0), ``frequency_penalty``
                and ``presence_penalty`` (0.0), ``seed`` (drawn when not given; the reply names it),
                ``stop`` (strings), ``ignore_eos``, ``raw``,
                ``grammar`` (GBNF), ``json_schema`` (text or dict), ``logit_bias`` (token or text ->
                number), ``logprobs`` (how many alternatives to report with each token), ``watch``
                (what to read while it is written, see :meth:`readouts`).

        Raises:
            EdgesteerError: of many kinds, each with a hint; see ``edgesteer.errors``.
        """
        job = self.start(prompt, **options)
        try:
            return job.result()
        finally:
            job.cancel()  # when interrupted

    def stream(self, prompt: Prompt, **options: Any) -> Stream:
        """Answer a prompt piece by piece; options as for :meth:`ask`."""
        return Stream(self.start(prompt, **options))

    async def aask(self, prompt: Prompt, **options: Any) -> Reply:
        """:meth:`ask` for asyncio; cancelling the task cancels the answer."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        job = self.start(
            prompt,
            on_done=lambda _job: _settle(future),
            dispatch=loop.call_soon_threadsafe,
            **options,
        )
        try:
            await future
        finally:
            job.cancel()
        return job.result()

    async def astream(self, prompt: Prompt, **options: Any) -> AsyncIterator[str]:
        """:meth:`stream` for asyncio; leaving the loop cancels the answer."""
        pieces: asyncio.Queue[str | None] = asyncio.Queue()
        job = self.start(
            prompt,
            on_piece=pieces.put_nowait,
            on_done=lambda _job: pieces.put_nowait(None),
            dispatch=asyncio.get_running_loop().call_soon_threadsafe,
            **options,
        )
        try:
            while (piece := await pieces.get()) is not None:
                yield piece
            job.result()  # raises what ended the answer, if it failed
        finally:
            job.cancel()

    def start(
        self,
        prompt: Prompt,
        *,
        on_piece: Callable[[str], None] | None = None,
        on_done: Callable[[Job], None] | None = None,
        dispatch: Dispatch | None = None,
        **options: Any,
    ) -> Job:
        """Begin an answer and return at once.

        Args:
            prompt: as for :meth:`ask`.
            on_piece: called with every piece of text.
            on_done: called with the job at its end.
            dispatch: called with a function that runs such a callback, to move it to another
                thread (``root.after_idle``, ``loop.call_soon_threadsafe``); without it callbacks
                run on the engine's thread and must be short.
            **options: as for :meth:`ask`, and ``on_reading``, called with what was read at each
                token of a watched answer.
        """
        job = self._prepare(prompt, on_piece, on_done, dispatch, **options)
        self._submit([job])
        return job

    def ask_many(
        self,
        prompts: Sequence[Prompt],
        *,
        steer: Any = None,
        seed: int | None = None,
        **options: Any,
    ) -> list[Reply]:
        """Answer many prompts in one batch, each steered its own way.

        Args:
            prompts: as for :meth:`ask`.
            steer: one steering for all, or a list with one for each prompt (None: plain).
            seed: one seed for all; a list of prompts with one seed is reproducible.
            **options: as for :meth:`ask`, the same for all.
        """
        steers = list(steer) if isinstance(steer, (list, tuple)) else [steer] * len(prompts)
        if len(steers) != len(prompts):
            raise InputError(f"{len(prompts)} prompts, but {len(steers)} steerings")
        jobs = self.start_many(prompts, steers, seed=seed, **options)
        try:
            return [job.result() for job in jobs]
        finally:
            for job in jobs:
                job.cancel()

    def start_many(
        self, prompts: Sequence[Prompt], steers: Sequence[Any], **options: Any
    ) -> list[Job]:
        """Begin many answers side by side, each with its own steering."""
        jobs = [
            self._prepare(prompt, None, None, None, steer=steer, **options)
            for prompt, steer in zip(prompts, steers, strict=True)
        ]
        self._submit(jobs)
        return jobs

    def chat(self, *, system: str | None = None, steer: Any = None, **options: Any) -> Chat:
        """A conversation with live steering; options as for :meth:`ask`."""
        from edgesteer.chat import Chat

        return Chat(self, system=system, steer=steer, **options)

    def _submit(self, jobs: Sequence[Job]) -> None:
        self._scheduler.submit([job.sequence for job in jobs if job.sequence is not None])

    def _prepare(
        self,
        prompt: Prompt,
        on_piece: Callable[[str], None] | None,
        on_done: Callable[[Job], None] | None,
        dispatch: Dispatch | None,
        *,
        steer: Any = None,
        system: str | None = None,
        max_tokens: int = 512,
        seed: int | None = None,
        stop: str | Sequence[str] = (),
        ignore_eos: bool = False,
        raw: bool = False,
        history: Trace | None = None,
        grammar: str | None = None,
        json_schema: str | Mapping[str, Any] | None = None,
        logit_bias: Mapping[int | str, float] | None = None,
        logprobs: int | None = None,
        watch: Any = None,
        on_reading: Callable[[Reading], None] | None = None,
        **sampling: float,
    ) -> Job:
        unknown = [key for key in sampling if key not in _SAMPLING]
        if unknown:
            known = [*(Model._prepare.__kwdefaults__ or ()), *_SAMPLING]
            raise InputError(f"unknown option {unknown[0]!r}", f"Known: {', '.join(known)}.")
        stops = read_limits(max_tokens, stop)
        constraints = read_constraints(
            lambda text: self.tokenize(text, special=False),
            self.n_vocab,
            grammar=grammar,
            json_schema=json_schema,
            logit_bias=logit_bias,
            logprobs=logprobs,
        )
        if constraints.grammar and ignore_eos:
            raise InputError("a grammar decides where the answer ends: ignore_eos can not")
        tokens = self._prompt_tokens(prompt, system, raw)
        notes: list[EdgesteerWarning] = []
        steering, plan = self._plan(steer, notes.append)
        told = tuple(map(str, notes))
        watched = self._watch(watch)
        job = Job(
            self._scheduler, steering, self._plan, told, on_piece, on_done, dispatch, on_reading
        )
        request = Request(
            tokens=tuple(tokens),
            plan=plan,
            sampling=Sampling(seed=seed, **sampling),  # type: ignore[arg-type]
            seed=random.getrandbits(32) if seed is None else seed,
            max_tokens=max_tokens,
            stop=stops,
            ignore_eos=ignore_eos,
            history=history,
            constraints=constraints,
            watch=watched,
        )
        job.sequence = ActiveSequence(request, job)
        return job

    # -- the end

    def close(self) -> None:
        """Cancel what runs and free everything. May be called twice."""
        with self._close_lock:
            self._scheduler.close()
            self._weights.close()

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Model {self.name}: {self.description}, {self.n_layer} layers, {self.device}>"


def _check_sizes(n_ctx: int, n_seq: int, queue: int, threads: int | None) -> None:
    sizes = (("ctx", n_ctx), ("sequences", n_seq), ("queue", queue), ("threads", threads or 1))
    for label, value in sizes:
        if value < 1:
            raise InputError(f"{label} must be 1 or more, not {value}")
    if n_seq > MAX_SEQUENCES:
        raise InputError(f"at most {MAX_SEQUENCES} sequences at once, not {n_seq}")
    if n_seq > n_ctx:
        raise InputError(
            f"a context of {n_ctx} tokens is too small for {n_seq} sequences",
            "The context is shared by all of them: give it some hundred tokens for each.",
        )


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
