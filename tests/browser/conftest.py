"""What the tests of the page share: one browser, one server of the tiny model, a page just opened.

After each test the console must be silent and no request may have left the server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from .page import Page, open_chromium
from .serving import Serving, fill_library

Visit = Callable[[str], Page]


@pytest.fixture(scope="session")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    driver = open_chromium(tmp_path_factory.mktemp("chromium"))
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("page")
    fill_library(home, "calm", "happy", "terse")
    return home


@pytest.fixture(scope="session")
def server(shelf: Path) -> Iterator[Serving]:
    running = Serving(shelf)
    yield running
    running.end()


@pytest.fixture
def page(chrome: Chrome, server: Serving) -> Iterator[Page]:
    """The page on a server that does not steer; a test opens it."""
    server.told("PUT", "/api/steering", {"steering": ""})
    found = Page(chrome, server.url)
    forget(found)
    yield found
    assert found.complaints() == []
    assert found.strangers() == set()


def forget(page: Page) -> None:
    """Leave what other tests left."""
    page.chrome.get("about:blank")
    page.complaints()
    page.strangers()
