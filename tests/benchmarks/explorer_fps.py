"""How fast the exported page is: frames a second under a moving pointer, and time per decode.

    python tests/benchmarks/explorer_fps.py

The pages of the two models that travel with the package, and of an untrained convolutional one,
in a headless Chromium at 1280 x 720 that draws by software. For five seconds the pointer is
dragged in circles over the map, or to and fro on a slider, in three rounds, of which the fastest
counts: what slows the others down is other work on the machine, as the load average tells. A frame
counts when the page has drawn an image in it; "offered" are all that the browser began, which are
60 a second on a machine with nothing else to do.
"""

import math
import os
import statistics
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from record import save_result

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from helpers.browser import chromium

from course_utils.data import load_digits
from course_utils.models import ConvVAE
from course_utils.training import load_checkpoint
from course_utils.widgets import export_html

SECONDS = 5
ROUNDS = 3
CODES = 1000
MODELS = {
    "mnist-vae-2 (map)": lambda: load_checkpoint("mnist-vae-2"),
    "mnist-vae-20 (sliders)": lambda: load_checkpoint("mnist-vae-20"),
    "ConvVAE(2, 32), untrained (map)": lambda: ConvVAE(2, 32).eval(),
}

# When frames began in which the page has drawn a new image, and how many began at all.
WATCH = """() => {
    window.times = [];
    window.offered = 0;
    let before = explorer.frames;
    const look = time => {
        offered += 1;
        if (explorer.frames !== before) times.push(time);
        before = explorer.frames;
        requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
}"""
DECODE = """codes => {
    for (const z of codes) explorer.decode(z); // until it is compiled
    const start = performance.now();
    for (const z of codes) explorer.decode(z);
    return (performance.now() - start) / codes.length;
}"""


def drag(page, model) -> None:
    """Press, and move the pointer for a while, as often as the browser takes it."""
    pad = model.latent_dim == 2
    box = page.locator("#pad" if pad else "input[type=range] >> nth=0").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    reach = 0.4 * box["width"]
    page.mouse.move(x, y)
    page.mouse.down()
    start = time.perf_counter()
    while (passed := time.perf_counter() - start) < SECONDS:
        turn = math.pi * passed  # once round, or to and fro, in two seconds
        if pad:
            page.mouse.move(x + reach * math.cos(turn), y + reach * math.sin(turn))
        else:  # at one speed: a slider that turns slowly has no new value in every frame
            page.mouse.move(x + reach * 2 / math.pi * math.asin(math.cos(turn)), y)
    page.mouse.up()


def measure(browser, name: str, model, digits, folder: Path) -> dict:
    """One page: frames, the script's share of them, decodes, and the file's size."""
    path = export_html(model, folder / "page.html", digits.test_images, digits.test_labels)
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.goto(path.as_uri())
    page.wait_for_timeout(2000)  # the map is drawn
    tools = page.context.new_cdp_session(page)
    tools.send("Performance.enable")

    def script_seconds() -> float:
        metrics = tools.send("Performance.getMetrics")["metrics"]
        return next(m["value"] for m in metrics if m["name"] == "ScriptDuration")

    page.evaluate(WATCH)
    before, drawn = script_seconds(), page.evaluate("explorer.frames")
    rounds = []  # milliseconds between frames, and frames offered a second
    for _ in range(ROUNDS):
        page.evaluate("times.length = offered = 0")
        drag(page, model)
        times, offered = page.evaluate("[times, offered]")
        gaps = sorted(b - a for a, b in pairwise(times))
        rounds.append((gaps, 1000 * offered / (times[-1] - times[0])))
    script, drawn = script_seconds() - before, page.evaluate("explorer.frames") - drawn
    gaps, offered = min(rounds, key=lambda r: statistics.mean(r[0]))
    codes = [[math.sin(n * (m + 1)) for m in range(model.latent_dim)] for n in range(CODES)]
    decodes = [page.evaluate(DECODE, codes) for _ in range(5)]
    page.close()
    return {
        "page": name,
        "bytes": path.stat().st_size,
        "frames_per_second": round(1000 / statistics.mean(gaps), 1),
        "offered_per_second": round(offered, 1),
        "in_each_round": [round(1000 / statistics.mean(r), 1) for r, _ in rounds],
        "median_ms_between_frames": round(statistics.median(gaps), 2),
        "percentile_95_ms_between_frames": round(gaps[int(0.95 * len(gaps))], 2),
        "script_ms_per_frame": round(1000 * script / drawn, 3),
        "ms_per_decode": round(statistics.median(decodes), 3),
    }


def main() -> None:
    digits = load_digits("mnist")
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        rows = [measure(browser, n, m(), digits, Path(folder)) for n, m in MODELS.items()]
        version = browser.version
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None  # not on Windows
    about = {"browser": f"Chromium {version}, headless", "load_average": load, "seconds": SECONDS}
    save_result("explorer_fps", **about, rows=rows)


if __name__ == "__main__":
    main()
