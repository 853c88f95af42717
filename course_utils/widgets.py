"""Live pictures: a function of knob values, and sliders that call it again.

One `widgets.Image` is updated in place, which neither flickers nor stacks up. Works with
ipywidgets 7.7.1 (Colab) and 8.
"""

import base64
import copy
import html
import inspect
import io
import itertools
import json
import math
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import resources
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw
from torch import Tensor, nn

from course_utils.data import as_float
from course_utils.distributions import kl_to_standard_normal, normal_log_prob
from course_utils.models import Autoencoder
from course_utils.plotting import as_images, mosaic, plane_map, traversal_table
from course_utils.session import PALETTE

DPI = 100  # of figures, whatever the plot style says: a picture must not change its size
LARGEST = (640, 360)  # small images are enlarged by a whole factor to at most this, in pixels
STYLE = """<style>
.course-knobs { --jp-widgets-font-size: 15px; }
.course-knobs .widget-readout { max-width: none; }
.course-knobs .course-text { height: auto; white-space: pre-wrap; text-align: left;
    line-height: 1.5; font-family: monospace; }
.course-pixels { image-rendering: pixelated; }
.jp-OutputArea-child:has(.course-live) + .jp-OutputArea-child:has(.jp-RenderedImage) {
    display: none; }
</style>"""


# --- from what a function returns to a PNG -------------------------------------------------------


def _pixels(array: np.ndarray) -> np.ndarray:
    """Ink (H, W) or colours (H, W, 3 or 4), uint8 or 0 to 1, to uint8 as a screen shows it."""
    array = np.asarray(array)
    if array.size == 0 or not (array.ndim == 2 or array.shape[2:] in [(3,), (4,)]):
        raise ValueError(f"image: expected (H, W) or (H, W, 3), got {array.shape}")
    if array.dtype.kind in "fb":
        if not np.isfinite(array).all():
            raise ValueError("image: expected finite numbers, got NaN or infinity")
        array = np.rint(255.0 * np.clip(array, 0, 1)).astype(np.uint8)
    elif array.dtype != np.uint8:
        raise ValueError(f"image: expected uint8, or floats from 0 to 1, got {array.dtype}")
    return 255 - array if array.ndim == 2 else array


def to_png(image: np.ndarray | Image.Image | Figure) -> tuple[bytes, tuple[int, int]]:
    """Encode an image: (PNG bytes, (width, height) in pixels). Nothing is enlarged here.

    Args:
        image: an array (H, W) of ink, where 0 is paper and 1 (or 255 in uint8) is ink; an array
            (H, W, 3) of colours, uint8 or 0 to 1; a Pillow image; or a Matplotlib figure.
    """
    if isinstance(image, Figure):
        image.set_dpi(DPI)
        canvas = FigureCanvasAgg(image)
        canvas.draw()
        image = canvas.buffer_rgba()
    if not isinstance(image, Image.Image):
        image = Image.fromarray(_pixels(image))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue(), image.size


def _parts(result: Any) -> tuple[Any, str]:
    """What a function returned as (image, text)."""
    if not isinstance(result, tuple):
        return result, ""
    if len(result) == 2 and isinstance(result[1], str):
        return result
    if result and isinstance(result[0], Figure):  # (fig, ax), as course_utils.plotting returns
        return result[0], ""
    kinds = ", ".join(type(part).__name__ for part in result)
    raise ValueError(f"expected an image or (image, text), got ({kinds})")


# --- one slider per knob -------------------------------------------------------------------------


def _hundredth(length: float) -> float:
    """1, 2 or 5 times a power of ten: the largest that is no more than length / 100."""
    power = 10.0 ** math.floor(math.log10(length / 100))
    return max(m * power for m in (1, 2, 5) if m * power <= length / 100 * (1 + 1e-9))


