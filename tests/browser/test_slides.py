"""The decks in a real browser, slide by slide: nothing is cut, everything can be read from afar.

They are opened from the disk, where nothing can be loaded from anywhere else unnoticed. The sizes
are measured anew here, and not taken from the script that chose them.
"""

import re

import pytest
from helpers.browser import listen

from tools.execute_notebooks import in_reading_order
from tools.notebook_files import NOTEBOOKS
from tools.site.needed import Unavailable
from tools.slides.__main__ import build

pytestmark = [pytest.mark.publish, pytest.mark.browser]

PATHS = in_reading_order(NOTEBOOKS)
STEMS = [path.stem for path in PATHS]
SCREEN = {"width": 1280, "height": 720}
PATIENCE = 120_000  # milliseconds: a limit, not a measurement
CODE, TEXT, CAPTION = 18, 22, 20  # pixels that type has at least, on a screen of 1280 × 720
PICTURE = 280 * 160  # pixels that a figure covers at least

# What is wrong with the slide that is shown: [what, where].
WRONG = """([code, text, caption, picture]) => {
  const slide = deck.getCurrentSlide().querySelector(".slide"), found = [];
  const box = slide.getBoundingClientRect(), body = slide.querySelector(".body");
  const inner = body.getBoundingClientRect();
  if (Math.abs(box.width - 1280) + Math.abs(box.height - 720) > 1) found.push("no full slide");
  for (const part of slide.querySelectorAll("*")) {
    const style = getComputedStyle(part), at = part.getBoundingClientRect();
    if (!at.width || !at.height || part.closest("mjx-assistive-mml, svg, .notes")) continue;
    const what = `${part.tagName}.${part.className}: ${part.textContent.slice(0, 40)}`;
    if (at.left < box.left - 1 || at.right > box.right + 1) found.push(`too wide: ${what}`);
    if (at.top < box.top - 1 || at.bottom > box.bottom + 1) found.push(`too high: ${what}`);
    if (part.parentElement === body && (at.top < inner.top - 3 || at.bottom > inner.bottom + 3))
      found.push(`beyond its place: ${what}`);
    const hides = style.display !== "inline" && style.overflow === "hidden";
    const right = part.scrollWidth - part.clientWidth;
    const below = part.scrollHeight - part.clientHeight;
    if (hides && (right > 2 || below > 6)) found.push(`cut: ${what}`);
    const size = parseFloat(style.fontSize), pre = part.matches("pre, pre *");
    const read = part.matches(".body p, .body li, .body td") && !part.matches(".knobs, .which");
    const least = pre ? code : part.closest(".text, table") ? caption : text;
    if ((pre || read) && !part.matches(".goes-on") && size < least - 0.01)
      found.push(`${size} px: ${what}`);
    if (part.matches(".picture img") && !part.naturalWidth) found.push(`no picture: ${part.src}`);
    if (part.matches(".picture img")) {
      const scale = Math.min(at.width / part.naturalWidth, at.height / part.naturalHeight);
      const covers = scale * scale * part.naturalWidth * part.naturalHeight;
      if (covers < picture) found.push(`a small picture: ${Math.round(covers)} pixels`);
    }
  }
  for (const svg of slide.querySelectorAll("mjx-container > svg"))
    if (svg.getBoundingClientRect().right > box.right - 20) found.push("a formula is cut");
  if (slide.querySelector("mjx-merror, [data-mjx-error]")) found.push("a formula is wrong");
  return found;
}"""


@pytest.fixture(scope="module")
def decks(tmp_path_factory):
    out = tmp_path_factory.mktemp("built") / "slides"
    try:
        build(out, PATHS)
    except Unavailable as problem:
        pytest.skip(f"no decks here: {problem}")
    return out


@pytest.fixture
def opened(decks, browser):
    """A function that opens a deck and waits until it is laid out; complaints end the test."""
    contexts, complaints = [], []

    def open_deck(stem):
        context = browser.new_context(viewport=SCREEN)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        listen(page, complaints)
        page.goto((decks / f"{stem}.html").as_uri())
        page.wait_for_selector("body[data-ready=yes]")
        return page

    yield open_deck
    for context in contexts:
        context.close()
    assert not complaints


