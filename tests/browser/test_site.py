"""The built site: no dead link, no network, and every page in a browser, on a phone, in print.

Everything is opened from the disk, where nothing can be loaded from anywhere else unnoticed.
"""

import functools
import re
import threading
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import pytest
from helpers.browser import listen

from tools.execute_notebooks import in_reading_order
from tools.notebook_files import NOTEBOOKS
from tools.site.__main__ import build
from tools.site.needed import AUDITOR, Unavailable, fetch

pytestmark = [pytest.mark.publish, pytest.mark.browser]

STEMS = [path.stem for path in in_reading_order(NOTEBOOKS)]
PHONE = {"width": 390, "height": 844}
PATIENCE = 120_000  # milliseconds: a limit, not a measurement
LOADS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
TOO_WIDE = """() => [document.documentElement, document.querySelector(".content")]
    .filter((e) => e && e.scrollWidth > e.clientWidth).length"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("built") / "site"
    try:
        build(out)
    except Unavailable as problem:
        pytest.skip(f"no site here: {problem}")
    return out


# --- the files -----------------------------------------------------------------------------------


@dataclass
class Found(HTMLParser):
    """What a page links to, loads, and can be linked to."""

    links: list = field(default_factory=list)
    loads: list = field(default_factory=list)
    anchors: set = field(default_factory=set)
    rels: dict = field(default_factory=dict)

    def __post_init__(self):
        super().__init__()

    def handle_starttag(self, tag, given):
        attributes = dict(given)
        self.anchors |= {attributes[key] for key in ("id", "name") if attributes.get(key)}
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"])
        if (to := attributes.get(LOADS.get(tag))) is None:
            return
        if attributes.get("rel") in ("next", "prev", "search", "index"):
            self.rels[attributes["rel"]] = to
            self.links.append(to)
        else:
            self.loads.append(to)


@pytest.fixture(scope="module")
def pages(site):
    found = {}
    for path in site.rglob("*.html"):
        found[path] = Found()
        found[path].feed(path.read_text(encoding="utf-8"))
    return found


def lost(page, to, pages):
    """Why a link leads nowhere; None if it leads somewhere, or out of the site."""
    parts = urlsplit(to)
    if parts.scheme in ("http", "https", "data", "mailto"):
        return None
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not target.is_file():
        return "no such file"
    anchor = unquote(parts.fragment)
    if anchor and target in pages and anchor not in pages[target].anchors:
        return "no such place on the page"
    return None


def test_no_link_is_dead(pages):
    dead = [
        f"{page.name}: {to}: {why}"
        for page, found in pages.items()
        for to in found.links + found.loads
        if (why := lost(page, to, pages))
    ]
    assert not dead
    assert sum(len(found.links) for found in pages.values()) > 20 * len(STEMS)


def test_a_dead_link_would_be_found(pages, site):
    page = site / "start_here.html"
    assert lost(page, "no-such-page.html", pages) and lost(page, "#no-such-place", pages)
    assert not lost(page, "index.html", pages)


def test_pages_load_nothing_from_the_network(pages, site):
    loaded = {(page.name, to) for page, found in pages.items() for to in found.loads}
    assert not [(name, to) for name, to in loaded if re.match(r"(https?:)?//", to)]
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert not re.findall(r"url\([\"']?(?:https?:)?//[^)]*", styles)


def test_pages_follow_each_other_in_reading_order(pages, site):
    order, rels = [], pages[site / "index.html"].rels
    while "next" in rels:
        order.append(rels["next"].split("#")[0])
        rels = pages[site / order[-1]].rels
    assert order == [f"{stem}.html" for stem in STEMS]
    assert pages[site / f"{STEMS[1]}.html"].rels["prev"].startswith(STEMS[0])


# --- in a browser --------------------------------------------------------------------------------


@pytest.fixture
def opened(site, browser):
    """A function that opens a page and waits for its formulas; complaints end the test."""
    contexts, complaints = [], []

    def open_page(name, address=None, **settings):
        context = browser.new_context(**settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        listen(page, complaints, also="http://127.0.0.1:")
        page.goto(f"{address or site.as_uri()}/{name}")
        page.wait_for_load_state("load")
        page.evaluate("() => window.MathJax && MathJax.startup && MathJax.startup.promise")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


@pytest.mark.parametrize("stem", ["index", *STEMS])
def test_a_page_on_a_phone(opened, stem):
    page = opened(f"{stem}.html", viewport=PHONE)
    page.wait_for_timeout(300)  # wide formulas are told to scroll
    assert page.evaluate(TOO_WIDE) == 0
    text = page.inner_text("article")
    assert not re.findall(r"\\\(|\\\[|\$\$", text)  # every formula is drawn
    assert page.locator("mjx-merror, [data-mjx-error]").count() == 0
    assert not page.locator("script[type^='application/vnd.jupyter.widget']").count()


def test_a_page_too_wide_would_be_seen(opened):
    page = opened("start_here.html", viewport=PHONE)
    page.evaluate("document.querySelector('article h1').style.width = '900px'")
    assert page.evaluate(TOO_WIDE) > 0


def test_checks_are_folded_and_open(opened):
    page = opened("03_the_elbo.html")
    check = page.locator("details.hide").filter(has_text="A check of what was said").first
    assert not check.locator("pre").first.is_visible()
    check.locator("summary").click()
    assert check.locator("pre").first.is_visible()


def test_sections_that_may_be_skipped_are_marked(opened):
    page = opened("03_the_elbo.html")
    titles = page.locator("section.deeper > h2").all_inner_texts()
    assert len(titles) > 5 and all(title.startswith("◇") for title in titles)
    assert page.locator("section:not(.deeper) > h2").filter(has_text="◇").count() == 0
    assert page.locator(".deeper-begins").count() == 1


@pytest.mark.parametrize(("page", "checkpoint"), [("06_latent_traversals", "mnist-vae-20")])
def test_an_explorer_in_a_page_moves(opened, page, checkpoint):
    page = opened(f"{page}.html")
    frame = page.frame_locator(f"iframe[name='explorer-{checkpoint}']")
    page.locator(f"iframe[name='explorer-{checkpoint}']").scroll_into_view_if_needed()
    pixels = "(canvas) => canvas.toDataURL()"
    canvas, slider = frame.locator("canvas:visible").first, frame.locator("[type=range]").first
    before = canvas.evaluate(pixels)
    slider.focus()
    for _ in range(8):
        slider.press("ArrowRight")
    page.wait_for_timeout(300)
    assert canvas.evaluate(pixels) != before


def test_a_choice_shows_another_explorer(opened):
    page = opened("05_vae_on_mnist.html")
    page.locator(".choices a").filter(has_text="β = 30").click()
    frame = page.frame_locator(".explorer iframe")
    frame.locator("h1").filter(has_text="mnist-beta-30").wait_for()


def test_a_knob_in_a_page_chooses_the_picture(opened):
    page = opened("04_reparameterization.html")
    frames = page.locator(".course-frames").first
    knob, value = frames.locator("input").first, frames.locator("output").first
    view = frames.locator(".frames-view")
    view.scroll_into_view_if_needed()
    page.wait_for_function("() => document.querySelector('.frames-view img').naturalWidth")
    assert frames.get_by_label("mu", exact=True).count() == 1
    before, said = view.screenshot(), value.inner_text()
    knob.focus()
    assert knob.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    knob.press("End")
    assert value.inner_text() != said
    assert knob.get_attribute("aria-valuetext") == value.inner_text()
    assert view.screenshot() != before
    for _ in range(8):
        knob.press("ArrowLeft")
    assert float(value.inner_text()) < float(said)


def test_a_guess_in_a_page_shows_the_reason(opened):
    page = opened("04_reparameterization.html")
    question = page.locator(".course-predict").first
    assert not question.locator(".because").is_visible()
    question.locator("label").first.click()
    assert question.locator(".because").is_visible()


# --- readers who see or move little --------------------------------------------------------------


@pytest.fixture(scope="module")
def auditor():
    """axe-core, as text: what looks for what stands in the way of such readers."""
    try:
        return (fetch(AUDITOR) / "axe.min.js").read_text(encoding="utf-8")
    except Unavailable as problem:
        pytest.skip(f"no audit here: {problem}")


FINDINGS = """async (options) => {
    const { violations, passes } = await axe.run(document,
        { iframes: false, preload: false, ...options });
    const grave = violations.filter((one) => ["serious", "critical"].includes(one.impact));
    const found = grave.flatMap((one) => one.nodes.map((n) => `${one.id}: ${n.html}`));
    return [found, passes.length];
}"""
COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"]}


def audited(page, auditor, **options):
    """What axe-core finds of impact serious or critical, and that it looked at something."""
    page.evaluate(auditor)
    found, passes = page.evaluate(FINDINGS, options)
    assert passes
    return found


@pytest.mark.parametrize("stem", ["index", "search", *STEMS])
def test_no_page_keeps_readers_out(opened, auditor, stem):
    page = opened(f"{stem}.html", color_scheme="light")
    page.wait_for_timeout(300)  # what scrolls is told to scroll by keys
    assert audited(page, auditor) == []
    page.emulate_media(color_scheme="dark")
    assert audited(page, auditor, **COLOURS) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_explorer_keeps_readers_out(opened, auditor, site, scheme):
    for name in ("mnist-vae-20", "mnist-beta-1"):
        page = opened(f"explorers/{name}.html", color_scheme=scheme)
        assert audited(page, auditor) == []


def test_what_keeps_readers_out_would_be_found(opened, auditor):
    page = opened("index.html")
    page.evaluate("""() => document.querySelector("article").insertAdjacentHTML("beforeend",
        "<p style='color: #bbb; background: #fff'>pale</p><input type=range>")""")
    assert {found.split(":")[0] for found in audited(page, auditor)} == {"color-contrast", "label"}


# --- search, light and dark, print ---------------------------------------------------------------


@pytest.fixture
def served(site):
    """The address of the site on this machine: from the disk, search shows titles alone."""
    handler = functools.partial(Quiet, directory=str(site))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_search_finds_the_page(opened, served):
    page = opened("search.html?q=reparameterization", served)
    page.wait_for_selector("#search-results p.context")
    page.wait_for_load_state("networkidle")
    assert "04_reparameterization" in str(
        page.locator("#search-results a").evaluate_all("links => links.map(a => a.href)")
    )


LIGHTNESS = """() => getComputedStyle(document.body).backgroundColor.match(/\\d+/g)
    .slice(0, 3).reduce((sum, value) => sum + Number(value), 0) / 765"""


def test_pages_are_light_or_dark_as_the_reader_likes_it(opened):
    page = opened("06_latent_traversals.html", color_scheme="dark")
    assert page.evaluate(LIGHTNESS) < 0.2
    inside = page.frames[-1] if len(page.frames) > 1 else page
    assert inside.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    page = opened("06_latent_traversals.html", color_scheme="light")
    assert page.evaluate(LIGHTNESS) > 0.8
    toggle = page.locator("button.theme-toggle:visible").first
    for _ in range(3):  # auto, light, dark
        if page.evaluate(LIGHTNESS) > 0.8:
            toggle.click()
    assert page.evaluate(LIGHTNESS) < 0.2


def test_a_page_can_be_printed(opened):
    page = opened("03_the_elbo.html", viewport={"width": 720, "height": 1000})
    page.emulate_media(media="print")
    assert page.evaluate(TOO_WIDE) == 0
    for hidden in (".sidebar-drawer", ".mobile-header", ".related-pages", ".needs-kernel"):
        assert not page.locator(f"{hidden}:visible").count(), hidden
    assert page.locator("article").is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")
