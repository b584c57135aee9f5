"""The cache never lies: what is used again, what is not, and what moves between lanes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edgesteer import Model, Steering
from edgesteer.engine.context import Context
from edgesteer.engine.plan import PLAIN

from .tools import Latch, empty_caches, greedy, greedy_text, plan_of, push, steering, vector

OpenTiny = Callable[..., Model]
QUESTION = "What do you know of ships and of the sea?"
V = vector()


def ask(model: Model, prompt: str = QUESTION, steer: Any = None, n: int = 8, **options: Any) -> Any:
    return model.ask(prompt, steer=steer, temperature=0, max_tokens=n, **options)


def test_a_repeated_prompt_is_read_once(open_tiny: OpenTiny) -> None:
    model = open_tiny()
    first, second = ask(model), ask(model)
    assert (first.usage.cached_tokens, first.text) == (0, second.text)
    assert second.usage.cached_tokens == second.usage.prompt_tokens - 1


def test_prompts_share_their_beginning(open_tiny: OpenTiny) -> None:
    model = open_tiny()
    ask(model, "abcdefghij one", raw=True)
    reply = ask(model, "abcdefghij two", raw=True)
    assert reply.usage.cached_tokens == 1 + len("abcdefghij ")
    assert reply.text == greedy_text_raw(model, "abcdefghij two", 8)


def greedy_text_raw(model: Model, text: str, n: int, steer: Any = None) -> str:
    return model.detokenize(greedy(model, model.tokenize(text), n, steer))


@pytest.mark.parametrize(
    "other",
    [
        V * 1.001,
        -V,
        V.at("1-2"),
        vector(seed=9),
        None,
        steering("ablate:v=1"),
        steering("v=1?on=prompt"),
        steering("v=1?decay=9"),
    ],
    ids=["strength", "sign", "layers", "vector", "plain", "operation", "positions", "schedule"],
)
def test_another_steering_reads_the_prompt_anew(open_tiny: OpenTiny, other: Any) -> None:
    model = open_tiny()
    ask(model, steer=V)
    reply = ask(model, steer=other)
    assert reply.usage.cached_tokens == 0
    assert reply.text == greedy_text(model, QUESTION, 8, other)


def test_what_acts_equally_shares_a_cache(open_tiny: OpenTiny) -> None:
    """Names, order and spelling are no part of a steering's effect."""
    model = open_tiny()
    w = vector(seed=2, name="w")
    ask(model, steer=V * 1 + w * 0.5)
    reply = ask(model, steer=w.renamed("other") * 0.5 + V.renamed("another"))
    assert reply.usage.cached_tokens == reply.usage.prompt_tokens - 1


def test_steering_of_answers_alone_shares_the_prompt(open_tiny: OpenTiny) -> None:
    """All of them, in either lane, read a prompt once."""
    model = open_tiny()
    ask(model)
    texts = ["v=1", "v=-1", "v=1", "ablate:v=1", "keepnorm:v=2"]
    steers = [steering(f"{text}?on=generated") for text in texts]
    replies = [ask(model, steer=steer) for steer in steers]
    for steer, reply in zip(steers, replies, strict=True):
        assert reply.usage.cached_tokens == reply.usage.prompt_tokens - 1
        assert reply.text == greedy_text(model, QUESTION, 8, steer)


def test_a_steered_answer_is_no_steered_prompt(open_tiny: OpenTiny) -> None:
    """What was written under "generated" was read otherwise than the same text as a prompt."""
    model = open_tiny()
    for text in ("v=1?on=generated", "v=1?on=prompt", "ablate:v=1?on=generated"):
        steer = steering(text)
        written = ask(model, "abc", steer, raw=True).text
        longer = "abc" + written
        reply = ask(model, longer, steer, raw=True)
        assert reply.text == greedy_text_raw(model, longer, 8, steer), text


