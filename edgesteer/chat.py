"""Chat: a conversation whose steering can be turned while it goes on.

Knows nothing of terminals or pages. A change of steering applies from the next token on; what was
read before stays as it was read, until ``reread()``.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from edgesteer.engine.job import Dispatch, Job, LiveStrengths, Reply, Stream
from edgesteer.engine.sequence import Trace
from edgesteer.errors import InputError
from edgesteer.steering import Steering

if TYPE_CHECKING:
    from edgesteer.model import Model
    from edgesteer.recipe import Recipe


class Chat:
    """A conversation with a model. Made by ``Model.chat``.

    Attributes:
        messages: ``{"role", "content"}`` of the user and the assistant, in order.
        system: the system message, or None.
        steer: strengths by name; setting one steers from the next token on, also in an answer that
            is being written.
        options: what every answer is asked with (temperature, max_tokens, ...).
    """

    def __init__(
        self, model: Model, *, system: str | None = None, steer: Any = None, **options: Any
    ) -> None:
        self.model, self.system, self.options = model, system, options
        self.messages: list[dict[str, str]] = []
        self._steering = model.bind(steer)
        self._enabled = True
        self._trace: Trace | None = None
        self._before: Trace | None = None  # the trace before the last question, for again()
        self._job: Job | None = None
        self.steer: MutableMapping[str, float] = LiveStrengths(
            lambda: self._steering, self.set_steering
        )

    # -- steering

    @property
    def steering(self) -> Steering:
        """The steering, whether or not it is switched on."""
        return self._steering

    def set_steering(self, steering: Any) -> None:
        """Steer by something else from the next token on.

        Raises:
            EdgesteerError: it can not be applied; the old one stays.
        """
        self._steering = self.model.bind(steering)
        self._renew()

    @property
    def enabled(self) -> bool:
        """Whether the steering acts; switching it off keeps the strengths."""
        return self._enabled

    @enabled.setter
    def enabled(self, on: bool) -> None:
        self._enabled = on
        self._renew()

    def _acting(self) -> Steering:
        return self._steering if self._enabled else Steering()

    def _renew(self) -> None:
        if self._job is not None and not self._job.done:
            self._job.set_steering(self._acting())

    # -- talking

    def ask(self, text: str, **options: Any) -> Reply:
        """Say something and wait for the answer; options override those of the chat."""
        return self._record(self.start(text, **options))

    def stream(self, text: str, **options: Any) -> Stream:
        """Say something and get the answer piece by piece."""
        job = self.start(text, **options)
        return Stream(job, lambda _reply: self._record(job))

    def start(
        self,
        text: str,
        *,
        on_piece: Callable[[str], None] | None = None,
        on_done: Callable[[Job], None] | None = None,
        dispatch: Dispatch | None = None,
        **options: Any,
    ) -> Job:
        """Say something and return at once; the answer is recorded when it has ended.

        Raises:
            InputError: the last answer is still being written.
        """
        if self._job is not None and not self._job.done:
            raise InputError("the last answer is still being written", "Cancel it or wait for it.")
        self._settle()
        self.messages.append({"role": "user", "content": text})
        self._before = self._trace
        try:
            job = self.model.start(
                self.messages,
                system=self.system,
                steer=self._acting(),
                history=self._trace,
                on_piece=on_piece,
                on_done=on_done,
                dispatch=dispatch,
                **{**self.options, **options},
            )
        except BaseException:
            self.messages.pop()
            raise
        self._job = job
        return job

    def _record(self, job: Job) -> Reply:
        """Wait for an answer and keep it; a question that got none is taken back."""
        try:
            job.result()
        finally:
            self._settle()
        return job.result()

    def _settle(self) -> None:
        """Keep the answer of the job that has ended, once."""
        job, self._job = self._job, None
        if job is None:
            return
        try:
            reply = job.result()
        except Exception:  # noqa: BLE001
            if self.messages and self.messages[-1]["role"] == "user":
                self.messages.pop()
            return
        self.messages.append({"role": "assistant", "content": reply.text})
        self._trace = reply.trace

    def again(self, **options: Any) -> Stream:
        """Answer the last question anew, under the present steering.

        Raises:
            InputError: nothing has been asked yet.
        """
        question = self.undo()
        if question is None:
            raise InputError("there is no question to answer again", "Ask something first.")
        return self.stream(question, **options)

    def undo(self) -> str | None:
        """Take back the last question and its answer; returns the question."""
        self._settle()
        while self.messages:
            message = self.messages.pop()
            if message["role"] == "user":
                self._trace = self._before
                return message["content"]
        return None

    def clear(self) -> None:
        """Forget the conversation; system message and steering stay."""
        self._settle()
        self.messages.clear()
        self._trace = self._before = None

    def reread(self) -> int:
        """Read the history again under the present steering, at the next question.

        Without this, what was said under an older strength stays in the cache as it was read then.

        Returns:
            How many tokens will be read again.
        """
        self._settle()
        n = len(self._trace.tokens) if self._trace else 0
        self._trace = self._before = None
        return n

    def compare(self, text: str, **options: Any) -> tuple[Stream, Stream]:
        """The same question plain and steered, from the same seed; neither is recorded."""
        self._settle()
        messages = [*self.messages, {"role": "user", "content": text}]
        merged = {**self.options, "seed": 0, **options}
        steers = (None, self._steering)
        jobs = self.model.start_many([messages] * 2, steers, system=self.system, **merged)
        return Stream(jobs[0]), Stream(jobs[1])

    def to_recipe(self, name: str) -> Recipe:
        """The steering and the settings of this chat as a recipe of that name."""
        from edgesteer.recipe import Recipe

        keep = ("temperature", "top_k", "top_p", "min_p", "repeat_penalty", "seed", "max_tokens")
        sampling = {k: self.options[k] for k in keep if self.options.get(k) is not None}
        return Recipe(
            name=name,
            model=self.model.name,
            steering=self._steering,
            system=self.system,
            sampling=sampling,
        )
