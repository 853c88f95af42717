"""Notebook 06 in a real JupyterLab, and as a page, without a kernel: the pictures that remain."""

import subprocess
import sys

import nbformat
import pytest
from helpers.lab import MARKS, NOTEBOOK, WIDTH, Live, Page

pytestmark = MARKS


def still_cells(path):
    """The numbers of the cells that hold an explorer and its still picture, counted in code."""
    nb = nbformat.read(path, as_version=4)
    code = [cell for cell in nb.cells if cell.cell_type == "code"]
    numbers = []
    for number, cell in enumerate(code):
        text = [output.get("data", {}).get("text/plain", "") for output in cell.outputs]
        if any(line.endswith(": still picture") for line in text):
            numbers.append(number)
    assert len(numbers) >= 2
    return numbers


def assert_stills(tab, numbers):
    """In each of these code cells a wide picture is seen."""
    tab.wait_for_selector(".jp-CodeCell")
    for number in numbers:
        cell = tab.locator(".jp-CodeCell").nth(number)
        cell.scroll_into_view_if_needed()
        still = cell.locator(".jp-RenderedImage img").last
        still.wait_for()  # until it is visible
        assert still.evaluate(WIDTH) > 300 and still.bounding_box()["width"] > 300


def test_saved_by_jupyterlab_and_opened_without_a_kernel(browser, lab, saved):
    """JupyterLab does not save the state of widgets by default: they are lost, the stills stay."""
    page = Page(browser, lab, saved.name, kernel=False)
    name = page.tab.locator(".jp-KernelName, .jp-Toolbar-kernelName").first
    page.until(lambda: name.inner_text() == "No Kernel", "it says that there is no kernel")
    assert_stills(page.tab, still_cells(saved))
    assert not page.problems
    page.end()


def stored_copy(lab, name):
    """The notebook as the repository has it, under another name and of other content."""
    nb = nbformat.read(NOTEBOOK, as_version=4)
    nb.cells[0].source += f"\n\n{name}"  # JupyterLab's trust goes by the content
    nbformat.write(nb, lab.folder / name)
    return lab.folder / name


def test_as_stored_in_the_repository_and_opened_without_a_kernel(browser, lab):
    """Just cloned it is not trusted: JupyterLab shows pictures, and no widgets."""
    path = stored_copy(lab, "cloned.ipynb")
    page = Page(browser, lab, path.name, kernel=False)
    assert_stills(page.tab, still_cells(path))
    assert not page.problems
    page.end()


def test_as_stored_in_the_repository_and_trusted(browser, lab):
    """Before anything runs, the widgets are there with the pictures that were stored."""
    path = stored_copy(lab, "trusted.ipynb")
    command = [sys.executable, "-m", "jupyter", "trust", str(path)]
    subprocess.run(command, env=lab.env, check=True, capture_output=True)
    page = Page(browser, lab, path.name, kernel=True)
    found = page.tab.locator(".course-live")
    number = len(still_cells(path))
    try:
        page.until(lambda: found.count() == number, f"{number} explorers", seconds=60)
    except AssertionError:
        # ipywidgets' half in the page asks the kernel for widgets before it reads the stored ones;
        # where that fails (a kernel that is slow to answer), it leaves them out and says nothing.
        # A reader would read the page again: the kernel is up by then.
        page.tab.reload()
        page.open(path.name)
        page.until(lambda: found.count() == number, f"{number} explorers")
    for live in [Live(page, found.nth(i)) for i in range(found.count())]:
        assert live.decoded()
    assert not page.problems
    page.end()


@pytest.mark.parametrize("stored", [True, False], ids=["stored", "saved"])
def test_exported_to_html_and_read_without_a_network(browser, lab, stored, tmp_path, request):
    path = NOTEBOOK if stored else request.getfixturevalue("saved")
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "--log-level=ERROR"]
    command += ["--output-dir", str(tmp_path), "--output", "page.html", str(path)]
    subprocess.run(command, check=True, env=lab.env)
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 720})
    tab = context.new_page()
    tab.goto((tmp_path / "page.html").as_uri(), wait_until="domcontentloaded")
    assert_stills(tab, still_cells(path))
    context.close()
