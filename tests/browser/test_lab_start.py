"""start_here in a real JupyterLab: "Run All", then its plane is moved by dragging on the map."""

import shutil

import nbformat
import pytest
from helpers.lab import MARKS, ROOT, RUN_SECONDS, Live, Page
from helpers.small_page import drag_the_plane

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
    drag_the_plane(start)
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
