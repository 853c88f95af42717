"""The explorer's page in a real Chromium: map, sliders, buttons, play and images to encode."""

import math
import time

import pytest
import torch
from helpers.pages import (
    LABELS,
    NEXT_FRAME,
    PATIENCE,
    assert_shows,
    lively,
    marked,
    on_white,
    picture,
    pixel_of_pad,
    place_on_pad,
    some_images,
    z_of,
)

from course_utils.data import as_float
from course_utils.models import VAE
from course_utils.widgets.interface import LIMIT, STEP

pytestmark = [
    pytest.mark.browser,
    # Playwright's own leftovers, where a test fails half-way.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def test_the_pad_follows_the_mouse(show):
    model = lively(VAE(2, 40))
    page = show(model, some_images(), LABELS)
    start, near = picture(page), pixel_of_pad(page)
    page.mouse.move(*place_on_pad(page, (1, 2)))
    assert z_of(page) == [0, 0]  # not before it is pressed
    page.mouse.down()
    assert z_of(page) == pytest.approx([1, 2], abs=near)
    pressed = picture(page)
    page.mouse.move(*place_on_pad(page, (-2, 0.5)), steps=10)
    assert z_of(page) == pytest.approx([-2, 0.5], abs=near)
    assert marked(page) == pytest.approx([-2, 0.5], abs=2 * near)
    assert_shows(page, model)
    page.mouse.move(5, 5)  # off the pad: the marker stays at its edge
    assert z_of(page) == [-LIMIT, LIMIT]
    page.mouse.up()
    page.mouse.move(*place_on_pad(page, (0, -1)))
    assert z_of(page) == [-LIMIT, LIMIT]
    dragged = picture(page)
    assert (pressed != start).any() and (dragged != pressed).any()
    page.click("#undo")  # the whole movement is one step
    assert z_of(page) == [0, 0] and (picture(page) == start).all()
    assert page.locator("#undo").is_disabled()


def test_the_pad_follows_a_finger(show):
    model = lively(VAE(2, 40))
    page = show(model, some_images(), LABELS, size=(390, 844), has_touch=True, is_mobile=True)
    start, near = picture(page), pixel_of_pad(page)
    hand = page.context.new_cdp_session(page)

    def touch(kind, *z):
        points = [dict(zip("xy", place_on_pad(page, z)))] if z else []
        hand.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 1, 1)
    assert z_of(page) == pytest.approx([1, 1], abs=2 * near)
    for step in range(1, 11):  # downwards, as one would scroll
        touch("touchMove", 1 - 0.2 * step, 1 - 0.3 * step)
    touch("touchEnd")
    assert z_of(page) == pytest.approx([-1, -2], abs=2 * near)
    assert page.evaluate("scrollY") == 0
    assert (picture(page) != start).any()
    assert_shows(page, model)
    page.tap("#undo")  # Chromium makes a click of it in its own time
    page.wait_for_function("() => explorer.z.every(z => z === 0)")
    page.evaluate(NEXT_FRAME)
    assert (picture(page) == start).all()


def test_the_pad_follows_the_keys(show):
    model = lively(VAE(2, 40))
    page = show(model, some_images(), LABELS, still=True)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "pad"
    start = picture(page)
    page.keyboard.press("ArrowRight")
    assert z_of(page) == pytest.approx([2 * STEP, 0])
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowDown")
    assert z_of(page) == pytest.approx([-8 * STEP, -10 * STEP])
    assert (picture(page) != start).any()
    assert_shows(page, model)
    page.keyboard.press("Control+z")  # keys in quick succession are one step
    assert z_of(page) == [0, 0]
    for clock in (900, 1800, 2900):  # a rest of more than a second begins another
        page.evaluate("time => { window.clock = time; }", clock)
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Control+z")
    assert z_of(page) == pytest.approx([4 * STEP, 0])
    page.keyboard.press("Control+z")
    assert z_of(page) == [0, 0]
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Home")
    assert z_of(page) == [0, 0] and (picture(page) == start).all()
    page.keyboard.press("Control+z")
    assert z_of(page) == pytest.approx([-10 * STEP, 0])
    outline = page.evaluate("getComputedStyle(document.getElementById('pad')).outlineStyle")
    assert outline == "solid"


