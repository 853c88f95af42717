"""Pages of images: mosaics, rows, grids. Digits stay at their natural 28 pixels inside arrays."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from course_utils.arguments import count
from course_utils.data import scaled
from course_utils.session import PALETTE

GAP = 2  # blank pixels between the images of a mosaic


def as_images(images: Tensor) -> Tensor:
    """(N, D) or (N, 28, 28), uint8 or float, to float (N, side, side) on the CPU, in [0, 1]."""
    images = scaled(images.detach().cpu())
    if images.dim() == 2:
        side = round(images.shape[1] ** 0.5)
        if side * side != images.shape[1]:
            raise ValueError(f"images: expected square images, got {tuple(images.shape)}")
        images = images.view(-1, side, side)
    if images.dim() != 3:
        raise ValueError(f"images: expected (N, D) or (N, side, side), got {tuple(images.shape)}")
    return images.clamp(0, 1)


def mosaic(images: Tensor, columns: int) -> np.ndarray:
    """Images (N, D) side by side, row after row, as one array (H, W); 0 is paper and 1 is ink.

    >>> mosaic(torch.zeros(6, 784), columns=3).shape  # a gap of two pixels between the images
    (58, 88)
    """
    images, columns = as_images(images), count("columns", columns)
    n, height, width = images.shape
    lines = -(-n // columns)
    page = np.zeros((lines * (height + GAP) - GAP, columns * (width + GAP) - GAP), np.float32)
    for i, image in enumerate(images):
        top, left = i // columns * (height + GAP), i % columns * (width + GAP)
        page[top : top + height, left : left + width] = image
    return page


def tile_centres(length: int, n: int) -> np.ndarray:
    """Where the middles of n images lie along a mosaic of this length, in pixels: (n,)."""
    return (np.arange(n) + 0.5) * (length + GAP) / n - (GAP + 1) / 2  # the first pixel's is 0


def _bare(ax: Axes) -> None:
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)


def panels(n: int, width: float = 12, height: float = 4) -> tuple[Figure, np.ndarray]:
    """A row of n empty panels: (fig, axes)."""
    fig, axes = plt.subplots(1, n, figsize=(width, height), squeeze=False)
    return fig, axes[0]


def show_page(page: np.ndarray, title: str = "", ax: Axes | None = None) -> tuple[Figure, Axes]:
    """One array of ink (H, W), 0 to 1, such as a mosaic."""
    if ax is None:
        _, ax = plt.subplots(figsize=(6, 6))
    ax.imshow(page, cmap="gray_r", vmin=0, vmax=1)
    ax.set_title(title)
    _bare(ax)
    return ax.figure, ax


def show_rows(
    rows: dict[str, Tensor],
    width: float = 10,
    framed: bool = False,
    columns: Sequence[str] = (),
    marked: Sequence[int] = (),
) -> tuple[Figure, Axes]:
    """Rows of images under each other, each with its name: `{"original": x, "decoded": x_hat}`.

    Args:
        rows: name to images (N, D), the same N in every row.
        width: of the figure, inches.
        framed: draw a thin frame around every image, so that a blank one can be seen.
        columns: what stands under each of the N columns, if anything.
        marked: for each row, the column (from 0) of the image that a coloured frame marks, if any.
    """
    counts = {len(images) for images in rows.values()}
    if len(counts) != 1:
        raise ValueError(f"rows: expected as many images in each, got {sorted(counts)}")
    (n,) = counts
    page = mosaic(torch.cat([as_images(images) for images in rows.values()]), n)
    labels_width = 0.13 * max(len(name) for name in rows)
    fig, ax = plt.subplots(figsize=(width, (width - labels_width) * page.shape[0] / page.shape[1]))
    show_page(page, ax=ax)
    ax.set_yticks(tile_centres(page.shape[0], len(rows)), list(rows))
    if columns:
        ax.set_xticks(tile_centres(page.shape[1], n), columns)
    ax.tick_params(length=0)
    side = (page.shape[1] + GAP) // n - GAP
    across, down = tile_centres(page.shape[1], n), tile_centres(page.shape[0], len(rows))
    if framed:
        for x in across:
            for y in down:
                frame(ax, x, y, side, "#999999", 0.8)
    if len(marked):
        for column, y in zip(marked, down, strict=True):
            frame(ax, across[column], y, side, PALETTE[1], 2)
    return fig, ax


def frame(ax: Axes, x: float, y: float, side: float, colour: str, width: float) -> None:
    """A square around (x, y), which may reach beyond the axes."""
    square = Rectangle((x - side / 2, y - side / 2), side, side)
    square.set(fill=False, edgecolor=colour, linewidth=width, clip_on=False)
    ax.add_patch(square)


def show_grids(
    grids: dict[str, Tensor], columns: int = 8, width: float = 10
) -> tuple[Figure, np.ndarray]:
    """Blocks of images side by side: name to images (N, D), N as it may be."""
    pages = [mosaic(images, columns) for images in grids.values()]
    panel = width / len(pages)
    aspect = max(page.shape[0] / page.shape[1] for page in pages)
    fig, axes = plt.subplots(1, len(pages), figsize=(width, panel * aspect + 0.4), squeeze=False)
    for ax, name, page in zip(axes[0], grids, pages, strict=True):
        show_page(page, name, ax)
    if (layout := fig.get_layout_engine()) is not None:
        layout.set(wspace=0.16)  # so that one block does not touch the next one
    return fig, axes[0]


def show_titled(
    images: Tensor, titles: Sequence[str], columns: int = 10, width: float = 12
) -> tuple[Figure, np.ndarray]:
    """Images (N, D), each under a title of its own."""
    rows = -(-len(images) // columns)
    above = 0.1 + 0.22 * (1 + titles[0].count("\n"))  # inches
    height = rows * (width / columns + above)
    fig, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False)
    for ax in axes.flat[len(images) :]:
        ax.set_visible(False)
    for ax, image, title in zip(axes.flat, as_images(images), titles):
        show_page(image.numpy(), ax=ax)
        ax.set_title(title, fontsize=12)
        for spine in ax.spines.values():
            spine.set(visible=True, color="#bbbbbb")
    return fig, axes
