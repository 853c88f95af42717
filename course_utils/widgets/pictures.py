"""Pictures as the widgets show them: PNG bytes at one resolution, and one style of page."""

import io
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from course_utils.widgets.given import brief
from course_utils.widgets.private import HIDE_STILL

NOT_IN_PNG = ("CMYK", "YCbCr", "LAB", "HSV", "F")  # Pillow's modes of colour
DPI = 100  # of figures, whatever the plot style says: a picture must not change its size
STYLE = f"""<style>
.course-knobs {{ --jp-widgets-font-size: 15px; }}
.course-knobs .widget-readout {{ max-width: none; }}
.course-knobs .course-text {{ height: auto; white-space: pre-wrap; text-align: left;
    line-height: 1.5; font-family: monospace; }}
.course-pixels {{ image-rendering: pixelated; }}
{HIDE_STILL.strip()}
</style>"""


def _pixels(image: Any) -> np.ndarray:
    """Ink (H, W) or colours (H, W, 3 or 4), uint8 or 0 to 1, to uint8 as a screen shows it."""
    try:
        if isinstance(image, Tensor):
            image = image.detach().float() if image.is_floating_point() else image.detach()
            image = image.cpu()  # in a type that NumPy has
        array = np.asarray(image)
    except (TypeError, ValueError, RuntimeError):  # rows of unequal length, no values, ...
        array = np.array(None)
    if array.size == 0 or not (array.ndim == 2 or array.shape[2:] in [(3,), (4,)]):
        got = array.shape or brief(image)
        raise ValueError(f"image: expected (H, W) or (H, W, 3), got {got}")
    if array.dtype.kind in "fb":
        if not np.isfinite(array).all():
            raise ValueError("image: expected finite numbers, got NaN or infinity")
        array = np.rint(255.0 * np.clip(array, 0, 1)).astype(np.uint8)
    elif array.dtype != np.uint8:
        raise ValueError(f"image: expected uint8, or floats from 0 to 1, got {array.dtype}")
    return 255 - array if array.ndim == 2 else array


def drawn(fig: Figure) -> np.ndarray:
    """A Matplotlib figure as colours (H, W, 4), uint8, at `DPI`."""
    fig.set_dpi(DPI)
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def to_png(image: np.ndarray | Tensor | Image.Image | Figure) -> tuple[bytes, tuple[int, int]]:
    """Encode an image: (PNG bytes, (width, height) in pixels). Nothing is enlarged here.

    Args:
        image: an array (H, W) of ink, where 0 is paper and 1 (or 255 in uint8) is ink; an array
            (H, W, 3) of colours, uint8 or 0 to 1, a tensor too; a Pillow image; or a Matplotlib
            figure.
    Raises:
        ValueError: for anything else, for NaN, and for an image without pixels.
    """
    if isinstance(image, Figure):
        image = drawn(image)
    if not isinstance(image, Image.Image):
        image = Image.fromarray(_pixels(image))
    elif 0 in image.size:
        raise ValueError(f"image: expected some pixels, got a Pillow image of size {image.size}")
    elif image.mode in NOT_IN_PNG:
        image = image.convert("RGB")
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue(), image.size
