"""The picture at the head of start_here and README, out of the notebook's own stored outputs.

    python -m tools.start_picture

On the left the drawings epoch by epoch, on the right the map of the plane. `make notebooks` calls
it after every execution.
"""

import base64
import io
import sys

from nbformat import NotebookNode
from PIL import Image

from course_utils.files import write_whole
from tools.notebook_files import NOTEBOOKS, read_notebook

NOTEBOOK = NOTEBOOKS / "start_here.ipynb"
PICTURE = NOTEBOOKS / "figures" / "start_here.png"
PARTS = ("train", "plane")  # the cells whose pictures stand side by side
HEIGHT, GAP = 400, 24
GREYS, COLOURS = 32, 224  # of the palette: the drawings are grey, the dots coloured
LANCZOS = Image.Resampling.LANCZOS


def stored_image(nb: NotebookNode, cell_id: str) -> Image.Image:
    """The PNG that a cell of an executed notebook stored."""
    (cell,) = [cell for cell in nb.cells if cell.id == cell_id]
    (png,) = [o["data"]["image/png"] for o in cell.outputs if "image/png" in o.get("data", {})]
    return Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")


def palette(image: Image.Image) -> Image.Image:
    """Even steps of grey, and the colours of an image."""
    greys = [round(255 * step / (GREYS - 1)) for step in range(GREYS) for _ in "rgb"]
    coloured = image.quantize(COLOURS, Image.Quantize.MAXCOVERAGE).getpalette()
    found = Image.new("P", (1, 1))
    found.putpalette([*greys, *coloured[: 3 * COLOURS]])
    return found


def picture() -> bytes:
    """The parts side by side, as a small PNG."""
    nb = read_notebook(NOTEBOOK)
    images = [stored_image(nb, cell_id) for cell_id in PARTS]
    sizes = [(round(image.width * HEIGHT / image.height), HEIGHT) for image in images]
    images = [image.resize(size, LANCZOS) for image, size in zip(images, sizes, strict=True)]
    width = sum(image.width for image in images) + GAP * (len(images) - 1)
    page, left = Image.new("RGB", (width, HEIGHT), "white"), 0
    for image in images:
        page.paste(image, (left, 0))
        left += image.width + GAP
    buffer = io.BytesIO()
    page = page.quantize(palette=palette(images[-1]), dither=Image.Dither.NONE)
    page.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def main() -> int:
    png = picture()
    write_whole(PICTURE, png)
    print(f"{PICTURE.name}: {len(png) / 1e3:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
