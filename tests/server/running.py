"""A server in a process of its own, as a person starts it, and a plain HTTP client for it.

The client is http.client: it sends exactly what a test says, headers that lie included.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

START_SECONDS = 60
ENDS = {"2": -100, "6": -100}  # the tokens with which the tiny model would end its answer


@dataclass(frozen=True)
class Answer:
    """A response that has been read to its end."""

    status: int
    headers: Mapping[str, str]
    data: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.data)

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = self.json["error"]
        assert set(found) == {"message", "type", "param", "code", "hint"}
        assert "Traceback" not in self.data.decode()
        return found

    def events(self) -> list[tuple[str, Any]]:
        """(name, data) of a finished event stream; '[DONE]' stays text."""
        found = []
        for block in self.data.decode().split("\n\n"):
            lines = [line for line in block.splitlines() if not line.startswith(":")]
            fields = dict(line.split(": ", 1) for line in lines if line)
            if "data" in fields:
                data = fields["data"]
                found.append(
                    (fields.get("event", ""), data if data == "[DONE]" else json.loads(data))
                )
        return found


class Running:
    """A server that runs; `stop` ends it as an init system would."""

    def __init__(
        self,
        home: Path,
        model: str,
        *options: str,
        env: Mapping[str, str] = {},
        cwd: Path | None = None,
    ) -> None:
        command = [sys.executable, "-W", "error::UserWarning", "-m", "edgesteer", "serve", model]
        command += ["--port", "0", "--threads", "1", "--json", *options]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "EDGESTEER_HOME": str(home), **env},
            cwd=cwd,
        )
        guard = threading.Timer(START_SECONDS, self.process.kill)
        guard.start()
        assert self.process.stdout is not None
        said = ""
        while not said.rstrip().endswith("}"):
            line = self.process.stdout.readline()
            assert line, self.process.communicate()[1]
            said += line
        guard.cancel()
        self.url = str(json.loads(said)["url"])
        self.port = urlsplit(self.url).port or 0

    def connect(self, timeout: float = 60) -> http.client.HTTPConnection:
        """A connection of one's own."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] = {}
    ) -> Answer:
        """One request, and all of its response."""
        connection = self.connect()
        try:
            send(connection, method, path, body, headers)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers=headers)

    def post(self, path: str, body: Any) -> Answer:
        return self.ask("POST", path, body)

    def put(self, path: str, body: Any) -> Answer:
        return self.ask("PUT", path, body)

    def chat(self, text: str = "Hi", **fields: Any) -> Answer:
        """A chat completion; the answer has 8 tokens unless something else is said."""
        return self.post("/v1/chat/completions", chat_body(text, **fields))

    def say(self, text: str = "Hi", **fields: Any) -> str:
        """The text of a chat completion."""
        answer = self.chat(text, **fields)
        assert answer.status == 200, answer.data
        return str(answer.json["choices"][0]["message"]["content"])

    def stop(self, signal_number: int = signal.SIGTERM) -> tuple[int, str]:
        """(exit code, what it said on stderr); it has half a minute to drain."""
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said


def chat_body(text: str = "Hi", **fields: Any) -> dict[str, Any]:
    """A chat request: greedy, of 8 tokens, which the tiny model does not end."""
    return {
        "messages": [{"role": "user", "content": text}],
        "temperature": 0,
        "max_tokens": 8,
        "logit_bias": ENDS,
        **fields,
    }


def send(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: Any = None,
    headers: Mapping[str, str] = {},
) -> None:
    """Send a request; a body that is no bytes goes as JSON."""
    raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    kind = {} if body is None else {"Content-Type": "application/json"}
    connection.request(method, path, raw, {**kind, **headers})


def stream_of(connection: http.client.HTTPConnection, path: str, body: Any) -> Iterator[Any]:
    """The data of the events of a stream, as they come; closing it hangs up."""
    try:
        send(connection, "POST", path, body)
        with connection.getresponse() as response:
            assert response.status == 200, response.read()
            while line := response.readline():
                if line.startswith(b"data: ") and line != b"data: [DONE]\n":
                    yield json.loads(line[6:])
    finally:
        connection.close()
