"""Exploring a latent space with sliders: one for each unit, or two over a map."""

import base64
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ipywidgets as widgets
import numpy as np
import torch
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw
from torch import Tensor

from course_utils.data import as_float
from course_utils.distributions import kl_to_standard_normal, normal_log_prob
from course_utils.plotting import as_images, mosaic, plane_map, traversal_table
from course_utils.widgets.knobs import DPI, STYLE, to_png

LIMIT = 3.5  # how far the sliders and the map go: a draw of one unit is farther out once in 2,000
STEP = 0.05  # of the sliders
START = {"align_self": "flex-start"}  # or a picture would be stretched
UNUSED = 0.01  # nats of average KL; below it a unit tells the decoder nothing worth moving
IN_FRONT = 10  # sliders that stand open; the others are folded
CODED = 1_000  # images whose codes say how much each unit is used
PLAY_STEPS = 80  # positions of one movement to and fro


def unit_kl(mu: Tensor, log_var: Tensor) -> Tensor:
    """KL(q(z_m|x) || N(0, 1)) of each unit m, averaged over the images, in nats: (M,)."""
    return kl_to_standard_normal(mu[..., None], log_var[..., None]).mean(0)


def _columns(left: list[widgets.Widget], right: list[widgets.Widget]) -> widgets.HBox:
    """Two columns, or one under the other where the page is narrow."""
    layout = {"flex_flow": "row wrap", "align_items": "flex-start"}
    left = widgets.VBox(left, layout={"margin": "0 24px 0 0", "align_items": "flex-start"})
    return widgets.HBox([left, widgets.VBox(right)], layout=layout)


def _everything_in(widget: widgets.Widget) -> Iterator[widgets.Widget]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from _everything_in(child)


def _answer_at_once(widget: widgets.Widget) -> None:
    """Let what the reader does reach the widget while other cells run.

    JupyterLab sends it to a second thread of the kernel, but ipykernel 7.4 hands it to the thread
    that made the widget, unless that is forgotten. There it must not count as a cell that has run:
    then Matplotlib would show, and close, the figure that a running cell is just drawing.
    """
    if widget.comm is not None:  # it is closed, or there is no kernel
        getattr(widget.comm, "__dict__", {}).pop("_reply_subshell_id", None)
        widget.comm.handle_msg = widget._handle_msg


