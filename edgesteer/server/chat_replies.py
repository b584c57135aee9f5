"""The shapes of chat answers: whole ones, and the chunks of streamed ones.

Does not know how answers are asked for or written.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from edgesteer.server.replies import (
    Head,
    figures,
    finish_reason,
    finite,
    new_logprobs,
    steering_facts,
    stream,
)
from edgesteer.server.tools import CallReader

if TYPE_CHECKING:
    from edgesteer.engine.job import Reply
    from edgesteer.engine.sequence import TokenLogprob
    from edgesteer.server.answers import Answers
    from edgesteer.server.chat_request import ChatRequest
    from edgesteer.server.state import Served
    from edgesteer.server.steering import Applied

__all__ = ["ChatWriter"]


class ChatWriter:
    """Shapes the answers to one request."""

    def __init__(
        self, served: Served, request: ChatRequest, applied: Applied, answers: Answers
    ) -> None:
        self._served, self._request, self._applied = served, request, applied
        self._answers = answers
        self._model = applied.model or served.model.name
        self._sent = [0] * len(answers.jobs)
        self._calls = [CallReader() if request.tools else None for _ in answers.jobs]
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
                **self._message(index, reply),
                "logprobs": self._logprobs(reply.logprobs[: reply.usage.completion_tokens]),
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

    def _message(self, index: int, reply: Reply) -> dict[str, Any]:
        """The message of an answer with the calls in it, and why it ended."""
        text, calls = self._split(index, reply.text, reply)
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
        if calls:
            message |= {"content": text or None, "tool_calls": calls}
        return {"message": message, "finish_reason": _reason(reply, calls)}

    def _split(
        self, index: int, text: str, reply: Reply | None
    ) -> tuple[str, list[dict[str, Any]]]:
        """A piece of an answer as (what is surely text, at the end the calls)."""
        reader = self._calls[index]
        if reader is None:
            return text, []
        shown = reader.feed(text)
        if reply is None:
            return shown, []
        rest, calls = reader.finish()
        return shown + rest, calls

    def stream(self) -> AsyncIterator[bytes]:
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
            text, calls = self._split(index, text, reply)
            if text or new:
                yield chunk({"content": text}, logprobs=self._logprobs(new))
            for number, call in enumerate(calls):
                yield chunk({"tool_calls": [{"index": number, **call}]})
            if reply is not None:
                yield chunk(
                    {},
                    finish_reason=_reason(reply, calls),
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


def _reason(reply: Reply, calls: Sequence[object]) -> str:
    return "tool_calls" if calls else finish_reason(reply)
