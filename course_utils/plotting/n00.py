"""Figures of notebook 00, Why generative models?."""

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from course_utils.plotting.charts import write_numbers
from course_utils.plotting.pages import panels
from course_utils.session import PALETTE


def _density_pixels(density: Tensor, points: Tensor, limit: float) -> np.ndarray:
    """Density (S, S), row 0 at the bottom, as blue shades with dark dots: uint8 (S, S, 3)."""
    side = len(density)
    shade = (density / density.max()).sqrt().cpu().numpy()[::-1, :, None]  # faint tails show too
    blue = np.array([0, 114, 178])
    page = (255 - 0.85 * shade * (255 - blue)).astype(np.uint8)
    at = ((points.cpu() + limit) / (2 * limit) * side).long()
    inside = at[((at >= 0) & (at < side)).all(1)]
    page[side - 1 - inside[:, 1], inside[:, 0]] = 40
    return page


def mixture_image(
    density: Tensor, points: Tensor, progress: float, limit: float = 3.0
) -> np.ndarray:
    """One frame of EM as pixels: density and data above, a bar of progress below.

    Args:
        density: (S, S) on an even grid from -limit to limit, row by row upwards.
        points: (N, 2). progress: 0 to 1, the share of the width that the bar fills.
    Returns:
        uint8 (S + 10, S, 3).
    """
    page = _density_pixels(density, points, limit)
    strip = np.full((10, page.shape[1], 3), 255, np.uint8)
    strip[3:, : round(progress * page.shape[1])] = (213, 94, 0)
    return np.concatenate([page, strip])


def density_panels(
    densities: dict[str, Tensor], points: Tensor, limit: float = 3.0
) -> tuple[Figure, np.ndarray]:
    """Densities (S, S) over the plane, row by row upwards, with the data points (N, 2)."""
    fig, axes = panels(len(densities), width=13, height=13 / len(densities) + 0.5)
    for ax, (name, density) in zip(axes, densities.items(), strict=True):
        page = _density_pixels(density, points[:0], limit)
        ax.imshow(page, extent=(-limit, limit, -limit, limit), interpolation="bilinear")
        ax.scatter(*points.T, s=4, color="#222222", alpha=0.5, linewidths=0)
        ax.set(title=name, xlabel="$x_1$", xlim=(-limit, limit), ylim=(-limit, limit))
        ax.grid(False)
    axes[0].set_ylabel("$x_2$")
    return fig, axes


def roc_curves(
    digits: Tensor, suspects: dict[str, Tensor], areas: dict[str, float], xlabel: str
) -> tuple[Figure, np.ndarray]:
    """Scores of digits and of suspects: histograms, and one ROC curve for each suspect.

    Args:
        digits: (N,), scores of images to accept; suspects: name to the scores (n,) of images to
            reject. areas: name to the area under the curve, written in the legend.
    """
    fig, axes = panels(2, width=13, height=4.6)
    everything = torch.cat([digits, *suspects.values()])
    low = max(everything.min().item(), digits.median().item() - 12 * digits.std().item())
    bins = np.linspace(low, everything.max().item(), 70)
    shape = {"bins": bins, "density": True}
    axes[0].hist(digits.clamp(min=low).numpy(), **shape, color="#bbbbbb", label="digits")
    for colour, (name, scores) in zip(PALETTE, suspects.items()):
        shown = scores.clamp(min=low).numpy()
        axes[0].hist(shown, **shape, histtype="step", lw=2, color=colour)
        thresholds = torch.cat([digits, scores]).sort().values
        passed = [
            1 - torch.searchsorted(s.sort().values, thresholds) / len(s) for s in (scores, digits)
        ]
        axes[1].plot(*passed, color=colour, label=f"{name}: {areas[name]:.2f}")
    axes[0].set(xlabel=xlabel, ylabel="density", yscale="log")
    axes[0].set_title("left edge: that far down, or further", fontsize=12)
    axes[0].legend()
    axes[1].plot([0, 1], [0, 1], ":", color="black", linewidth=1.2)
    axes[1].set(xlabel="share of suspects accepted", ylabel="share of digits accepted")
    axes[1].legend(title="area under the curve", loc="center left", bbox_to_anchor=(1, 0.5))
    axes[1].set_aspect("equal")
    return fig, axes


def area_table(rows: dict[str, dict[str, float]]) -> tuple[Figure, Axes]:
    """Areas under ROC curves, one row per kind of image and one column per test."""
    columns = list(next(iter(rows.values())))
    values = np.array([[row[column] for column in columns] for row in rows.values()])
    fig, ax = plt.subplots(figsize=(4.5 + 1.8 * len(columns), 0.55 * len(rows) + 0.9))
    ax.imshow(values, cmap="PuOr", vmin=0, vmax=1, aspect="auto")
    write_numbers(ax, values, "{:.2f}", pale=lambda value: abs(value - 0.5) > 0.25)
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.grid(False)
    return fig, ax
