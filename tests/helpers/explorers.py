"""Models, images and readings of pixels for the tests of the latent explorers."""

import io
import math

import ipywidgets as widgets
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from course_utils.data import as_float
from course_utils.models import VAE, mlp
from course_utils.widgets import LatentPlane, LatentTraversal

# A plane draws its map with each model: half a second.
PLANE = pytest.param(LatentPlane, marks=pytest.mark.slow)
EXPLORERS = pytest.mark.parametrize("kind", [LatentTraversal, PLANE])


def network(latent_dim=4, cls=VAE, **options):
    """A network with random weights, so large that every unit changes the image visibly."""
    torch.manual_seed(latent_dim)
    model = cls(latent_dim=latent_dim, hidden_dim=8, **options).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(4)
    return model


def uneven(scales):
    """A VAE whose encoder uses unit m as much as `scales[m]` says; 0 is not at all."""
    model = network(len(scales))
    last = model.encoder[-1]
    with torch.no_grad():
        for rows in (last.weight, last.bias):  # means first, then log variances
            parts = rows.view(2, len(scales), -1)
            parts *= torch.tensor(scales)[:, None] / parts.abs().amax((0, 2))[:, None]
    return model


def images(n=30, seed=0):
    pixels = torch.randint(256, (n, 28, 28), generator=torch.Generator().manual_seed(seed))
    return (pixels / (1 + torch.arange(n)[:, None, None] % 5)).to(torch.uint8)


def labels(n=30):
    return torch.arange(n) * 7 % 10


class DecoderOnly:
    """The least that an explorer asks for: no encoder, no parameters, no module, no prior."""

    latent_dim = 3

    def decode(self, z):
        """Three stripes of 16 pixels, each as dark as its unit."""
        return torch.sigmoid(z).repeat_interleave(12, -1)


class Stranger(nn.Module):
    """Says of itself what it is told to say; its layers are those of an autoencoder."""

    def __init__(self, **says):
        super().__init__()
        self.encoder, self.decoder = mlp(784, 9, 3), mlp(3, 9, 784)
        self.latent_dim = 3
        for name, what in says.items():
            setattr(self, name, what)

    def encode_mean(self, x):
        return self.encoder(x)

    def decode(self, z):
        return self.decoder(z)


def seen(png):
    """The pixels of a PNG, as colours (H, W, 3)."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def ink(png):
    """The ink of a grey PNG: (H, W), 0 is paper and 255 is ink."""
    return 255 - seen(png)[..., 0]


@torch.no_grad()
def assert_shows(live, z, model=None):
    """The picture is what the model makes of z, to the rounding of pixels."""
    model = model or live.model
    wanted = getattr(model, "decode_mean", model.decode)(z[None]).view(-1)
    side = math.isqrt(len(wanted))
    error = np.abs(ink(live.image.value) - 255 * wanted.clamp(0, 1).view(side, side).numpy())
    assert error.max() < 0.501


def everything_in(widget):
    """A widget and all that it holds."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from everything_in(child)


def folded_units(live):
    folds = [w for w in everything_in(live) if isinstance(w, widgets.Accordion)]
    held = {id(w) for fold in folds for w in everything_in(fold)}
    return [m for m, slider in live.sliders.items() if id(slider) in held]


def code_of(model, image):
    with torch.no_grad():
        code = model.encode(as_float(image[None]))
    return (code[0] if isinstance(code, tuple) else code)[0]


def page_of(ax):
    """The array that an axes shows, and its tiles' side in pixels of the array."""
    (image,) = ax.get_images()
    return np.asarray(image.get_array()), 30


@torch.no_grad()
def check_table(ax, model, z, units, limit=3, columns=11):
    """Every tile of a traversal table against the decoder, and the ticks against the tiles."""
    page, side = page_of(ax)
    assert page.shape == (side * len(units) - 2, side * columns - 2)
    values = np.linspace(-limit, limit, columns)
    assert [float(label.get_text()) for label in ax.get_xticklabels()] == pytest.approx(
        values, abs=0.0501
    )
    for row, unit in enumerate(units):
        for column, value in enumerate(values):
            code = z.clone()
            code[unit] = value
            tile = page[side * row : side * row + 28, side * column : side * column + 28]
            wanted = model.decode_mean(code[None]).view(28, 28).numpy()
            assert tile == pytest.approx(wanted, abs=1e-5)
    assert ax.get_xticks() == pytest.approx(13.5 + side * np.arange(columns), abs=0.51)
    assert ax.get_yticks() == pytest.approx(13.5 + side * np.arange(len(units)), abs=0.51)


@torch.no_grad()
def check_map(ax, model, z, units, limit, side=21):
    """Every tile of a map against the decoder at the point of the axes where it lies."""
    page, tile = page_of(ax)
    assert page.shape == (tile * side - 2, tile * side - 2)
    left, right, bottom, top = ax.get_images()[0].get_extent()
    assert (left, right, bottom, top) == (-limit, limit, -limit, limit)
    for row in range(0, side, 4):
        for column in range(0, side, 5):
            code = z.clone()
            code[units[0]] = left + (right - left) * (column + 0.5) / side
            code[units[1]] = top - (top - bottom) * (row + 0.5) / side
            shown = page[tile * row : tile * row + 28, tile * column : tile * column + 28]
            wanted = model.decode_mean(code[None]).view(28, 28).numpy()
            assert shown == pytest.approx(0.4 * wanted, abs=1e-5)  # pale, so that dots stand out
    assert (ax.get_xlabel(), ax.get_ylabel()) == tuple(f"$z_{{{m + 1}}}$" for m in units)
    assert ax.get_xlim() == pytest.approx((-limit, limit))
    assert ax.get_ylim() == pytest.approx((-limit, limit))