def test_a_token_gate_on_the_prompt_makes_its_cache_its_own(open_tiny: OpenTiny) -> None:
    model = open_tiny()
    steer = steering("v=1?if=g>0&scope=token&on=prompt", v=vector(2, scale=9.0), g=vector(1))
    written = ask(model, "abc", steer, raw=True).text
    longer = "abc" + written
    reply = ask(model, longer, steer, raw=True)
    assert reply.text == greedy_text_raw(model, longer, 8, steer)


def test_an_operation_everywhere_may_go_on_from_its_answer(open_tiny: OpenTiny) -> None:
    model = open_tiny()
    steer = steering("ablate:v=1")
    written = ask(model, "abc", steer, raw=True).text
    longer = "abc" + written
    reply = ask(model, longer, steer, raw=True)
    assert reply.usage.cached_tokens == len("abc") + len(written)
    assert reply.text == greedy_text_raw(model, longer, 8, steer)


@pytest.mark.parametrize(
    ("text", "prompt_shared", "stamped"),
    [
        ("v=1", False, ("same", "same")),
        ("v=1?on=prompt", False, ("same", PLAIN)),
        ("v=1?on=generated", True, (PLAIN, "same")),
        ("v=1?decay=4", False, ("own", "own")),
        ("v=1?after=4", True, (PLAIN, "own")),
        ("ablate:v=1", False, ("same", "same")),
        ("ablate:v=1?on=2-5", False, ("same", "same")),
        ("ablate:v=1?on=prompt", False, ("own", "own")),
        ("ablate:v=1?on=last:2", False, ("own", "own")),
        ("ablate:v=1?on=generated", True, (PLAIN, "own")),
        ("v=1@2?if=g>0&scope=token", False, ("same", "same")),
        ("v=1@2?if=g>0&scope=token&on=prompt", False, ("own", "own")),
        ("v=1@2?if=g>0&scope=token&on=last:3", False, ("own", "own")),
        ("v=1@2?if=g>0", False, ("own", "own")),
        ("v=1@2?if=g>0&scope=mean", False, ("own", "own")),
    ],
)
def test_stamps_say_what_acted(
    tiny_model: Model, text: str, prompt_shared: bool, stamped: tuple[str, str]
) -> None:
    """Two requests of one steering may share a stamp only where nothing else decides the effect."""
    steer = steering(text, g=vector(1, name="g"))
    one, two = (plan_of(tiny_model, steer).stamps(0, 8, 5) for _ in range(2))
    assert len(set(one[5:])) == 1
    for i, expected in ((4, stamped[0]), (7, stamped[1])):
        if expected == PLAIN:
            assert one[i] == PLAIN
        else:
            assert (one[i] == two[i]) == (expected == "same")
            assert one[i] != PLAIN
    assert (one[4] == PLAIN) == prompt_shared


@pytest.mark.parametrize(
    ("text", "quiet"),
    [
        ("ablate:v=1?on=2-5", 2),
        ("v=1@2?on=3-3", 3),
        ("ablate:v=1?on=last:2", 3),
        ("ablate:v=1?on=2-5 ablate:w=1?on=1-1", 1),
        ("ablate:v=1?on=2-5 ablate:w=1", 0),
        ("v=1@2?if=g>0&scope=mean&on=2-5", 0),  # the gate reads from the first token on
    ],
)
def test_tokens_before_the_first_that_anything_acts_on_are_plain(
    tiny_model: Model, text: str, quiet: int
) -> None:
    plan = plan_of(tiny_model, steering(text, g=vector(1, name="g")))
    assert [stamp == PLAIN for stamp in plan.stamps(0, 5, 5)] == [True] * quiet + [False] * (
        5 - quiet
    )
    assert plan.stamps(1, 5, 5)[-1] == plan.stamps(0, 5, 5)[-1]


def test_a_window_reuses_what_was_read_before_it(open_tiny: OpenTiny) -> None:
    model = open_tiny()
    first = model.ask(QUESTION, steer=steering("v=1@2?on=6-6"), temperature=0, max_tokens=1)
    other = model.ask(QUESTION, steer=steering("v=2@2?on=8-8"), temperature=0, max_tokens=1)
    assert first.usage.prompt_tokens > 8
    assert other.usage.cached_tokens == 6


