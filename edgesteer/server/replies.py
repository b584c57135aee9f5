"""What chat and completion answers have in common: figures, endings, what steered them, the stream.

Does not know how requests are read, nor what one endpoint's choices look like.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgesteer.engine.job import Reply
    from edgesteer.engine.sequence import TokenLogprob
    from edgesteer.server.answers import Answers
    from edgesteer.server.state import Served
    from edgesteer.server.steering import Applied

__all__ = [
    "DONE",
    "Head",
    "event",
    "figures",
    "finish_reason",
    "finite",
    "new_logprobs",
    "steering_facts",
    "stream",
]

DONE = b"data: [DONE]\n\n"
_FINISH = {"stop": "stop", "length": "length", "context": "length", "cancelled": "length"}


@dataclass(frozen=True)
class Head:
    """The fields that all parts of one answer share."""

    kind: str
    model: str
    fingerprint: str
    prefix: str
    created: int = field(default_factory=lambda: int(time.time()))
    id: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", f"{self.prefix}-{secrets.token_hex(12)}")

    def body(self, choices: Sequence[Mapping[str, Any]], **more: Any) -> dict[str, Any]:
        """A whole answer, or one chunk of a streamed one."""
        return {
            "id": self.id,
            "object": self.kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
            "choices": list(choices),
            **more,
        }


def event(data: Mapping[str, Any], name: str = "") -> bytes:
    """One server-sent event with JSON in it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"{f'event: {name}{chr(10)}' if name else ''}data: {text}\n\n".encode()


def finish_reason(reply: Reply) -> str:
    """OpenAI's word for why an answer ended; one cut short by time or shutdown has a length."""
    return _FINISH[reply.finish]


def finite(logprob: float) -> float:
    """A logprob that JSON has a word for, as OpenAI writes it for what is all but impossible."""
    return max(logprob, -9999.0)


def figures(replies: Iterable[Reply], prompts: int) -> dict[str, Any]:
    """OpenAI's `usage` of the answers to so many prompts; a prompt asked n times counts once."""
    found = list(replies)
    n = max(len(found) // max(prompts, 1), 1)
    prompt = sum(reply.usage.prompt_tokens for reply in found[::n])
    written = sum(reply.usage.completion_tokens for reply in found)
    cached = sum(reply.usage.cached_tokens for reply in found[::n])
    return {
        "prompt_tokens": prompt,
        "completion_tokens": written,
        "total_tokens": prompt + written,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def steering_facts(applied: Applied, replies: Sequence[Reply] = ()) -> dict[str, Any]:
    """What was applied to a request, and once there are answers, by which carrier."""
    facts: dict[str, Any] = {"text": str(applied.steering), "source": applied.source}
    if replies:  # a live default may have changed meanwhile: what was on at the end
        facts["text"] = " | ".join(dict.fromkeys(reply.steering for reply in replies))
        facts["carrier"] = "+".join(
            sorted({part for reply in replies for part in reply.carrier.split("+")} - {"none"})
            or ["none"]
        )
        facts["warnings"] = list(dict.fromkeys(w for reply in replies for w in reply.warnings))
    return facts


def new_logprobs(answers: Answers, index: int, sent: int) -> Sequence[TokenLogprob]:
    """The figures of the tokens of an answer after the first `sent`; its end token has none."""
    sequence = answers.jobs[index].sequence
    return sequence.logprobs[sent : sequence.n_generated] if sequence is not None else ()


async def stream(
    served: Served,
    answers: Answers,
    chunk_of: Callable[[int, str, Reply | None], Iterable[Mapping[str, Any]]],
    last: Callable[[list[Reply]], Mapping[str, Any]] | None,
) -> AsyncIterator[bytes]:
    """The events of running answers.

    `chunk_of(index, text, reply)` makes the chunks of a piece, or of an end when there is a reply;
    `last` makes the final one, of figures. What goes wrong on the way is an event of its own.
    """
    try:
        replies: dict[int, Reply] = {}
        async for piece in answers.pieces():
            if piece.end:
                replies[piece.index] = answers.reply(piece.index)
            for chunk in chunk_of(piece.index, piece.text, replies.get(piece.index)):
                yield event(chunk)
        if last is not None:
            yield event(last([replies[index] for index in sorted(replies)]))
        yield DONE
    except Exception as error:  # noqa: BLE001, the status line is long gone
        yield event(served.failure(error).body())
