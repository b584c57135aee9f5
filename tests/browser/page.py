"""The page as a person sees it: opens it in Chromium, presses, types, reads.

Does not know what is tested.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selenium.webdriver import ActionChains, Chrome, ChromeOptions, ChromeService, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

PATIENCE = 30.0


def where(program: str) -> str:
    """The path of a program, which must be there: a page that was not looked at is not tested."""
    path = shutil.which(program)
    assert path, f"install {program}: apt-get install chromium chromium-driver"
    return path


def open_chromium(folder: Path) -> Chrome:
    """Debian's chromium without a window; it keeps its profile in the folder."""
    options = ChromeOptions()
    options.binary_location = where("chromium")
    for flag in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--window-size=1280,860",
        f"--user-data-dir={folder}",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return Chrome(options, ChromeService(where("chromedriver")))


class Page:
    """One visit of the page at `url`."""

    def __init__(self, chrome: Chrome, url: str) -> None:
        self.chrome, self.url = chrome, url

    def open(self, state: str = "", *, ready: bool = True) -> Page:
        """Load it afresh, with `state` behind the #."""
        self.chrome.get("about:blank")  # another # alone would not load it again
        self.chrome.get(f"{self.url}#{state}" if state else self.url)
        if ready:
            self.wait(lambda: self.run("return document.documentElement.dataset.ready"), "start")
        return self

    def run(self, script: str, *arguments: object) -> Any:
        return self.chrome.execute_script(script, *arguments)

    def wait(self, seen: Callable[[], Any], what: str) -> Any:
        """What `seen` returns once it is something."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if found := seen():
                return found
            time.sleep(0.05)
        raise AssertionError(f"the page does not come to: {what}\n{self.text('body')}")

    def find(self, selector: str) -> WebElement:
        return self.chrome.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.chrome.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        return str(
            self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)
        )

    def value(self, selector: str) -> str:
        return str(self.run("return document.querySelector(arguments[0]).value", selector))

    def press(self, *keys: str) -> None:
        """Keys, wherever the focus is; "shift+X" holds shift."""
        for key in keys:
            actions = ActionChains(self.chrome)
            if key.startswith("shift+"):
                name = key.removeprefix("shift+")
                actions.key_down(Keys.SHIFT).send_keys(name).key_up(Keys.SHIFT).perform()
            else:
                actions.send_keys(key).perform()

    def focused(self) -> WebElement:
        return self.chrome.switch_to.active_element

    def tab_to(self, name: str) -> WebElement:
        """Press the tab key until something of this accessible name has the focus."""
        for _ in range(60):
            if self.focused().accessible_name == name:
                return self.focused()
            self.press(Keys.TAB)
        raise AssertionError(f"no tab leads to {name!r}")

    def slider(self, vector: str) -> WebElement:
        return self.find(f'[data-vector="{vector}"] .dial-input')

    def turn(self, vector: str, strength: float) -> None:
        """Move a slider as a pointer does."""
        self.run(
            "arguments[0].value = arguments[1];"
            "arguments[0].dispatchEvent(new Event('input', {bubbles: true}))",
            self.slider(vector),
            strength,
        )

    def say(self, text: str) -> None:
        """Ask, without waiting for the answer."""
        self.find("#prompt").send_keys(text, Keys.ENTER)

    def answered(self) -> tuple[str, ...]:
        """The texts of the last turn's answers, from left to right, when they are written."""

        def done() -> bool:
            answers = self.all(".turn:last-child .answer")
            busy = self.all('.turn:last-child [aria-busy="true"]')
            return bool(answers) and not busy and not self.find("#stop").is_displayed()

        self.wait(done, "an answer")
        return self.answers()

    def answers(self) -> tuple[str, ...]:
        """The texts of the last turn's answers as they are now."""
        script = (
            "return [...document.querySelectorAll('.turn:last-child .answer-text')]"
            ".map((node) => node.textContent)"
        )
        return tuple(self.run(script))

    def complaints(self) -> list[str]:
        """Warnings and errors on the console since the last look."""
        return [f"{entry['level']}: {entry['message']}" for entry in self.chrome.get_log("browser")]

    def strangers(self) -> set[str]:
        """Where requests went since the last look that is not the server."""
        asked = set()
        for entry in self.chrome.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                url = urlsplit(message["params"]["request"]["url"])
                if url.scheme not in ("data", "about"):
                    asked.add(f"{url.scheme}://{url.netloc}/")
        return asked - {self.url}
