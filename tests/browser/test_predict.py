"""A guess on a page: by mouse and by keys, changed, and printed."""

import pytest

from course_utils.widgets.predictions import Prediction

pytestmark = pytest.mark.browser

QUESTIONS = [
    Prediction("Above or below?", ["above", "below"], "below", "It is a lower bound."),
    Prediction("How many units?", ["two", "three", "four"], "two", "We drew two."),
]


@pytest.fixture
def tab(browser):
    tab = browser.new_page(viewport={"width": 900, "height": 500})
    tab.set_content("".join(question._repr_html_() for question in QUESTIONS))
    yield tab
    tab.close()


def reasons(tab):
    """Whether the reason of each question is seen."""
    found = tab.locator(".because")
    return [found.nth(n).is_visible() for n in range(found.count())]


def verdict(tab, number=0):
    said = "e => getComputedStyle(e, '::before').content"
    return tab.locator(".because").nth(number).evaluate(said)


def test_a_guess_shows_the_reason_of_its_own_question(tab):
    assert reasons(tab) == [False, False]
    tab.get_by_text("above", exact=True).click()
    assert reasons(tab) == [True, False] and "Not quite" in verdict(tab)
    tab.get_by_text("below", exact=True).click()  # a guess may be changed
    assert reasons(tab) == [True, False] and "Right" in verdict(tab)
    tab.get_by_text("three", exact=True).click()
    assert reasons(tab) == [True, True] and "Not quite" in verdict(tab, 1)
    assert "Right" in verdict(tab)  # the first guess is remembered


def test_keys_make_guesses_too(tab):
    tab.keyboard.press("Tab")
    tab.keyboard.press("Space")
    assert reasons(tab) == [True, False] and "Not quite" in verdict(tab)
    tab.keyboard.press("ArrowRight")
    assert "Right" in verdict(tab)
    tab.keyboard.press("Tab")  # one stop a question
    tab.keyboard.press("Space")
    assert reasons(tab) == [True, True] and "Right" in verdict(tab, 1)


def test_in_print_the_answers_are_there(tab):
    tab.emulate_media(media="print")
    assert reasons(tab) == [True, True]
    assert verdict(tab) == "none"
