"""Jupyter Notebook 7 in a real browser: a small page is opened, run, and its pictures moved."""

import importlib.metadata

import nbformat
import pytest
from helpers import small_page
from helpers.lab import MARKS, RUN_SECONDS, Live, Notebook, NotebookPage
from packaging.requirements import Requirement

pytestmark = MARKS
NAME = "small.ipynb"


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    folder, home = tmp_path_factory.mktemp("notebooks"), tmp_path_factory.mktemp("jupyter")
    small_page.write(folder / NAME)
    with Notebook(folder, home).running() as server:
        page = NotebookPage(browser, server, NAME, kernel=True)
        page.folder = folder
        page.start_all_cells()
        page.until(page.all_ran, "all ran", RUN_SECONDS)
        yield page
        page.end()


def test_it_is_notebook_7_of_the_jupyterlab_that_is_tested(page):
    """Notebook 7 is made of JupyterLab's parts, and comes with nbgrader."""
    assert page.tab.evaluate("window.jupyterapp.name") == "Jupyter Notebook"
    wanted = map(Requirement, importlib.metadata.requires("notebook"))
    (ours,) = [line for line in wanted if line.name == "jupyterlab"]
    assert importlib.metadata.version("jupyterlab") in ours.specifier


def test_every_cell_ran(page):
    page.command("docmanager:save")
    cells = nbformat.read(page.folder / NAME, as_version=4).cells
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [o for cell in cells for o in cell.outputs if o.output_type == "error"]


def test_dragging_moves_the_sliders_of_the_knobs_and_of_the_plane(page):
    """Arrow keys do not: Notebook 7 takes them before any widget hears of them, and goes to the
    next heading instead (github.com/jupyter/notebook, issue 7716).
    """
    widgets = page.tab.locator(".course-knobs")
    page.until(lambda: widgets.count() == small_page.WIDGETS, "every widget is there")
    for number in range(small_page.WIDGETS):
        live = Live(page, widgets.nth(number))
        small_page.move(live, lambda live=live: live.drag(60))
    assert not page.problems


def test_dragging_on_the_map_moves_the_plane(page):
    small_page.drag_the_plane(page)
    assert not page.problems
