"""Pictures of latent spaces: codes as points, and what codes decode to, on a grid or in rows."""

from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from course_utils.arguments import count
from course_utils.plotting.pages import GAP, mosaic, show_page, tile_centres
from course_utils.session import PALETTE

_TEN = plt.get_cmap("tab10").colors  # ten classes need ten colours
DIGIT_COLOURS = (*_TEN[:7], "#000000", *_TEN[8:])  # its grey would be lost on grey drawings


def latent_scatter(
    codes: Tensor, labels: Tensor, ax: Axes | None = None, limit: float = 4, legend: bool = True
) -> tuple[Figure, Axes]:
    """Two-dimensional codes (N, 2), coloured by class (N,); equal axes from -limit to limit."""
    if ax is None:
        _, ax = plt.subplots(figsize=(6.6, 6))
    codes, labels = codes.detach().cpu(), labels.cpu()
    for digit in range(10):
        z = codes[labels == digit]
        ax.scatter(*z.T, s=5, alpha=0.6, color=DIGIT_COLOURS[digit], label=digit, linewidths=0)
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), xlabel="$z_1$", ylabel="$z_2$")
    ax.set_aspect("equal")
    if legend:
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=4, title="digit")
    return ax.figure, ax


def _over_the_plane(ticks: Tensor) -> Tensor:
    """The points (T * T, 2) of an even grid, in the order of a page: row by row from the top."""
    second, first = torch.meshgrid(ticks.flip(0), ticks, indexing="ij")  # the second grows upwards
    return torch.stack([first.flatten(), second.flatten()], dim=1)


@torch.no_grad()
def latent_manifold(model: nn.Module, side: int = 20, limit: float | None = None) -> np.ndarray:
    """Decoded images on a grid over a two-dimensional latent space, as one array.

    Args:
        model: with `decode_mean` and `latent_dim == 2`.
        side: images per row and column.
        limit: None spaces the grid by the inverse Gaussian distribution function, so that each
            image stands for the same share of the prior; a number gives an even grid from -limit
            to limit.
    """
    if model.latent_dim != 2:
        raise ValueError(f"expected a model with two latent dimensions, got {model.latent_dim}")
    side = count("side", side)
    share = (torch.arange(side) + 0.5) / side
    ticks = (2 * share - 1) * limit if limit is not None else torch.special.ndtri(share)
    z = _over_the_plane(ticks).to(next(model.parameters()))
    return mosaic(model.decode_mean(z), side)


def plane_map(
    decode: Callable[[Tensor], Tensor],
    z: Tensor,
    units: Sequence[int],
    codes: Tensor | None = None,
    labels: Tensor | None = None,
    limit: float = 4,
    side: int = 21,
) -> tuple[Figure, Axes]:
    """Decoded images on a grid over two latent units, pale, and the codes of images over them.

    Args:
        decode: from codes (B, M) to images (B, D).
        z: (M,), where the other units stay. units: the two units, counted from 0.
        codes: (N, 2), of images, in the two units. labels: (N,), their classes, to colour them.
    """
    ticks = (torch.arange(side) + 0.5) / side * 2 * limit - limit
    grid = z.detach().cpu().repeat(side * side, 1)
    grid[:, list(units)] = _over_the_plane(ticks).to(grid)
    page = mosaic(decode(grid), side)
    fig, ax = _apart_from_pyplot(6.2, 5.2)
    ax.imshow(0.4 * page, cmap="gray_r", vmin=0, vmax=1, extent=(-limit, limit, -limit, limit))
    if codes is not None:
        classes = torch.zeros(len(codes), dtype=torch.long) if labels is None else labels
        latent_scatter(codes, classes, ax, limit, legend=labels is not None)
        for dots in ax.collections:
            dots.set_sizes([14])
    ax.set(xlabel=f"$z_{{{units[0] + 1}}}$", ylabel=f"$z_{{{units[1] + 1}}}$")
    ax.grid(False)
    return fig, ax


def traversal_table(
    decode: Callable[[Tensor], Tensor],
    z: Tensor,
    units: Sequence[int],
    names: Sequence[str],
    limit: float = 3,
    columns: int = 11,
) -> tuple[Figure, Axes]:
    """One row per latent unit: the images as this unit alone goes from -limit to limit.

    In each row a frame marks the image nearest to z, if z lies within the row.

    Args:
        decode: from codes (B, M) to images (B, D).
        z: (M,), where the other units stay.
        units: the units to move, counted from 0. names: of the rows, one for each unit.
    """
    values = torch.linspace(-limit, limit, columns)
    codes = z.detach().cpu().repeat(len(units), columns, 1)
    for row, unit in enumerate(units):
        codes[row, :, unit] = values
    page = mosaic(decode(codes.flatten(0, 1)), columns)
    fig, ax = _apart_from_pyplot(11, 0.85 * len(units) + 0.9)
    show_page(page, ax=ax)
    written = [f"{value:.1f}" for value in values.round(decimals=1) + 0.0]
    ax.set_xticks(tile_centres(page.shape[1], columns), written)
    ax.set_yticks(tile_centres(page.shape[0], len(units)), names)
    ax.tick_params(length=0)
    ax.set_xlabel("value of the unit that moves")
    side = 0.92 * (page.shape[1] + GAP) / columns
    for unit, middle in zip(units, ax.get_yticks(), strict=True):
        nearest = int((values - float(z[unit])).abs().argmin())
        if abs(float(z[unit])) < limit + limit / (columns - 1):
            corner = ax.get_xticks()[nearest] - side / 2, middle - side / 2
            frame = Rectangle(corner, side, side, fill=False, color=PALETTE[1], lw=2)
            ax.add_patch(frame).set_clip_on(False)
    return fig, ax


def _apart_from_pyplot(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure that pyplot does not know: in a notebook that answers its widgets in a second
    thread, a new one would show, and meanwhile resize, whatever figure pyplot has open.
    """
    fig = Figure(figsize=(width, height))
    return fig, fig.subplots()
