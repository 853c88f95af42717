"""Figures of notebook 07c: painted patches, a second look, two layers of latents."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from course_utils.plotting.pages import GAP, frame, mosaic, panels, tile_centres
from course_utils.session import PALETTE


def painted_row(
    codes: Sequence[float], patch: Sequence[float], stride: int
) -> tuple[Figure, Axes]:
    """A transposed convolution in one dimension: each number paints a patch, overlaps add up.

    Args:
        codes: (N,), the numbers. patch: (K,), the weights that all share. stride: pixels between
            the starts of two patches.
    """
    fig, ax = plt.subplots(figsize=(8, 3.6))
    length = stride * (len(codes) - 1) + len(patch)
    total, low, high = np.zeros(length), np.zeros(length), np.zeros(length)
    for i, code in enumerate(codes):
        at = slice(stride * i, stride * i + len(patch))
        painted = code * np.asarray(patch, dtype=float)
        total[at] += painted
        bottom = np.where(painted > 0, high[at], low[at])
        label = f"painted by number {i + 1}: {code:g}"
        ax.bar(np.arange(length)[at], painted, bottom=bottom, color=PALETTE[i], label=label)
        high[at] += np.maximum(painted, 0)
        low[at] += np.minimum(painted, 0)
    ax.plot(range(length), total, "kD", markersize=8, label="the pixel: their sum")
    ax.axhline(0, color="black", linewidth=1)
    ax.set_xticks(range(length), [str(i + 1) for i in range(length)])
    ax.set(xlabel="pixel", ylabel="value")
    ax.grid(axis="x", visible=False)
    ax.legend(loc="upper right", fontsize=11)
    return fig, ax


def signed_images(
    rows: dict[str, Tensor], width: float = 10.5, height: float = 1.5
) -> tuple[Figure, np.ndarray]:
    """Rows of images with values of either sign: orange above 0, purple below, white at 0.

    Args:
        rows: name to (N, H, W) or (N, D) with square images; each row has a scale of its own.
        width: of the figure, height: of a row, in inches.
    """
    fig, axes = plt.subplots(len(rows), 1, figsize=(width, height * len(rows)), squeeze=False)
    for ax, (name, images) in zip(axes[:, 0], rows.items(), strict=True):
        scaled = images.detach().cpu().float()
        scaled = scaled / scaled.abs().max().clamp(min=1e-9)
        page = mosaic((scaled + 1) / 2, len(images)) * 2 - 1
        side = page.shape[0]
        for i in range(1, len(images)):  # what lies between two images is no value
            page[:, i * (side + GAP) - GAP : i * (side + GAP)] = np.nan
        ax.imshow(page, cmap="PuOr_r", vmin=-1, vmax=1)
        for x in tile_centres(page.shape[1], len(images)):  # for white is also the page
            frame(ax, x, (side - 1) / 2, side, "#999999", 0.8)
        ax.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=12)
        ax.set(xticks=[], yticks=[])
        ax.grid(False)
        for spine in ax.spines.values():
            spine.set_visible(False)
    return fig, axes[:, 0]


def layer_diagrams() -> tuple[Figure, np.ndarray]:
    """Two layers of latents: the way down, and two ways to guess the codes of an image."""
    fig, axes = panels(3, width=11.5, height=4.2)
    places = {"$z_2$": (0, 2), "$z_1$": (0, 1), "x": (0, 0)}
    down, up = PALETTE[0], PALETTE[1]
    drawn = {
        "p: the way down": [("$z_2$", "$z_1$", down), ("$z_1$", "x", down)],
        "q, bottom-up": [("x", "$z_1$", up), ("$z_1$", "$z_2$", up)],
        "q of the ladder": [("h_1", "h_2", up), ("x", "h_1", up), ("h_2", "$z_2$", up)],
    }
    drawn["q of the ladder"] += [("h_1", "$z_1$", up), ("$z_2$", "$z_1$", down)]
    for ax, (title, arrows) in zip(axes, drawn.items(), strict=True):
        here = dict(places)
        if "ladder" in title:
            here |= {"h_1": (-1, 1), "h_2": (-1, 2), "x": (-1, 0)}
        for start, end, colour in arrows:
            style = {"arrowstyle": "-|>", "color": colour, "lw": 3, "mutation_scale": 22}
            style |= {"shrinkA": 24, "shrinkB": 24}
            ax.annotate("", here[end], here[start], arrowprops=style)
        for name, (x, y) in here.items():
            code = name.startswith("$")
            face = "white" if code else PALETTE[7]
            shape = "circle,pad=0.35" if code else "round,pad=0.35"
            box = {"boxstyle": shape, "facecolor": face, "edgecolor": "black", "alpha": 1}
            text = f"${name}$" if name.startswith("h") else name
            ax.text(x, y, text, ha="center", va="center", fontsize=15, bbox=box, color="black")
        ax.set(xlim=(-1.6, 0.9) if "ladder" in title else (-1.1, 1.1), ylim=(-0.45, 2.45))
        ax.set_title(title)
        ax.axis("off")
    return fig, axes


def layer_kl(units: dict[str, Tensor], lower_dim: int) -> tuple[Figure, np.ndarray]:
    """The KL of each unit of two layers, largest first, a panel for each model.

    Args:
        units: name of a model to (M_1 + M_2,), nats. lower_dim: M_1.
    """
    fig, axes = panels(len(units), width=4 * len(units), height=3.6)
    top = 1.35 * max(float(kl.max()) for kl in units.values())
    for ax, (name, kl) in zip(axes, units.items(), strict=True):
        parts = kl.detach().cpu().split([lower_dim, len(kl) - lower_dim])
        for layer, (part, colour) in enumerate(zip(parts, PALETTE), start=1):
            start = (layer - 1) * (lower_dim + 1)
            bars = torch.sort(part, descending=True).values
            label = f"$z_{layer}$: {part.sum():.1f} nats"
            ax.bar(range(start, start + len(part)), bars, color=colour, label=label)
        ax.set(
            title=name, xlabel="units, largest first", ylim=(min(0, 1.1 * float(kl.min())), top)
        )
        ax.set_xticks([])
        ax.grid(axis="x", visible=False)
        ax.legend(loc="upper right", fontsize=11)
    axes[0].set_ylabel("KL, nats")
    return fig, axes
