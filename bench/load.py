"""Clients of a chat server: each asks question after question and reads its streamed answers.

Knows nothing of what serves. Runs in a process of its own, on bare sockets, so that it takes little
from the machine that it measures:

    python -m bench.load PORT JSON
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

QUESTIONS = (
    "How does a sailing boat go against the wind?",
    "What should I cook for six guests tonight?",
    "Why is the sky red in the evening?",
    "Tell me about the life of a bee.",
    "How do I learn to play the piano?",
    "What makes a good friend?",
    "Describe a walk through an old town.",
    "How do mountains grow?",
)
NEVER = -100.0  # the bias of the token that ends an answer, so that all are equally long


def body(client: int, number: int, options: dict[str, Any]) -> dict[str, Any]:
    """The request of a client: questions in turn, never asked before, strengths of its own."""
    question = QUESTIONS[(client + number) % len(QUESTIONS)]
    steering = {"steering": f"bench={0.2 + client / options['clients']:.4f}"}
    return {
        "model": options["model"],
        "messages": [{"role": "user", "content": f"{options['round']}.{number} {question}"}],
        "temperature": 0,
        "max_tokens": options["tokens"],
        "logit_bias": {str(options["end"]): NEVER},
        "stream": True,
        **(steering if options["steered"] else {}),
    }


async def _ask(
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], port: int, data: dict[str, Any]
) -> tuple[float, float]:
    """Seconds to the first token of one answer and to its end."""
    reader, writer = streams
    raw = json.dumps(data).encode()
    start = time.perf_counter()
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (port, len(raw)) + raw
    )
    first = 0.0
    while line := await reader.readline():
        if not first and b'"content"' in line and b'"content":""' not in line:
            first = time.perf_counter() - start
        if line.startswith(b"HTTP/1.1") and b" 200 " not in line:
            raise RuntimeError(f"{line!r}: {(await reader.read(2000))!r}")
        if line == b"0\r\n":  # the last chunk
            await reader.readline()
            return first, time.perf_counter() - start
    raise RuntimeError("the server hung up")


async def _client(number: int, port: int, options: dict[str, Any]) -> list[tuple[float, float]]:
    streams = await asyncio.open_connection("127.0.0.1", port)
    asked = (body(number, i, options) for i in range(options["requests"]))
    found = [await _ask(streams, port, data) for data in asked]
    streams[1].close()
    return found


async def _all(port: int, options: dict[str, Any]) -> tuple[list[tuple[float, float]], float]:
    start = time.perf_counter()
    each = await asyncio.gather(*(_client(i, port, options) for i in range(options["clients"])))
    return [pair for one in each for pair in one], time.perf_counter() - start


def summary(pairs: Sequence[tuple[float, float]], seconds: float, tokens: int) -> dict[str, float]:
    """Requests and tokens a second; 50th and 99th percentile of first token and of the whole."""
    firsts, wholes = sorted(first for first, _ in pairs), sorted(whole for _, whole in pairs)
    return {
        "requests_per_s": len(pairs) / seconds,
        "tokens_per_s": len(pairs) * tokens / seconds,
        "first_p50": percentile(firsts, 0.5),
        "first_p99": percentile(firsts, 0.99),
        "whole_p50": percentile(wholes, 0.5),
        "whole_p99": percentile(wholes, 0.99),
    }


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which that share of the ordered values lies (nearest rank)."""
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def main(port: int, options: dict[str, Any]) -> None:
    """Ask, and print the figures as JSON."""
    pairs, seconds = asyncio.run(_all(port, options))
    print(json.dumps(summary(pairs, seconds, options["tokens"])))


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[2]))
