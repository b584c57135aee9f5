"""Token positions: which tokens of a text are read, as words and as spans of token numbers.

Does not know models. A position is one row a text, but for "all":

    last       the last token of the text
    prompt     the last token of the prompt, just before the answer
    prompt-2   two tokens before that one
    mean       the mean over all tokens of the text
    answer     the mean over the tokens of the answer, the last token where there is no answer
    12, -2     one token, counted from the start or, if negative, from the end
    all        every token, one row each

Several are a list, with commas: `last,prompt,prompt-1`. The word `template` is the list of all
tokens that the chat template writes behind the user's text, prompt-k to prompt: the positions that
the refusal-direction work searches (Arditi et al. 2024, arXiv 2406.11717).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from edgesteer.errors import InputError

__all__ = [
    "Positions",
    "as_positions",
    "shared_prefix",
    "shared_suffix",
    "token_span",
    "written_out",
]

Positions = str | int
"""What a person may write: a word, a number, or a list with commas."""

WORDS = ("last", "prompt", "answer", "mean", "all")
TEMPLATE = "template"
_BEFORE = re.compile(r"prompt(?:-(\d{1,4}))?")
_NUMBER = re.compile(r"[+-]?\d{1,9}")
_MOST = 64


def as_positions(positions: Positions) -> tuple[str, ...]:
    """The positions one by one, each as one of the words above. Raises InputError.

    >>> as_positions("prompt-1, prompt, -2"), as_positions(3)
    (('prompt-1', 'prompt', '-2'), ('3',))
    """
    if isinstance(positions, bool) or not isinstance(positions, str | int):
        raise _unknown(positions)
    words = tuple(_one(word.strip()) for word in str(positions).split(","))
    if len(set(words)) != len(words):
        raise InputError(f"{positions!r} names a token twice", "name each once")
    if len(words) > 1 and {"all", TEMPLATE} & set(words):
        raise InputError(f"{positions!r} is no list of single rows", "all and template stand alone")
    if len(words) > _MOST:
        raise InputError(f"{len(words)} token positions", f"name at most {_MOST}")
    return words


def written_out(
    words: tuple[str, ...],
    render: Callable[[list[dict[str, str]]], str],
    encode: Callable[[str], Sequence[int]],
) -> tuple[str, ...]:
    """The same positions, `template` written out as prompt-k to prompt.

    `render` is the model's chat template, `encode` its tokenizer. Raises ModelError when there is
    no template.
    """
    if words != (TEMPLATE,):
        return words
    red, seven = (encode(render([{"role": "user", "content": w}])) for w in ("red", "seven"))
    n = min(max(shared_suffix(red, seven), 1), _MOST)
    return (*(f"prompt-{k}" for k in range(n - 1, 0, -1)), "prompt")


def token_span(position: str, n_tokens: int, answer_at: int | None) -> tuple[int, int]:
    """First and last-plus-one token of one position in a text with `n_tokens` tokens.

    `answer_at` is the number of the answer's first token, None for a text without a prompt.
    Every position but "all" gives one row, the mean of the span.
    Raises InputError when the token does not exist.
    """
    if position == "last":
        return n_tokens - 1, n_tokens
    if position in ("mean", "all"):
        return 0, n_tokens
    if position == "answer":
        return min(answer_at or 0, n_tokens - 1), n_tokens
    before = _BEFORE.fullmatch(position)
    if before:
        if answer_at is None:
            raise InputError(
                f"{position!r} of a plain text, which has no prompt",
                "use last or mean, or give the pairs prompts",
            )
        at = answer_at - 1 - int(before[1] or 0)
    else:
        at = int(position) if int(position) >= 0 else n_tokens + int(position)
    if not 0 <= at < n_tokens:
        raise InputError(
            f"token {position} of a text with {n_tokens} tokens", "use last, or -1 for the last"
        )
    return at, at + 1


def shared_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens two texts have in common at the start: where an answer's tokens begin."""
    pairs = zip(a, b, strict=False)
    return next((i for i, (x, y) in enumerate(pairs) if x != y), min(len(a), len(b)))


def shared_suffix(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens two texts have in common at the end.

    >>> shared_suffix([1, 2, 8, 9], [3, 8, 9])
    2
    """
    return shared_prefix(a[::-1], b[::-1])


def _one(word: str) -> str:
    if word in WORDS or word == TEMPLATE:
        return word
    before = _BEFORE.fullmatch(word)
    if before:
        return f"prompt-{int(before[1])}" if int(before[1] or 0) else "prompt"
    if _NUMBER.fullmatch(word):
        return str(int(word))
    raise _unknown(word)


def _unknown(word: object) -> InputError:
    known = ", ".join((*WORDS, TEMPLATE))
    return InputError(
        f"{word!r} is not a token position",
        f"write one of {known}, prompt-1, or a number: 0 is the first token, -1 the last",
    )
