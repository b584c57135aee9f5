"""Chat: a conversation whose steering can be turned while it goes on.

Knows nothing of terminals or pages. A change of steering applies from the next token on; what was
read before stays as it was read, until ``reread()``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
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
        system: the system message, or None.
        steer: strengths by name; setting one steers from the next token on, also in an answer that
            is being written.
        options: what every answer is asked with (temperature, max_tokens, ...).
    """

    def __init__(
        self, model: Model, *, system: str | None = None, steer: Any = None, **options: Any
    ) -> None:
        self.model, self.system, self.options = model, system, options
        self._messages: list[dict[str, str]] = []
        self._steering = model.bind(steer)
        self._enabled = True
        self._trace: Trace | None = None
        self._before: list[Trace | None] = []  # the trace before each question, for undo()
        self._job: Job | None = None
        self.steer: MutableMapping[str, float] = LiveStrengths(
            lambda: self._steering, self.set_steering
        )

    @property
    def messages(self) -> list[dict[str, str]]:
        """``{"role", "content"}`` of the user and the assistant, in order."""
        if self._job is not None and self._job.done:
            self._settle(self._job)
        return self._messages

    @messages.setter
    def messages(self, messages: Sequence[Mapping[str, str]]) -> None:
        """Go on from another conversation; what it shares with this one is not read again."""
        self._must_be_idle()
        self._messages = [dict(message) for message in messages]
        self._before = []

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
        self._must_be_idle()
        self._messages.append({"role": "user", "content": text})
        try:
            job = self.model.start(
                self._messages,
                system=self.system,
                steer=self._acting(),
                history=self._trace,
                on_piece=on_piece,
                on_done=on_done,
                dispatch=dispatch,
                **{**self.options, **options},
            )
        except BaseException:
            self._messages.pop()
            raise
        self._before.append(self._trace)
        self._job = job
        return job

    def _must_be_idle(self) -> None:
        if self._job is not None and not self._job.done:
            raise InputError("the last answer is still being written", "Cancel it or wait for it.")
        self._settle(self._job)

    def _record(self, job: Job) -> Reply:
        """Wait for an answer and keep it; a question that got none is taken back."""
        try:
            return job.result()
        finally:
            job.cancel()  # when interrupted
            self._settle(job)

    def _settle(self, job: Job | None) -> None:
        """Wait for a job's end and keep its answer, once."""
        if job is None or job is not self._job:
            return
        try:
            reply = job.result()
        except Exception:  # noqa: BLE001, its owner gets it from the job
            reply = None
        self._job = None
        if reply is None or (reply.finish == "cancelled" and not reply.text):
            self._take_back()
        else:
            self._messages.append({"role": "assistant", "content": reply.text})
            self._trace = reply.trace

    def _take_back(self) -> str | None:
        """Remove the last question and all after it."""
        while self._messages:
            message = self._messages.pop()
            if message["role"] == "user":
                self._trace = self._before.pop() if self._before else None
                return message["content"]
        return None

    def again(self, **options: Any) -> Stream:
        """Answer the last question anew, under the present steering.

        Raises:
            InputError: nothing has been asked yet, or the answer is still being written.
        """
        self._must_be_idle()
        before = (list(self._messages), self._trace, list(self._before))
        question = self._take_back()
        if question is None:
            raise InputError("there is no question to answer again", "Ask something first.")
        try:
            return self.stream(question, **options)
        except BaseException:  # it could not even be asked: the last answer stays
            self._messages[:], self._trace, self._before[:] = before
            raise

    def undo(self) -> str | None:
        """Take back the last question and its answer; returns the question.

        Raises:
            InputError: the last answer is still being written.
        """
        self._must_be_idle()
        return self._take_back()

    def clear(self) -> None:
        """Forget the conversation; system message and steering stay.

        Raises:
            InputError: the last answer is still being written.
        """
        self._must_be_idle()
        self._messages.clear()
        self._trace = None
        self._before.clear()

    def reread(self) -> int:
        """Read the history again under the present steering, at the next question.

        Without this, what was said under an older strength stays in the cache as it was read then.

        Returns:
            How many tokens will be read again.

        Raises:
            InputError: the last answer is still being written.
        """
        self._must_be_idle()
        n = len(self._trace.tokens) if self._trace else 0
        self._trace, self._before = None, [None] * len(self._before)
        return n

    def compare(self, text: str, **options: Any) -> tuple[Stream, Stream]:
        """The same question plain and steered, from the same seed; neither is recorded.

        Raises:
            InputError: the last answer is still being written.
        """
        self._must_be_idle()
        messages = [*self._messages, {"role": "user", "content": text}]
        merged = {"seed": 0, **self.options, **options}
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