def test_sequences_side_by_side_fork_one_prompt(open_tiny: OpenTiny) -> None:
    model = open_tiny()
    ask(model, n=1)
    jobs = [model.start(QUESTION, temperature=0, max_tokens=8) for _ in range(4)]
    replies = [job.result() for job in jobs]
    assert len({r.text for r in replies}) == 1
    assert all(r.usage.cached_tokens == r.usage.prompt_tokens - 1 for r in replies)


@pytest.mark.parametrize("steered", [False, True])
def test_a_prompt_asked_many_times_at_once_is_read_once(open_tiny: OpenTiny, steered: bool) -> None:
    """Those who come together wait for the first to have read what they share."""
    model = open_tiny(n_seq=8)
    strengths = [i / 4 - 1.1 for i in range(8)]
    steers = [steering(f"v={x:.2f}?on=generated") if steered else None for x in strengths]
    replies = model.ask_many([QUESTION] * 8, steer=steers, temperature=0, max_tokens=6)
    read = sum(r.usage.prompt_tokens - r.usage.cached_tokens for r in replies)
    assert read < replies[0].usage.prompt_tokens + 8 * 20
    assert [r.text for r in replies] == [greedy_text(model, QUESTION, 6, s) for s in steers]


def test_text_survives_the_move_to_the_hooked_lane_and_back(open_tiny: OpenTiny) -> None:
    """A steered answer joined in the middle by others, which then leave again."""
    model = open_tiny()
    latch = Latch(5)
    long = model.start(QUESTION, steer=V, temperature=0, max_tokens=30, on_piece=latch)
    latch.wait()
    others = [
        model.start(QUESTION, steer=s, temperature=0, max_tokens=6)
        for s in (None, steering("ablate:v=1"))
    ]
    latch.go()
    assert [o.result().text for o in others] == [
        greedy_text(model, QUESTION, 6, s) for s in (None, steering("ablate:v=1"))
    ]
    reply = long.result()
    assert reply.text == greedy_text(model, QUESTION, 30, V)
    assert set(model._scheduler._lanes) == {False, True}


def test_a_cache_full_of_old_answers_makes_room(open_tiny: OpenTiny) -> None:
    """Idle slots are emptied, oldest first, in either lane and for readings too."""
    model = open_tiny(n_ctx=256)
    for carrier in (None, steering("ablate:v=1")):
        for start in "abc":
            reply = ask(model, start * 150, carrier, raw=True, n=30)
            assert reply.finish == "length"
    assert model.capture(["z" * 200], layers="1-3", positions="mean").rows.shape == (1, 3, 64)
    assert model.logits(model.tokenize("y" * 200), V).shape[0] == 201


def test_a_short_common_beginning_takes_no_conversation_away(open_tiny: OpenTiny) -> None:
    """All prompts share the start of sequence: that is no reason to give up a long cache."""
    model = open_tiny(n_seq=3)
    ask(model, "the one to keep " * 10, raw=True)
    for letter in "abc":
        ask(model, letter * 30, raw=True)
        kept = ask(model, "the one to keep " * 10, raw=True)
        assert kept.usage.cached_tokens == kept.usage.prompt_tokens - 1


def test_evicted_prompts_are_read_again(open_tiny: OpenTiny) -> None:
    model = open_tiny()
    first = ask(model, "a" * 150, raw=True)
    empty_caches(model)
    again = ask(model, "a" * 150, raw=True)
    assert (again.usage.cached_tokens, again.text) == (0, first.text)


def in_use(model: Model) -> list[int]:
    """How many tokens each slot that is not empty holds."""
    lanes = model._scheduler._lanes.values()
    return model._scheduler.call(
        lambda _: [len(s.tokens) for x in lanes for s in x.slots if s.tokens]
    )


