"""From a slider's event to the bytes of the new image: the explorers against `interact`.

    python tests/benchmarks/widget_latency.py [--events N]

Kernel time only, in a real kernel: a slider's value is set as a message from the page sets it,
and the clock stops when every message to the page has been handed over. `interact` draws the same
decoder's image with `plt.imshow` and `plt.show()`, as tutorials do; the kernel's inline back end
makes a PNG of it. Without axes, which cost most of the drawing, it is listed beside. The events
come 20 ms apart, as from a hand that drags, so that none waits for what the one before left to
do. They take turns, twenty events each, so that a busy machine treats them alike.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

import nbformat
import numpy as np
from nbclient import NotebookClient
from record import save_result

ROOT = Path(__file__).resolve().parents[2]
GOALS = {"median_ms": 5.0, "times_faster": 10.0}

# What runs in the kernel.
SETUP = """
%matplotlib inline
import json, time
import ipywidgets, matplotlib.pyplot as plt, torch
from course_utils.data import load_digits
from course_utils.session import setup
from course_utils.training import load_checkpoint
from course_utils.widgets import LatentPlane, LatentTraversal

setup(0)
digits = load_digits()
many, two = load_checkpoint("mnist-vae-20"), load_checkpoint("mnist-vae-2")
traversal = LatentTraversal(many, digits.test_images, digits.test_labels)
plane = LatentPlane(two, digits.test_images, digits.test_labels)
display(traversal, plane)
"""
INTERACT = """
start = traversal.z
unit = next(iter(traversal.sliders))
drawn = []

def draw(value, axes="on"):
    z = start.clone()
    z[unit] = value
    with torch.no_grad():
        image = many.decode_mean(z[None]).view(28, 28)
    plt.imshow(image, cmap="gray_r")
    plt.axis(axes)
    plt.show()
    drawn.append(value)

plain, bare = (ipywidgets.FloatSlider(0.0, min=-3.5, max=3.5, step=0.05) for _ in range(2))
shown = ipywidgets.interactive(draw, value=plain)
without_axes = ipywidgets.interactive(draw, value=bare, axes=ipywidgets.fixed("off"))
display(shown, without_axes)
"""
MEASURE = """
def event(slider, value):
    time.sleep(0.02)
    before = time.perf_counter()
    slider.set_state({{"value": value}})  # what a message from the page does
    return 1000 * (time.perf_counter() - before)

sliders = {{
    "LatentTraversal": traversal.sliders[unit],
    "LatentPlane": next(iter(plane.sliders.values())),
    "interact": plain,
    "interact, axes off": bare,
}}
images = {{"LatentTraversal": traversal.image, "LatentPlane": plane.image}}
times = {{name: [] for name in sliders}}
changed = {{name: 0 for name in images}}
drawn.clear()
for turn in range(1 + {events} // 20):  # the first turn warms up
    for name in sliders:
        for i in range(20 * turn, 20 * turn + 20):
            before = bytes(images[name].value) if name in images else b""
            milliseconds = event(sliders[name], round(-3.5 + 0.05 * (37 * i % 140), 2))
            if turn:
                times[name].append(milliseconds)
                if name in images:
                    changed[name] += bytes(images[name].value) != before
print(json.dumps([times, changed, len(drawn) - 40]))
"""
# In the next cell, the page's answers have come in: what is shown of the last drawing.
SHOWN = "print(json.dumps([list(output['data']) for output in shown.out.outputs]))"


def measure(events: int) -> dict[str, list[float]]:
    """Milliseconds of every event, by widget; the number of events is a multiple of twenty.

    Raises:
        AssertionError: when an event changed no image, or `interact` drew nothing.
    """
    sources = [SETUP, INTERACT, MEASURE.format(events=events), SHOWN]
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        place = {"metadata": {"path": folder}}
        NotebookClient(nb, timeout=900, kernel_name="python3", resources=place).execute()

    def printed(cell):
        text = "".join(o.text for o in cell.outputs if o.get("name") == "stdout")
        return json.loads(text.splitlines()[-1])

    times, changed, drawn = printed(nb.cells[2])
    assert drawn == 2 * events, f"interact drew {drawn} of {2 * events} times"
    assert set(changed.values()) == {events}, f"of {events} images these changed: {changed}"
    assert ["image/png", "text/plain"] in map(sorted, printed(nb.cells[3])), (
        "interact shows no PNG"
    )
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=400)
    arguments = parser.parse_args()
    times = measure(arguments.events)
    medians = {name: float(np.median(values)) for name, values in times.items()}
    rows = [
        {
            "name": name,
            "median_ms": round(medians[name], 3),
            "p95_ms": round(float(np.percentile(values, 95)), 3),
            "times_faster": round(medians["interact"] / medians[name], 1),
        }
        for name, values in times.items()
    ]
    save_result("widget_latency", events=arguments.events, goals=GOALS, rows=rows)


if __name__ == "__main__":
    main()