def test_the_map_shows_images_and_codes(show):
    page = show(lively(VAE(2, 40)), some_images(), LABELS)
    at_once = show(lively(VAE(2, 40)), some_images(), LABELS, still=True)
    # Drawn a few rows a frame: wait until all are there.
    page.wait_for_function(
        "wanted => document.getElementById('map').toDataURL() === wanted",
        arg=at_once.evaluate("document.getElementById('map').toDataURL()"),
    )
    both = picture(page, "map")
    page.uncheck("#show-codes")
    images = picture(page, "map")
    page.uncheck("#show-images")
    neither = picture(page, "map")
    assert (both != images).any() and (images != neither).any()
    rings = (neither != 255).float().mean()
    assert 0 < rings < 0.05  # only the prior's circles are left
    assert page.locator("#legend li").all_inner_texts() == list("0123456789")


# --- the sliders ---------------------------------------------------------------------------------


def test_sliders_move_one_unit_each(show):
    model = lively(VAE(5, 40))
    page = show(model, some_images(), LABELS, still=True)
    start = picture(page)
    order = page.evaluate("[...document.querySelectorAll('input[type=range]')].map(e => e.id)")
    with torch.no_grad():
        mu, log_var = model.encode(as_float(some_images()))
    kl = 0.5 * (log_var.exp() + mu.square() - 1 - log_var).mean(0)
    assert order == [f"slider-{m}" for m in kl.argsort(descending=True).tolist()]
    slider = page.locator("#slider-3")
    assert f"KL {kl[3]:.2f} nats" in slider.get_attribute("aria-label")
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert z_of(page) == pytest.approx([0, 0, 0, 2 * STEP, 0])
    assert (picture(page) != start).any()
    assert_shows(page, model)
    box = page.locator("#slider-1").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 1, box["y"] + box["height"] / 2, steps=8)
    page.mouse.up()
    assert z_of(page) == pytest.approx([0, LIMIT, 0, 2 * STEP, 0])
    assert page.locator("#slider-1").get_attribute("aria-valuetext") == f"{LIMIT:.2f}"
    page.click("#undo")
    assert z_of(page) == pytest.approx([0, 0, 0, 2 * STEP, 0])
    assert slider.input_value() == f"{2 * STEP:g}"
    page.click("#undo")
    assert z_of(page) == [0] * 5 and (picture(page) == start).all()


def test_unused_units_are_folded_and_work(show):
    model = lively(VAE(24, 40))
    with torch.no_grad():  # q(z_m|x) is the prior for the units from 20 on
        for rows in (slice(20, 24), slice(44, 48)):
            model.encoder[2].weight[rows] = 0
            model.encoder[2].bias[rows] = 0
    page = show(model, some_images(), LABELS)
    assert page.locator("input[type=range]:visible").count() == 18
    assert page.locator("summary").inner_text() == "6 more units, 4 of them unused"
    page.click("summary")
    assert page.locator("input[type=range]:visible").count() == 24
    unused = page.locator(".unit.unused")
    assert unused.count() == 4
    assert all("unused" in text for text in unused.locator(".name").all_inner_texts())
    page.locator("#slider-22").focus()
    page.keyboard.press("ArrowLeft")
    assert z_of(page)[22] == pytest.approx(-STEP)


# --- the buttons ---------------------------------------------------------------------------------


