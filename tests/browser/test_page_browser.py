"""The explorer's page in a real Chromium, from a file and with the network cut."""

import base64
import io
import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from helpers.pages import HOSTILE, MODELS, lively, some_images
from PIL import Image

from course_utils.data import as_float
from course_utils.distributions import normal_log_prob
from course_utils.models import VAE, Autoencoder
from course_utils.training import load_checkpoint
from course_utils.widgets import export_html
from course_utils.widgets.explorers import LIMIT, STEP
from course_utils.widgets.page import PAGE_TOLERANCE

pytestmark = [
    pytest.mark.browser,
    # Playwright's own leftovers, where a test fails half-way.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

NEXT_FRAME = "() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))"
LABELS = torch.arange(60) % 10


@pytest.fixture
def show(browser, tmp_path):
    """Write a model's page and open it, with the network cut; afterwards, nothing went wrong."""
    contexts, troubles, asked = [], [], []

    def open_page(model, *images, size=(1280, 720), title="Latent explorer", **settings):
        path = export_html(model, tmp_path / "page.html", *images, title=title)
        address = path.as_uri()
        viewport = {"width": size[0], "height": size[1]}
        context = browser.new_context(viewport=viewport, **settings)
        contexts.append(context)
        context.set_offline(True)
        context.route(lambda url: url != address, lambda route: route.abort())
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("request", lambda request: asked.append((request.url, address)))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda message: troubles.append(message.text))
        page.goto(address)
        page.evaluate(NEXT_FRAME)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not troubles
    assert asked and all(url in (address, "data:,") for url, address in asked)


def picture(page, canvas="decoded"):
    """The red channel of a canvas, (28, 28), or as many pixels as the map has."""
    url = page.evaluate("name => document.getElementById(name).toDataURL()", canvas)
    png = base64.b64decode(url.removeprefix("data:image/png;base64,"))
    return torch.from_numpy(np.array(Image.open(io.BytesIO(png)).convert("RGB"))[..., 0]).float()


def z_of(page):
    page.evaluate(NEXT_FRAME)
    return page.evaluate("explorer.z")


@torch.no_grad()
def ink(model, z):
    """What the screen should show of a code, 0 to 255."""
    image = model.decode_mean(torch.tensor(z, dtype=torch.float32)).clamp(0, 1)
    return (255 * image).view(28, 28)


def on_white(image):
    return 255 - image * (255 - 16) / 255


def assert_shows(page, model):
    """The picture is the decoded code, up to half precision and rounding."""
    wanted = on_white(ink(model, z_of(page)))
    assert (picture(page) - wanted).abs().max() <= 255 * PAGE_TOLERANCE + 1


# --- the decoder ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*MODELS, "mnist-vae-2", "mnist-vae-20"])
def test_pixels_agree_with_torch(name, show):
    model = lively(MODELS[name]()) if name in MODELS else load_checkpoint(name)
    page = show(model)
    generator = torch.Generator().manual_seed(0)
    z = 1.5 * torch.randn(200, model.latent_dim, generator=generator)
    pixels = page.evaluate("codes => codes.map(explorer.decode)", z.tolist())
    with torch.no_grad():
        wanted = model.decode_mean(z).clamp(0, 1)
    assert (torch.tensor(pixels) - wanted).abs().max() < PAGE_TOLERANCE
    assert_shows(page, model)


@pytest.mark.parametrize("latents", [1, 2, 20, 64])
def test_how_typical_a_distance_is(latents, show):
    page = show(VAE(latents, 4))
    radius = torch.linspace(0, math.sqrt(latents) + 5, 60, dtype=torch.double)
    shares = page.evaluate("radii => radii.map(explorer.share_closer)", radius.tolist())
    half = torch.tensor(latents / 2, dtype=torch.double)
    wanted = torch.special.gammainc(half, radius.square() / 2)  # chi-squared, M degrees of freedom
    # 5e-5 of the mass lies beyond the table's end when M = 1.
    assert (torch.tensor(shares) - wanted).abs().max() < 2e-4


