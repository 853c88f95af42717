"""Exploring a latent space with one slider for each unit, and what all explorers share."""

import base64
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ipywidgets as widgets
import numpy as np
import torch
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from course_utils.arguments import count
from course_utils.data import ImageData, as_float
from course_utils.distributions import normal_log_prob
from course_utils.plotting import as_images, mosaic, traversal_table
from course_utils.widgets import controls
from course_utils.widgets.given import brief, images_and_labels
from course_utils.widgets.interface import CODED, STEP, SWING, TYPICAL, UNUSED, WHERE
from course_utils.widgets.pictures import STYLE, to_png
from course_utils.widgets.private import answer_at_once
from course_utils.widgets.subject import Subject

IN_FRONT = 10  # sliders that stand open; the others are folded
IN_STILL = 8  # units that the still picture moves


def read_out(z: Tensor, has_prior: bool) -> str:
    """What is said of a code (M,): its length and, if it has a prior, how typical of it it is."""
    z = z.double()
    distance = z.norm()
    if not has_prior:
        return f"|z| = {distance:.2f}"
    log_prob = normal_log_prob(z, torch.zeros_like(z), torch.zeros_like(z))
    half = z.new_tensor(len(z) / 2)
    closer = torch.special.gammainc(half, distance.square() / 2).item()  # chi-squared, M d.o.f.
    where = WHERE[1]
    if closer < TYPICAL[0]:
        where = WHERE[0]
    elif closer > TYPICAL[1]:
        where = WHERE[2]
    return (
        f"log p(z) = {log_prob:.1f} nats, |z| = {distance:.2f}:\n"
        f"{100 * closer:.0f} % of the prior lies closer to 0,\n{where}"
    )


class Walk:
    """Where an explorer is, and the way back: one step for each thing that the reader does.

    Attributes:
        z: the code on display, (M,). number: of the image that was encoded last, if any was.
    """

    def __init__(self, size: int):
        self.z = torch.zeros(size, dtype=torch.float32, device="cpu")
        self.number: int | None = None
        self._past: list[tuple[Tensor, int | None]] = []
        self._sliding: int | None = None  # the unit whose slider moved last

    def step(self) -> None:
        """Remember this place: `back` will return to it."""
        self._past.append((self.z, self.number))
        self._sliding = None

    def slide(self, unit: int, value: float) -> None:
        """Move one unit. That is one step, however far it goes, until something else is done."""
        if self._sliding != unit:
            self.step()
            self._sliding = unit
        self.z = self.z.clone()
        self.z[unit] = value

    def back(self) -> tuple[Tensor, int | None] | None:
        """The place before the last step, which is forgotten; None at the beginning."""
        self._sliding = None
        return self._past.pop() if self._past else None

    def begin(self) -> None:
        """There is no way back from here."""
        self._past.clear()


