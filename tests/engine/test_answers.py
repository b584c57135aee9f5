"""Answers: pieces, stop strings, characters, seeds, sampling, and the end of the context."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from edgesteer import (
    ContextFullError,
    ControlVector,
    EngineError,
    InputError,
    Model,
    ModelError,
    SteeringError,
)
from edgesteer.engine.text import TextStream

from ..tiny import END, EOS
from .tools import PROMPT, greedy, push, steering, vector

OpenTiny = Callable[..., Model]


def test_pieces_join_to_the_text(tiny_model: Model) -> None:
    stream = tiny_model.stream(PROMPT, temperature=0, max_tokens=30)
    pieces = list(stream)
    assert len(pieces) == 30
    assert "".join(pieces) == stream.reply.text == stream.job.text
    assert stream.reply.finish == "length"
    assert stream.reply.usage.completion_tokens == 30


def test_pieces_come_while_the_answer_is_written(tiny_model: Model) -> None:
    with_gap = iter(tiny_model.stream(PROMPT, temperature=0, max_tokens=400))
    assert next(with_gap)
    with_gap.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("length", [1, 2, 3, 5])
@pytest.mark.parametrize("start", [0, 4, 11])
def test_a_stop_string_ends_the_text_before_it(tiny_model: Model, start: int, length: int) -> None:
    """Every token is one character, so longer ones run over the bounds of tokens."""
    whole = tiny_model.ask(PROMPT, temperature=0, max_tokens=20).text
    stop = whole[start : start + length]
    stream = tiny_model.stream(PROMPT, temperature=0, max_tokens=20, stop=[stop, "not there"])
    shown = "".join(stream)
    assert shown == stream.reply.text == whole[: whole.index(stop)]
    assert stream.reply.finish == "stop"


def test_a_stop_string_that_only_begins_is_shown_at_the_end(tiny_model: Model) -> None:
    whole = tiny_model.ask(PROMPT, temperature=0, max_tokens=20).text
    for stop in (whole[-3:] + "??", whole[-1:] + "~~~", whole + "!"):
        reply = tiny_model.ask(PROMPT, temperature=0, max_tokens=20, stop=stop)
        assert (reply.text, reply.finish) == (whole, "length")


@pytest.mark.parametrize(
    ("stops", "shown"),
    [(["cd", "b"], "a"), (["abcdef", "b"], "a"), (["ab", "b"], ""), (["f", "ef"], "abcd")],
)
def test_the_stop_string_that_is_complete_first_wins(stops: list[str], shown: str) -> None:
    """However the text is cut into pieces."""
    for size in (1, 2, 3, 6):
        stream, raw = TextStream(stops), b"abcdef"
        text = "".join(stream.feed(raw[i : i + size]) for i in range(0, 6, size))
        assert text + stream.finish() == shown
        assert stream.stopped
        assert stream.feed(b"more") + stream.finish() == ""


def test_characters_split_over_tokens_come_whole(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "été 中文 👩‍🚀!"
    raw = list(text.encode())
    feed: Iterator[int] = iter(raw)
    monkeypatch.setattr(tiny_model._weights, "piece", lambda *_: bytes([next(feed)]))
    stream = tiny_model.stream(PROMPT, temperature=0, max_tokens=len(raw))
    pieces = list(stream)
    assert "".join(pieces) == text
    assert "\N{REPLACEMENT CHARACTER}" not in "".join(pieces)
    assert all(pieces)


def test_a_character_that_is_cut_off_is_marked(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiny_model._weights, "piece", lambda *_: b"\xe4")
    reply = tiny_model.ask(PROMPT, temperature=0, max_tokens=1)
    assert reply.text == "\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("token", [EOS, END])
def test_the_model_can_end_its_answer(tiny_model: Model, token: int) -> None:
    reply = tiny_model.ask(PROMPT, steer=push(token), temperature=0, max_tokens=9)
    assert (reply.text, reply.finish, reply.usage.completion_tokens) == ("", "stop", 0)
    assert reply.timing.tokens_per_s == 0


def test_ends_can_be_ignored(tiny_model: Model) -> None:
    steer = push(EOS, 150)
    reply = tiny_model.ask(PROMPT, steer=steer, temperature=0, max_tokens=9, ignore_eos=True)
    assert (reply.finish, reply.usage.completion_tokens) == ("length", 9)


def test_a_seed_gives_the_same_text_again(tiny_model: Model) -> None:
    options: dict[str, Any] = {"max_tokens": 30, "temperature": 1.5, "top_k": 0, "top_p": 1}
    first = tiny_model.ask(PROMPT, **options)
    again = tiny_model.ask(PROMPT, seed=first.seed, **options)
    other = tiny_model.ask(PROMPT, seed=first.seed ^ 1, **options)
    assert first.text == again.text != other.text


def test_every_seed_is_reproducible(tiny_model: Model) -> None:
    """Also the one that llama.cpp takes for "any"."""
    for seed in (0, 2**32 - 2, 2**32 - 1):
        asked = [tiny_model.ask(PROMPT, max_tokens=20, temperature=2.0, seed=seed) for _ in "ab"]
        assert asked[0].text == asked[1].text
        assert asked[0].seed == seed


def test_unseeded_answers_differ(tiny_model: Model) -> None:
    replies = [tiny_model.ask(PROMPT, max_tokens=30, temperature=2.0) for _ in range(4)]
    assert len({r.text for r in replies}) == len({r.seed for r in replies}) == 4


def test_sampling_follows_its_numbers(tiny_model: Model) -> None:
    """top_k=1, a tiny top_p and a high min_p all leave the likeliest token alone."""
    best = tiny_model.ask(PROMPT, temperature=0, max_tokens=12).text
    for options in (
        {"top_k": 1},
        {"top_p": 1e-6},
        {"min_p": 1.0},
        {"temperature": 1e-4},
        {"temperature": 1e-38},
    ):
        reply = tiny_model.ask(PROMPT, max_tokens=12, seed=3, **options)
        assert reply.text == best


def test_sampling_draws_with_the_models_probabilities(tiny_model: Model) -> None:
    logits = tiny_model.next_logits(PROMPT).astype(np.float64)
    share = np.exp(logits - logits.max())
    share /= share.sum()
    likeliest = int(share.argmax())
    text = tiny_model.detokenize([likeliest])
    options: dict[str, Any] = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
    jobs = [tiny_model.start(PROMPT, max_tokens=1, seed=i, **options) for i in range(400)]
    drawn = sum(job.result().text == text for job in jobs) / 400
    assert abs(drawn - share[likeliest]) < 4 * np.sqrt(share[likeliest] / 400)


def test_a_repeat_penalty_breaks_a_loop(tiny_model: Model) -> None:
    token = tiny_model.tokenize("Q", special=False)[0]
    options: dict[str, Any] = {"steer": push(token), "temperature": 0, "max_tokens": 12}
    assert tiny_model.ask(PROMPT, **options).text == "Q" * 12
    damped = tiny_model.ask(PROMPT, repeat_penalty=50.0, **options).text
    assert damped.count("Q") < 6
    prompted = tiny_model.ask("Q" * 9, raw=True, repeat_penalty=50.0, **options).text
    assert prompted[0] != "Q"


def test_greedy_is_argmax_at_every_step(tiny_model: Model) -> None:
    tokens = tiny_model.tokenize("Greedy.")
    reply = tiny_model.ask("Greedy.", raw=True, temperature=0, max_tokens=25)
    logits = tiny_model.logits(tokens + tiny_model.tokenize(reply.text, special=False))
    chosen = logits[len(tokens) - 1 : -1].argmax(axis=1)
    assert tiny_model.detokenize(chosen.tolist()) == reply.text
    assert tiny_model.detokenize(greedy(tiny_model, tokens, 25)) == reply.text


def test_the_end_of_the_context_ends_the_answer(open_tiny: OpenTiny) -> None:
    for n_ctx in (32, 300):
        model = open_tiny(n_ctx=n_ctx)
        reply = model.ask("abc", raw=True, temperature=0, max_tokens=999)
        assert reply.finish == "context"
        assert reply.usage.prompt_tokens + reply.usage.completion_tokens == n_ctx
        whole = model.ask("abc", raw=True, temperature=0, max_tokens=10)
        assert whole.finish == "length"
        assert reply.text.startswith(whole.text)


def test_a_prompt_that_does_not_fit_is_refused(open_tiny: OpenTiny) -> None:
    model = open_tiny(n_ctx=64)
    for n, cure in ((63, "--ctx 576 "), (3800, "--ctx 4096,"), (5000, "ends at 4096 tokens")):
        with pytest.raises(ContextFullError, match="64") as caught:
            model.ask("a" * n, raw=True)
        assert cure in caught.value.hint
    reply = model.ask("a" * 62, raw=True, max_tokens=9, temperature=0)
    assert (reply.finish, reply.usage.completion_tokens) == ("context", 1)
    with pytest.raises(ContextFullError):
        model.logits([1] * 64)
    with pytest.raises(ContextFullError):
        model.capture([[1] * 64])


def test_bad_options_are_refused(tiny_model: Model) -> None:
    for options in (
        {"max_tokens": 0},
        {"temperature": -1},
        {"top_p": 2},
        {"seed": -1},
        {"warmth": 3},
        {"stop": [3]},
        {"raw": True, "system": "x"},
    ):
        with pytest.raises(InputError):
            tiny_model.ask(PROMPT, **options)
    with pytest.raises(InputError):
        tiny_model.ask([{"role": "user", "content": "x"}], raw=True)
    with pytest.raises(InputError):
        tiny_model.ask_many(["a", "b"], steer=[None])
    with pytest.raises(InputError):
        tiny_model.logits([1, 2], first=2)


def test_a_model_without_a_chat_template_says_so(open_tiny: OpenTiny, tmp_path: Any) -> None:
    from ..tiny import write_model

    base = open_tiny(write_model(tmp_path / "base.gguf", template=None))
    assert not base.has_chat_template
    with pytest.raises(ModelError, match="chat template") as caught:
        base.ask("hi")
    assert "raw" in caught.value.hint
    assert base.ask("hi", raw=True, max_tokens=3, temperature=0).usage.completion_tokens == 3


@pytest.mark.parametrize("template", ["{% if %}", "{{ raise_exception('no') }}", "{{ 1 / 0 }}"])
def test_a_bad_template_is_an_error_not_a_crash(
    open_tiny: OpenTiny, tmp_path: Any, template: str
) -> None:
    from ..tiny import write_model

    model = open_tiny(write_model(tmp_path / "bad.gguf", template=template))
    with pytest.raises((ModelError, InputError), match="template"):
        model.ask("hi")


@pytest.mark.parametrize("text", ["v=3e38", "v=1e10", "clamp:v=1e30", "keepnorm:v=-1e20"])
@pytest.mark.parametrize("on", ["all", "generated"])
def test_strengths_at_which_numbers_overflow_are_refused(
    tiny_model: Model, text: str, on: str
) -> None:
    """Infinite activations would poison the cache for the answers beside this one, too."""
    with pytest.raises(SteeringError, match="overflow"):
        tiny_model.ask(PROMPT, steer=steering(f"{text}?on={on}"), max_tokens=1)
    assert tiny_model.ask(PROMPT, steer=vector(scale=1.0) * 1e8, max_tokens=2).finish == "length"


def test_a_huge_direction_is_refused_for_every_operation(tiny_model: Model) -> None:
    huge = ControlVector({2: np.full(64, 3e38, np.float32)}, name="v")
    for text in ("ablate:v=1", "v=1e-30", "rotate:v=3?toward=w", "v=1@3?if=g>0"):
        given = {"g": huge, "v": vector(3)} if "if" in text else {"v": huge}
        with pytest.raises(SteeringError, match="overflow"):
            tiny_model.ask(PROMPT, steer=steering(text, **given), max_tokens=1)


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_logits_that_say_nothing_are_an_error(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    from edgesteer.engine import context

    empty = np.full(tiny_model.n_vocab, value, np.float32)
    pointer = empty.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
    monkeypatch.setattr(context.C, "llama_get_logits_ith", lambda *_: pointer)
    with pytest.raises(EngineError, match="overflow"):
        tiny_model.ask(PROMPT, max_tokens=1)


def test_the_likeliest_token_is_the_same_with_and_without_llamas_chain(tiny_model: Model) -> None:
    short = tiny_model.ask(PROMPT, temperature=0, max_tokens=40)
    chain = tiny_model.ask(PROMPT, temperature=0, max_tokens=40, logit_bias={3: 1e-9})
    assert short.text == chain.text
