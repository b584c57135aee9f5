"""`edgesteer evaluate`: verdict and table on stdout, the report in files, errors before work."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from edgesteer import Library
from edgesteer.measure.card.report_card import ReportCard

from ..card.conftest import SMALL, raw_numbers
from .conftest import Invoke

Opened = list[tuple[str, Mapping[str, Any]]]


@pytest.fixture
def card_file(tmp_path: Path) -> Path:
    """The JSON of a card with planted numbers."""
    return ReportCard(raw_numbers(SMALL), SMALL).save(tmp_path / "card.json")


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Replaces the measurement, which takes a language model; what was asked for is in the list."""
    asked: list[dict[str, Any]] = []

    def measure(model: object, vectors: list[str], **options: Any) -> ReportCard:
        asked.append({"vectors": vectors, **options})
        return ReportCard(raw_numbers(SMALL, random=1.5), SMALL)

    monkeypatch.setattr("edgesteer.measure.evaluate.evaluate", measure)
    return asked


def test_a_card_is_told_again_from_its_json(
    transcript: Callable[..., str], card_file: Path, tmp_path: Path, snapshot: SnapshotAssertion
) -> None:
    assert transcript("evaluate", "--from", str(card_file), "-o", str(tmp_path / "x")) == snapshot


def test_a_measurement_is_kept_in_the_library(
    invoke: Invoke, vectors: Library, opened: Opened, measured: list[dict[str, Any]]
) -> None:
    result = invoke("evaluate", "calm", "formal=0.5", "--quick", "--items", "16", "--seed", "3")
    assert result.exit_code == 0, result.output
    assert "No better than a random vector" in result.stdout
    folder = vectors.home / "reports"
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["calm-formal-on-smollm2.html", "calm-formal-on-smollm2.json"]
    settings = measured[0]["settings"]
    assert (settings.items, settings.seed, settings.side_items) == (16, 3, 6)
    assert measured[0]["vectors"] == ["calm", "formal=0.5"]


@pytest.mark.parametrize(
    ("out", "written"),
    [("r.html", ["r.html", "r.json"]), ("r.json", ["r.json"]), ("d", ["d"])],
)
def test_the_report_goes_where_it_is_told(
    invoke: Invoke,
    vectors: Library,
    opened: Opened,
    measured: list[dict[str, Any]],
    tmp_path: Path,
    out: str,
    written: list[str],
) -> None:
    place = tmp_path / "there"
    place.mkdir()
    assert invoke("evaluate", "calm", "-o", str(place / out)).exit_code == 0
    assert sorted(path.name for path in place.iterdir()) == written


def test_json_is_the_whole_card_and_nothing_is_written(
    invoke: Invoke, vectors: Library, opened: Opened, measured: list[dict[str, Any]]
) -> None:
    result = invoke("evaluate", "calm", "--json")
    data = json.loads(result.stdout)
    assert data["verdicts"]["calm"]["level"] == "not shown"
    assert ReportCard.from_dict(data).verdicts[0].level == "not shown"
    assert not (vectors.home / "reports").exists()


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        ((), 2, "name one vector or more"),
        (("calm", "--from", "x.json"), 2, "name one vector or more"),
        (("--from", "none.json"), 1, "can not be read"),
        (("calm", "-o", "x.pdf"), 1, "a report is .html or .json"),
        (("calm", "--items", "1"), 2, "1 is not in the range"),
    ],
)
def test_errors_come_before_any_work(
    invoke: Invoke,
    vectors: Library,
    opened: Opened,
    measured: list[dict[str, Any]],
    args: tuple[str, ...],
    code: int,
    told: str,
) -> None:
    result = invoke("evaluate", *args)
    assert (result.exit_code, told in result.stderr) == (code, True), result.stderr
    assert not opened
    assert not measured


def test_without_matplotlib_nothing_is_begun(
    invoke: Invoke,
    vectors: Library,
    opened: Opened,
    measured: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    result = invoke("evaluate", "calm")
    assert result.exit_code == 1
    assert "edgesteer[report]" in result.stderr
    assert not opened
    assert invoke("evaluate", "calm", "--json").exit_code == 0
