"""POST /v1/chat/completions: a conversation answered, whole or as a stream.

Does not know how a steering is found or an answer is written; see state.py and answers.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from edgesteer.server.asked import HARMLESS, Asked, read_asked
from edgesteer.server.errors import FieldError
from edgesteer.server.fields import Fields
from edgesteer.server.http import event_stream, read_json, served_of
from edgesteer.server.messages import read_messages
from edgesteer.server.replies import (
    Head,
    figures,
    finish_reason,
    finite,
    new_logprobs,
    steering_facts,
    stream,
)
from edgesteer.server.schema import read_response_format

if TYPE_CHECKING:
    from edgesteer.engine.job import Reply
    from edgesteer.engine.sequence import TokenLogprob
    from edgesteer.server.answers import Answers, Ask
    from edgesteer.server.state import Served
    from edgesteer.server.steering import Applied

__all__ = ["ChatRequest", "chat_completions", "read_chat"]

_TOP_LOGPROBS = 20


@dataclass(frozen=True)
class ChatRequest:
    """A checked request: what is asked, of whom, and which figures come back."""

    asked: Asked
    messages: Sequence[Mapping[str, Any]]
    logprobs: int | None
    schema: Mapping[str, Any] | None


def read_chat(fields: Fields, served: Served) -> ChatRequest:
    """A request's body as a value. Raises FieldError."""
    limits = served.limits
    asked = read_asked(fields, limits, served.model.n_vocab)
    messages = read_messages(fields, limits)
    schema = read_response_format(fields, limits)
    logprobs = _logprobs(fields)
    most = fields.whole("max_completion_tokens", 1, 2**31 - 1)
    most = fields.whole("max_tokens", 1, 2**31 - 1) if most is None else most
    fields.value("max_tokens")
    _refuse_tools(fields)
    if fields.texts("modalities", 2) not in (None, ("text",)):
        raise fields.wrong("modalities", "can be text alone")
    ignored = fields.close((*HARMLESS, "parallel_tool_calls"))
    options = dict(asked.options)
    if most is not None:
        options["max_tokens"] = most
    return ChatRequest(replace(asked, options=options, ignored=ignored), messages, logprobs, schema)


def _logprobs(fields: Fields) -> int | None:
    wanted = fields.flag("logprobs") or False
    top = fields.whole("top_logprobs", 0, _TOP_LOGPROBS)
    if top is not None and not wanted:
        raise fields.wrong("top_logprobs", "needs logprobs", 'add "logprobs": true')
    return (top or 0) if wanted else None


def _refuse_tools(fields: Fields) -> None:
    for name in ("tools", "functions"):
        if fields.value(name):
            raise FieldError(
                name,
                "this model's chat template has no place for tools",
                "ask for JSON by response_format, or serve a model that was trained on tools",
                code="tools_not_supported",
            )
    for name in ("tool_choice", "function_call"):
        if fields.value(name) not in (None, "none", "auto"):
            raise fields.wrong(name, "names a tool, and there are none")


async def chat_completions(request: Request) -> Response:
    """The endpoint."""
    served = served_of(request)
    fields = await read_json(request)
    asked = read_chat(fields, served)
    applied: Applied = await served.in_thread(
        served.applied, asked.asked.model, asked.asked.steering
    )
    answers = await served.begin(applied, asks_of(asked, applied, served))
    writer = _Writer(served, asked, applied, answers)
    if asked.asked.stream:
        return await event_stream(request, served, answers, writer.stream())
    return JSONResponse(writer.whole(await served.collect(request, answers)))


def asks_of(request: ChatRequest, applied: Applied, served: Served) -> list[Ask]:
    """What the model is asked: n times the conversation, each time by the next seed."""
    messages = list(request.messages)
    if applied.system is not None and messages[0]["role"] != "system":
        messages.insert(0, {"role": "system", "content": applied.system})
    options: dict[str, Any] = {"max_tokens": served.limits.tokens, **applied.settings}
    options |= request.asked.options
    options |= {"logprobs": request.logprobs, "json_schema": request.schema}
    return [(messages, one) for one in served.seeded(options, request.asked)]


class _Writer:
    """Shapes the answers to one request."""

    def __init__(
        self, served: Served, request: ChatRequest, applied: Applied, answers: Answers
    ) -> None:
        self._served, self._request, self._applied = served, request, applied
        self._answers = answers
        self._model = applied.model or served.model.name
        self._sent = [0] * len(answers.jobs)
        self._begun: set[int] = set()

    def _extra(self) -> dict[str, Any]:
        ignored = self._request.asked.ignored
        return {"ignored": list(ignored)} if ignored else {}

    def _head(self, kind: str) -> Head:
        return Head(kind, self._model, self._served.fingerprint, "chatcmpl")

    def whole(self, replies: list[Reply]) -> dict[str, Any]:
        """The body of an answer that is not streamed."""
        choices = [
            {
                "index": index,
                "message": {"role": "assistant", "content": reply.text, "refusal": None},
                "logprobs": self._logprobs(reply.logprobs[: reply.usage.completion_tokens]),
                "finish_reason": finish_reason(reply),
                "seed": reply.seed,
            }
            for index, reply in enumerate(replies)
        ]
        return self._head("chat.completion").body(
            choices,
            usage=figures(replies, 1),
            steering=steering_facts(self._applied, replies),
            **self._extra(),
        )

    def stream(self) -> Any:
        """The events of an answer that is streamed."""
        head = self._head("chat.completion.chunk")
        nothing = {"usage": None} if self._request.asked.usage else {}

        def chunks(index: int, text: str, reply: Reply | None) -> Iterator[dict[str, Any]]:
            def chunk(delta: dict[str, Any], **more: Any) -> dict[str, Any]:
                choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
                facts = more.pop("steering", None)
                body = head.body([choice | more], **nothing)
                return body | ({"steering": facts} if facts else {})

            if index not in self._begun:
                self._begun.add(index)
                start = {"role": "assistant", "content": "", "refusal": None}
                yield chunk(start, steering=steering_facts(self._applied))
            new = new_logprobs(self._answers, index, self._sent[index])
            self._sent[index] += len(new)
            if text or new:
                yield chunk({"content": text}, logprobs=self._logprobs(new))
            if reply is not None:
                yield chunk(
                    {},
                    finish_reason=finish_reason(reply),
                    seed=reply.seed,
                    steering=steering_facts(self._applied, [reply]),
                )

        def last(replies: list[Reply]) -> dict[str, Any]:
            return head.body([], usage=figures(replies, 1), **self._extra())

        wanted = last if self._request.asked.usage else None
        return stream(self._served, self._answers, chunks, wanted)

    def _logprobs(self, tokens: Sequence[TokenLogprob]) -> dict[str, Any] | None:
        if self._request.logprobs is None:
            return None
        return {"content": [self._token(token) for token in tokens], "refusal": None}

    def _token(self, found: TokenLogprob) -> dict[str, Any]:
        def one(token: int, text: str, logprob: float) -> dict[str, Any]:
            raw = list(self._served.model.token_bytes(token))
            return {"token": text, "logprob": finite(logprob), "bytes": raw}

        top = [one(*entry) for entry in found.top]
        return one(found.token, found.text, found.logprob) | {"top_logprobs": top}
