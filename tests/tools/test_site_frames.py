"""Frames: where the knobs stand, one sheet of pictures, and that the committed ones are fresh."""

import io
import json
import math
from base64 import b64decode

import ipywidgets as widgets
import numpy as np
import pytest
from helpers.small_notebook import code
from nbformat.v4 import new_notebook, new_output
from PIL import Image

from course_utils.widgets import knobs
from tools.execute_notebooks import in_reading_order, live_pictures
from tools.notebook_files import NOTEBOOKS, read_notebook
from tools.site.draw_frames import (
    ALL_OF,
    PICTURES,
    POSITIONS,
    fewer_colours,
    frames_of,
    record,
    settings,
    shares,
    spread,
)
from tools.site.explorers import explorer_for
from tools.site.frames import FRAMES, digest, read_frames
from tools.site.pages import STATE, VIEW, stored_pictures

NOTEBOOK_BYTES, ALL_BYTES = 250_000, 2_000_000


def square(level, side="left", bright=False):
    image = np.full((4, 8), level / 20)
    image[:, :4] += 0.5 * (side == "left")
    return image, f"{level} {side}"


# --- where the knobs stand -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "lengths", [[3], [10], [100], [31, 10], [100, 100], [7, 51], [61, 37, 30], [40, 3, 61]]
)
def test_knobs_share_the_pictures(lengths):
    given = shares(lengths)
    assert math.prod(given) <= PICTURES
    most = [length if length <= ALL_OF else POSITIONS for length in lengths]
    assert all(1 < g <= m for g, m in zip(given, most, strict=True))
    assert given == most or math.prod(most) > PICTURES


@pytest.mark.parametrize("length", [2, 5, 9, 10, 61])
@pytest.mark.parametrize("count", [3, 5, 9])
def test_positions_are_spread_evenly_and_hold_both_ends_and_the_start(length, count):
    for start in range(length):
        chosen = spread(length, count, start)
        assert len(chosen) == len(set(chosen)) == min(length, count) and chosen == sorted(chosen)
        assert {0, length - 1, start} <= set(chosen)
        assert np.diff(chosen).max() <= 2 * (length - 1) / (len(chosen) - 1)


def test_a_slider_s_values_are_written_as_beside_it():
    slider = widgets.FloatSlider(0.1, min=0, max=0.3, step=0.1, readout_format=".2f")
    assert [text for _, text in settings(slider)] == ["0.00", "0.10", "0.20", "0.30"]
    assert [v for v, _ in settings(slider, 0.25)] == pytest.approx([0, 0.1, 0.2, 0.25, 0.3])
    slider = widgets.IntSlider(0, 0, 7, 3)
    assert settings(slider) == [(0, "0"), (3, "3"), (6, "6")]
    slider = widgets.SelectionSlider(options=[("one", 1), ("two", 2)])
    assert settings(slider) == [(1, "one"), (2, "two")]
    assert [value for value, _ in settings(widgets.Checkbox())] == [False, True]


# --- pictures ------------------------------------------------------------------------------------


