"""Jupyter Notebook 7 in a real browser: a small page is opened, run, and its pictures moved."""

import importlib.metadata

import nbformat
import pytest
from helpers import small_page
from helpers.lab import MARKS, RUN_SECONDS, Live, NotebookPage
from packaging.requirements import Requirement

pytestmark = MARKS


@pytest.fixture(scope="module")
def page(browser, lab):
    small_page.write(lab.folder / "small.ipynb")
    page = NotebookPage(browser, lab, "small.ipynb", kernel=True)
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


def test_every_cell_ran(page, lab):
    page.command("docmanager:save")
    cells = nbformat.read(lab.folder / "small.ipynb", as_version=4).cells
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [o for cell in cells for o in cell.outputs if o.output_type == "error"]


def test_arrow_keys_move_the_knobs_and_the_plane(page):
    widgets = page.tab.locator(".course-knobs")
    page.until(lambda: widgets.count() == small_page.WIDGETS, "every widget is there")
    for number in range(small_page.WIDGETS):
        small_page.move_by_keys(Live(page, widgets.nth(number)))
    assert not page.problems


def test_dragging_on_the_map_moves_the_plane(page):
    small_page.drag_the_plane(page)
    assert not page.problems