def go_to(page, slide):
    """Show the first slide that a CSS selector finds."""
    page.evaluate(
        """(slide) => {
            const at = deck.getIndices(document.querySelector(slide).closest("section"));
            deck.slide(at.h, at.v);
        }""",
        slide,
    )


def wrong(page):
    return page.evaluate(WRONG, [CODE, TEXT, CAPTION, PICTURE])


@pytest.mark.parametrize("stem", STEMS)
def test_nothing_is_cut_on_any_slide_and_all_can_be_read(opened, stem):
    page = opened(stem)
    total, found, seen = page.evaluate("deck.getTotalSlides()"), [], set()
    for _ in range(4 * total):  # Space, as a lecturer would
        place = page.evaluate("JSON.stringify([deck.getIndices().h, deck.getIndices().v])")
        if place not in seen:
            found += [(place, what) for what in wrong(page)]
        seen.add(place)
        if page.evaluate("deck.isLastSlide() && !deck.availableFragments().next"):
            break
        page.keyboard.press("Space")
    assert not found and len(seen) == total
    text = page.evaluate("document.querySelector('.slides').textContent")
    assert not re.findall(r"\\\(|\\\[|\$\$", text)  # every formula is drawn
    assert page.locator("[data-too-large]").count() == 0


def test_what_is_too_large_or_too_small_would_be_seen(opened):
    page = opened("05_vae_on_mnist")
    page.keyboard.press("Space")
    assert not wrong(page)
    body = "document.querySelector('.present .body')"
    page.evaluate(f"{body}.insertAdjacentHTML('beforeend', '<div style=min-height:900px>x</div>')")
    assert any("too high" in what or "beyond" in what for what in wrong(page))
    page.evaluate(f"{body}.innerHTML = '<p style=width:2000px>x</p>'")
    assert any("too wide" in what for what in wrong(page))
    page.evaluate(f"{body}.innerHTML = '<pre style=font-size:12px>x</pre>'")
    assert any("12 px" in what for what in wrong(page))


def test_the_arrow_to_the_right_leaves_out_what_stands_below(opened):
    page = opened("05_vae_on_mnist")
    steps = 0
    while not page.evaluate("deck.getIndices().h === deck.getHorizontalSlides().length - 1"):
        page.keyboard.press("ArrowRight")
        steps += 1
        assert page.evaluate("deck.getIndices().v || 0") == 0
    assert steps < 0.9 * page.evaluate("deck.getTotalSlides()")
    assert page.locator(".more").count() > 5


def test_the_answer_to_a_question_comes_one_step_later(opened):
    page = opened("03_the_elbo")
    go_to(page, ".slide.ask")
    answer = page.locator(".present .ask .answer, .ask .answer").first
    assert answer.evaluate("e => getComputedStyle(e).opacity") == "0"
    page.keyboard.press("Space")
    page.wait_for_function("e => getComputedStyle(e).opacity === '1'", arg=answer.element_handle())


def test_the_notes_open_in_a_window_of_their_own(opened):
    page = opened("05_vae_on_mnist")
    page.evaluate("deck.slide(3, 0)")
    with page.expect_popup() as popup:
        page.keyboard.press("s")
    notes = popup.value
    said = notes.locator(".speaker-controls-notes").filter(has_text="minutes").inner_text()
    assert "4 minutes" in said and "Ask:" in said and "May go wrong:" in said


def test_an_explorer_on_a_slide_moves(opened):
    page = opened("06_latent_traversals")
    go_to(page, ".slide.live")
    frame = page.frame_locator(".present iframe >> nth=0")
    slider = frame.locator("[type=range]").first
    slider.wait_for()
    canvas = frame.locator("canvas:visible").first
    before = canvas.evaluate("c => c.toDataURL()")
    slider.focus()
    for _ in range(8):
        slider.press("ArrowRight")
    page.wait_for_timeout(300)
    assert canvas.evaluate("c => c.toDataURL()") != before


def test_the_first_page_leads_to_every_deck(decks, browser):
    page = browser.new_page()
    page.goto((decks / "index.html").as_uri())
    links = page.locator("li a").evaluate_all("links => links.map(a => a.getAttribute('href'))")
    page.close()
    assert links == [f"{stem}.html" for stem in STEMS]
    assert all((decks / link).is_file() for link in links)
    assert not (decks / "static" / ".whole").exists()
