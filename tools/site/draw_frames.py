"""Draw the frames of a notebook's live pictures (`tools.site.frames`), in its kernel.

All pictures of a widget lie in one WebP file without loss: what does not change from picture to
picture, axes and letters say, then takes hardly any room.
"""

import gc
import io
import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from course_utils.files import write_whole
from course_utils.widgets.knobs import LARGEST, Knobs
from course_utils.widgets.pictures import DPI, to_png
from tools.site.frames import digest

POSITIONS = 9  # of a knob, or all where it has hardly more: ten digits, say
ALL_OF = 11
PICTURES = 100  # of a widget, at most
BYTES = 220_000  # of a notebook's sheets together, at most
COLOURS = (64, 32, 16)  # of a sheet: the first with which it is small enough
SMALLER = 0.8  # of a figure, compared with the notebook's


# --- where the knobs stand -----------------------------------------------------------------------


def shares(lengths: list[int], most: int = PICTURES) -> list[int]:
    """How many positions each knob gets, so that there are at most so many combinations."""
    given = [length if length <= ALL_OF else POSITIONS for length in lengths]
    while math.prod(given) > most and max(given) > 2:
        given[given.index(max(given))] -= 1
    return given


def spread(length: int, count: int, start: int) -> list[int]:
    """`count` of the numbers from 0 to length - 1, evenly, with both ends and the start."""
    if count >= length:
        return list(range(length))
    chosen = [round(n * (length - 1) / (count - 1)) for n in range(count)]
    if start not in chosen:
        inner = range(1, count - 1) if count > 2 else range(count)
        chosen[min(inner, key=lambda n: abs(chosen[n] - start))] = start
    return sorted(chosen)


def settings(slider: Any, start: Any = None) -> list[tuple[Any, str]]:
    """Every value that a slider can have, and how it is written; the start may be off the grid."""
    if hasattr(slider, "options"):
        return [(value, label) for label, value in slider.options]
    if isinstance(slider.value, bool):
        return [(False, "no"), (True, "yes")]
    count = round((slider.max - slider.min) / slider.step) + 1
    values = [slider.min + n * slider.step for n in range(count)]
    if start is not None and not any(math.isclose(v, start, abs_tol=1e-9) for v in values):
        values = sorted([*values, start])
    written = getattr(slider, "readout_format", "d")
    return [(value, f"{value:{written}}") for value in values if value <= slider.max + 1e-9]


def nearest(values: list[tuple[Any, str]], start: Any) -> int:
    """Where among a slider's values its start is; steps of floats may miss it by a little."""
    for n, (value, _) in enumerate(values):
        near = isinstance(value, float) and math.isclose(value, start, abs_tol=1e-9)
        if near or value == start:
            return n
    raise ValueError(f"a knob starts at {start}, which is none of its positions")


# --- pictures ------------------------------------------------------------------------------------


def as_image(picture: Any, share: float = 1.0) -> Image.Image:
    """What a function of `knobs` drew, in colours; a figure in this share of its size."""
    if isinstance(picture, Figure):
        picture.set_dpi(share * DPI)
        canvas = FigureCanvasAgg(picture)
        canvas.draw()
        return Image.fromarray(np.asarray(canvas.buffer_rgba()).copy()).convert("RGB")
    return Image.open(io.BytesIO(to_png(picture)[0])).convert("RGB")


def fewer_colours(image: Image.Image, count: int) -> Image.Image:
    """An image in at most about so many colours: evenly spaced greys if it is grey, white kept."""
    pixels = np.asarray(image)
    if (pixels == pixels[..., :1]).all():
        levels = np.rint(pixels / 255 * (count - 1)) / (count - 1)
        return Image.fromarray(np.rint(255 * levels).astype(np.uint8))
    method, none = Image.Quantize.FASTOCTREE, Image.Dither.NONE
    fewer = np.asarray(image.quantize(count, method=method, dither=none).convert("RGB")).copy()
    fewer[(pixels == 255).all(-1)] = 255
    return Image.fromarray(fewer)


