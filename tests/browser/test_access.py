"""The page is for everybody: names, contrast, a phone's width, less motion, no surprises inside."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

import edgesteer.server

from .page import Page

STATIC = Path(edgesteer.server.__file__).parent / "static"
FILES = sorted(path for path in STATIC.iterdir() if path.suffix in (".js", ".css", ".html"))
STATE = "steer=calm=1.7@1-2 happy=-0.5&max=30&shade=calm"
CONTROLS = "a, button, input, select, textarea, summary, dialog, section, main, [role], [tabindex]"

LOW_CONTRAST = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")


def filled(page: Page) -> Page:
    """The page with everything open and an answer."""
    page.open(STATE)
    page.run("document.querySelectorAll('details').forEach((group) => group.open = true)")
    page.say("Hello")
    page.answered()
    page.wait(lambda: page.text(".warning"), "a warning")
    return page


@pytest.mark.browser
def test_every_control_has_a_name(page: Page) -> None:
    filled(page)
    page.find("#open-export").click()
    seen = [node for node in page.all(CONTROLS) if node.get_attribute("id") != "turns"]
    assert len(seen) > 40
    nameless = [
        node.get_attribute("outerHTML")[:120]
        for node in seen
        if not node.accessible_name and node.aria_role not in ("status", "none", "generic")
    ]
    assert nameless == []


@pytest.mark.browser
def test_ids_are_unique_and_headings_go_down_step_by_step(page: Page) -> None:
    filled(page)
    ids = page.run("return [...document.querySelectorAll('[id]')].map((node) => node.id)")
    assert len(ids) == len(set(ids))
    levels = page.run(
        "return [...document.querySelectorAll('h1,h2,h3,h4')].filter((node) =>"
        "node.checkVisibility()).map((node) => Number(node.tagName[1]))"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert len(levels) > 3
    jumps = [(a, b) for a, b in pairwise(levels) if b > a + 1]
    assert jumps == []
    assert page.run("return document.documentElement.lang") == "en"


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_from_their_ground(page: Page, scheme: str) -> None:
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    page.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    filled(page)
    found = page.run(LOW_CONTRAST)
    page.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert found == []


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 800])
def test_nothing_sticks_out_of_a_narrow_window(page: Page, width: int) -> None:
    size = {"width": width, "height": 740, "deviceScaleFactor": 1, "mobile": width < 600}
    page.chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        filled(page)
        assert page.run("return document.documentElement.scrollWidth") <= width
        assert page.find("#prompt").rect["width"] > width / 2
        page.find("#fold").click()
        assert page.find("#fold").get_attribute("aria-expanded") == "false"
        assert not page.slider("calm").is_displayed()
    finally:
        page.chrome.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.browser
def test_less_motion_is_none(page: Page) -> None:
    media = {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
    page.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    filled(page)
    moving = page.run(
        "return [...document.querySelectorAll('*')].filter((node) =>"
        "getComputedStyle(node).transitionDuration !== '0s').length"
    )
    page.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert moving == 0


@pytest.mark.browser
def test_a_screen_reader_hears_that_an_answer_is_there(page: Page) -> None:
    filled(page)
    said = page.wait(lambda: page.text("#announcer"), "news")
    assert page.find("#announcer").get_attribute("aria-live") == "polite"
    assert said.startswith("plain answer: ")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_says_its_job_is_small_and_loads_nothing_from_elsewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".html":
        assert re.match(r"// \w.*[.:]|/\* \w.*\. \*/", text.splitlines()[0]), text.splitlines()[0]
    assert len(text.splitlines()) <= 350
    outside = set(re.findall(r"\bhttps?://[^\s\"'`<]+", text)) - {"http://www.w3.org/2000/svg"}
    assert outside == set()


def test_the_html_has_no_scripts_and_styles_of_its_own() -> None:
    text = (STATIC / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text)
