"""The conversation: side by side, one alone, shaded, stopped, continued, by keyboard only."""

from __future__ import annotations

import pytest
from selenium.webdriver import Keys

from .page import Page
from .serving import Serving

pytestmark = pytest.mark.browser


def test_compare_shows_two_columns_next_to_each_other(page: Page) -> None:
    page.open("steer=calm=1.2&max=30&seed=7")
    page.say("Hello")
    plain, steered = page.answered()
    assert plain != steered
    left, right = page.all(".answer")
    assert left.accessible_name == "Plain answer"
    assert right.accessible_name == "Steered answer"
    assert left.rect["x"] + left.rect["width"] <= right.rect["x"]
    assert left.rect["y"] == right.rect["y"]
    assert page.text(".turn-foot .hint") == "seed 7"


def test_without_side_by_side_there_is_the_steered_answer_alone(page: Page) -> None:
    page.open("steer=calm=1.2&max=30&seed=7")
    page.say("Hello")
    steered = page.answered()[1]
    page.open("steer=calm=1.2&max=30&seed=7&compare=0")
    page.say("Hello")
    assert page.answered() == (steered,)
    assert page.text(".answer-figures").startswith("30 tokens")
    assert not page.find("#watch").is_enabled()


def test_tokens_are_shaded_by_their_read_out_under_a_legend(page: Page) -> None:
    page.open("steer=calm=1.2&max=30&shade=calm")
    page.say("Hello")
    plain = page.answered()[0]
    tokens = [token.get_attribute("textContent") for token in page.all(".plain .token")]
    assert len(tokens) > 25
    assert plain.startswith("".join(tokens).lstrip())
    assert page.text(".legend").startswith("Read-out of calm")
    shades = {token.get_attribute("class") for token in page.all(".answer .token")}
    assert len(shades) > 3
    means = [float(foot.text.split("mean read-out ")[1]) for foot in page.all(".answer-figures")]
    assert means[1] > means[0], "steered towards calm reads calmer"


def test_stop_keeps_what_is_written_and_frees_the_server(page: Page, server: Serving) -> None:
    page.open("max=1500")
    page.say("Hello")
    page.wait(lambda: all(page.answers()) and page.answers(), "a first token")
    page.press(Keys.ESCAPE)
    texts = page.answered()
    assert 0 < len(texts[0]) < 1500
    assert "stopped" in page.text(".answer-figures")
    page.wait(lambda: server.told("GET", "/api/status")["slots"]["busy"] == 0, "a free slot")
    assert page.focused().get_attribute("id") == "prompt"


def test_the_talk_goes_on_from_the_chosen_side(page: Page) -> None:
    page.open("steer=calm=1.2&max=20&again=0")
    page.say("Hello")
    page.answered()
    page.say("More")
    steered_way = page.answered()
    page.find(".turn .plain .choose").click()
    assert page.find(".turn .plain .choose").get_attribute("aria-pressed") == "true"
    page.all(".turn-foot button")[-1].click()
    page.wait(lambda: page.answers() != steered_way, "another answer")
    assert page.answered() != steered_way
    assert len(page.all(".turn")) == 2


def test_the_same_seed_gives_the_same_answer_and_another_another(page: Page) -> None:
    page.open("max=40&seed=3")
    page.say("Hello")
    first = page.answered()
    page.find(".turn-foot button").click()
    assert page.answered() == first
    page.find("#answer-group summary").click()
    page.find('[aria-label="Another seed"]').click()
    page.find(".turn-foot button").click()
    page.wait(lambda: page.answers() != first, "another answer")
    assert page.answered() != first


def test_everything_works_by_keyboard_alone(page: Page, server: Serving) -> None:
    page.open("max=30")
    page.press("Hello", Keys.ENTER)  # the message box has the focus at the start
    plain, _ = page.answered()
    page.tab_to("calm, strength")
    page.press(*["shift+" + Keys.ARROW_RIGHT] * 2)
    page.wait(lambda: page.text(".steered .answer-steering") == "calm=1", "answered again")
    assert page.answered()[1] != plain
    page.tab_to("Message")
    page.press("More", "shift+" + Keys.ENTER, "of it", Keys.ENTER)
    page.answered()
    assert page.text(".turn:last-child .question") == "More\nof it"
    page.tab_to("New conversation")
    page.press(Keys.ENTER)
    page.wait(lambda: not page.all(".turn"), "an empty conversation")
    assert page.focused().accessible_name == "Message"


def test_an_answer_that_does_not_fit_is_an_error_with_its_hint(page: Page) -> None:
    page.open("max=10")
    page.run("document.getElementById('prompt').value = 'x'.repeat(3000)")
    page.say("y")
    page.wait(lambda: page.text(".answer-error"), "an error")
    assert "2048" in page.text(".notice")
    console = page.complaints()
    assert len(console) == 1, console  # the browser itself notes a 422
    assert "422" in console[0]