@pytest.mark.parametrize("latents", [2, 5])
def test_buttons(latents, show):
    model = lively(VAE(latents, 40))
    page = show(model)
    start = picture(page)
    assert page.locator("#undo").is_disabled() and page.locator("#encode").is_hidden()
    page.click("#random")
    first, seen = z_of(page), picture(page)
    assert 0 < math.hypot(*first) < 12 and (seen != start).any()
    assert_shows(page, model)
    page.click("#random")
    assert z_of(page) != first
    page.click("#reset")
    assert z_of(page) == [0] * latents and (picture(page) == start).all()
    page.click("#undo")
    page.click("#undo")
    assert z_of(page) == first and (picture(page) == seen).all()
    page.click("#undo")
    assert z_of(page) == [0] * latents and page.locator("#undo").is_disabled()


def test_random_codes_are_normal(show):
    page = show(VAE(64, 4))
    draws = page.evaluate(
        """() => Array.from({length: 100}, () => {
            document.getElementById("random").click();
            return explorer.z;
        })"""
    )
    draws = torch.tensor(draws).flatten()  # 6,400 of them: standard errors 1/80 and 1/57
    assert abs(draws.mean()) < 4.5 / 80 and abs(draws.std() - 1) < 4.5 / 113


@pytest.mark.parametrize("latents", [2, 5])
def test_play_moves_one_unit_to_and_fro(latents, show):
    page = show(lively(VAE(latents, 40)))
    page.click("#random")
    before, seen = z_of(page), picture(page)
    button = page.get_by_role("button", name="Play z₂ to and fro")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    at, give_up = [page.evaluate("explorer.z")], time.monotonic() + PATIENCE / 1000
    steps = [0]
    while not min(steps) < 0 < max(steps):  # to and fro
        assert time.monotonic() < give_up
        page.wait_for_timeout(250)
        at.append(page.evaluate("explorer.z"))
        steps.append(at[-1][1] - at[-2][1])
    assert all(abs(z[1]) <= 3 for z in at)
    assert all([*z[:1], *z[2:]] == [*before[:1], *before[2:]] for z in at)
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    rests, stopped = z_of(page), picture(page)
    page.wait_for_timeout(300)
    assert z_of(page) == rests and (picture(page) == stopped).all()
    page.click("#undo")
    assert z_of(page) == before and (picture(page) == seen).all()


def test_who_takes_hold_of_a_playing_unit_stops_it(show):
    page = show(lively(VAE(5, 40)))
    button = page.get_by_role("button", name="Play z₂ to and fro")
    button.click()
    page.wait_for_timeout(300)
    page.locator("#slider-3").press("ArrowRight")  # another one may move meanwhile
    assert button.get_attribute("aria-pressed") == "true"
    page.locator("#slider-1").press("ArrowRight")
    assert button.get_attribute("aria-pressed") == "false"
    rests = z_of(page)
    page.wait_for_timeout(300)
    assert z_of(page) == rests and rests[3] == pytest.approx(STEP)


def test_an_image_beside_its_reconstruction(show):
    model, images = lively(VAE(5, 40)), some_images()
    page = show(model, images, LABELS)
    blank = picture(page, "original")
    assert (blank == 255).all()
    page.get_by_role("button", name="Encode test image 3").click()
    with torch.no_grad():
        mu, _ = model.encode(as_float(images[3:4]))
    assert z_of(page) == pytest.approx(mu[0].tolist(), abs=1e-5)
    assert_shows(page, model)
    assert (picture(page, "original") - on_white(images[3].float())).abs().max() <= 1
    assert page.locator("#caption").inner_text() == "the original: 3"
    page.locator("#slider-0").press("ArrowLeft")  # the original stays beside what becomes of it
    assert page.locator("#caption").inner_text() == "the original: 3"
    page.click("#reset")
    assert (picture(page, "original") == blank).all()
    page.click("#undo")
    assert page.locator("#caption").inner_text() == "the original: 3"
    page.click("#undo")
    page.click("#undo")
    assert z_of(page) == [0] * 5 and (picture(page, "original") == blank).all()
