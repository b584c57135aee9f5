"""Token positions: words, numbers and lists; which tokens they mean; what is refused."""

from __future__ import annotations

import pytest

from convert.capture.positions import as_positions, shared_prefix, token_span, written_out
from edgesteer.errors import InputError


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("last", ("last",)),
        (3, ("3",)),
        ("-1", ("-1",)),
        ("prompt-0", ("prompt",)),
        (" prompt-02 , answer", ("prompt-2", "answer")),
        ("last,mean,+4", ("last", "mean", "4")),
        ("all", ("all",)),
        ("template", ("template",)),
    ],
)
def test_positions_are_words_numbers_or_lists(text: str | int, words: tuple[str, ...]) -> None:
    assert as_positions(text) == words


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("lats", "'lats' is not a token position"),
        ("1.5", "not a token position"),
        (True, "True is not a token position"),
        (None, "None is not a token position"),
        ("", "'' is not a token position"),
        ("last,", "'' is not a token position"),
        ("prompt+1", "not a token position"),
        ("last,last", "names a token twice"),
        ("prompt,prompt-0", "names a token twice"),
        ("last,all", "all and template stand alone"),
        ("template,last", "all and template stand alone"),
        (",".join(map(str, range(65))), "65 token positions"),
    ],
)
def test_other_positions_are_refused(bad: str, why: str) -> None:
    with pytest.raises(InputError, match=why) as caught:
        as_positions(bad)
    assert caught.value.hint


def test_the_tokens_that_they_mean() -> None:
    words = ("last", "mean", "answer", "all", "2", "-2", "prompt", "prompt-3")
    spans = [token_span(word, 9, 4) for word in words]
    assert spans == [(8, 9), (0, 9), (4, 9), (0, 9), (2, 3), (7, 8), (3, 4), (0, 1)]
    assert token_span("answer", 9, 9) == (8, 9)
    assert token_span("prompt", 9, 9) == (8, 9)
    assert token_span("answer", 9, None) == (0, 9)


@pytest.mark.parametrize("outside", ["9", "-10", "prompt-4"])
def test_tokens_that_are_not_there_are_told(outside: str) -> None:
    with pytest.raises(InputError, match=f"token {outside} of a text with 9 tokens"):
        token_span(outside, 9, 4)


def test_a_plain_text_has_no_prompt() -> None:
    with pytest.raises(InputError, match="a plain text, which has no prompt"):
        token_span("prompt", 9, None)


def test_the_template_is_written_out_as_what_follows_the_user() -> None:
    def render(messages: list[dict[str, str]]) -> str:
        return f"ab{messages[0]['content']}/xyz"

    def encode(text: str) -> list[int]:
        return [ord(character) for character in text]

    found = written_out(("template",), render, encode)
    assert found == ("prompt-3", "prompt-2", "prompt-1", "prompt")
    assert written_out(("last",), render, encode) == ("last",)


def test_shared_beginnings_are_counted() -> None:
    assert shared_prefix([1, 2, 3], [1, 2, 4]) == 2
    assert shared_prefix([1, 2], [1, 2, 4]) == 2
