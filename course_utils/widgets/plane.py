"""Exploring two units of a latent space on a map."""

from collections.abc import Sequence
from textwrap import shorten
from typing import Any

import ipywidgets as widgets
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageDraw
from torch import Tensor

from course_utils.arguments import count
from course_utils.data import ImageData
from course_utils.plotting import plane_map
from course_utils.widgets import controls
from course_utils.widgets.explorers import Explorer
from course_utils.widgets.given import brief, classes
from course_utils.widgets.interface import CODED, LIMIT, TILES
from course_utils.widgets.pictures import drawn, to_png

DIGITS = "0123456789"  # each has its colour on every map
IN_LEGEND = 20  # classes


class LatentPlane(Explorer):
    """Two latent units as a map: the decoded manifold, the codes of the images, and a marker.

    Two sliders move the marker (arrow keys too, once a slider has the focus), and the image under
    it is decoded. `export_html` makes a page of it whose map can be pressed and dragged.
    Introduced in notebook 06.

    Args:
        model, images, labels: as for `LatentTraversal`; labels colour the codes on the map.
        units: the two units of the plane, counted from 0; None takes those with the largest
            average KL. The others stay where the code on display has them.
    Raises:
        ValueError: as `LatentTraversal`, or for units that the model does not have.
    """

    _width = 224

    def __init__(
        self,
        model: Any,
        images: ImageData | Tensor | np.ndarray | None = None,
        labels: Sequence | Tensor | np.ndarray | None = None,
        units: Sequence[int] | None = None,
    ):
        self._chosen = units
        self.map = widgets.Image(format="png")
        self._map_of: Tensor | None = None  # the code for which the map was drawn
        super().__init__(model, images, labels)

    def _units(self) -> tuple[list[int], list[int]]:
        size = self._subject.latent_dim
        if self._chosen is None:
            return sorted(self._order()[:2]) if size > 2 else [0, 1], []
        try:
            units = [count("units", m, least=0) for m in self._chosen]
        except (TypeError, ValueError):  # not several of them, or no numbers
            units = []
        if len(units) != 2 or units[0] == units[1] or max(units) >= size:
            raise ValueError(
                f"units: expected two different ones below {size}, got {brief(self._chosen)}"
            )
        return units, []

    def _arrange(self, picture: list, in_order: list) -> widgets.Widget:
        return controls.columns([self.map], picture + in_order)

    def _redraw(self) -> None:
        super()._redraw()
        self._redraw_map()

    def _redraw_map(self) -> None:
        z, units = self._walk.z, list(self.sliders)
        rest = z.clone()
        rest[units] = 0
        if self._map_of is None or not torch.equal(rest, self._map_of):
            self._draw_map(rest)
            self._map_of = rest
        page = self._map_page.copy()
        x, y = (self._map_transform @ [*z[units].tolist(), 1.0])[:2]
        pen = ImageDraw.Draw(page)
        for radius, width, colour in [(11, 6, 254), (10, 3, 255)]:  # a light ring under a dark one
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), None, colour, width)
        with self.map.hold_sync():
            self.map.width = str(page.width)
            self.map.value = to_png(page)[0]

    def _draw_map(self, rest: Tensor) -> None:
        """The map without the marker, in 256 colours, and where on it a code lies."""
        fig, ax = self._map_figure(rest)
        page = Image.fromarray(drawn(fig)[..., :3].copy())
        corners = ax.transData.transform([(0, 0), (1, 0), (0, 1)])  # pixels, from the lower left
        zero, right, up = corners * [1, -1] + [0, page.height]
        self._map_transform = np.column_stack([right - zero, up - zero, zero])
        page = page.quantize(254, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        colours = (page.getpalette() + 768 * [0])[: 3 * 254]
        page.putpalette([*colours, 255, 255, 255, 0, 0, 0])
        self._map_page = page

    def _map_figure(self, z: Tensor) -> tuple[Figure, Axes]:
        units = list(self.sliders)
        codes = None if self.codes is None else self.codes[:, units]
        if self.labels is None:
            return plane_map(self._subject.decode, z, units, codes, None, LIMIT, TILES)
        kinds, number = classes(self.labels[:CODED])
        as_digits = all(kind in DIGITS for kind in kinds)
        colours = [int(kind) if as_digits else n % len(DIGITS) for n, kind in enumerate(kinds)]
        coloured = torch.tensor([colours[n] for n in number], device="cpu")
        fig, ax = plane_map(self._subject.decode, z, units, codes, coloured, LIMIT, TILES)
        _explain(ax, kinds, colours, "digit" if as_digits else "class")
        return fig, ax

    def figure(self) -> tuple[Figure, Axes]:
        """A still picture for readers without a kernel: the map with the marker."""
        fig, ax = self._map_figure(self._walk.z)
        x, y = self._walk.z[list(self.sliders)]
        ax.plot(x, y, "o", color="black", markersize=14, fillstyle="none")
        return fig, ax


def _as_text(name: str) -> str:
    """A name as Matplotlib's legend shows it: it would read a formula, and leave out `_hidden`."""
    return f"{' ' * name.startswith('_')}{name}".replace("$", r"\$")


def _explain(ax: Axes, kinds: list[str], colours: list[int], title: str) -> None:
    """A legend of these classes; none where there are too many to tell apart."""
    ax.get_legend().remove()
    if len(kinds) > IN_LEGEND:
        return
    dots = [ax.collections[colour] for colour in colours]  # the map has one of each colour
    names = [_as_text(shorten(kind, 20, placeholder="…")) for kind in kinds]
    beside = {"loc": "center left", "bbox_to_anchor": (1, 0.5), "markerscale": 4}
    ax.legend(dots, names, title=title, **beside)
