"""What is kept: recipes on the server, the state in the address, the colours in the browser."""

from __future__ import annotations

import ast
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TypeGuard
from urllib.parse import quote

import pytest
from selenium.webdriver import Chrome, Keys

from .conftest import forget
from .page import Page
from .serving import Serving, fill_library

pytestmark = pytest.mark.browser
STATE = "steer=calm=1.2@1-3 happy=-0.5&seed=42&temperature=0.3&max=25&system=Be+brief.&shade=happy"


def test_the_state_in_the_address_is_restored(page: Page, server: Serving) -> None:
    page.open(STATE + "&prompt=Hello&again=0")
    assert server.told("GET", "/api/steering")["text"] == "calm=1.2@1-3 happy=-0.5"
    fields = {"#seed": "42", "#temperature": "0.3", "#max_tokens": "25", "#system": "Be brief."}
    fields |= {"#watch": "happy", "#prompt": "Hello", '[data-vector="happy"] .dial-box': "-0.5"}
    assert {selector: page.value(selector) for selector in fields} == fields
    assert not page.find("#again").is_selected()


def test_what_is_changed_stands_in_the_address_and_a_second_visit_finds_it(page: Page) -> None:
    page.open()
    page.turn("terse", 0.75)
    page.find("#answer-group summary").click()
    page.find("#seed").clear()
    page.find("#seed").send_keys("99")
    page.wait(lambda: "seed=99" in page.chrome.current_url, "the address")
    assert "terse=0.75" in page.chrome.current_url
    state = page.chrome.current_url.split("#")[1]
    page.open(state)
    assert page.value("#seed") == "99"
    assert page.value('[data-vector="terse"] .dial-box') == "0.75"


def test_a_link_that_is_switched_off_does_not_steer(page: Page, server: Serving) -> None:
    page.open("steer=calm=1&on=0")
    page.wait(lambda: server.told("GET", "/api/steering")["text"] == "", "off")
    assert page.value('[data-vector="calm"] .dial-box') == "1"


def test_a_link_that_names_no_vector_is_an_error_with_its_hint(page: Page) -> None:
    page.open("steer=clam=1")
    assert "No vector 'clam' in the library" in page.text(".notice")
    assert "Did you mean calm?" in page.text(".notice-hint")
    assert "422" in page.complaints()[0]
    page.find('[aria-label="Close this message"]').click()
    assert not page.all(".notice")


def test_recipes_are_saved_loaded_replaced_and_deleted(page: Page, server: Serving) -> None:
    page.open(STATE)
    page.find("#recipes-group summary").click()
    page.find("#recipe-name").send_keys("nurse", Keys.ENTER)
    page.wait(lambda: page.all('[data-recipe="nurse"]'), "the recipe")
    saved = server.told("GET", "/api/recipes/nurse")
    assert saved["steering"] == "calm=1.2@1-3 happy=-0.5"
    assert saved["system"] == "Be brief."
    assert saved["sampling"] == {"seed": 42, "temperature": 0.3, "max_tokens": 25}

    page.open()
    page.turn("calm", 0.3)
    page.find("#recipes-group summary").click()
    page.find('[aria-label="Load nurse"]').click()
    page.wait(lambda: page.value("#seed") == "42", "the settings")
    assert page.value('[data-vector="happy"] .dial-box') == "-0.5"
    assert server.told("GET", "/api/steering")["text"] == "calm=1.2@1-3 happy=-0.5"

    page.turn("calm", 0.4)
    page.find("#recipe-name").send_keys("nurse")
    assert page.text(".recipe-form .primary") == "Replace"
    page.press(Keys.ENTER)
    again = "calm=0.4@1-3 happy=-0.5"
    page.wait(lambda: again in page.text('[data-recipe="nurse"]'), "the list, drawn again")
    assert server.told("GET", "/api/recipes/nurse")["steering"] == again

    page.find('[aria-label="Delete nurse"]').click()
    assert page.all('[data-recipe="nurse"]'), "deleted only when asked twice"
    page.find('[aria-label="Delete nurse"]').click()
    page.wait(lambda: not page.all('[data-recipe="nurse"]'), "no recipe")
    assert server.told("GET", "/api/recipes")["recipes"] == []


def test_settings_without_a_field_are_loaded_sent_saved_and_dropped(
    page: Page, server: Serving
) -> None:
    settings = {"temperature": 0.7, "top_k": 5, "top_p": 0.5, "min_p": 0.1, "repeat_penalty": 1.3}
    server.told("PUT", "/api/recipes/odd", {"steering": "calm=1", "sampling": settings})
    page.open("compare=0")
    page.find("#recipes-group summary").click()
    page.find('[aria-label="Load odd"]').click()
    page.wait(lambda: page.value("#temperature") == "0.7", "the settings")
    page.wait(lambda: "top_p=0.5" in page.chrome.current_url, "the address")
    assert "top_k 5" in page.text("#answer-note")
    page.run(
        "const before = window.fetch; window.sent = [];"
        "window.fetch = (path, asked) => {"
        "  if (asked.body) window.sent.push(JSON.parse(asked.body));"
        "  return before(path, asked); }"
    )
    page.say("Hello")
    page.answered()
    sent = page.run("return window.sent.find((body) => body.messages)")
    assert settings.items() <= sent.items()

    page.find("#recipe-name").send_keys("odd", Keys.ENTER)
    page.wait(lambda: page.value("#recipe-name") == "", "saved")
    assert server.told("GET", "/api/recipes/odd")["sampling"] == settings

    page.find("#answer-group summary").click()
    page.find("#more button").click()
    assert not page.find("#more").is_displayed()
    page.find("#recipe-name").send_keys("odd", Keys.ENTER)
    page.wait(lambda: page.value("#recipe-name") == "", "saved")
    assert server.told("GET", "/api/recipes/odd")["sampling"] == {"temperature": 0.7}
    server.told("DELETE", "/api/recipes/odd")