def _number_slider(name: str, spec: tuple, **look: Any) -> widgets.Widget:
    """(min, max), (min, max, step) or (min, max, step, value) as an IntSlider or FloatSlider."""
    if not 2 <= len(spec) <= 4 or not all(
        isinstance(v, Real) and not isinstance(v, bool) and math.isfinite(v) for v in spec
    ):
        raise ValueError(f"{name}: expected (min, max), with step, with value; got {spec}")
    whole = all(isinstance(v, Integral) for v in spec)
    spec = [int(v) if whole else float(v) for v in spec]
    low, high = spec[:2]
    if low >= high:
        raise ValueError(f"{name}: expected min < max, got {low} and {high}")
    step = spec[2] if len(spec) > 2 else 1 if whole else _hundredth(high - low)
    if not 0 < step <= high - low:
        raise ValueError(f"{name}: expected a step above 0 and within the range, got {step}")
    middle = low + step * round((high - low) / 2 / step)
    value = spec[3] if len(spec) > 3 else middle
    if not low <= value <= high:
        raise ValueError(f"{name}: expected a value from {low} to {high}, got {value}")
    if whole:
        return widgets.IntSlider(value, low, high, step, **look)
    # As many decimals as the positions of the slider need.
    shown = [d for d in range(5) if all(abs(round(v, d) - v) < 1e-9 for v in (low, step))]
    look["readout_format"] = f".{shown[0]}f" if shown else ".4g"
    return widgets.FloatSlider(value, min=low, max=high, step=step, **look)


def _slider(name: str, spec: Any, name_width: str) -> widgets.Widget:
    """The widget of one knob."""
    look = {"description": name, "style": {"description_width": name_width}}
    if isinstance(spec, bool):
        return widgets.Checkbox(spec, indent=False, **look)
    look |= {"continuous_update": True, "readout": True, "layout": {"width": "420px"}}
    choices = isinstance(spec, (list, Mapping)) or (
        isinstance(spec, tuple) and any(isinstance(v, str) for v in spec)
    )
    if choices:
        if not spec:
            raise ValueError(f"{name}: expected at least one choice, got none")
        return widgets.SelectionSlider(options=list(spec), **look)
    if isinstance(spec, tuple):
        return _number_slider(name, spec, **look)
    raise ValueError(f"{name}: expected (min, max, ...), choices or a bool, got {spec!r}")


