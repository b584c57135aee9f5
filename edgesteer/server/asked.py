"""What chat and completion requests have in common, read strictly into one frozen value.

Does not know the model that is served, nor what a steering means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgesteer.server.fields import Fields
from edgesteer.server.settings import Limits

__all__ = ["HARMLESS", "SEEDS", "Asked", "read_asked"]

SEEDS = 2**32
#: Fields of OpenAI's that change nothing here; an answer lists those that were sent.
HARMLESS = (
    "metadata", "prompt_cache_key", "prompt_cache_retention", "reasoning_effort",
    "safety_identifier", "service_tier", "store", "user", "verbosity",
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """The fields of a request for text.

    Attributes:
        model: the model box, "" when it was left empty.
        steering: as it was sent (text, object or None); "" asks for none.
        n: answers of each prompt.
        stream: whether the answer comes as server-sent events, `usage` with a last one of figures.
        options: what `Model.start` gets, of the things that were stated.
        seed: the seed of the first answer; the next ones count up. None draws.
        ignored: fields that were sent and change nothing.
    """

    model: str
    steering: str | Mapping[str, Any] | None
    n: int
    stream: bool
    usage: bool
    options: Mapping[str, Any]
    seed: int | None
    ignored: tuple[str, ...] = ()


def read_asked(fields: Fields, limits: Limits, n_vocab: int) -> Asked:
    """The common fields of a request. Raises FieldError."""
    stream = fields.flag("stream") or False
    options: dict[str, Any] = {
        "temperature": fields.number("temperature", 0, 100),
        "top_p": fields.number("top_p", 0, 1),
        "top_k": fields.whole("top_k", 0, 2**31 - 1),
        "min_p": fields.number("min_p", 0, 1),
        "repeat_penalty": fields.number("repeat_penalty", 1e-3, 100),
        "frequency_penalty": fields.number("frequency_penalty", -2, 2),
        "presence_penalty": fields.number("presence_penalty", -2, 2),
        "stop": fields.texts("stop", limits.stops, limits.stop_length),
        "logit_bias": _logit_bias(fields, limits, n_vocab),
    }
    seed = fields.whole("seed", -(2**63), 2**64)
    return Asked(
        model=fields.text("model", 1024) or "",
        steering=fields.steering("steering"),
        n=fields.whole("n", 1, limits.choices) or 1,
        stream=stream,
        usage=_usage(fields, stream),
        options={key: value for key, value in options.items() if value is not None},
        seed=None if seed is None else seed % SEEDS,
    )


def _usage(fields: Fields, stream: bool) -> bool:
    options = fields.inner("stream_options")
    if options is None:
        return False
    if not stream:
        raise fields.wrong("stream_options", "is for streams", 'add "stream": true')
    wanted = options.flag("include_usage") or False
    options.close(("include_obfuscation",))
    return wanted


def _logit_bias(fields: Fields, limits: Limits, n_vocab: int) -> dict[str, float] | None:
    bias = fields.object("logit_bias")
    if not bias:
        return None
    if len(bias) > limits.biases:
        raise fields.wrong("logit_bias", f"has {len(bias)} entries, {limits.biases} may be")
    for token, value in bias.items():
        if not (token.isascii() and token.isdecimal() and len(token) < 10 and int(token) < n_vocab):
            raise fields.wrong(
                "logit_bias",
                f"has the key {token[:40]!r}",
                f"token ids run from 0 to {n_vocab - 1}",
            )
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not -100 <= value <= 100:
            raise fields.wrong(f"logit_bias.{token}", "must be a number within -100 and 100")
    # -100 means "never" to OpenAI's clients
    return {token: float("-inf") if value == -100 else value for token, value in bias.items()}