def test_another_program_that_steers_is_seen_when_one_comes_back(
    page: Page, server: Serving
) -> None:
    page.open()
    server.told("PUT", "/api/steering", {"steering": "terse=0.9"})
    page.run("window.dispatchEvent(new Event('focus'))")
    page.wait(lambda: page.value('[data-vector="terse"] .dial-box') == "0.9", "its slider")


def test_the_colours_are_the_systems_until_one_chooses(page: Page) -> None:
    page.open()
    ground = "return getComputedStyle(document.body).backgroundColor"
    seen = {}
    for scheme in ("light", "dark"):
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        page.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        seen[scheme] = page.run(ground)
    assert seen["light"] != seen["dark"]
    page.find("#theme").click()
    assert page.find("#theme").accessible_name == "Colours: light"
    assert page.run(ground) == seen["light"]
    page.open()
    assert page.run(ground) == seen["light"], "it is remembered"
    page.find("#theme").click()
    assert page.run(ground) == seen["dark"]
    page.find("#theme").click()
    assert page.find("#theme").accessible_name == "Colours: as the system"
    page.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def is_text(node: ast.AST) -> TypeGuard[ast.Constant]:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def test_copied_code_runs(page: Page, server: Serving) -> None:
    prompt = 'Say "hi" $HOME [{"a":"b","c":1},{}]'
    state = "steer=calm=1.2@1-3&seed=42&max=5&top_k=7&top_p=0.5&system=It%27s+short."
    page.open(f"{state}&prompt={quote(prompt)}")
    page.find("#open-export").click()
    codes = {block.accessible_name: block.text for block in page.all("dialog pre")}
    command = shlex.split(codes["Command line"])
    assert command[:3] == ["edgesteer", "run", "tiny"]
    assert command[-1] == prompt
    options = dict(zip(command[3:-1:2], command[4:-1:2], strict=True))
    assert options == {
        "-s": "calm=1.2@1-3", "--system": "It's short.", "--seed": "42", "--max-tokens": "5",
        "--top-k": "7", "--top-p": "0.5",
    }  # fmt: skip
    curl = shlex.split(codes["curl"])
    body = json.loads(curl[curl.index("-d") + 1])
    assert body["messages"][-1]["content"] == prompt
    answer = server.told("POST", "/v1/chat/completions", body)
    assert answer["steering"]["text"] == "calm=1.2@1-3"
    client = codes["Python, by the openai client"]
    done = subprocess.run(
        [sys.executable, "-c", client], capture_output=True, text=True, check=False
    )
    assert done.stdout.rstrip("\n") == answer["choices"][0]["message"]["content"], done.stderr
    for name in ("Python", "Python, by the openai client"):
        texts = [node.value for node in ast.walk(ast.parse(codes[name])) if is_text(node)]
        assert prompt in texts
    assert 'steer="calm=1.2@1-3"' in codes["Python"]
    page.press(Keys.ESCAPE)
    page.wait(lambda: not page.all("dialog"), "closed")
    assert page.focused().get_attribute("id") == "open-export"


def test_without_vectors_the_page_says_how_to_make_one(chrome: Chrome, tmp_path: Path) -> None:
    fill_library(tmp_path)
    running = Serving(tmp_path)
    page = Page(chrome, running.url)
    forget(page)
    page.open()
    assert "edgesteer extract calm -m tiny" in page.text(".empty")
    page.say("Hello")
    assert page.answered()[0]
    fill_library(tmp_path, "calm")
    page.find(".empty .outlined").click()
    page.wait(lambda: page.all('[data-vector="calm"]'), "the new vector")
    assert page.complaints() == []
    running.end()


def test_a_server_with_a_key_asks_for_it(chrome: Chrome, shelf: Path) -> None:
    running = Serving(shelf, "--api-key", "opensesame")
    page = Page(chrome, running.url)
    forget(page)
    page.open(ready=False)
    page.wait(lambda: page.all("dialog[open]"), "the question")
    assert page.focused().accessible_name == "API key"
    page.press("wrong", Keys.ENTER)
    page.wait(lambda: "not the right one" in page.text("dialog"), "a second question")
    page.press("opensesame", Keys.ENTER)
    page.wait(lambda: page.all(".card"), "the sliders")
    page.say("Hello")
    assert page.answered()[0]
    page.find("#open-export").click()
    assert "opensesame" not in page.text("dialog"), "a key is not copied about"
    running.end()