class Knobs(widgets.VBox):
    """What `knobs` returns. Show it as the last expression of a cell.

    Attributes:
        sliders: name to widget; setting its `.value` redraws.
        image: the `widgets.Image`; its `.value` holds PNG bytes.
        text: the `widgets.Label` under it; its `.value` holds the text, or the last error.
    """

    def __init__(self, function: Callable[..., Any], specs: dict[str, Any]):
        self._function = function
        self._choices = {k: spec for k, spec in specs.items() if isinstance(spec, Mapping)}
        width = f"{max(map(len, specs), default=0) + 1}ch"  # one for all, so that they line up
        self.sliders = {name: _slider(name, spec, width) for name, spec in specs.items()}
        self._start = {name: slider.value for name, slider in self.sliders.items()}
        self._resetting = False
        self.image = widgets.Image(format="png", layout={"align_self": "flex-start"})
        self.text = widgets.Label()
        self.text.add_class("course-text")
        self._redraw()
        for slider in self.sliders.values():
            slider.observe(self._redraw, "value")
        button = widgets.Button(description="reset", layout={"width": "auto"})
        button.layout.align_self = "flex-start"
        button.on_click(lambda _: self.reset())
        style = widgets.HTML(STYLE, layout={"display": "none"})
        super().__init__([*self.sliders.values(), button, self.image, self.text, style])
        self.add_class("course-knobs")

    def __repr__(self) -> str:  # no addresses: compared when notebooks are tested
        return f"Knobs({', '.join(self.sliders)})"

    @property
    def values(self) -> dict[str, Any]:
        """What the function is called with now."""
        at = {name: slider.value for name, slider in self.sliders.items()}
        return {k: self._choices[k][v] if k in self._choices else v for k, v in at.items()}

    @property
    def widget(self) -> "Knobs":
        """Itself."""
        return self

    def reset(self) -> None:
        """Put every knob back to its start, and redraw once."""
        self._resetting = True
        try:
            for name, slider in self.sliders.items():
                slider.value = self._start[name]
        finally:
            self._resetting = False
        self._redraw()

    def _redraw(self, _change: Any = None) -> None:
        if self._resetting:
            return
        open_before = set(plt.get_fignums())
        try:
            image, text = _parts(self._function(**self.values))
            png, (width, height) = to_png(image)
        except Exception as error:  # the last good picture stays
            self.text.value = f"{type(error).__name__}: {error}".splitlines()[0]
            raise
        finally:  # or the notebook would show them a second time
            for number in set(plt.get_fignums()) - open_before:
                plt.close(number)
        scale = 1
        if isinstance(image, Figure):
            plt.close(image)
            self.image.remove_class("course-pixels")
        else:
            scale = max(1, min(LARGEST[0] // width, LARGEST[1] // height))
            self.image.add_class("course-pixels")
        with self.image.hold_sync():  # one message
            self.image.width = str(scale * width)
            self.image.value = png
        self.text.value = text


def knobs(function: Callable[..., Any], /, **sliders: Any) -> Knobs:
    """A live picture of a function, with one slider for each of its arguments.

    Args:
        function: from knob values to an image (see `to_png`), or to (image, text). The same
            values must give the same image.
        sliders: by name, `(min, max)`, `(min, max, step)` or `(min, max, step, value)`: whole
            numbers if all are, else floats; a list of choices; a dict of choices, whose slider
            holds the key and whose function gets the value; True or False. Without a value,
            ranges start in the middle and choices at the first.

    Raises:
        ValueError: a knob that the function does not take, a missing one, or a bad range.
    """
    parameters = inspect.signature(function).parameters.values()
    taken = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    anything = any(p.kind is p.VAR_KEYWORD for p in parameters)
    for name in sliders:
        if name not in taken and not anything:
            raise ValueError(f"{name}: expected one of the function's {taken}, got another knob")
    for p in parameters:
        if p.name in taken and p.default is p.empty and p.name not in sliders:
            raise ValueError(f"{p.name}: expected a knob for this argument, got none")
    return Knobs(function, sliders)


# --- exploring a latent space --------------------------------------------------------------------

LIMIT = 3.5  # how far the sliders and the map go: a draw of one unit is farther out once in 2,000
STEP = 0.05  # of the sliders
START = {"align_self": "flex-start"}  # or a picture would be stretched
UNUSED = 0.01  # nats of average KL; below it a unit tells the decoder nothing worth moving
IN_FRONT = 10  # sliders that stand open; the others are folded
CODED = 1_000  # images whose codes say how much each unit is used
PLAY_STEPS = 80  # positions of one movement to and fro


def _unit_kl(mu: Tensor, log_var: Tensor) -> Tensor:
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
            self.kl = _unit_kl(*codes).cpu()
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


# --- the explorer as one page --------------------------------------------------------------------

LARGEST_PAGE = 2_000_000  # bytes
SLIDERS_IN_FRONT = 20  # on the page, in two columns
EXAMPLES = 10  # test images that travel with it
PAGE_TOLERANCE = 1e-2  # of the page's pixels against `decode_mean`
# Ten classes need ten colours: Okabe and Ito's without grey, and three of Paul Tol's. On dark
# paper black is white, and dark ones are lighter. Digits are drawn as digits: nobody needs to
# tell all ten colours apart.
_CLASS_COLOURS = [*PALETTE[:7], "#882255", "#999933", "#332288"]
_ON_DARK = {
    "#0072B2": "#3D9BE9",
    "#000000": "#FFFFFF",
    "#882255": "#F0629A",
    "#999933": "#DDCC77",
    "#332288": "#A99BFF",
}


def _as_base64(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")


def _halves(values: Tensor) -> str:
    with np.errstate(over="ignore"):
        halved = values.detach().cpu().float().numpy().astype("<f2")
    if not np.isfinite(halved).all():
        raise ValueError("model: expected finite numbers up to 65,504, got larger ones or NaN")
    return _as_base64(halved)


def _page_layers(decoder: nn.Module, latent_dim: int) -> list[dict[str, Any]]:
    """The decoder's layers as the page reads them, weights in half precision.

    Raises:
        ValueError: for a layer that explorer.js does not know.
    """
    layers: list[dict[str, Any]] = []
    shape: tuple[int, ...] = (latent_dim,)  # of what goes into the next layer
    for layer in decoder if isinstance(decoder, nn.Sequential) else [decoder]:
        if isinstance(layer, nn.Linear):
            weight, bias = layer.weight, layer.bias
            bias = torch.zeros(layer.out_features) if bias is None else bias
            sizes = {"inputs": layer.in_features, "outputs": layer.out_features}
            # By rows of inputs: the page skips an input that is zero.
            weights = {"weight": _halves(weight.T.contiguous()), "bias": _halves(bias)}
            layers.append({"kind": "linear", **sizes, **weights})
            shape = (layer.out_features,)
        elif isinstance(layer, nn.ReLU):
            layers.append({"kind": "relu"})
        elif isinstance(layer, nn.Unflatten):
            shape = tuple(layer.unflattened_size)
        elif isinstance(layer, nn.Flatten):
            shape = (math.prod(shape),)
        elif isinstance(layer, nn.ConvTranspose2d) and len(shape) == 3 and layer.groups == 1:
            with torch.no_grad():
                blank = torch.zeros(1, *shape).to(layer.weight)
                to = tuple(layer(blank).shape[1:])
            if layer.dilation != (1, 1):
                raise ValueError(f"decoder: expected dilation 1, got {layer}")
            bias = torch.zeros(to[0]) if layer.bias is None else layer.bias
            layers.append(
                {
                    "kind": "transposed",
                    "channels": [shape[0], to[0]],
                    "from": shape[1:],
                    "to": to[1:],
                    "kernel": layer.kernel_size,
                    "stride": layer.stride,
                    "padding": layer.padding,
                    "weight": _halves(layer.weight),
                    "bias": _halves(bias),
                }
            )
            shape = to
        else:
            raise ValueError(
                "decoder: expected Linear, ReLU, Unflatten, Flatten and ConvTranspose2d layers, "
                f"as in models.VAE and models.ConvVAE, got {layer}"
            )
    return layers


@torch.no_grad()
def _check_page(model: Any, z: Tensor) -> None:
    """Raise unless the layers in half precision, and nothing else, make `decode_mean`."""
    halved = copy.deepcopy(model.decoder).cpu().half().float()
    output = halved(z)
    page = output.clamp(0, 1) if _output_of(model) == "clamp" else torch.sigmoid(output)
    wanted = model.decode_mean(z.to(next(model.parameters()))).cpu().float().clamp(0, 1)
    error = (page - wanted).abs().max().item() if page.shape == wanted.shape else math.inf
    if not error <= PAGE_TOLERANCE:  # not: catches NaN too
        raise ValueError(
            "model: expected decode_mean(z) to be the decoder's layers and a sigmoid (Bernoulli) "
            f"or nothing (Gaussian), in half precision; the pixels are {error:.2g} apart"
        )


def _output_of(model: Any) -> str:
    """What turns the decoder's output into pixels: "sigmoid" or "clamp"."""
    likelihood = getattr(model, "likelihood", "gaussian")  # an autoencoder's output is the image
    return "clamp" if likelihood == "gaussian" else "sigmoid"


def _classes(labels: Tensor | Sequence) -> tuple[list[dict[str, str]], list[int]]:
    """The classes with their colours, in order, and the number of each label's class."""
    labels = labels.tolist() if isinstance(labels, Tensor) else list(labels)
    kinds = sorted(set(labels))
    classes = []
    for name, colour in zip(map(str, kinds), itertools.cycle(_CLASS_COLOURS)):
        colours = {"light": colour, "dark": _ON_DARK.get(colour, colour)}
        classes.append({"name": name, "mark": name if len(name) == 1 else "", **colours})
    if len(classes) > 256:
        raise ValueError(f"labels: expected at most 256 classes, got {len(classes)}")
    return classes, [kinds.index(label) for label in labels]


def _page_codes(model: Any, images: Tensor, labels: Tensor | Sequence | None) -> dict[str, Any]:
    """What the images add to the page: codes, average KL, and some of them to encode."""
    if len(images) == 0:
        raise ValueError("images: expected at least one, got none")
    if labels is not None and len(labels) != len(images):
        raise ValueError(f"labels: expected {len(images)}, one per image, got {len(labels)}")
    x = as_float(images[:CODED])
    with torch.no_grad():
        codes = model.encode(x.to(next(model.parameters())))
    kl = _unit_kl(*codes).cpu() if isinstance(codes, tuple) else None
    codes = (codes[0] if isinstance(codes, tuple) else codes).cpu().float()
    if not codes.isfinite().all():
        raise ValueError("model: expected finite codes of the images, got NaN or infinity")
    part: dict[str, Any] = {}
    if kl is not None:
        part |= {"kl": kl.tolist(), "order": kl.argsort(descending=True).tolist()}
    else:  # no prior to place the code by
        spread = codes.std(0, correction=0).clamp_min(1e-6)
        part |= {"prior": False, "centre": codes.mean(0), "scale": spread}
    number = [0] * len(x)
    if labels is not None:
        part["classes"], number = _classes(labels[:CODED])
    chosen = list(range(len(x)))[:EXAMPLES]
    if labels is not None:  # one of each class, as far as they go
        firsts = [number.index(k) for k in range(len(part["classes"]))]
        chosen = (firsts + [n for n in chosen if n not in firsts])[:EXAMPLES]
    part["images"] = [
        {
            "pixels": _as_base64((255 * x[n]).round().to(torch.uint8).numpy()),
            "label": None if labels is None else part["classes"][number[n]]["name"],
            "code": codes[n].tolist(),
        }
        for n in chosen
    ]
    return part | {"all_codes": codes, "number": number}


def _page_model(
    model: Any, images: Tensor | None, labels: Tensor | Sequence | None
) -> dict[str, Any]:
    """All that the page knows of the model."""
    decoder, size = getattr(model, "decoder", None), getattr(model, "latent_dim", None)
    usable = isinstance(decoder, nn.Module) and isinstance(size, int) and size >= 1
    if not usable or not callable(getattr(model, "decode_mean", None)):
        raise ValueError(
            "model: expected latent_dim, decode_mean(z) and the layers of its decoder in "
            f"`decoder`, as in models.VAE, got {type(model).__name__}"
        )
    side = math.isqrt(model.data_dim)
    if side * side != model.data_dim:
        raise ValueError(f"model: expected square images, got {model.data_dim} pixels")
    content = {
        "latents": size,
        "side": side,
        "limit": LIMIT,
        "step": STEP,
        "unused": UNUSED,
        "in_front": SLIDERS_IN_FRONT,
        "output": _output_of(model),
        "layers": _page_layers(decoder, size),
        "prior": not isinstance(model, Autoencoder),  # which has none
        "centre": torch.zeros(size),
        "scale": torch.ones(size),
        "kl": None,
        "order": list(range(size)),
        "images": [],
        "classes": [{"name": "", "mark": "", "light": PALETTE[0], "dark": PALETTE[5]}],
        "codes": None,
    }
    if images is not None:
        content |= _page_codes(model, images, labels)
        codes, number = content.pop("all_codes"), content.pop("number")
        if size == 2:
            at = (codes - content["centre"]) / content["scale"]
            label = _as_base64(np.array(number, np.uint8))
            content["codes"] = {"at": _halves(at), "label": label}
    draws = torch.randn(64, size, generator=torch.Generator().manual_seed(0))
    _check_page(model, content["centre"] + content["scale"] * draws)
    return content | {k: content[k].tolist() for k in ("centre", "scale")}


def export_html(
    model: Any,
    path: str | Path,
    images: Tensor | None = None,
    labels: Tensor | Sequence | None = None,
    title: str = "Latent explorer",
) -> Path:
    """Write the explorer as one HTML file that needs no kernel and no network.

    The decoder's weights travel inside in half precision, and the page computes the images. Two
    latent units become a map to press and drag on; more become sliders, ordered by average KL.
    Mouse, touch and keyboard. Introduced in notebook 06.

    Args:
        model: `VAE`, `LinearVAE`, `ConvVAE`, `Autoencoder`, or one like them: with `latent_dim`,
            `decode_mean(z)`, and in `decoder` Linear, ReLU or ConvTranspose2d layers.
        path: the file, in a folder that exists. Written whole or not at all.
        images: (N, 28, 28) uint8 or (N, D) in [0, 1]. The first 1,000 say how much each unit is
            used, and are the codes on the map; ten travel with the page, to be encoded.
        labels: (N,), numbers or names of classes, which choose the ten and colour the codes.
        title: heading of the page.
    Returns:
        The path.
    Raises:
        FileNotFoundError: when the folder does not exist.
        ValueError: for a model that the page cannot compute, or labels that do not fit; and when
            the page would have more than 2 MB.
        OSError: when the file cannot be written; an older file of that name is then untouched.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: expected an existing folder, got {path.parent}")
    data = json.dumps(_page_model(model, images, labels), allow_nan=False)
    package = resources.files("course_utils")
    parts = {
        "title": html.escape(title),
        "data": data.replace("<", "\\u003c"),  # no label can close the script
        "script": package.joinpath("explorer.js").read_text(encoding="utf-8"),
    }
    template = package.joinpath("explorer.html").read_text(encoding="utf-8")
    # In one pass: a title that holds another place's name stays what it is.
    page = re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], template).encode("utf-8")
    if len(page) > LARGEST_PAGE:
        weights = sum(p.numel() for p in model.decoder.parameters())
        raise ValueError(
            f"page: expected at most {LARGEST_PAGE / 1e6:g} MB, got {len(page) / 1e6:.1f} MB: "
            f"the decoder has {weights:,} weights"
        )
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        aside.write_bytes(page)
        aside.replace(path)  # readers see the old page or the new one, never half of one
    finally:
        aside.unlink(missing_ok=True)
    return path
