"""POST /api/compare: one prompt and seed answered plain and steered, as one stream of two sides.

Does not know how an answer is written. The steered side follows the live default when the request
states no steering, so that a slider turns it while it is being written.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from edgesteer.server.asked import Asked, read_asked
from edgesteer.server.fields import Fields
from edgesteer.server.http import event_stream, read_json, served_of
from edgesteer.server.messages import need_template, read_messages
from edgesteer.server.replies import event, finish_reason
from edgesteer.steering import Steering

if TYPE_CHECKING:
    from edgesteer.engine.job import Reply
    from edgesteer.engine.watch import Reading
    from edgesteer.monitor.readout import Readout
    from edgesteer.server.answers import Answers, Ask
    from edgesteer.server.state import Served
    from edgesteer.server.steering import Applied

__all__ = ["compare"]

SIDES = ("plain", "steered")


@dataclass(frozen=True)
class CompareRequest:
    """A checked request: a conversation, or with `raw` a text to continue."""

    asked: Asked
    prompt: str | Sequence[Mapping[str, Any]]
    raw: bool
    watch: tuple[str, ...]


def read_compare(fields: Fields, served: Served) -> CompareRequest:
    """A request's body as a value. Raises FieldError."""
    limits = served.limits
    asked = read_asked(fields, limits, served.model.n_vocab)
    if asked.n != 1:
        raise fields.wrong("n", "must be 1: there is one answer a side")
    most = fields.whole("max_tokens", 1, 2**31 - 1)
    system = fields.text("system")
    prompt: str | list[dict[str, Any]] = fields.text("prompt") or ""
    raw = fields.flag("raw") or False
    if prompt and fields.value("messages") is not None:
        raise fields.wrong("messages", "and prompt exclude each other")
    if raw:
        fields.need("prompt")
        if system is not None:
            raise fields.wrong("system", "has no place in a raw prompt")
    else:
        need_template(served.model)
        asked_for = prompt and [{"role": "user", "content": prompt}]
        prompt = asked_for or read_messages(fields, limits)
        if system is not None:
            prompt = [{"role": "system", "content": system}, *prompt]
    watch = fields.texts("watch", limits.terms, 1024) or ()
    fields.close()
    options = dict(asked.options) | ({} if most is None else {"max_tokens": most})
    return CompareRequest(replace(asked, options=options), prompt, raw, watch)


async def compare(request: Request) -> Response:
    """The endpoint."""
    served = served_of(request)
    asked = read_compare(await read_json(request), served)

    def asks_of(applied: Applied) -> list[Ask]:
        return _asks(asked, applied, served, served.watched(asked.watch))

    applied, answers = await served.begin(asked.asked, asks_of, follows=(False, True))
    return await event_stream(request, served, answers, _events(served, answers, applied))


def _asks(
    request: CompareRequest, applied: Applied, served: Served, watch: Mapping[str, Readout]
) -> list[Ask]:
    options: dict[str, Any] = {"max_tokens": served.limits.tokens, **applied.settings}
    options |= {**request.asked.options, "raw": request.raw, "watch": watch or None}
    one = served.seeded(options, request.asked)[0]
    prompt = request.prompt
    if applied.system is not None and not request.raw and prompt[0]["role"] != "system":  # type: ignore[index]
        prompt = [{"role": "system", "content": applied.system}, *prompt]
    return [(prompt, {**one, "steer": Steering()}), (prompt, {**one, "steer": applied.steering})]


async def _events(served: Served, answers: Answers, applied: Applied) -> AsyncIterator[bytes]:
    """`start`; `token`, `reading` and `end` (or `error`) of either side; then `done`."""
    start = {
        "model": served.model.name,
        "seed": answers.seed,
        "steering": {"text": str(applied.steering), "source": applied.source},
    }
    yield event(start, "start")
    async for piece in answers.pieces():
        side = SIDES[piece.index]
        if piece.reading is not None:
            yield event({"side": side, **_reading(piece.reading)}, "reading")
            continue
        if not piece.end:
            yield event({"side": side, "text": piece.text}, "token")
            continue
        try:
            yield event({"side": side, **_end(answers.reply(piece.index))}, "end")
        except Exception as error:  # noqa: BLE001, the other side goes on
            yield event({"side": side, **served.failure(error).body()}, "error")
    yield event({}, "done")


def _reading(found: Reading) -> dict[str, Any]:
    values = {k: round(value, 6) for k, value in found.values.items() if math.isfinite(value)}
    return {
        "position": found.position,
        "text": found.text,
        "generated": found.generated,
        "values": values,
    }


def _end(reply: Reply) -> dict[str, Any]:
    return {
        "text": reply.text,
        "finish_reason": finish_reason(reply),
        "steering": reply.steering,
        "carrier": reply.carrier,
        "warnings": list(reply.warnings),
        "usage": {
            "prompt_tokens": reply.usage.prompt_tokens,
            "completion_tokens": reply.usage.completion_tokens,
        },
        "tokens_per_s": round(reply.timing.tokens_per_s, 2),
        "first_token_s": round(reply.timing.first_token_s, 4),
    }
