"""Settings of the server: where it listens, who may ask, and what a request may cost.

Does not know any request.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from edgesteer.errors import InputError

__all__ = ["Limits", "Settings"]


@dataclass(frozen=True)
class Limits:
    """What one request may cost at most.

    Attributes:
        body: bytes of a request's body.
        body_seconds: how long a body may take to arrive.
        seconds: from a request's arrival to the end of its answer, waiting included.
        choices: answers of one request (prompts times n).
        messages: messages of one conversation.
        tools: tools that a conversation offers.
        inputs: texts of one embeddings request.
        terms: terms of one steering.
        stops: stop strings, each at most `stop_length` characters long.
        biases: entries of logit_bias.
        schema_nodes: values inside a JSON schema, whatever their kind.
        tokens: longest answer of a chat request that states none.
    """

    body: int = 4 << 20
    body_seconds: float = 30.0
    seconds: float = 600.0
    choices: int = 16
    messages: int = 1024
    tools: int = 128
    inputs: int = 64
    terms: int = 32
    stops: int = 16
    stop_length: int = 256
    biases: int = 1024
    schema_nodes: int = 1000
    tokens: int = 1024


@dataclass(frozen=True)
class Settings:
    """Where the server listens and who may ask.

    `cors` holds origins that pages of other sites may ask from ("*" for any); `api_key` is asked
    for where it is not empty; `page` says whether the page is served.

    Raises InputError for an origin that is none, and for a key that no header can carry.
    """

    host: str = "127.0.0.1"
    port: int = 8808
    api_key: str = ""
    cors: tuple[str, ...] = ()
    page: bool = True
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        for origin in self.cors:
            parts = urlsplit(origin)
            plain = f"{parts.scheme}://{parts.netloc}"
            if origin != "*" and (not parts.netloc or plain != origin):
                raise InputError(
                    f"{origin!r} is no origin",
                    "write scheme and host, such as http://localhost:3000",
                )
        if not (self.api_key.isascii() and self.api_key.isprintable()) or " " in self.api_key:
            raise InputError(
                "the API key must be printable ASCII without spaces", "letters and digits are safe"
            )

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)

    @property
    def url(self) -> str:
        """Where a person finds it."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "") else self.host  # noqa: S104
        host = "[::1]" if host == "::" else f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.port}/"


def is_loopback(host: str) -> bool:
    """Whether a host's name or address means this machine and no other."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