def test_the_figures_beside_the_picture(show):
    page = show(VAE(20, 4))
    z = torch.linspace(-2.4, 2.4, 20)
    page.evaluate("z => { explorer.z = z; }", z.tolist())
    page.evaluate(NEXT_FRAME)
    zero = torch.zeros(20)
    terms = page.locator("#numbers").inner_text().replace("\u2212", "-").split("\n")
    assert terms == [
        "|z|",
        f"{z.norm():.2f}",
        "log p(z), nats",
        f"{normal_log_prob(z, zero, zero):.1f}",
    ]
    closer = 100 * torch.special.gammainc(torch.tensor(10.0), z.square().sum() / 2)
    text = page.locator("#shell-text").inner_text()
    assert text == f"farther out than is typical: {closer:.0f} % of the prior lies closer to 0"
    page.click("#reset")
    page.evaluate(NEXT_FRAME)
    assert page.locator("#shell-text").inner_text().startswith("closer than is typical: 0 %")


# --- the plane -----------------------------------------------------------------------------------


def place_on_pad(page, z):
    """Where on the page a code lies."""
    box = page.locator("#pad").bounding_box()
    inner = page.evaluate("document.getElementById('pad').clientWidth")
    edge = (box["width"] - inner) / 2
    x = box["x"] + edge + inner * (z[0] + LIMIT) / (2 * LIMIT)
    return x, box["y"] + edge + inner * (LIMIT - z[1]) / (2 * LIMIT)


def pixel_of_pad(page):
    return 2 * LIMIT / page.evaluate("document.getElementById('pad').clientWidth")


def marked(page):
    """The code under the marker's middle."""
    box, zero = page.locator("#marker").bounding_box(), place_on_pad(page, (0, 0))
    scale = pixel_of_pad(page)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    return [(x - zero[0]) * scale, (zero[1] - y) * scale]


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
    page = show(model, some_images(), LABELS)
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
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Home")
    assert z_of(page) == [0, 0] and (picture(page) == start).all()
    page.keyboard.press("Control+z")
    assert z_of(page) == pytest.approx([-10 * STEP, 0])
    outline = page.evaluate("getComputedStyle(document.getElementById('pad')).outlineStyle")
    assert outline == "solid"


