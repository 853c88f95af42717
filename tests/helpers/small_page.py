"""One of each kind of live picture, on a page of four cells that trains nothing.

In JupyterLab whole notebooks are tried. In the other editors this page is: knobs, a plane with
sliders, and the plane that is dragged, in a frame.
"""

import re

import nbformat

CELLS = [
    """import torch
from course_utils.training import load_checkpoint
from course_utils.widgets import LatentPlane, export_html, framed, knobs

model = load_checkpoint("mnist-vae-2")""",
    """def digit(z_1, z_2):
    return model.decode_mean(torch.tensor([[z_1, z_2]])).reshape(28, 28)


knobs(digit, z_1=(-3.0, 3.0, 0.1), z_2=(-3.0, 3.0, 0.1)).widget""",
    "LatentPlane(model)",
    'framed(export_html(model, "plane.html"))',
]
WIDGETS = 2  # of these cells show one of ipywidgets


def write(path):
    """Write the page as a notebook."""
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    nb.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(nb, path)


def move(live, act):
    """What `act()` does to a slider changes the picture; a button brings back the very pixels."""
    live.settle()
    before = live.picture()
    act()
    live.await_change(live.picture, before)
    live.click(re.compile("^(prior mean|reset)$"))
    live.page.until(lambda: live.picture() == before, "the earlier picture is back")


def drag_the_plane(page):
    """Dragging on the map of a framed plane moves the code and changes the picture."""
    element = page.tab.locator("iframe[srcdoc]")

    def in_sight():
        """Where the frame is; nothing while the page still moves what stands above it."""
        element.evaluate("frame => frame.scrollIntoView({block: 'center'})")
        first = element.bounding_box()
        page.tab.wait_for_timeout(1000)
        return first if first == element.bounding_box() and 0 < first["y"] < 300 else None

    page.until(in_sight, "the frame is in sight")  # elsewhere none is drawn
    (frame,) = [f for f in page.tab.frames if f.url == "about:srcdoc"]
    frame.locator("#numbers dd").first.wait_for()  # the page's policy forbids to wait by a script
    box = frame.locator("#pad").bounding_box()
    assert box["width"] > 200
    at = [box[k] + box[size] / 2 for k, size in (("x", "width"), ("y", "height"))]
    seen = []
    page.tab.mouse.move(*at)
    page.tab.mouse.down()
    for step in range(1, 4):
        page.tab.mouse.move(at[0] + step * box["width"] / 10, at[1])
        page.tab.wait_for_timeout(500)
        picture = frame.evaluate("document.getElementById('decoded').toDataURL()")
        seen.append((frame.evaluate("explorer.z[0]"), picture))
    page.tab.mouse.up()
    places, pictures = zip(*seen)
    assert places == tuple(sorted(set(places))) and len(set(pictures)) == 3