def test_only_the_latest_conversation_stays_in_the_cache(open_tiny: OpenTiny) -> None:
    """Others would slow down its every token; they are parked, and taken back when asked for."""
    model = open_tiny()
    letters = "abcd"
    firsts = [ask(model, letter * 150, raw=True) for letter in letters]
    assert in_use(model) == [firsts[-1].usage.prompt_tokens + 7]
    for letter, first in zip(letters, firsts, strict=True):
        again = ask(model, letter * 150, raw=True)
        assert again.usage.cached_tokens == first.usage.prompt_tokens - 1
        assert again.text == first.text
        assert len(in_use(model)) == 1


def test_a_parked_prompt_serves_the_other_lane(open_tiny: OpenTiny) -> None:
    """Plain tokens are the same whoever goes on from them, in a lane with or without callback."""
    model = open_tiny()
    ask(model, "a" * 100, raw=True)
    ask(model, "b" * 100, raw=True)
    steer = steering("ablate:v=1?on=generated")
    reply = ask(model, "a" * 100, steer, raw=True)
    assert reply.usage.cached_tokens == reply.usage.prompt_tokens - 1
    assert reply.text == greedy_text_raw(model, "a" * 100, 8, steer)


def test_what_was_steered_otherwise_is_not_taken_back(open_tiny: OpenTiny) -> None:
    model = open_tiny()
    ask(model, "a" * 100, V, raw=True)
    ask(model, "b" * 100, V, raw=True)
    reply = ask(model, "a" * 100, V * 1.001, raw=True)
    assert reply.usage.cached_tokens == 0
    assert reply.text == greedy_text_raw(model, "a" * 100, 8, V * 1.001)


def test_a_beginning_that_is_taken_back_takes_nothing_away(open_tiny: OpenTiny) -> None:
    """Another conversation with the same system prompt: the first one is still there whole."""
    model = open_tiny()
    first, other = "s" * 60 + "a" * 90, "s" * 60 + "b" * 30
    ask(model, first, raw=True)
    ask(model, "x" * 80, raw=True)
    assert ask(model, other, raw=True).usage.cached_tokens == 61
    again = ask(model, first, raw=True)
    assert again.usage.cached_tokens == again.usage.prompt_tokens - 1


def test_the_only_slot_keeps_the_beginning_that_it_shares(open_tiny: OpenTiny) -> None:
    """Also where the rest is too large to be copied, or can not be."""
    for broken in (False, True):
        model = open_tiny(n_seq=1)
        model._scheduler._parked.largest = 10**9 if broken else 1
        with pytest.MonkeyPatch.context() as patch:
            if broken:
                patch.setattr(Context, "save_sequence", _no_memory)
            ask(model, "s" * 50 + "a" * 150, raw=True)
            reply = ask(model, "s" * 50 + "b" * 30, raw=True)
        assert reply.usage.cached_tokens == 51


def _no_memory(*_: object) -> None:
    raise MemoryError


def test_a_conversation_too_large_to_copy_stays_where_it_is(
    open_tiny: OpenTiny,
) -> None:
    model = open_tiny()
    model._scheduler._parked.largest = 1
    for letter in "ab":
        ask(model, letter * 100, raw=True)
    assert len(in_use(model)) == 2
    assert ask(model, "a" * 100, raw=True).usage.cached_tokens == 100


def test_a_steering_that_holds_the_answer_holds_the_prompt(open_tiny: OpenTiny) -> None:
    """The first generated token comes from the prompt's last row: a push on it shows at once."""
    model = open_tiny()
    token = model.tokenize("Q", special=False)[0]
    everywhere = ask(model, steer=push(token), n=4)
    answer = ask(
        model, steer=Steering.parse("push=1?on=generated").bind(lambda _: push(token)), n=4
    )
    prompt = ask(model, steer=Steering.parse("push=1?on=prompt").bind(lambda _: push(token)), n=4)
    assert everywhere.text == "QQQQ"
    assert answer.text[1:] == "QQQ" != answer.text[:3]
    assert prompt.text[0] == "Q" != prompt.text[1]