def test_the_map_shows_images_and_codes(show):
    page = show(lively(VAE(2, 40)), some_images(), LABELS)
    # Drawn a few rows a frame: wait until it rests.
    page.wait_for_function(
        """() => new Promise(resolve => {
            const map = document.getElementById("map"), before = map.toDataURL();
            setTimeout(() => resolve(map.toDataURL() === before), 300);
        })"""
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
    page = show(model, some_images(), LABELS)
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
    at = []
    for _ in range(12):
        page.wait_for_timeout(250)
        at.append(page.evaluate("explorer.z"))
    steps = [b[1] - a[1] for a, b in pairwise(at)]
    assert min(steps) < 0 < max(steps)  # to and fro
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


def test_an_autoencoder_has_no_prior(show):
    page = show(lively(Autoencoder(2, 40)), some_images(), LABELS)
    assert page.locator("#shell").is_hidden()
    assert "log p" not in page.locator("main").inner_text()
    assert "no prior" in page.locator("#hint").inner_text()
    page.click("#random")
    page.get_by_role("button", name="mean code").click()
    codes = lively(Autoencoder(2, 40)).encode(as_float(some_images())).mean(0)
    assert z_of(page) == pytest.approx(codes.tolist(), rel=1e-4)


# --- what it looks like --------------------------------------------------------------------------


def test_the_dark_theme_turns_the_ink_round(show):
    model = lively(VAE(2, 40))
    page = show(model, some_images(), LABELS, color_scheme="dark")
    image = 25 + ink(model, [0.0, 0.0]) * (250 - 25) / 255
    assert (picture(page) - image).abs().max() <= 255 * PAGE_TOLERANCE + 1
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.emulate_media(color_scheme="light")
    page.evaluate(NEXT_FRAME)
    assert_shows(page, model)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != paper


CUT_OFF = """() => {
    const cut = [];
    for (const e of document.querySelectorAll("body *")) {
        if (!e.checkVisibility() || e.closest(".silent, svg, script, #marker")) continue;
        const box = e.getBoundingClientRect();
        const out = box.left < 0 || box.top < 0 || box.right > innerWidth + 0.5
            || box.bottom > innerHeight + 0.5;
        const inline = getComputedStyle(e).display === "inline"; // has no width of its own
        const spills = !inline && e.scrollWidth > e.clientWidth + 1;
        if (out || spills) cut.push(e.outerHTML.slice(0, 80));
    }
    return cut;
}"""
SMALLEST_TEXT = """() => {
    const sizes = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const e = walker.currentNode.parentElement;
        if (walker.currentNode.data.trim() && e.checkVisibility() && !e.closest("script, .silent"))
            sizes.push(parseFloat(getComputedStyle(e).fontSize));
    }
    return Math.min(...sizes);
}"""


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080), (1024, 768), (900, 600)])
@pytest.mark.parametrize("latents", [2, 20, 64])
def test_nothing_is_cut_off(latents, size, show):
    page = show(lively(VAE(latents, 40)), some_images(), LABELS, size=size)
    page.locator("#digits button").nth(4).click()
    page.evaluate("z => { explorer.z = z; }", [-3.45] * latents)  # the widest figures
    page.evaluate(NEXT_FRAME)
    assert not page.evaluate(CUT_OFF)
    scrolls = "document.documentElement.scrollHeight - innerHeight"
    assert page.evaluate(scrolls) <= 0
    if latents > 2:
        rest = "(e => e.scrollHeight - e.clientHeight)(document.getElementById('sliders'))"
        assert page.evaluate(rest) <= 0
    # A fortieth of the height is 16 of the 720 lines of a projector.
    assert page.evaluate(SMALLEST_TEXT) >= 16 * min(size[0] / 1280, size[1] / 720)
    assert page.locator("#decoded").bounding_box()["width"] >= 0.29 * size[0]


@pytest.mark.parametrize("latents", [2, 20])
def test_a_telephone_shows_picture_and_controls_at_once(latents, show):
    page = show(lively(VAE(latents, 40)), some_images(), LABELS, size=(390, 844), has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator("#decoded").bounding_box()["width"] >= 170
    control = page.locator("#pad" if latents == 2 else "input[type=range]").last
    control.scroll_into_view_if_needed()
    for box in (control.bounding_box(), page.locator("#decoded").bounding_box()):
        assert box["y"] >= 0 and box["y"] + box["height"] <= 844
    assert page.evaluate(SMALLEST_TEXT) >= 12


def test_titles_and_labels_are_shown_as_they_are(show):
    labels = [HOSTILE, "plain"] * 30
    page = show(VAE(2, 40), some_images(), labels, title=HOSTILE)
    assert page.title() == page.locator("h1").inner_text() == HOSTILE
    assert page.locator("#legend li").all_inner_texts() == [f"● {HOSTILE}", "● plain"]


@pytest.mark.parametrize("latents", [2, 5])
def test_every_control_has_a_name_and_takes_the_focus(latents, show):
    page = show(lively(VAE(latents, 40)), some_images(), LABELS)
    page.evaluate(
        """() => { window.nameOf = e =>
            (e.ariaLabel || e.labels?.[0]?.textContent || e.textContent).trim(); }"""
    )
    controls = page.evaluate(
        """() => [...document.querySelectorAll("button, input, #pad")]
            .filter(e => e.checkVisibility()).map(nameOf)"""
    )
    assert all(controls) and len(set(controls)) == len(controls)
    page.click("#random")  # so that undo can be reached
    page.evaluate("document.activeElement.blur()")
    reached = set()
    for _ in range(len(controls) + 2):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("nameOf(document.activeElement)"))
    assert set(controls) <= reached