class Explorer(widgets.VBox):
    """Sliders over a code z, and the image that a decoder makes of it. Base of the explorers.

    Attributes:
        z: the code on display, (M,); `move` sets it.
        sliders: unit m (from 0) to its FloatSlider; setting its `.value` redraws.
        image: the `widgets.Image`; its `.value` holds the decoded image as PNG bytes.
        text: the `widgets.Label` under it: |z| and, of a model with a prior, how typical z is.
        images: (N, ...) on the CPU; labels: what each of them is called.
        codes: (N, M) of the first images; kl: (M,), where the encoder knows its uncertainty.
    """

    _width = 392  # of the decoded image on the page, in pixels

    def __init__(self, model: Any, images: Any, labels: Any):
        super().__init__()
        self.model = model
        self.images, self.labels = images_and_labels(images, labels)
        self._subject = Subject(model, least=2)
        self.codes = self.kl = None
        if self.images is not None:
            self.codes = self._subject.encode_mean(self.images[:CODED])
            self.kl = self._subject.unit_kl(self.images[:CODED])
        self._walk = Walk(self._subject.latent_dim)
        self._setting = False
        self._draws = torch.Generator("cpu").manual_seed(
            0
        )  # its own: no other random stream moves
        front, folded = self._units()
        self._make_controls(front + folded)
        style = widgets.HTML(STYLE, layout={"display": "none"})
        in_order = self._in_order(front, folded)
        self.children = [self._arrange([self.image, self.text], in_order), style]
        self.add_class("course-knobs")
        self.add_class("course-live")
        if self.images is None:
            self._redraw()
        else:
            self.encode_image(0)
            self._walk.begin()

    # what stands where

    def _order(self) -> list[int]:
        """The units, the one that the encoder uses most first."""
        if self.kl is not None:
            return self.kl.argsort(descending=True).tolist()
        return list(range(self._subject.latent_dim))

    def _unused(self, unit: int) -> bool:
        return self.kl is not None and bool(self.kl[unit] < UNUSED)

    def _units(self) -> tuple[list[int], list[int]]:
        """Units whose sliders stand open, and those that are folded."""
        order = self._order()
        used = [m for m in order if not self._unused(m)][:IN_FRONT]
        front = used if len(used) >= 2 else order[:2]
        return front, [m for m in order if m not in front]

    def _name(self, unit: int) -> str:
        if self.kl is None:
            return f"z{unit + 1}"
        used = "unused" if self._unused(unit) else f"{self.kl[unit]:.2f} nats"
        return f"z{unit + 1}: {used}"

    def _make_controls(self, units: list[int]) -> None:
        self.image, self.text = controls.picture()
        self.text.add_class("course-text")
        self.sliders = controls.unit_sliders({m: self._name(m) for m in units})
        for unit, slider in self.sliders.items():
            slider.observe(lambda change, m=unit: self._slid(m, change), "value")
        middle = "prior mean" if self._subject.has_prior else "z = 0"
        actions = {middle: lambda: self.move(torch.zeros_like(self.z)), "random z": self.random}
        if self.images is not None:
            self.pair, self.pair_text = controls.picture()
            self.number = controls.image_number(len(self.images))
            self.number.observe(self._number_changed, "value")
            actions["encode"] = lambda: self.encode_image(self.number.value)
        actions["undo"] = self.undo
        self.buttons = controls.buttons(actions)
        self.play_unit, self.play = controls.to_and_fro(units)
        self.play.observe(self._played, "value")

    def _in_order(self, front: list[int], folded: list[int]) -> list[widgets.Widget]:
        """All controls, from top to bottom."""
        parts = [controls.bar(*self.buttons.values()), controls.bar(self.play_unit, self.play)]
        if self.images is not None:
            parts.append(controls.bar(self.number, widgets.VBox([self.pair, self.pair_text])))
        parts += [self.sliders[m] for m in front]
        if folded:
            title = f"{len(folded)} more units, {sum(map(self._unused, folded))} of them unused"
            parts.append(controls.folded(title, [self.sliders[m] for m in folded]))
        return parts

    def _arrange(self, picture: list, in_order: list) -> widgets.Widget:
        return controls.columns(picture, in_order)

    # what can be done

    @property
    def z(self) -> Tensor:
        """The code on display, (M,). `move` sets it."""
        return self._walk.z.clone()

    def move(self, z: Tensor) -> None:
        """Show another code, (M,). `undo` takes it back."""
        try:
            code = torch.as_tensor(z, dtype=torch.float32, device="cpu").detach()
        except (
            TypeError,
            ValueError,
            RuntimeError,
            OverflowError,
        ):  # text, None, lists of unequal length
            code = None
        if code is None or code.shape != self._walk.z.shape or not code.isfinite().all():
            raise ValueError(f"z: expected {len(self._walk.z)} finite numbers, got {brief(z)}")
        self._walk.step()
        self._place(code)

    def random(self) -> None:
        """Show a draw from N(0, I), which is the prior where the model has one."""
        size = self._subject.latent_dim
        self.move(torch.randn(size, generator=self._draws, dtype=torch.float32, device="cpu"))

    def undo(self) -> None:
        """Go back one step; moving one slider is one step, however far it went."""
        before = self._walk.back()
        if before is not None:
            z, number = before
            if number != self._walk.number:
                self._show_pair(number)
            self._place(z)

    def encode_image(self, number: int) -> None:
        """Show the mean code of one of the images, and its reconstruction beside it."""
        have = 0 if self.images is None else len(self.images)
        try:
            at = count("image", number, least=0)
        except ValueError:
            at = have
        if at >= have:
            raise ValueError(f"image: expected a number below {have}, got {brief(number)}")
        self._walk.step()
        self._show_pair(at)
        self._place(self._mean_code(at))

    def _mean_code(self, number: int) -> Tensor:
        return self._subject.encode_mean(self.images[number : number + 1])[0]

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
        if not self._setting and not echo:
            self._walk.slide(unit, change["new"])
            self._redraw()

    def _played(self, change: dict) -> None:
        at = SWING * math.sin(2 * math.pi * change["new"] / controls.PLAY_STEPS)
        self.sliders[self.play_unit.value].value = at

    def _place(self, z: Tensor) -> None:
        self._walk.z = z.clone()
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
        self._walk.number = number
        with self._quietly():
            self.number.value = number
        original = as_float(self.images[number : number + 1])
        decoded = self._subject.decode(self._mean_code(number)[None])
        pair = mosaic(torch.cat([original, decoded]), 2)
        with self.pair.hold_sync():
            self.pair.width = str(3 * pair.shape[1])
            self.pair.value = to_png(pair)[0]
        label = "" if self.labels is None else f" (label {self.labels[number]})"
        self.pair_text.value = f"original{label} | decoded"

    def _redraw(self) -> None:
        try:
            image = as_images(self._subject.decode(self._walk.z[None]))[0].numpy()
            png, (width, _) = to_png(image)
            text = read_out(self._walk.z, self._subject.has_prior)
        except Exception as error:  # the last good picture stays
            self.text.value = f"{type(error).__name__}: {error}".splitlines()[0]
            raise
        with self.image.hold_sync():  # one message
            self.image.width = str(max(1, self._width // width) * width)
            self.image.value = png
        self.text.value = text

    def figure(self) -> tuple[Figure, Axes]:
        """A still picture for readers without a kernel: each unit moved through its range."""
        units = list(self.sliders)[:IN_STILL]
        names = [self._name(m) for m in units]
        return traversal_table(self._subject.decode, self._walk.z, units, names)

    def __repr__(self) -> str:  # no addresses: compared when notebooks are tested
        return f"{type(self).__name__}({self._subject.name}, {self._subject.latent_dim} latents)"

    def _ipython_display_(self) -> None:
        """The live widget and, as a second output, a still picture.

        In one output they would not do: a notebook that was saved without the widget's state shows
        an error in its place, and a page made by nbconvert nothing at all without a network.
        Where the widget lives, `STYLE` hides the still picture.
        """
        for part in controls.everything_in(self):
            answer_at_once(part)
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        live = {"text/plain": repr(self), "application/vnd.jupyter.widget-view+json": view}
        display(live, raw=True)
        fig, _ = self.figure()
        png = base64.b64encode(to_png(fig)[0]).decode()
        display({"text/plain": f"{self!r}: still picture", "image/png": png}, raw=True)


class LatentTraversal(Explorer):
    """One slider for each latent unit, and the image that the decoder makes of them.

    Units are ordered by their average KL to the prior, which stands beside each: the encoder
    spends nats on those that it uses. Units under 0.01 nats are marked as unused; all but the ten
    most used are folded. Encode any of the images, go to the prior mean or to a random z, play
    one unit to and fro, undo. Introduced in notebook 06.

    Args:
        model: with `latent_dim` and `decode_mean(z)` or `decode(z)`, images (N, D) of codes
            (N, M); for `images` also with `encode_mean(x)`, codes (N, M) of images (N, D). What
            else it may say of itself stands in `subject.Subject`. It computes in evaluation mode.
        images: (N, 28, 28) uint8 or (N, D) in [0, 1], to encode; the first 1,000 of them also say
            how much each unit is used.
            A tensor or a NumPy array; of an `ImageData`, the test images with their labels.
        labels: N numbers or names in a list, a tensor or an array, shown beside the image.
    Raises:
        ValueError: for a model that lacks one of these, images that are none, or labels that do
            not fit.
    """

    def __init__(
        self,
        model: Any,
        images: ImageData | Tensor | np.ndarray | None = None,
        labels: Sequence | Tensor | np.ndarray | None = None,
    ):
        super().__init__(model, images, labels)
