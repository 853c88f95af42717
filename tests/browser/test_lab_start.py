"""start_here in a real JupyterLab: "Run All", then its plane is moved by dragging on the map."""

import shutil

import nbformat
import pytest
from helpers.lab import MARKS, ROOT, RUN_SECONDS, Live, Page

pytestmark = MARKS
NAME = "start_here.ipynb"


@pytest.fixture(scope="module")
def start(browser, lab):
    """The notebook, once every cell has run."""
    shutil.copy(ROOT / "notebooks" / NAME, lab.folder)
    shutil.copytree(ROOT / "notebooks" / "figures", lab.folder / "figures")
    page = Page(browser, lab, NAME, kernel=True)
    page.command("notebook:clear-all-cell-outputs")
    page.start_all_cells()
    page.until(page.all_ran, "all ran", RUN_SECONDS)
    yield page
    page.end()


def test_every_cell_runs(start, lab):
    start.command("docmanager:save")
    code = [c for c in nbformat.read(lab.folder / NAME, 4).cells if c.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not [o.evalue for cell in code for o in cell.outputs if o.output_type == "error"]
    assert not start.problems


def test_dragging_on_the_map_moves_the_plane(start):
    element = start.tab.locator("iframe[srcdoc]")

    def in_sight():
        """Where the frame is; nothing while the page still moves what stands above it."""
        element.evaluate("frame => frame.scrollIntoView({block: 'center'})")
        first = element.bounding_box()
        start.tab.wait_for_timeout(1000)
        return first if first == element.bounding_box() and 0 < first["y"] < 300 else None

    start.until(in_sight, "the frame is in sight")  # elsewhere none is drawn
    (frame,) = [f for f in start.tab.frames if f.url == "about:srcdoc"]
    frame.locator("#numbers dd").first.wait_for()  # the page's policy forbids to wait by a script
    box = frame.locator("#pad").bounding_box()
    assert box["width"] > 200
    at = [box[k] + box[size] / 2 for k, size in (("x", "width"), ("y", "height"))]
    seen = []
    start.tab.mouse.move(*at)
    start.tab.mouse.down()
    for step in range(1, 4):
        start.tab.mouse.move(at[0] + step * box["width"] / 10, at[1])
        start.tab.wait_for_timeout(500)
        picture = frame.evaluate("document.getElementById('decoded').toDataURL()")
        seen.append((frame.evaluate("explorer.z[0]"), picture))
    start.tab.mouse.up()
    places, pictures = zip(*seen)
    assert places == tuple(sorted(set(places))) and len(set(pictures)) == 3
    assert not start.problems


def test_the_sliders_move_the_plane_too(start):
    live = Live(start, start.tab.locator(".course-live"))
    live.click("prior mean")
    before = live.picture()
    live.press("ArrowRight", 20)
    live.await_change(live.picture, before)


def test_a_question_takes_a_guess(start):
    question = start.tab.locator(".course-predict").first
    question.scroll_into_view_if_needed()
    question.locator("label").first.click()
    assert question.locator(".because").is_visible()


def test_nothing_pops_up_and_no_panel_is_for_lecturers(start):
    assert start.tab.locator(".jp-Dialog, .Toastify__toast").count() == 0
    plugins = start.tab.evaluate("Object.values(window.jupyterapp.listPlugins())")
    assert plugins and not [name for name in plugins if "nbgrader" in name]
    assert start.tab.get_by_text("Nbgrader").count() == 0
