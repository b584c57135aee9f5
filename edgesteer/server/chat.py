"""POST /v1/chat/completions: a conversation answered, whole or as a stream.

Does not know how a request is read (chat_request.py) or how an answer looks (chat_replies.py).
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from edgesteer.server.chat_replies import ChatWriter
from edgesteer.server.chat_request import asks_of, read_chat
from edgesteer.server.http import event_stream, read_json, served_of

__all__ = ["chat_completions"]


async def chat_completions(request: Request) -> Response:
    """The endpoint."""
    served = served_of(request)
    fields = await read_json(request)
    asked = read_chat(fields, served)
    applied, answers = await served.begin(
        asked.asked, lambda applied: asks_of(asked, applied, served)
    )
    writer = ChatWriter(served, asked, applied, answers)
    if asked.asked.stream:
        return await event_stream(request, served, answers, writer.stream())
    return JSONResponse(writer.whole(await served.collect(request, answers)))
