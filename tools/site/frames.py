"""Frames of the live pictures: what a reader without a kernel sees when a knob is turned.

A page of the site cannot call the function behind `knobs(...)`. So whoever executes a notebook
also draws that function at some positions of every knob, in every combination
(`tools.site.draw_frames`). All pictures of one widget lie side by side in one WebP file; one JSON
file a notebook says where the knobs stand in each picture, and what is written under it.

    {"id of the cell": {
        "source": the cell's source, digested, "sheet": the file's name,
        "size": of one picture in pixels, "width": of its place on the page, "pixels": enlarged?,
        "knobs": [{"name": ..., "positions": ["0.00", ...], "start": 3}, ...],
        "texts": [one for each picture; the last knob turns fastest, and is a row of the sheet]}}
"""

import hashlib
import html
import json
from pathlib import Path
from typing import Any

from course_utils.files import CHECKOUT

FRAMES = CHECKOUT / "tools/site/frames"
ON_SITE = "frames"  # the folder's name there
LESS = "\\u003c"  # "<" in JSON that stands in a page


def digest(source: str) -> str:
    """What tells whether a cell's source is the one that frames were made of."""
    return hashlib.sha256(source.encode()).hexdigest()[:16]


def read_frames(stem: str, folder: Path = FRAMES) -> dict[str, Any]:
    """The frames of a notebook: {id of a cell: its entry}; none where there are none."""
    path = folder / f"{stem}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def framed(entry: dict[str, Any], cell: str, alt: str) -> str:
    """The picture with its knobs, as HTML; course.js lets the knobs choose the picture."""
    knobs, (width, height) = entry["knobs"], entry["size"]
    columns = len(knobs[-1]["positions"])
    first = 0
    lines = []
    for n, knob in enumerate(knobs):
        positions, start = knob["positions"], knob["start"]
        first = first * len(positions) + start
        name, value = html.escape(knob["name"]), html.escape(positions[start])
        lines.append(
            f'<div class="frames-knob"><label for="{cell}-{n}">{name}</label>'
            f'<input type="range" id="{cell}-{n}" min="0" max="{len(positions) - 1}" '
            f'value="{start}" aria-valuetext="{value}" autocomplete="off">'
            f'<output for="{cell}-{n}">{value}</output></div>'
        )
    place = f"width: {100 * columns}%; left: {-100 * (first % columns)}%; "
    place += f"top: {-100 * (first // columns)}%"
    pixels = " pixels" if entry["pixels"] else ""
    data = {"positions": [knob["positions"] for knob in knobs], "texts": entry["texts"]}
    counts = " × ".join(str(len(knob["positions"])) for knob in knobs)
    said = "positions" if len(knobs) == 1 else "pairs" if len(knobs) == 2 else "combinations"
    names = " and ".join(html.escape(knob["name"]) for knob in knobs)
    return (
        f'<div class="course-frames" role="group" aria-label="Picture with knobs: {names}">'
        f"{''.join(lines)}"
        f'<div class="frames-view{pixels}" style="aspect-ratio: {width} / {height}; '
        f'max-width: {entry["width"]}px"><img src="{ON_SITE}/{entry["sheet"]}" '
        f'alt="{html.escape(alt)}" style="{place}"></div>'
        f'<p class="frames-text" aria-live="polite">{html.escape(entry["texts"][first])}</p>'
        f'<p class="needs-kernel">Here the knobs step through {counts} {said} that were computed '
        "when the page was made. In the notebook they move freely.</p>"
        f'<script type="application/json">{json.dumps(data).replace("<", LESS)}</script></div>'
    )
