"""Limits: what is too long, too much or too late has a status of its own, and nothing breaks."""

from __future__ import annotations

import re
import socket
import threading
import time
from contextlib import ExitStack
from typing import Any

import pytest
from starlette.testclient import TestClient

from edgesteer.engine.fake import FakeModel
from edgesteer.engine.job import Job
from edgesteer.server.app import create_app
from edgesteer.server.settings import Limits, Settings

from .conftest import Serve
from .running import Running, chat_body, send, stream_of


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b'{"a": NaN}', 400),
        (b'{"a": "\\ud800"}', 400),
        (b'{"a": ' + b"1" * 5000 + b"}", 400),
        (b"[" * 100_000, 400),
        (b'{"a":' * 200 + b"1" + b"}" * 200, 422),
        (b"[]", 422),
        (b'"text"', 422),
        (b"null", 422),
    ],
)
def test_a_body_that_is_no_json_object(server: Running, raw: bytes, status: int) -> None:
    for path in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/api/compare"):
        answer = server.post(path, raw)
        assert answer.status == status, answer.data
        assert answer.error["message"]


def test_a_long_body_is_a_413(server: Running) -> None:
    answer = server.chat("x" * (4 << 20))
    assert (answer.status, answer.error["code"]) == (413, "body_too_long")


def test_a_long_body_without_a_stated_length_is_a_413(server: Running) -> None:
    connection = server.connect()
    chunks = (b" " * 65536 for _ in range(100))
    try:
        connection.request(
            "POST", "/v1/chat/completions", chunks, {"Content-Type": "application/json"},
            encode_chunked=True,
        )  # fmt: skip
    except (BrokenPipeError, ConnectionResetError):
        pass  # it answered and hung up before all was sent
    else:
        assert connection.getresponse().status == 413
    connection.close()
    assert server.chat().status == 200


def test_a_prompt_that_does_not_fit_is_a_422(server: Running) -> None:
    for text in ("x" * 3000, "x" * 1_000_000):
        answer = server.chat(text)
        assert (answer.status, answer.error["code"]) == (422, "context_length_exceeded")
        body = {"prompt": text}
        assert server.post("/v1/completions", body).error["code"] == "context_length_exceeded"
    answer = server.post("/v1/embeddings", {"input": ["x", "x" * (2048 * 64 + 1)]})
    assert answer.error["code"] == "context_length_exceeded"
    assert "characters" in answer.error["message"]  # it was not even cut into tokens
    answer = server.post("/v1/embeddings", {"input": "x" * 3000})
    assert answer.error["code"] == "context_length_exceeded"


def test_many_messages_are_a_422(server: Running) -> None:
    messages = [{"role": "user", "content": ""}] * 1025
    answer = server.chat(messages=messages)
    assert (answer.status, answer.error["param"]) == (422, "messages")


def test_a_full_queue_is_a_503_that_says_when_to_come_back(serve: Serve) -> None:
    running = serve("--slots", "1", "--queue", "1")
    long = chat_body(max_tokens=1500, stream=True)
    busy = stream_of(running.connect(), "/v1/chat/completions", long)
    next(busy)
    waiting = running.connect()
    send(waiting, "POST", "/v1/chat/completions", chat_body())
    deadline = time.monotonic() + 20
    while running.get("/api/status").json["slots"] != {
        "total": 1, "busy": 1, "waiting": 1, "queue": 1,
    }:  # fmt: skip
        assert time.monotonic() < deadline
    answer = running.chat()
    assert (answer.status, answer.error["code"]) == (503, "queue_full")
    assert int(answer.headers["retry-after"]) >= 1
    assert running.chat(n=2).status == 503  # all or none
    busy.close()
    assert waiting.getresponse().status == 200
    waiting.close()
    assert running.chat().status == 200
    assert running.get("/api/status").json["slots"]["busy"] == 0


def test_an_answer_that_takes_too_long_is_cut_short(serve: Serve) -> None:
    """The context holds more tokens than can be written within the time."""
    running = serve("--slots", "1", "--time-limit", "1", "--ctx", "65536")
    start = time.monotonic()
    cut: dict[str, Any] = {}
    long = threading.Thread(target=lambda: cut.update(running.chat(max_tokens=1_000_000).json))
    long.start()
    time.sleep(0.3)
    late = running.chat(max_tokens=1_000_000)  # it waits behind the other for most of its time
    long.join()
    assert cut["choices"][0]["finish_reason"] == "length"
    assert 0 < cut["usage"]["total_tokens"] < 60_000
    if late.status == 503:  # it had not begun when its time was up
        assert late.error["code"] == "timeout"
    else:
        assert 0 < late.json["usage"]["total_tokens"] < 60_000
    assert time.monotonic() - start < 20


class Slow(FakeModel):
    """Starting an answer takes longer than a request may, and the answer some seconds more."""

    def __init__(self) -> None:
        super().__init__(answer=lambda _prompt, _steering: "word " * 60, delay=0.1)

    def start(self, *arguments: Any, **options: Any) -> Job:
        job = super().start(*arguments, **options)
        time.sleep(0.3)
        return job


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/api/compare"])
@pytest.mark.parametrize("stream", [False, True])
def test_time_that_is_up_during_the_start_ends_the_answer(path: str, stream: bool) -> None:
    body: dict[str, Any] = {"stream": stream, "prompt": "Hi", "max_tokens": 1000}
    if "chat" in path:
        body = {"stream": stream, "messages": [{"role": "user", "content": "Hi"}]}
    settings = Settings(limits=Limits(seconds=0.1), page=False)
    with Slow() as model, TestClient(create_app(model, settings), "http://127.0.0.1") as client:
        answer = client.post(path, json=body)
    assert answer.status_code == 200
    reasons = set(re.findall(r'"finish_reason":"(\w+)"', answer.text))
    assert reasons == {"length"}, "it had begun, and was cut short"


def test_a_body_that_never_arrives_holds_nothing_up(server: Running) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as slow:
        slow.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        assert server.chat().status == 200


def test_more_open_requests_than_memory_should_hold_are_turned_away(serve: Serve) -> None:
    running = serve()
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    )
    with ExitStack() as stack:
        for _ in range(256):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", running.port)))
            slow.sendall(head)
        deadline = time.monotonic() + 20
        while (answer := running.chat()).status == 200:
            assert time.monotonic() < deadline
        assert (answer.status, answer.error["code"]) == (503, "too_many_requests")
        assert answer.headers["retry-after"] == "1"
        assert running.get("/api/status").status == 200
    deadline = time.monotonic() + 20
    while running.chat().status != 200:
        assert time.monotonic() < deadline


def test_a_client_that_does_not_read_keeps_no_slot(serve: Serve) -> None:
    running = serve("--slots", "1")
    connection = running.connect()
    send(connection, "POST", "/v1/chat/completions", chat_body(max_tokens=10**6, stream=True))
    assert running.chat().status == 200
    connection.close()


def test_rubbish_on_the_wire_breaks_nothing(server: Running) -> None:
    for rubbish in (b"\x16\x03\x01\x02\x00", b"GET / HTTP/9.9\r\n\r\n", b"x" * 200_000):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as wire:
            try:
                wire.sendall(rubbish)
                wire.shutdown(socket.SHUT_WR)
                while wire.recv(4096):
                    pass
            except OSError:
                pass  # it hung up
    assert server.chat().status == 200
