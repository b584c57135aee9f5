"""POST /v1/completions: texts continued, whole or as a stream.

Does not know conversations (chat.py), how a steering is found or how an answer is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from edgesteer.server.asked import HARMLESS, Asked, read_asked
from edgesteer.server.fields import Fields
from edgesteer.server.http import event_stream, read_json, served_of
from edgesteer.server.replies import (
    Head,
    figures,
    finish_reason,
    finite,
    new_logprobs,
    steering_facts,
    stream,
)

if TYPE_CHECKING:
    from edgesteer.engine.job import Reply
    from edgesteer.engine.sequence import TokenLogprob
    from edgesteer.server.answers import Answers, Ask
    from edgesteer.server.state import Served
    from edgesteer.server.steering import Applied

__all__ = ["CompletionRequest", "completions", "read_completion"]

_TOKENS = 16  # OpenAI's longest completion where none is stated
_TOP_LOGPROBS = 20


@dataclass(frozen=True)
class CompletionRequest:
    """A checked request: texts to continue, and which figures come back."""

    asked: Asked
    prompts: tuple[str, ...]
    echo: bool
    logprobs: int | None


def read_completion(fields: Fields, served: Served) -> CompletionRequest:
    """A request's body as a value. Raises FieldError."""
    limits = served.limits
    asked = read_asked(fields, limits, served.model.n_vocab)
    fields.need("prompt")
    prompts = fields.texts("prompt", limits.choices) or ()
    if not prompts:
        raise fields.wrong("prompt", "is an empty list")
    if len(prompts) * asked.n > limits.choices:
        raise fields.wrong(
            "n", f"times the prompts is {len(prompts) * asked.n}, {limits.choices} may be"
        )
    most = fields.whole("max_tokens", 1, 2**31 - 1)
    logprobs = fields.whole("logprobs", 0, _TOP_LOGPROBS)
    echo = fields.flag("echo") or False
    if echo and logprobs is not None:
        raise fields.wrong("echo", "can not be had together with logprobs")
    if fields.text("suffix"):
        raise fields.wrong("suffix", "is not supported", "put all of the text into the prompt")
    best_of = fields.whole("best_of", 1, 100)
    if best_of is not None and best_of != asked.n:
        raise fields.wrong("best_of", "must equal n, or be left out")
    options = {"max_tokens": most if most is not None else _TOKENS, **asked.options}
    ignored = fields.close(HARMLESS)
    return CompletionRequest(
        replace(asked, options=options, ignored=ignored), prompts, echo, logprobs
    )


async def completions(request: Request) -> Response:
    """The endpoint."""
    served = served_of(request)
    asked = read_completion(await read_json(request), served)
    applied, answers = await served.begin(
        asked.asked, lambda applied: _asks(asked, applied, served)
    )
    writer = _Writer(served, asked, applied, answers)
    if asked.asked.stream:
        return await event_stream(request, served, answers, writer.stream())
    return JSONResponse(writer.whole(await served.collect(request, answers)))


def _asks(request: CompletionRequest, applied: Applied, served: Served) -> list[Ask]:
    """What the model is asked: each prompt n times."""
    options = {**applied.settings, **request.asked.options, "logprobs": request.logprobs}
    return [
        (prompt, {**one, "raw": True})
        for prompt in request.prompts
        for one in served.seeded(options, request.asked)
    ]


class _Writer:
    """Shapes the answers to one request."""

    def __init__(
        self, served: Served, request: CompletionRequest, applied: Applied, answers: Answers
    ) -> None:
        self._served, self._request, self._applied = served, request, applied
        self._answers = answers
        name = applied.model or served.model.name
        self._head = Head("text_completion", name, served.fingerprint, "cmpl")
        self._sent = [0] * len(answers.jobs)
        self._length = [0] * len(answers.jobs)  # of the text that has figures already

    def _extra(self) -> dict[str, Any]:
        ignored = self._request.asked.ignored
        return {"ignored": list(ignored)} if ignored else {}

    def _prompt(self, index: int) -> str:
        return self._request.prompts[index // self._request.asked.n] if self._request.echo else ""

    def whole(self, replies: list[Reply]) -> dict[str, Any]:
        """The body of an answer that is not streamed."""
        choices = [
            {
                "index": index,
                "text": self._prompt(index) + reply.text,
                "logprobs": self._logprobs(index, reply.logprobs[: reply.usage.completion_tokens]),
                "finish_reason": finish_reason(reply),
                "seed": reply.seed,
            }
            for index, reply in enumerate(replies)
        ]
        return self._head.body(
            choices,
            usage=figures(replies, len(self._request.prompts)),
            steering=steering_facts(self._applied, replies),
            **self._extra(),
        )

    def stream(self) -> Any:
        """The events of an answer that is streamed."""
        nothing = {"usage": None} if self._request.asked.usage else {}
        begun: set[int] = set()

        def chunks(index: int, text: str, reply: Reply | None) -> Iterator[dict[str, Any]]:
            new = new_logprobs(self._answers, index, self._sent[index])
            self._sent[index] += len(new)
            if index not in begun:
                begun.add(index)
                text = self._prompt(index) + text
            choice: dict[str, Any] = {
                "index": index,
                "text": text,
                "logprobs": self._logprobs(index, new),
                "finish_reason": None if reply is None else finish_reason(reply),
            }
            facts: dict[str, Any] = {}
            if reply is not None:
                choice["seed"] = reply.seed
                facts = {"steering": steering_facts(self._applied, [reply])}
            yield self._head.body([choice], **nothing, **facts)

        def last(replies: list[Reply]) -> dict[str, Any]:
            usage = figures(replies, len(self._request.prompts))
            return self._head.body([], usage=usage, **self._extra())

        wanted = last if self._request.asked.usage else None
        return stream(self._served, self._answers, chunks, wanted)

    def _logprobs(self, index: int, tokens: Sequence[TokenLogprob]) -> dict[str, Any] | None:
        if self._request.logprobs is None:
            return None
        offsets = []
        for token in tokens:
            offsets.append(self._length[index])
            self._length[index] += len(token.text)
        return {
            "tokens": [token.text for token in tokens],
            "token_logprobs": [finite(token.logprob) for token in tokens],
            "top_logprobs": [
                {text: finite(logprob) for _, text, logprob in token.top} for token in tokens
            ],
            "text_offset": offsets,
        }
