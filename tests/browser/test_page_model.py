"""The explorer's page in a real Chromium: what it computes of the model, and how it looks."""

import base64
import math

import numpy as np
import pytest
import torch
from helpers.pages import (
    HOSTILE,
    LABELS,
    MODELS,
    NEXT_FRAME,
    assert_shows,
    ink,
    lively,
    on_white,
    picture,
    some_images,
    z_of,
)

from course_utils.data import as_float
from course_utils.distributions import normal_log_prob
from course_utils.models import VAE, Autoencoder
from course_utils.training import load_checkpoint
from course_utils.widgets.page import PAGE_TOLERANCE

pytestmark = [
    pytest.mark.browser,
    # Playwright's own leftovers, where a test fails half-way.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


# Of many codes, as one text: 157,000 numbers one by one would take Playwright ten seconds.
DECODE = """codes => {
    const pixels = Float32Array.from(codes.flatMap(explorer.decode));
    const bytes = [...new Uint8Array(pixels.buffer)].map(byte => String.fromCharCode(byte));
    return btoa(bytes.join(""));
}"""


@pytest.mark.parametrize("name", [*MODELS, "mnist-vae-2", "mnist-vae-20"])
def test_pixels_agree_with_torch(name, show):
    model = lively(MODELS[name]()) if name in MODELS else load_checkpoint(name)
    page = show(model)
    generator = torch.Generator().manual_seed(0)
    z = 1.5 * torch.randn(200, model.latent_dim, generator=generator)
    pixels = np.frombuffer(base64.b64decode(page.evaluate(DECODE, z.tolist())), "<f4")
    with torch.no_grad():
        wanted = model.decode_mean(z).clamp(0, 1)
    assert (torch.tensor(pixels).view(200, 784) - wanted).abs().max() < PAGE_TOLERANCE
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


@torch.no_grad()
def test_an_autoencoder_has_no_prior(show):
    page = show(lively(Autoencoder(2, 40)), some_images(), LABELS)
    assert page.locator("#shell").is_hidden()
    assert "log p" not in page.locator("main").inner_text()
    assert "this model has no prior" in page.locator("#hint").inner_text()
    page.click("#random")
    page.get_by_role("button", name="mean code").click()
    codes = lively(Autoencoder(2, 40)).encode(as_float(some_images())).mean(0)
    assert z_of(page) == pytest.approx(codes.tolist(), rel=1e-4)
    said = page.locator("#numbers").inner_text().replace("\u2212", "-").split("\n")
    assert said == ["z₁", f"{codes[0]:.2f}", "z₂", f"{codes[1]:.2f}", "|z|", f"{codes.norm():.2f}"]


# --- what it looks like --------------------------------------------------------------------------


def test_the_dark_theme_turns_the_ink_round(show):
    model = lively(VAE(2, 40))
    page = show(model, some_images(), LABELS, color_scheme="dark")
    image = 25 + ink(model, [0.0, 0.0]) * (250 - 25) / 255
    assert (picture(page) - image).abs().max() <= 255 * PAGE_TOLERANCE + 1
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.emulate_media(color_scheme="light")
    changed = "paper => getComputedStyle(document.body).backgroundColor !== paper"
    page.wait_for_function(changed, arg=paper)
    wanted = on_white(ink(model, [0.0, 0.0]))
    for _ in range(100):  # the page hears of it after its style has changed, and then draws
        page.evaluate(NEXT_FRAME)
        if (picture(page) - wanted).abs().max() <= 255 * PAGE_TOLERANCE + 1:
            break
    assert_shows(page, model)


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


@pytest.mark.parametrize("latents", [2, 20, 64])
def test_nothing_is_cut_off(latents, show):
    page = show(lively(VAE(latents, 40)), some_images(), LABELS)
    page.locator("#digits button").nth(4).click()
    page.evaluate("z => { explorer.z = z; }", [-3.45] * latents)  # the widest figures
    for size in [(1280, 720), (1920, 1080), (1024, 768), (900, 600)]:
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.evaluate(NEXT_FRAME)
        assert_all_is_seen(page, latents, size)


def assert_all_is_seen(page, latents, size):
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
