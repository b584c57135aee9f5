"""Asks the model under given conditions and files what it says under those conditions.

Does not know which conditions a report card needs (parts.py), nor what the numbers mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from edgesteer.measure.asking import question_text
from edgesteer.measure.card.raw import Answers, Condition, Damage, Raw
from edgesteer.measure.card.settings import Settings
from edgesteer.measure.card.styles import PLAIN, Style
from edgesteer.measure.card.subject import Judge
from edgesteer.measure.damage import NeutralText, answer_damage
from edgesteer.measure.divergence import DivergenceMeter
from edgesteer.measure.propensity import Mode, propensity
from edgesteer.measure.questions import Item, Questions
from edgesteer.measure.texts import NEUTRAL_TO_REPORT, PROMPTS_TO_REPORT
from edgesteer.model import Model
from edgesteer.steering import Steering

__all__ = ["Asker", "Progress", "Way"]

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Way:
    """One way of steering: a label and a strength for the record, and the steering itself."""

    label: str = ""
    strength: float = 0.0
    steering: Steering | None = None


NOTHING = Way()


@dataclass
class Asker:
    """One model, with everything that it has been asked so far.

    `sets` holds the items and open questions in the order in which they are used: drawn once by the
    seed, so that the first n are the same everywhere.
    """

    model: Model
    settings: Settings
    raw: Raw
    progress: Progress | None = None
    mode: Mode | None = None
    as_model: str = ""
    _sets: dict[str, tuple[list[Item], list[str]]] = field(default_factory=dict)
    _neutral: NeutralText | None = None
    _meter: DivergenceMeter | None = None

    def add_set(self, name: str, questions: Questions, items: int, asked: int = 0) -> None:
        """Draw at most so many items and open questions of a set; a second call changes nothing."""
        if name in self._sets:
            return
        rng = np.random.default_rng((self.settings.seed, *name.encode()))
        drawn = [questions.items[i] for i in rng.permutation(len(questions.items))[:items]]
        texts = [questions.open[i] for i in rng.permutation(len(questions.open))[:asked]]
        self._sets[name] = (drawn, texts)
        self.raw.items[name] = [asdict(item) for item in drawn]
        if texts:
            self.raw.asked[name] = texts

    def margins(
        self,
        name: str,
        ways: Sequence[Way],
        what: str,
        *,
        style: Style = PLAIN,
        most: int | None = None,
    ) -> None:
        """m of the set's items, asked in a style, each way; what is known already is not asked."""
        items = style.items(self._sets[name][0][:most])
        wanted = [
            (way, condition)
            for way in ways
            if len(self.raw.margins.get(condition := self._condition(name, style, way), ()))
            < len(items)
        ]
        if not items or not wanted:
            return
        rows = propensity(
            self.model,
            items,
            [way.steering for way, _ in wanted],
            mode=self.mode,
            progress=self._telling(what),
        )
        if self.progress is not None:
            self.progress(1, 1, what)
        for (_, condition), row in zip(wanted, rows, strict=True):
            self.raw.margins[condition] = tuple(float(value) for value in row)

    def answers(
        self,
        name: str,
        ways: Sequence[Way],
        judge: Judge | None,
        *,
        style: Style = PLAIN,
    ) -> None:
        """Greedy answers to the set's open questions, each way, scored by the judge."""
        asked = [style.item(Item(text, "", "")) for text in self._sets[name][1]]
        if not asked:
            return
        if self.progress is not None:
            self.progress(0, len(asked) * len(ways), "answering")
        replies = self.model.ask_many(
            [question_text(self.model, item.prompt, item.system) for _ in ways for item in asked],
            steer=[way.steering for way in ways for _ in asked],
            raw=True,
            temperature=0.0,
            max_tokens=self.settings.tokens,
        )
        texts = [reply.text.strip() for reply in replies]
        for i, way in enumerate(ways):
            part = tuple(texts[i * len(asked) : (i + 1) * len(asked)])
            scores = () if judge is None else tuple(float(judge(text)) for text in part)
            self.raw.answers[self._condition(name, style, way)] = Answers(part, scores)
        if self.progress is not None:
            self.progress(len(texts), len(texts), "answering")

    def text_damage(self, ways: Sequence[Way]) -> list[Damage]:
        """What each way does to neutral text: filed, and returned in order."""
        found = self.neutral_text.measure([way.steering for way in ways])
        damage = [Damage(cost.kl_mean, cost.kl_p95, cost.cross_entropy) for cost in found]
        for way, cost in zip(ways, damage, strict=True):
            self.raw.damage[way.label, way.strength, self.as_model] = cost
        return damage

    def full_damage(self, ways: Sequence[Way]) -> None:
        """As `text_damage`, and what becomes of the model's own answers."""
        neutral = self.text_damage(ways)
        acting = [way.steering for way in ways if way.steering is not None]
        own = iter(self.meter.measure_many(acting))
        steers = [way.steering for way in ways]
        written = answer_damage(
            self.model, steers, PROMPTS_TO_REPORT, n_tokens=self.settings.tokens
        )
        for way, text, answers in zip(ways, neutral, written, strict=True):
            self.raw.damage[way.label, way.strength, self.as_model] = Damage(
                text.kl_mean,
                text.kl_p95,
                text.cross_entropy,
                0.0 if way.steering is None else next(own).own_p95,
                answers.perplexity,
                answers.repetition_4,
            )

    @property
    def neutral_text(self) -> NeutralText:
        """The neutral text, read plain once."""
        if self._neutral is None:
            self._neutral = NeutralText(self.model, NEUTRAL_TO_REPORT)
        return self._neutral

    @property
    def meter(self) -> DivergenceMeter:
        """The calibration's meter, on texts that no calibration reads."""
        if self._meter is None:
            self._meter = DivergenceMeter(
                self.model, prompts=PROMPTS_TO_REPORT, neutral=NEUTRAL_TO_REPORT
            )
        return self._meter

    def on(self, model: Model, name: str) -> Asker:
        """The same questions for another model, filed under its name."""
        return Asker(model, self.settings, self.raw, self.progress, self.mode, name, self._sets)

    def _condition(self, name: str, style: Style, way: Way) -> Condition:
        return Condition(name, style.name, way.label, way.strength, self.as_model)

    def _telling(self, what: str) -> Progress | None:
        progress = self.progress
        return None if progress is None else lambda done, total, _: progress(done, total, what)