def one_sheet(images: list[Image.Image], columns: int, colours: int) -> bytes:
    """All pictures in rows of `columns`, as WebP without loss in so many colours."""
    width, height = images[0].size
    sheet = Image.new("RGB", (columns * width, len(images) // columns * height), "white")
    for n, image in enumerate(images):
        sheet.paste(image, (n % columns * width, n // columns * height))
    if not sheet.getcolors(colours):
        sheet = fewer_colours(sheet, colours)
    buffer = io.BytesIO()
    sheet.save(buffer, "WEBP", lossless=True, quality=80, method=4)
    return buffer.getvalue()


def frames_of(live: Knobs, room: int = BYTES) -> tuple[dict[str, Any], bytes]:
    """A live picture's entry, without source and sheet, and its sheet of at most `room` bytes.

    Raises:
        ValueError: the function draws another picture now than it drew at first.
    """
    every = {name: settings(slider, live.start[name]) for name, slider in live.sliders.items()}
    starts = {name: nearest(values, live.start[name]) for name, values in every.items()}
    first, _ = live.picture(live.start)
    shown = np.asarray(Image.open(io.BytesIO(bytes(live.image.value))).convert("RGB"), float)
    again = np.asarray(as_image(first), float)
    if shown.shape != again.shape or np.abs(shown - again).mean() > 1:
        raise ValueError(f"{live}: draws another picture now than where it is shown")
    most = PICTURES
    while True:
        counts = shares([len(values) for values in every.values()], most)
        chosen = {
            name: spread(len(values), count, starts[name])
            for (name, values), count in zip(every.items(), counts)
        }
        images, texts, enlarged = [], [], False
        for places in itertools.product(*chosen.values()):
            at = {name: every[name][n][0] for name, n in zip(every, places)}
            drawn, text = live.picture(at)
            enlarged = not isinstance(drawn, Figure)
            images.append(as_image(drawn, SMALLER))
            texts.append(text)
            plt.close("all")
        for colours in COLOURS:
            sheet = one_sheet(images, counts[-1], colours)
            if len(sheet) <= room:
                break
        else:
            most = int(0.8 * math.prod(counts))
            continue
        break
    width, height = images[0].size
    scale = max(1, min(LARGEST[0] // width, LARGEST[1] // height)) if enlarged else 1
    knobs = [
        {
            "name": name,
            "positions": [every[name][n][1] for n in places],
            "start": places.index(starts[name]),
        }
        for name, places in chosen.items()
    ]
    entry = {"size": [width, height], "width": scale * width, "pixels": enlarged}
    return entry | {"knobs": knobs, "texts": texts}, sheet


def record(shown: dict[str, tuple[str, str]], stem: str, folder: Path | str) -> None:
    """Write the frames of a notebook, in its kernel.

    Args:
        shown: {id of a cell: (the name of the live picture's widget model, the cell's source)}.
        stem: the notebook's name, without its ending.
        folder: where they are written; frames of the same notebook in it are replaced.
    """
    folder = Path(folder)
    live = {one.model_id: one for one in gc.get_objects() if type(one) is Knobs and one.comm}
    entries, sheets = {}, {}
    for cell, (model, source) in shown.items():
        entry, sheet = frames_of(live[model], BYTES // len(shown))
        name = f"{stem}-{cell}.webp"
        entries[cell] = {"source": digest(source), "sheet": name, **entry}
        sheets[name] = sheet
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{stem}-*.webp"):
        old.unlink()
    for name, sheet in sheets.items():
        write_whole(folder / name, sheet)
    text = json.dumps(entries, ensure_ascii=False, indent=1) + "\n"
    (folder / f"{stem}.json").unlink(missing_ok=True)
    if entries:
        write_whole(folder / f"{stem}.json", text.encode())