def test_every_combination_of_positions_is_on_the_sheet():
    live = knobs(square, level=(0, 8, 2, 4), side=["right", "left"], bright=False)
    entry, sheet = frames_of(live)
    image = np.asarray(Image.open(io.BytesIO(sheet)).convert("L"), float) / 255
    assert [knob["positions"] for knob in entry["knobs"]] == [
        ["0", "2", "4", "6", "8"],
        ["right", "left"],
        ["no", "yes"],
    ]
    assert [knob["start"] for knob in entry["knobs"]] == [2, 0, 0]
    assert entry["size"] == [8, 4] and entry["pixels"] and entry["width"] == 640
    assert image.shape == (10 * 4, 2 * 8)
    for n in range(20):
        row, column = divmod(n, 2)
        level, side = 2 * (n // 4), ["right", "left"][n // 2 % 2]
        assert entry["texts"][n] == f"{level} {side}"
        shown = image[4 * row : 4 * row + 4, 8 * column : 8 * column + 8]
        assert np.abs(shown - (1 - square(level, side)[0])).max() < 0.02


def test_fewer_colours_keep_white_and_are_near():
    grey = np.tile(np.arange(256, dtype=np.uint8)[:, None], (1, 3))[None]
    blend = np.linspace([0, 114, 178], [213, 94, 0], 256).astype(np.uint8)[None]
    blend = np.concatenate([blend, np.full_like(blend, 255)])
    for pixels, near in ((grey, 3), (blend, 12)):
        fewer = np.asarray(fewer_colours(Image.fromarray(pixels), 32))
        assert len(np.unique(fewer.reshape(-1, 3), axis=0)) <= 33
        assert (fewer[(pixels == 255).all(-1)] == 255).all()
        assert np.abs(fewer.astype(float) - pixels).mean() < near


def test_a_picture_that_is_another_one_by_now_is_no_frame():
    bright = [False]
    live = knobs(lambda a: np.full((4, 4), float(bright[0])), a=(0, 3))
    bright[0] = True
    with pytest.raises(ValueError, match="draws another picture now"):
        frames_of(live)


def test_old_frames_of_a_notebook_go(tmp_path):
    live = knobs(square, level=(0, 2))
    for name in ("07_a-old.webp", "07b_a-b.webp"):
        (tmp_path / name).touch()
    record({"new": (live.model_id, "knobs(square)")}, "07_a", tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["07_a-new.webp", "07_a.json", "07b_a-b.webp"]
    assert read_frames("07_a", tmp_path)["new"]["source"] == digest("knobs(square)")
    record({}, "07_a", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["07b_a-b.webp"]


def test_live_pictures_of_a_notebook():
    data = {VIEW: {"model_id": "m"}, "text/plain": "Knobs(a, b)"}
    other = {VIEW: {"model_id": "n"}, "text/plain": "LatentPlane(VAE, 2 latents)"}
    cells = [code("a", "1", new_output("display_data", data))]
    cells.append(code("b", "2", new_output("display_data", other)))
    assert live_pictures(new_notebook(cells=cells)) == {"a": ("m", "1")}


# --- the committed ones --------------------------------------------------------------------------


@pytest.mark.parametrize("path", in_reading_order(NOTEBOOKS), ids=lambda path: path.stem)
def test_a_page_s_live_pictures_have_fresh_frames(path):
    nb, entries = read_notebook(path), read_frames(path.stem)
    sources = {cell.id: cell.source for cell in nb.cells}
    shown = live_pictures(nb)
    by_explorer = {c for c in shown if explorer_for(sources[c], "Knobs(beta)")}
    assert set(shown) - by_explorer <= set(entries) <= set(shown), REMEDY
    state = nb.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    for cell, entry in entries.items():
        assert entry["source"] == digest(sources[cell]), REMEDY
        sheet = Image.open(FRAMES / entry["sheet"]).convert("L")
        (width, height), knob = entry["size"], entry["knobs"][-1]
        first, columns = 0, len(knob["positions"])
        for one in entry["knobs"]:
            first = first * len(one["positions"]) + one["start"]
        left, top = first % columns * width, first // columns * height
        frame = sheet.crop((left, top, left + width, top + height))
        (stored,) = stored_pictures({"model_id": shown[cell][0]}, state)
        png = io.BytesIO(b64decode(stored.data["image/png"]))
        # In a quarter of the size: a line of a figure drawn smaller may lie a pixel off.
        small = width // 4, height // 4
        both = (im.resize(small, Image.Resampling.BOX) for im in (frame, Image.open(png)))
        apart = np.subtract(*(np.asarray(im.convert("L"), float) for im in both))
        assert np.abs(apart).mean() < 8, REMEDY


REMEDY = "`python -m tools.execute_notebooks --only-frames NN` makes the frames of a page anew"


def test_frames_are_small_and_all_are_used():
    used, total = set(), 0
    for path in FRAMES.glob("*.json"):
        entries = json.loads(path.read_text(encoding="utf-8"))
        sheets = {entry["sheet"] for entry in entries.values()}
        size = path.stat().st_size + sum((FRAMES / name).stat().st_size for name in sheets)
        assert size <= NOTEBOOK_BYTES, path.name
        assert (NOTEBOOKS / f"{path.stem}.ipynb").is_file()
        used |= sheets | {path.name}
        total += size
    assert used == {path.name for path in FRAMES.iterdir()}
    assert 0 < total <= ALL_BYTES
