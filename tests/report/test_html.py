"""The report page: complete in itself, escaped, accessible; pictures follow the page's colours."""

from __future__ import annotations

import doctest
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from edgesteer.errors import FileWriteError, InputError
from edgesteer.report import html
from edgesteer.report.html import Callout, Cell, Facts, Figure, Fold, Prose, Report, Section, Table
from edgesteer.report.picture import INK, WARM, drawing, page_svg, save_picture

HOSTILE = '<script>alert(1)</script>" onload="x'
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Balance(HTMLParser):
    """Fails on tags that are not closed in order, and remembers ids and texts."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag


def _picture(key: str) -> str:
    with drawing(3, 2) as (figure, axes):
        axes.plot([0, 1, 2], [0, 1, 4], color=WARM, label="<b>")
        axes.set_title("a <b> title")
        axes.legend()
    return page_svg(figure, key)


def _page(text: str = "plain") -> str:
    blocks = [
        Prose([text, text]),
        Callout(text, text, "bad", [text]),
        Facts([(text, text)]),
        Table([text, "n"], [[text, 1.5], [Cell(text, "good", 0.5, text), None]], text),
        Figure(_picture("one"), text, text),
        Figure(_picture("two"), text, text),
        html.Shaded([(text, 0.4), (" ", None), (text, -1.0)], text),
        Fold(text, [Prose([text])]),
    ]
    sections = [Section(f"{text} {i}", blocks if not i else [], text) for i in range(3)]
    return html.render(Report(text, sections, text, text, [Prose([text])], text))


@pytest.mark.parametrize("text", ["plain", HOSTILE])
def test_the_page_is_well_formed_and_every_id_is_used_once(text: str) -> None:
    parser = Balance()
    parser.feed(_page(text))
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    assert "script" not in parser.tags
    assert parser.tags.count("svg") == 2


def test_nothing_comes_from_elsewhere() -> None:
    page = _page()
    links = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert [link for link in links if not link.startswith("#")] == []
    assert re.findall(r"url\((?!#)|@import", page) == []
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_what_is_told_in_pictures_is_told_in_words() -> None:
    assert _page("words").count('role="img" aria-label="words"') == 2


def test_pictures_take_the_colours_of_the_page_and_are_the_same_each_time() -> None:
    svg = _picture("k")
    assert "var(--warm)" in svg
    assert INK not in svg
    assert set(re.findall("#[0-9a-f]{6}", svg)) == set()
    assert svg == _picture("k")
    assert set(re.findall(r"url\(#(.*?)\)", svg)) <= set(re.findall(r'id="(.*?)"', svg))


def test_pages_are_the_same_each_time_and_written_whole(tmp_path: Path) -> None:
    report = Report("t", [Section("s", [Prose(["p"])])])
    path = html.write_report(tmp_path / "r.html", report)
    assert path.read_text(encoding="utf-8") == html.render(report)
    with pytest.raises(FileWriteError):
        html.write_report(tmp_path / "none" / "r.html", report)


def test_pictures_are_kept_as_files_of_their_own(tmp_path: Path) -> None:
    with drawing() as (figure, axes):
        axes.bar([0, 1], [1, 2])
    assert "<svg" in save_picture(tmp_path / "p.svg", figure).read_text()
    assert save_picture(tmp_path / "p.png", figure).read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InputError, match="pictures are"):
        save_picture(tmp_path / "p.gif", figure)


def test_examples_hold() -> None:
    assert doctest.testmod(html).failed == 0


def test_numbers_keep_their_meaning() -> None:
    table = Table(["a", "b"], [["x", -0.5], ["y", None]])
    assert table.numeric == [False, True]
    assert table.cells[0][1].text == "−0.500"
    assert table.cells[1][1].text == "–"
