"""The sliders act: on the next answer, on the running one, on the server, by pointer and by key."""

from __future__ import annotations

import pytest
from selenium.webdriver import ActionChains, Keys

from .page import Page
from .serving import Serving

pytestmark = pytest.mark.browser
BOX = '[data-vector="calm"] .dial-box'
WARNING = '[data-vector="calm"] .warning'


def live(server: Serving) -> str:
    return str(server.told("GET", "/api/steering")["text"])


def test_the_page_shows_the_model_and_a_slider_for_each_vector(page: Page) -> None:
    page.open()
    assert page.text(".model-name") == "tiny"
    assert [card.get_attribute("data-vector") for card in page.all(".card")] == [
        "calm",
        "happy",
        "terse",
    ]
    assert page.text('[data-vector="calm"] .dial-poles').split("\n") == ["not calm", "calm"]
    assert {box.get_attribute("value") for box in page.all(".dial-box")} == {"0"}


def test_unsteered_both_sides_say_the_same_and_a_slider_changes_the_steered_one(page: Page) -> None:
    page.open("max=40")
    page.say("Hello")
    plain, steered = page.answered()
    assert plain == steered != ""
    page.turn("calm", 1.2)
    page.wait(lambda: page.answers()[-1:] != (steered,) and page.answers()[-1:] != ("",), "another")
    after = page.answered()
    assert after[0] == plain
    assert after[1] != plain
    assert page.text(".steered .answer-steering") == "calm=1.2"


def test_a_slider_acts_on_the_running_answer_from_the_next_token_on(page: Page) -> None:
    page.open("max=700&again=0")
    page.say("Hello")
    page.wait(lambda: all(page.answers()) and page.answers(), "a first token")
    assert page.find("#stop").is_displayed()
    page.turn("calm", 1.25)
    plain, steered = page.answered()
    same = next((i for i, (a, b) in enumerate(zip(plain, steered, strict=False)) if a != b), -1)
    assert same > 0, "they begin alike and part"
    assert page.text(".steered .answer-steering") == "calm=1.25"


def test_a_real_pointer_drags_the_thumb(page: Page, server: Serving) -> None:
    page.open()
    slider = page.slider("happy")
    ActionChains(page.chrome).drag_and_drop_by_offset(slider, 60, 0).perform()
    page.wait(lambda: live(server).startswith("happy="), "the server steers")
    assert live(server) == f"happy={page.value('[data-vector=happy] .dial-box')}"
    ActionChains(page.chrome).double_click(slider).perform()
    page.wait(lambda: live(server) == "", "a double click resets")


def test_keys_move_a_slider_by_small_and_big_steps_and_reset_it(
    page: Page, server: Serving
) -> None:
    page.open()
    page.tab_to("calm, strength")
    page.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert page.value(BOX) == "0.1"
    page.press("shift+" + Keys.ARROW_RIGHT)
    assert page.value(BOX) == "0.6"
    page.press(Keys.ARROW_LEFT)
    assert page.focused().get_attribute("aria-valuetext") == "+0.55, towards calm"
    page.wait(lambda: live(server) == "calm=0.55", "the server steers")
    page.press("0")
    assert page.value(BOX) == "0"
    page.wait(lambda: live(server) == "", "the server does not steer")


def test_outside_the_band_the_apis_warning_stands_at_the_slider(page: Page) -> None:
    page.open()
    page.turn("calm", 1.7)
    warning = page.wait(lambda: page.text(WARNING), "a warning")
    assert "outside its calibrated band -1.5 to 1.25" in warning
    assert (
        page.slider("calm").get_attribute("aria-valuetext").endswith("outside the calibrated band")
    )
    page.turn("calm", 1.2)
    page.wait(lambda: not page.text(WARNING), "no warning")


def test_the_number_box_takes_what_lies_beyond_the_slider(page: Page, server: Serving) -> None:
    page.open()
    page.tab_to("calm, strength as a number")
    page.press("-4.2")  # what stands there is selected
    page.wait(lambda: live(server) == "calm=-4.2", "the server steers")
    assert page.slider("calm").get_attribute("value") == "-4.2"


def test_the_master_switch_steers_and_does_not(page: Page, server: Serving) -> None:
    page.open("steer=calm=1")
    page.tab_to("Steering")
    assert page.focused().get_attribute("role") == "switch"
    page.press(" ")
    page.wait(lambda: live(server) == "", "off")
    assert page.value(BOX) == "1"
    assert page.text("#master-text") == "Off"
    page.press(" ")
    page.wait(lambda: live(server) == "calm=1", "on")


def test_vectors_are_removed_and_added(page: Page, server: Serving) -> None:
    page.open("steer=calm=1 happy=0.5")
    page.find('[aria-label="Remove calm"]').click()
    page.wait(lambda: live(server) == "happy=0.5", "calm is gone")
    assert page.focused().accessible_name == "happy, strength"
    page.find('[aria-label="Add calm"]').click()
    assert page.focused().accessible_name == "calm, strength"
    assert [card.get_attribute("data-vector") for card in page.all(".card")] == ["happy", "calm"]


def test_layers_are_picked_by_two_handles_and_set_back(page: Page, server: Serving) -> None:
    page.open("steer=calm=1")
    page.find('[data-vector="calm"] summary').click()
    page.wait(lambda: page.all(".handle"), "the picker")
    page.tab_to("calm, first layer")
    assert page.focused().get_attribute("aria-valuetext") == "layer 2"
    page.press(Keys.ARROW_LEFT)
    page.wait(lambda: live(server) == "calm=1@1-3", "from layer 1")
    page.tab_to("calm, last layer")
    page.press(Keys.ARROW_LEFT, Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    page.wait(lambda: live(server) == "calm=1@1", "a handle stops at the other one")
    assert page.text(".layers-label") == "1"
    page.find('[aria-label="calm, back to the recommended layers"]').click()
    page.wait(lambda: live(server) == "calm=1", "what is recommended")
    assert page.text(".layers-label") == "2\u20133, recommended"
    assert page.focused().accessible_name == "calm, first layer"


def test_terms_that_have_no_slider_of_their_own_stay_as_they_are(
    page: Page, server: Serving
) -> None:
    page.open("steer=ablate:calm=1 happy=0.5?on=generated&decay=9".replace("&", "%26"))
    assert live(server) == "ablate:calm=1 happy=0.5?on=generated&decay=9"
    assert [tag.text for tag in page.all(".tag")] == ["ablate", "on=generated&decay=9"]
    page.turn("happy", 1)
    page.wait(lambda: live(server) == "ablate:calm=1 happy=1?on=generated&decay=9", "one moved")
