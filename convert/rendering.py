"""Contrast pairs to the exact texts that a model reads: one rule, shared by every capture.

Does not know any model: it is given the model's chat template as a function.

chat        the persona is the system message, the stem's answer begins the assistant's turn
user turn   the template refuses or drops a system message: the persona opens the user's turn
plain       the model has no chat template: "persona, blank line, user, newline, answer"
text        the pairs are plain texts: they are read as they stand
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, overload

from convert.pairs import Pair, Side
from edgesteer.errors import EdgesteerError

Style = Literal["chat", "user turn", "plain", "text"]


class RenderChat(Protocol):
    """A chat template: messages of role and content to text."""

    def __call__(self, messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """The text. Raises an EdgesteerError when the template refuses the messages."""
        ...


@dataclass(frozen=True)
class Passage:
    """A rendered text, and the character at which the answer begins; 0 for a plain text.

    `where` says where it came from ("line 3, positive"), for messages.
    """

    text: str
    answer_at: int = 0
    where: str = field(default="", compare=False)


@dataclass(frozen=True)
class RenderedPair:
    """Both sides of a pair, rendered. Unpacks as `positive, negative` texts."""

    positive_passage: Passage
    negative_passage: Passage

    @property
    def positive(self) -> str:
        """The positive text."""
        return self.positive_passage.text

    @property
    def negative(self) -> str:
        """The negative text."""
        return self.negative_passage.text

    def __iter__(self) -> Iterator[str]:
        return iter((self.positive, self.negative))


@dataclass(frozen=True)
class Rendered(Sequence[RenderedPair]):
    """Rendered pairs in order, how they were written, and a note when that was second best."""

    pairs: tuple[RenderedPair, ...]
    style: Style
    note: str = ""

    def __len__(self) -> int:
        return len(self.pairs)

    @overload
    def __getitem__(self, index: int) -> RenderedPair: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[RenderedPair, ...]: ...
    def __getitem__(self, index: int | slice) -> RenderedPair | tuple[RenderedPair, ...]:
        return self.pairs[index]

    @property
    def passages(self) -> tuple[Passage, ...]:
        """Positive and negative passages in turn: the order in which activations are captured."""
        return tuple(
            p for pair in self.pairs for p in (pair.positive_passage, pair.negative_passage)
        )


def render_pairs(
    pairs: Sequence[Pair], render_chat: RenderChat | None, source: str = ""
) -> Rendered:
    """The texts of `pairs` as this model's chat template (None: it has none) writes them.

    `source` is the file that they came from, for messages.
    """
    style, note = _style(pairs, render_chat)

    def passage(pair: Pair, side: Side, name: str) -> Passage:
        where = ", ".join(part for part in (source, pair.where, name) if part)
        return _passage(side, style, render_chat, where if pair.where else "")

    rendered = [
        RenderedPair(passage(p, p.positive, "positive"), passage(p, p.negative, "negative"))
        for p in pairs
    ]
    return Rendered(tuple(rendered), style, note)


def render_sides(
    sides: Sequence[Side], style: Style, render_chat: RenderChat | None
) -> tuple[Passage, ...]:
    """Single texts, written as the pairs beside them were: `style` is theirs."""
    return tuple(_passage(side, style, render_chat) for side in sides)


def _style(pairs: Sequence[Pair], render_chat: RenderChat | None) -> tuple[Style, str]:
    if not any(pair.positive.is_chat for pair in pairs):
        return "text", ""
    if render_chat is None:
        return (
            "plain",
            "the model has no chat template: persona, user and answer are joined as plain text",
        )
    personas = [pair.positive for pair in pairs if pair.positive.system]
    if personas and not _takes_system(personas[0], render_chat):
        return (
            "user turn",
            "the chat template takes no system message: the persona opens the user's turn",
        )
    return "chat", ""


def _takes_system(side: Side, render_chat: RenderChat) -> bool:
    try:
        text = render_chat(_messages(side, "chat"), True)
    except EdgesteerError:
        return False
    return (side.system or "") in text


def _passage(side: Side, style: Style, render_chat: RenderChat | None, where: str = "") -> Passage:
    if style == "text":
        return Passage(side.answer, 0, where)
    if style == "plain" or render_chat is None:
        prompt = "\n\n".join(part for part in (side.system, side.user) if part) + "\n"
    else:
        prompt = render_chat(_messages(side, style), True)
    return Passage(prompt + side.answer, len(prompt), where)


def _messages(side: Side, style: Style) -> list[dict[str, str]]:
    user = side.user or ""
    if not side.system:
        return [{"role": "user", "content": user}]
    if style == "user turn":
        return [{"role": "user", "content": f"{side.system}\n\n{user}"}]
    return [{"role": "system", "content": side.system}, {"role": "user", "content": user}]
