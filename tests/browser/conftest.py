"""What the tests in a browser share: one Chromium, one JupyterLab, one run of notebook 06's core.

They live as long as this folder's tests run: Playwright keeps an event loop running meanwhile, in
which other tests could not start one of their own. That is what makes this folder a package.
"""

import shutil

import nbformat
import pytest
from helpers.browser import browser  # noqa: F401  the fixture
from helpers.lab import NOTEBOOK, RUN_SECONDS, Lab, Live, Page
from helpers.pages import open_file


@pytest.fixture(scope="package")
def lab(browser, tmp_path_factory):  # noqa: F811
    """A JupyterLab on a folder that holds notebook 06, up to its exercises.

    What follows them takes a minute and holds no widget of another kind; nbval runs it.
    """
    folder, home = tmp_path_factory.mktemp("notebooks"), tmp_path_factory.mktemp("jupyter")
    nb = nbformat.read(NOTEBOOK, as_version=4)
    (end,) = [i for i, cell in enumerate(nb.cells) if cell.source.startswith("## Exercises\n")]
    nb.cells = nb.cells[:end]
    nbformat.write(nb, folder / NOTEBOOK.name)
    with Lab(folder, home).running() as running:
        yield running


@pytest.fixture(scope="package")
def page(browser, lab):  # noqa: F811
    """The notebook, and "Run All Cells" pressed."""
    page = Page(browser, lab, NOTEBOOK.name, kernel=True)
    page.command("notebook:clear-all-cell-outputs")  # or the stored pictures would be seen
    page.start_all_cells()
    yield page
    page.end()


@pytest.fixture(scope="package")
def ran(page):
    """The notebook, once every cell has run. Where that fails, no second test waits for it."""
    page.until(page.all_ran, "all ran", RUN_SECONDS)
    return page


@pytest.fixture
def finished(ran):
    """Every live widget of that page; afterwards, nothing went wrong."""
    page = ran
    widgets = page.tab.locator(".course-knobs")
    widgets.first.wait_for()
    yield [Live(page, widgets.nth(i)) for i in range(widgets.count())]
    assert not page.problems


@pytest.fixture(scope="package")
def saved(ran, lab):
    """The file that is left when everything has run and is saved, and that no kernel holds."""
    ran.command("docmanager:save")
    return shutil.copy(lab.folder / NOTEBOOK.name, lab.folder / "saved.ipynb")


@pytest.fixture
def show(browser, tmp_path):  # noqa: F811
    """Write a model's page and open it, with the network cut; afterwards, nothing went wrong."""
    with open_file(browser, tmp_path / "page.html") as open_page:
        yield open_page
