"""Notebook 06 in a real JupyterLab, in a real browser, with a kernel: what nbval cannot see."""

import re

import nbformat
import pytest
from helpers.lab import MARKS, NOTEBOOK, RUN_SECONDS, SESSION, WIDTH, Live, Page

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

pytestmark = MARKS


def code_cells(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def test_the_first_widget_is_live_early(page):
    """It stands on one of the first screens, and nothing is trained before it."""
    before = []
    for cell in code_cells(NOTEBOOK):
        if any(WIDGET_VIEW in output.get("data", {}) for output in cell.outputs):
            break
        before.append(cell.source)
    assert len(before) <= 5 and not re.search(r"\bfit\(|\btrain_\w+\(", "\n".join(before))
    shown = page.tab.locator(".course-live img.widget-image").first
    shown.wait_for(timeout=1000 * RUN_SECONDS)
    first = Live(page, page.tab.locator(".course-live").first)
    before = first.decoded()
    first.press("ArrowRight", 20)
    page.until(lambda: first.decoded() != before, "the picture changes", RUN_SECONDS)


def test_every_cell_ran_and_every_widget_is_there(page, lab, finished):
    page.command("docmanager:save")
    code = code_cells(lab.folder / NOTEBOOK.name)
    outputs = [output for cell in code for output in cell.outputs]
    assert not [output.evalue for output in outputs if output.output_type == "error"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    views = [output for output in outputs if WIDGET_VIEW in output.get("data", {})]
    ours = [v for v in views if re.match(r"Latent|Knobs", v["data"].get("text/plain", ""))]
    assert len(finished) == len(ours) >= 2
    kinds = {view["data"]["text/plain"].split("(")[0] for view in ours}
    assert {"LatentTraversal", "LatentPlane"} <= kinds


def test_arrow_keys_move_every_widget_to_and_fro(finished):
    for live in finished:
        live.click(re.compile("^(prior mean|reset)$"))  # or a slider may be at its end
        live.settle()
        before = live.picture()
        live.press("ArrowRight", 8)
        live.await_change(live.picture, before)
        assert len(live.picture()) == len(before)  # no picture comes or goes
        live.settle()
        after = live.picture()
        live.press("ArrowLeft", 16)
        live.await_change(live.picture, after)
        live.settle()
        live.await_change(live.picture, before, after)


def explorers(finished):
    found = [live for live in finished if "course-live" in live.root.get_attribute("class")]
    assert len(found) >= 2
    return found


def test_the_map_of_the_plane_shows_digits_and_classes(finished):
    """A blank one has three colours: paper, and the marker's two."""
    planes = [p for p in explorers(finished) if not p.picture()[0].startswith("28 ")]
    assert planes
    for plane in planes:
        width, height, colours = map(int, plane.picture()[0].split()[:3])
        assert colours > 100, (width, height)


def test_reset_and_undo_bring_back_the_very_pixels(finished):
    for live in explorers(finished):
        live.click("prior mean")
        live.await_length(0)
        start = live.decoded()
        for slider, (key, back) in enumerate(
            [("ArrowRight", "undo"), ("ArrowLeft", "prior mean")]
        ):
            live.press(key, 25, slider)
            live.await_length(25 * 0.05)
            live.await_change(live.decoded, start)
            live.click(back)
            live.await_length(0)
            live.await_picture(live.decoded, start)
        live.click("random z")
        live.await_change(live.decoded, start)
        live.click("prior mean")
        live.await_picture(live.decoded, start)


def test_play_moves_the_picture_again_and_again(finished):
    live = explorers(finished)[0]
    live.click("prior mean")
    live.root.locator(".jupyter-widget-play button, .widget-play button").first.click()
    seen = set()

    def enough():
        seen.add(live.decoded())
        return len(seen) >= 8

    live.page.until(enough, "eight different pictures")
    live.root.locator(".jupyter-widget-play button, .widget-play button").first.click()


def test_an_image_can_be_encoded_by_its_number(finished):
    live = explorers(finished)[0]
    before = live.picture()
    box = live.root.locator("input[type=number]").first
    box.fill("7")
    box.press("Enter")
    live.await_change(live.picture, before)


def test_the_still_picture_is_hidden_while_the_widget_lives(finished):
    for live in explorers(finished):
        output = live.root.locator("xpath=ancestor::*[contains(@class,'jp-OutputArea-child')][1]")
        still = output.locator("xpath=following-sibling::*[1]").locator(".jp-RenderedImage img")
        assert still.count() == 1 and still.evaluate(WIDTH) > 300
        assert not still.is_visible()


BUSY = (
    """from course_utils.models import VAE
from course_utils.widgets import LatentTraversal
LatentTraversal(VAE(3, hidden_dim=5))
""",
    """import time
from pathlib import Path
import matplotlib.pyplot as plt
fig, ax = plt.subplots()
give_up = time.monotonic() + 900
while not Path("go on").exists() and time.monotonic() < give_up:
    time.sleep(0.1)
ax.plot([1, 2, 3]);
""",
)


# What moves before the widgets have a subshell of their own waits until the other cells are done.
SUBSHELLS = f"""async () => {{
    const listed = await {SESSION}.kernel.requestListSubshell({{}}).done;
    return listed.content.subshell_id.length;
}}"""


def test_a_widget_answers_while_other_cells_run(browser, lab):
    """And takes no figure from the cell that is just drawing one."""
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in BUSY])
    nb.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(nb, lab.folder / "busy.ipynb")
    page = Page(browser, lab, "busy.ipynb", kernel=True)
    if not page.tab.evaluate(f"() => {SESSION}.kernel.supportsSubshells === true"):
        pytest.skip("the kernel or JupyterLab is older than subshells")
    page.start_all_cells()
    live = Live(page, page.tab.locator(".course-live"))
    page.tab.locator(".jp-CodeCell").nth(1).get_by_text("[*]").wait_for()
    page.until(lambda: page.tab.evaluate(SUBSHELLS), "the widgets' subshell is there")
    for click in (lambda: live.press("ArrowRight", 5), lambda: live.click("random z")):
        before = live.decoded()
        click()
        live.await_change(live.decoded, before)
    live.settle()
    assert not page.all_ran()
    assert page.tab.locator(".jp-RenderedImage img:visible").count() == 0
    (lab.folder / "go on").touch()
    page.until(page.all_ran, "all ran")
    page.command("docmanager:save")
    drawing = nbformat.read(lab.folder / "busy.ipynb", as_version=4).cells[1]
    assert sum("image/png" in output.get("data", {}) for output in drawing.outputs) == 1
    assert not page.problems
    page.end()
