"""Figures of notebook 09, the energy-based ancestors."""

from collections.abc import Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from course_utils.plotting.pages import as_images, panels
from course_utils.session import PALETTE


def timeline(events: dict[int, str], marked: Sequence[int] = ()) -> tuple[Figure, Axes]:
    """Years along a line, each with its text, above and below in turn.

    Args:
        events: year to text, which may have several lines.
        marked: years that stand out by colour.
    """
    fig, ax = plt.subplots(figsize=(12, 3.0))
    years = sorted(events)
    ax.axhline(0, color=PALETTE[7], linewidth=3, zorder=1)
    for place, year in enumerate(years):  # evenly spaced: some of these years lie close together
        side = 1 if place % 2 == 0 else -1
        colour = PALETTE[1] if year in marked else PALETTE[0]
        ax.plot([place, place], [0, 0.45 * side], color=colour, linewidth=1.5)
        ax.plot(place, 0, "o", color=colour, markersize=11, zorder=3)
        words = f"{year}\n{events[year]}" if side > 0 else f"{events[year]}\n{year}"
        place_text = {"ha": "center", "va": "bottom" if side > 0 else "top", "fontsize": 13}
        ax.text(place, 0.5 * side, words, color=colour, **place_text)
    ax.set(xlim=(-0.7, len(years) - 0.3), ylim=(-1.75, 1.75))
    ax.axis("off")
    return fig, ax


def layers_of_units(
    drawings: dict[str, tuple[dict[str, int], str | Sequence[str]]],
) -> tuple[Figure, np.ndarray]:
    """Networks of layers, the visible units at the bottom, side by side.

    Args:
        drawings: title to (layer name to number of units from the bottom up, the kind of links):
            "both" ways, or "down" with dashed links up; one kind, or one for each pair of layers.
    """
    fig, axes = panels(len(drawings), width=4.6 * len(drawings), height=3.2)
    for ax, (title, (layers, links)) in zip(axes, drawings.items(), strict=True):
        places = []
        for height, (name, n) in enumerate(layers.items()):
            across = np.arange(n) - (n - 1) / 2
            places.append((across, height))
            colour = PALETTE[0] if height == 0 else PALETTE[1]
            ax.scatter(across, [height] * n, s=420, color=colour, zorder=3)
            ax.text(-2.7, height, name, ha="left", va="center", fontsize=14)
        gaps = [links] * (len(layers) - 1) if isinstance(links, str) else links
        for ((low, y), (high, _)), kind in zip(pairwise(places), gaps, strict=True):
            for i in low:
                for j in high:
                    if kind == "both":
                        ax.plot([i, j], [y, y + 1], color="black", linewidth=1, zorder=1)
                        continue
                    for start, end, shift, style in (
                        ((j, y + 1), (i, y), -0.05, "-"),
                        ((i, y), (j, y + 1), 0.05, "--"),
                    ):
                        arrow = {"arrowstyle": "-|>", "shrinkA": 12, "shrinkB": 12}
                        arrow |= {"linestyle": style, "linewidth": 1}
                        arrow["color"] = "black" if style == "-" else PALETTE[2]
                        ends = [(x + shift, at) for x, at in (end, start)]
                        ax.annotate("", *ends, arrowprops=arrow)
        ax.set(title=title, xlim=(-2.9, 2.2), ylim=(-0.4, max(len(layers) - 0.6, 1.4)))
        ax.axis("off")
    return fig, axes


def weight_images(weights: Tensor, columns: int = 16) -> tuple[Figure, Axes]:
    """Weights (M, D) of M units as images: purple below 0, white at 0, orange above.

    Each unit has its own scale, so that faint ones are seen, too.
    """
    scale = weights.abs().amax(1, keepdim=True).clamp(min=1e-12)
    images = as_images(0.5 + 0.5 * weights / scale).numpy()
    rows, side, gap = -(-len(images) // columns), images.shape[1], 2
    page = np.full((rows * (side + gap) - gap, columns * (side + gap) - gap), np.nan)
    for n, image in enumerate(images):
        top, left = n // columns * (side + gap), n % columns * (side + gap)
        page[top : top + side, left : left + side] = image
    fig, ax = plt.subplots(figsize=(11, 11 * page.shape[0] / page.shape[1] + 0.2))
    ax.imshow(page, cmap="PuOr_r", vmin=0, vmax=1)
    ax.axis("off")
    return fig, ax


def bound_steps(bounds: Tensor, exact: float, names: tuple[str, str]) -> tuple[Figure, Axes]:
    """A bound after each update of mean field, below the value that it bounds.

    Args:
        bounds: (K,), nats; updates of the two layers in turn.
        exact: the value above, nats.
        names: of the layers, the one that the last of the updates belongs to second.
    """
    fig, ax = plt.subplots(figsize=(8.5, 3.8))
    steps, values = np.arange(len(bounds)), bounds.detach().cpu().numpy()
    ax.plot(steps, values, color=PALETTE[7], linewidth=1.5, zorder=1)
    for which, name in enumerate(names):
        own = steps[1 + which :: 2]
        ax.plot(own, values[own], "o", color=PALETTE[which], label=f"after an update of {name}")
    ax.plot(0, values[0], "s", color="black", label="start: all probabilities ½")
    ax.axhline(exact, color="black", linestyle="--", linewidth=1.5, label="log p(x), exact")
    low = float(values.min())
    ax.set(xlabel="update", ylabel="nats", ylim=(low - 0.1, exact + 0.25 * (exact - low)))
    ax.legend(loc="lower right")
    return fig, ax


def chain_traces(traces: dict[str, Tensor], ylabel: str) -> tuple[Figure, np.ndarray]:
    """One number of each chain, step by step, one panel above the other.

    Args:
        traces: the chain's name to (T,).
    """
    fig, axes = plt.subplots(len(traces), 1, figsize=(9, 1.9 * len(traces)), sharex=True)
    axes = np.atleast_1d(axes)
    for ax, (name, values), colour in zip(axes, traces.items(), PALETTE, strict=False):
        ax.step(range(len(values)), values.cpu(), color=colour, linewidth=1.2, where="mid")
        ax.set(title=name, ylabel=ylabel)
    axes[-1].set(xlabel="step")
    fig.tight_layout()
    return fig, axes
