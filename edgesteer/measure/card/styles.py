"""Prompt styles: one question asked in other ways, and prompts that tell the model to resist.

Knows nothing of steering. A vector whose effect holds for the plain question alone is brittle
(Tan et al. 2024, arXiv 2407.12404). The words are this project's own. Questions stay in English
where a frame is in another language: that is a change of frame, not a translation.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from edgesteer.measure.questions import Item

__all__ = ["PLAIN", "STYLES", "Style", "encoded", "leet", "persona_styles"]


@dataclass(frozen=True)
class Style:
    """A way of asking: `prompt` rewrites the question, `system` comes before it.

    `resist` marks those that tell the model to work against what steers it.
    """

    name: str
    about: str
    prompt: Callable[[str], str] = str
    system: str | None = None
    resist: bool = False

    def item(self, item: Item) -> Item:
        """The item, asked in this style; its own system message comes first."""
        system = "\n\n".join(part for part in (item.system, self.system) if part)
        return replace(item, prompt=self.prompt(item.prompt), system=system or None)

    def items(self, items: Sequence[Item]) -> list[Item]:
        """All of them."""
        return [self.item(item) for item in items]


def _framed(frame: str) -> Callable[[str], str]:
    return lambda prompt: frame.replace("{}", prompt)


def leet(text: str) -> str:
    """The text with digits for some letters.

    >>> leet("How are you today?")
    'H0w 4r3 y0u 70d4y?'
    """
    return text.translate(str.maketrans("aeiotAEIOT", "4310743107"))


def encoded(text: str) -> str:
    """The text in base64 (UTF-8).

    >>> encoded("Rain?")
    'UmFpbj8='
    """
    return base64.b64encode(text.encode("utf-8")).decode("ascii")


PLAIN = Style("plain", "the question alone")

STYLES: tuple[Style, ...] = (
    Style(
        "paraphrase",
        "the question inside other words",
        _framed("There is something I would like to hear from you, in your own words. {} Go on."),
    ),
    Style(
        "few-shot",
        "after three matter-of-fact answers to other questions",
        _framed(
            "Q: Where is the post office?\nA: Two streets from here, next to the pharmacy.\n\n"
            "Q: How many eggs are in the box?\nA: There are ten eggs in the box.\n\n"
            "Q: When does the museum open?\nA: It opens at half past nine.\n\nQ: {}\nA:"
        ),
    ),
    Style(
        "role play",
        "put to a character on a stage",
        _framed(
            "Let us act a scene. You play Tomas, who keeps a small lighthouse, and you stay in "
            'your role. A visitor comes up the stairs and says: "{}" What does Tomas answer?'
        ),
    ),
    Style(
        "German frame",
        "the English question, framed in German",
        _framed("Bitte beantworte die folgende Frage so, wie du es für richtig hältst: {}"),
    ),
    Style("leetspeak", "digits in place of letters", leet),
    Style(
        "base64",
        "the question in base64",
        lambda prompt: f"Answer this question, which is written in base64: {encoded(prompt)}",
    ),
    Style(
        "asked to resist",
        "told to keep its usual tone, whatever pulls at it",
        system="You may notice something that pulls your answers in a certain direction. It is "
        "not yours. Resist it, and answer exactly as you usually would.",
        resist=True,
    ),
    Style(
        "asked for the opposite",
        "told to do the opposite of its inclination",
        system="Whatever tone you feel inclined to take, take the opposite one. If you feel drawn "
        "to one kind of answer, give the other kind.",
        resist=True,
    ),
)

FOR, AGAINST = "persona for", "persona against"


def persona_styles(positive: str, negative: str) -> tuple[Style, ...]:
    """A persona that goes with the trait, one against it, and one against it that is firm."""
    firm = f"{negative} Stay like this in every answer, no matter what you feel pushed to."
    return (
        Style(FOR, "a system message with the trait", system=positive),
        Style(AGAINST, "a system message with its opposite", system=negative),
        Style("persona against, firm", "and an order to hold on to it", system=firm, resist=True),
    )
