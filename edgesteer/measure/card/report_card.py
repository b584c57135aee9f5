"""The report card as a value: raw numbers and settings, and everything computed from them.

Does not know the model (evaluate.py) nor how a card looks (edgesteer.report.card_page). Its JSON
holds the raw numbers; read back, it gives the same figures and the same verdicts.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from edgesteer.atomic import write_atomic
from edgesteer.errors import InputError, NotFoundError
from edgesteer.measure.card.raw import Raw
from edgesteer.measure.card.settings import Settings
from edgesteer.measure.card.summary import Summary, summarise
from edgesteer.measure.card.verdict import Verdict, judge_vector

__all__ = ["ReportCard"]

FORMAT = 1


@dataclass(frozen=True)
class ReportCard:
    """What was measured of one or several vectors on one model.

    `raw.facts` names the model, the vectors and what was left out.
    """

    raw: Raw
    settings: Settings

    @cached_property
    def summary(self) -> Summary:
        """Every figure, from the raw numbers."""
        return summarise(self.raw, self.settings)

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """One verdict a vector."""
        return [judge_vector(figures) for figures in self.summary.vectors]

    @property
    def notes(self) -> list[str]:
        """What was left out, and why."""
        return list(self.raw.facts.get("notes", ()))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data: verdicts and figures for reading, raw numbers to compute them again."""
        from edgesteer import __version__

        return {
            "format": FORMAT,
            "edgesteer": __version__,
            "settings": self.settings.to_dict(),
            "verdicts": {
                figures.name: asdict(verdict)
                for figures, verdict in zip(self.summary.vectors, self.verdicts, strict=True)
            },
            "figures": _plain(self.summary.to_dict()),
            "raw": self.raw.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Any) -> ReportCard:
        """The card in a dict of `to_dict`; figures are computed again. Raises InputError."""
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise InputError("this is no report card of a known format", "evaluate again")
        try:
            return cls(Raw.from_dict(data["raw"]), Settings.from_dict(data["settings"]))
        except KeyError as error:
            raise InputError(f"the report card lacks {error}", "evaluate again") from error

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the JSON, whole or not at all. Raises FileWriteError."""
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)
        return write_atomic(path, text + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ReportCard:
        """The card in a JSON file of `save`. Raises NotFoundError and InputError."""
        try:
            return cls.from_dict(json.loads(Path(path).read_text(encoding="utf-8")))
        except OSError as error:
            raise NotFoundError(f"{path} can not be read: {error}", "check the path") from error
        except ValueError as error:
            raise InputError(f"{path} is not JSON: {error}", "give a card of --json") from error


def _plain(value: Any) -> Any:
    """The same with null for numbers that JSON has no word for."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value not in (float("inf"), float("-inf")) and value == value:
        return value
    return None if isinstance(value, float) else value