class _Explorer(widgets.VBox):
    """Sliders over a code z, and the image that a decoder makes of it. Base of the explorers.

    Attributes:
        z: the code on display, (M,); `move` sets it.
        sliders: unit m (from 0) to its FloatSlider; setting its `.value` redraws.
        image: the `widgets.Image`; its `.value` holds the decoded image as PNG bytes.
        text: the `widgets.Label` under it: the prior density of z and how typical z is.
    """

    _width = 392  # of the decoded image on the page, in pixels

    def __init__(self, model: Any, images: Tensor | None, labels: Tensor | None):
        super().__init__()
        self.model, self.images, self.labels = model, images, labels
        size = getattr(model, "latent_dim", None)
        if not isinstance(size, int) or size < 2 or not callable(getattr(model, "decode", None)):
            raise ValueError(
                "model: expected decode(z) and latent_dim of 2 or more, "
                f"got {type(model).__name__} with latent_dim {size}"
            )
        # Where the model computes, so that its codes can follow it there.
        self._like = next(iter(getattr(model, "parameters", list)()), torch.zeros(()))
        self.kl = None  # (M,), where the model has an encoder that knows its uncertainty
        self.codes = None  # (N, M), of the first images
        if images is not None:
            self._encode_all()
        self._z = torch.zeros(size)
        self._past: list[tuple[Tensor, int | None]] = []  # what undo goes back to
        self._moved_last: int | None = None  # the unit whose slider moved last
        self._shown: int | None = None  # the image that is encoded
        self._setting = False
        self._draws = torch.Generator().manual_seed(0)  # its own: no other random stream moves
        self._build()

    def _encode_all(self) -> None:
        images, labels = self.images, self.labels
        if len(images) == 0:
            raise ValueError(f"images: expected at least one, got {tuple(images.shape)}")
        if labels is not None and len(labels) != len(images):
            raise ValueError(f"labels: expected {len(images)}, one per image, got {len(labels)}")
        if not callable(getattr(self.model, "encode", None)):
            raise ValueError(f"images: expected a model with encode(x), got {self.model!r}")
        codes = self._encode(images[:CODED])
        if isinstance(codes, tuple):
            self.kl = unit_kl(*codes).cpu()
        self.codes = (codes[0] if isinstance(codes, tuple) else codes).cpu()

    @torch.no_grad()
    def _encode(self, images: Tensor) -> Any:
        return self.model.encode(as_float(images).to(self._like))

    @torch.no_grad()
    def _decode(self, z: Tensor) -> Tensor:
        """Images (..., D) of codes (..., M), on the CPU."""
        decode = getattr(self.model, "decode_mean", self.model.decode)
        return decode(z.to(self._like)).float().cpu()

    # what stands where

    def _order(self) -> list[int]:
        """The units, the one that the encoder uses most first."""
        if self.kl is not None:
            return self.kl.argsort(descending=True).tolist()
        return list(range(len(self._z)))

    def _units(self) -> tuple[list[int], list[int]]:
        """Units whose sliders stand open, and those that are folded."""
        order = self._order()
        used = [m for m in order if self.kl is None or self.kl[m] >= UNUSED][:IN_FRONT]
        front = used if len(used) >= 2 else order[:2]
        return front, [m for m in order if m not in front]

    def _name(self, unit: int) -> str:
        if self.kl is None:
            return f"z{unit + 1}"
        used = "unused" if self.kl[unit] < UNUSED else f"{self.kl[unit]:.2f} nats"
        return f"z{unit + 1}: {used}"

    def _build(self) -> None:
        front, folded = self._units()
        style = {"description_width": "130px"}
        self.sliders = {
            m: widgets.FloatSlider(
                0.0, min=-LIMIT, max=LIMIT, step=STEP, description=self._name(m), style=style
            )
            for m in front + folded
        }
        for unit, slider in self.sliders.items():
            slider.layout.width = "410px"
            slider.observe(lambda change, m=unit: self._slid(m, change), "value")
        self.image, self.text = widgets.Image(format="png", layout=START), widgets.Label()
        self.image.add_class("course-pixels")
        self.text.add_class("course-text")
        self.pair, self.pair_text = widgets.Image(format="png", layout=START), widgets.Label()
        self.pair.add_class("course-pixels")
        actions = {
            "prior mean": lambda: self.move(torch.zeros_like(self._z)),
            "random z": self.random,
            "encode": lambda: self.encode_image(self.number.value),
            "undo": self.undo,
        }
        if self.images is None:
            del actions["encode"]
        self.buttons = {}
        for name, what in actions.items():
            self.buttons[name] = widgets.Button(description=name, layout={"width": "auto"})
            self.buttons[name].on_click(lambda _, what=what: what())
        self.play_unit = widgets.Dropdown(
            options=[(f"z{m + 1}", m) for m in self.sliders],
            description="to and fro",
            layout={"width": "190px"},
            style={"description_width": "85px"},
        )
        self.play = widgets.Play(min=0, max=PLAY_STEPS - 1, interval=60)
        setattr(self.play, "repeat" if self.play.has_trait("repeat") else "_repeat", True)
        self.play.observe(self._played, "value")
        bar = {"flex_flow": "row wrap", "align_items": "center"}
        controls = [widgets.HBox(list(self.buttons.values()), layout=bar)]
        controls.append(widgets.HBox([self.play_unit, self.play], layout=bar))
        if self.images is not None:
            self.number = widgets.BoundedIntText(
                0,
                min=0,
                max=len(self.images) - 1,
                description="encode image",
                layout={"width": "200px"},
                style={"description_width": "115px"},
            )
            self.number.observe(self._number_changed, "value")
            pair = widgets.VBox([self.pair, self.pair_text])
            controls.append(widgets.HBox([self.number, pair], layout=bar))
        controls += [self.sliders[m] for m in front]
        if folded:
            unused = sum(bool(self.kl is not None and self.kl[m] < UNUSED) for m in folded)
            fold = widgets.Accordion([widgets.VBox([self.sliders[m] for m in folded])])
            fold.set_title(0, f"{len(folded)} more units, {unused} of them unused")
            fold.selected_index = None
            controls.append(fold)
        style = widgets.HTML(STYLE, layout={"display": "none"})
        self.children = [self._arrange([self.image, self.text], controls), style]
        self.add_class("course-knobs")
        self.add_class("course-live")
        if self.images is None:
            self._redraw()
        else:
            self.encode_image(0)
            self._past.clear()

    def _arrange(self, picture: list, controls: list) -> widgets.Widget:
        return _columns(picture, controls)

    # what can be done

    @property
    def z(self) -> Tensor:
        """The code on display, (M,). `move` sets it."""
        return self._z.clone()

    def move(self, z: Tensor) -> None:
        """Show another code, (M,). `undo` takes it back."""
        z = torch.as_tensor(z, dtype=torch.float32).detach().cpu()
        if z.shape != self._z.shape or not z.isfinite().all():
            raise ValueError(f"z: expected {len(self._z)} finite numbers, got {z}")
        self._remember()
        self._place(z)

    def random(self) -> None:
        """Show a draw from the prior N(0, I)."""
        self.move(torch.randn(len(self._z), generator=self._draws))

    def undo(self) -> None:
        """Go back one step; moving one slider is one step, however far it went."""
        if self._past:
            z, shown = self._past.pop()
            self._moved_last = None
            if shown != self._shown:
                self._show_pair(shown)
            self._place(z)

    def encode_image(self, number: int) -> None:
        """Show the mean code of one of the images, and its reconstruction beside it."""
        if self.images is None or not 0 <= number < len(self.images):
            have = 0 if self.images is None else len(self.images)
            raise ValueError(f"image: expected a number below {have}, got {number}")
        self._remember()
        self._show_pair(number)
        self._place(self._mean_code(number))

    def _mean_code(self, number: int) -> Tensor:
        code = self._encode(self.images[number : number + 1])
        return (code[0] if isinstance(code, tuple) else code)[0].float().cpu()

    def _remember(self) -> None:
        self._past.append((self._z, self._shown))
        self._moved_last = None

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Controls that are set here do not act as if the reader had moved them."""
        self._setting = True
        try:
            yield
        finally:
            self._setting = False

    def _number_changed(self, change: dict) -> None:
        if not self._setting:
            self.encode_image(change["new"])

    def _slid(self, unit: int, change: dict) -> None:
        echo = abs(change["new"] - change["old"]) < STEP / 100  # the page's own rounding
        if self._setting or echo:
            return
        if self._moved_last != unit:
            self._remember()
            self._moved_last = unit
        self._z = self._z.clone()
        self._z[unit] = change["new"]
        self._redraw()

    def _played(self, change: dict) -> None:
        at = 3 * math.sin(2 * math.pi * change["new"] / PLAY_STEPS)
        self.sliders[self.play_unit.value].value = at

    def _place(self, z: Tensor) -> None:
        self._z = z.clone()
        with self._quietly():
            for unit, slider in self.sliders.items():
                value = float(z[unit])
                if abs(value) > slider.max:  # a code may lie farther out than the sliders go
                    slider.min, slider.max = -math.ceil(abs(value)), math.ceil(abs(value))
                # On the slider's own steps, or the page would move it there, and z with it.
                slider.value = round(round(value / STEP) * STEP, 2)
        self._redraw()

    # what is seen

    def _show_pair(self, number: int) -> None:
        self._shown = number
        with self._quietly():
            self.number.value = number
        original = as_float(self.images[number : number + 1])
        pair = mosaic(torch.cat([original, self._decode(self._mean_code(number)[None])]), 2)
        with self.pair.hold_sync():
            self.pair.width = str(3 * pair.shape[1])
            self.pair.value = to_png(pair)[0]
        label = "" if self.labels is None else f" (label {int(self.labels[number])})"
        self.pair_text.value = f"original{label} | decoded"

    def _redraw(self) -> None:
        try:
            image = as_images(self._decode(self._z[None]))[0].numpy()
            png, (width, _) = to_png(image)
            text = self._read_out()
        except Exception as error:  # the last good picture stays
            self.text.value = f"{type(error).__name__}: {error}".splitlines()[0]
            raise
        with self.image.hold_sync():  # one message
            self.image.width = str(max(1, self._width // width) * width)
            self.image.value = png
        self.text.value = text

    def _read_out(self) -> str:
        """Prior density of z, and the share of draws from the prior that lie closer to 0."""
        z = self._z.double()
        log_prob = normal_log_prob(z, torch.zeros_like(z), torch.zeros_like(z))
        distance, half = z.norm(), torch.tensor(len(z) / 2, dtype=torch.double)
        closer = torch.special.gammainc(
            half, distance.square() / 2
        ).item()  # chi-squared, M d.o.f.
        where = "typical"
        if closer < 0.05:
            where = "closer than is typical"
        elif closer > 0.95:
            where = "farther out than is typical"
        return (
            f"log p(z) = {log_prob:.1f} nats, |z| = {distance:.2f}:\n"
            f"{100 * closer:.0f} % of the prior lies closer to 0,\n{where}"
        )

    def figure(self) -> tuple[Figure, Axes]:
        """A still picture for readers without a kernel: each unit moved through its range."""
        units = list(self.sliders)[:8]
        names = [self._name(m) for m in units]
        return traversal_table(self._decode, self._z, units, names)

    def __repr__(self) -> str:  # no addresses: compared when notebooks are tested
        return f"{type(self).__name__}({type(self.model).__name__}, {len(self._z)} latents)"

    def _ipython_display_(self) -> None:
        """The live widget and, as a second output, a still picture.

        In one output they would not do: a notebook that was saved without the widget's state shows
        an error in its place, and a page made by nbconvert nothing at all without a network.
        Where the widget lives, `STYLE` hides the still picture.
        """
        for part in _everything_in(self):
            _answer_at_once(part)
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        live = {"text/plain": repr(self), "application/vnd.jupyter.widget-view+json": view}
        display(live, raw=True)
        fig, _ = self.figure()
        png = base64.b64encode(to_png(fig)[0]).decode()
        display({"text/plain": f"{self!r}: still picture", "image/png": png}, raw=True)


class LatentTraversal(_Explorer):
    """One slider for each latent unit, and the image that the decoder makes of them.

    Units are ordered by their average KL to the prior, which stands beside each: the encoder
    spends nats on those that it uses. Units under 0.01 nats are marked as unused; all but the ten
    most used are folded. Encode any of the images, go to the prior mean or to a random z, play
    one unit to and fro, undo. Introduced in notebook 06.

    Args:
        model: with `latent_dim` and `decode(z)`; `decode_mean(z)` is preferred where there is one
            (ink, 0 is paper and 1 is ink); `encode(x)` is needed for `images`.
        images: (N, 28, 28) uint8 or (N, D) in [0, 1], to encode; the first 1,000 of them also say
            how much each unit is used.
        labels: (N,), shown beside the image.
    Raises:
        ValueError: for a model without `decode` or `latent_dim`, or labels that do not fit.
    """

    def __init__(self, model: Any, images: Tensor | None = None, labels: Tensor | None = None):
        super().__init__(model, images, labels)


class LatentPlane(_Explorer):
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
        images: Tensor | None = None,
        labels: Tensor | None = None,
        units: tuple[int, int] | None = None,
    ):
        self._chosen = units
        self.map = widgets.Image(format="png")
        self._map_of: Tensor | None = None  # the code for which the map was drawn
        super().__init__(model, images, labels)

    def _units(self) -> tuple[list[int], list[int]]:
        size = len(self._z)
        units = self._chosen or (sorted(self._order()[:2]) if size > 2 else (0, 1))
        if len(units) != 2 or len(set(units)) != 2 or not all(m in range(size) for m in units):
            raise ValueError(f"units: expected two different ones below {size}, got {units}")
        return list(units), []

    def _arrange(self, picture: list, controls: list) -> widgets.Widget:
        return _columns([self.map], picture + controls)

    def _redraw(self) -> None:
        super()._redraw()
        self._redraw_map()

    def _redraw_map(self) -> None:
        units = list(self.sliders)
        rest = self._z.clone()
        rest[units] = 0
        if self._map_of is None or not torch.equal(rest, self._map_of):
            self._draw_map(rest, units)
            self._map_of = rest
        page = self._map_page.copy()
        x, y = (self._map_transform @ [*self._z[units].tolist(), 1.0])[:2]
        pen = ImageDraw.Draw(page)
        for radius, width, colour in [(11, 6, 254), (10, 3, 255)]:  # a light ring under a dark one
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), None, colour, width)
        with self.map.hold_sync():
            self.map.width = str(page.width)
            self.map.value = to_png(page)[0]

    def _draw_map(self, rest: Tensor, units: list[int]) -> None:
        """The map without the marker, in 256 colours, and where on it a code lies."""
        codes = None if self.codes is None else self.codes[:, units]
        labels = None if self.labels is None else self.labels[:CODED]
        fig, ax = plane_map(self._decode, rest, units, codes, labels, LIMIT)
        fig.set_dpi(DPI)
        canvas = FigureCanvasAgg(fig)
        canvas.draw()
        page = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
        corners = ax.transData.transform([(0, 0), (1, 0), (0, 1)])  # pixels, from the lower left
        zero, right, up = corners * [1, -1] + [0, page.height]
        self._map_transform = np.column_stack([right - zero, up - zero, zero])
        page = page.quantize(254, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        colours = (page.getpalette() + 768 * [0])[: 3 * 254]
        page.putpalette([*colours, 255, 255, 255, 0, 0, 0])
        self._map_page = page

    def figure(self) -> tuple[Figure, Axes]:
        """A still picture for readers without a kernel: the map with the marker."""
        units = list(self.sliders)
        codes = None if self.codes is None else self.codes[:, units]
        labels = None if self.labels is None else self.labels[:CODED]
        fig, ax = plane_map(self._decode, self._z, units, codes, labels, LIMIT)
        ax.plot(*self._z[units], "o", color="black", markersize=14, fillstyle="none")
        return fig, ax
