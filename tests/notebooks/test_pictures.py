"""The pictures that the notebooks store can be opened."""

import base64
import io
import json

import notebook_rules as rules
import pytest
from helpers.shown import NOTEBOOKS
from PIL import Image

PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def broken_pictures(nb):
    """Complaints about stored pictures that do not open: every chunk of a PNG has its checksum."""
    complaints = []
    for i, cell in rules.cells_of(nb, "code"):
        for mime, content in rules.output_data(cell):
            if mime in ("image/png", "image/jpeg"):
                try:
                    Image.open(io.BytesIO(base64.b64decode(content))).verify()
                except (OSError, SyntaxError, ValueError) as error:
                    complaints.append((i, f"a picture that does not open: {error}"))
    return complaints


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_pictures_open(path):
    complaints = broken_pictures(read(path))
    assert not complaints, rules.report(path.name, complaints)


def test_one_changed_letter_in_a_picture_is_seen():
    nb = read(PATHS[0])
    assert not broken_pictures(nb)
    cell = next(c for _, c in rules.cells_of(nb, "code") if rules.shows_image(c))
    data = next(o["data"] for o in cell["outputs"] if "image/png" in o.get("data", {}))
    text = rules.joined(data["image/png"])
    half = len(text) // 2
    data["image/png"] = text[:half] + ("A" if text[half] != "A" else "B") + text[half + 1 :]
    assert broken_pictures(nb)
