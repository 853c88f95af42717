"""Figures of notebook 00, Why generative models?."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator
from torch import Tensor

from course_utils.plotting.charts import ellipse, write_numbers
from course_utils.plotting.pages import panels
from course_utils.session import PALETTE

KINDS = dict(  # of images that are to be judged
    zip(
        (
            "random signs",
            "attacked",
            "attacked, ink pixels only",
            "climbed to 99.9 %",
            "pure noise",
            "a tenth of the ink",
            "blank page",
        ),
        PALETTE,
    )
)


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


def em_panels(
    runs: dict[str, dict[str, tuple[Tensor, Tensor, Tensor]]], points: Tensor, climb: Tensor
) -> tuple[Figure, np.ndarray]:
    """Mixtures in the plane while EM fits them, a row for each run, and how log p(x) rises.

    Args:
        runs: name of a run to its moments, name of a moment to (share, mu, cov). A component is
            an ellipse at two standard deviations; the larger its share, the thicker its line.
        points: (N, 2). climb: (starts, steps + 1), average log p(x) after each step, of the runs
            and then of other starts; at step 0 it may lie below the axis.
    """
    columns = max(len(moments) for moments in runs.values())
    fig, axes = plt.subplots(
        len(runs), columns + 1, figsize=(15, 3 * len(runs)), width_ratios=[1] * columns + [1.3]
    )
    for ax, moment in zip(axes[0], next(iter(runs.values()))):
        ax.set_title(moment)
    for row, (name, moments) in zip(axes, runs.items(), strict=True):
        for ax, (share, mu, cov) in zip(row, moments.values(), strict=False):
            ax.scatter(*points.T, s=3, color="#999999", linewidths=0)
            for colour, weight, centre, root in zip(
                PALETTE, share, mu, torch.linalg.cholesky(cov)
            ):
                width = 1 + 6 * weight.item()
                ax.plot(*ellipse(centre, root), color=colour, linewidth=width)
            ax.set(xlim=(-3.7, 3.7), ylim=(-3.7, 3.7), xticks=(-2, 0, 2), yticks=(-2, 0, 2))
            ax.set_aspect("equal")
            ax.grid(False)
        row[0].set_ylabel(name)
        row[-1].set_visible(False)
    curves = fig.add_subplot(axes[0, 0].get_gridspec()[:, -1])
    for heights in climb[len(runs) :].tolist():
        curves.plot(heights, color="#999999", linewidth=1.2, label="another start")
    for name, style, heights in zip(runs, ("-", "--", ":", "-."), climb.tolist()):
        curves.plot(heights, color="black", linestyle=style, linewidth=2.5, label=name)
    curves.set(xlabel="steps of EM", title="average log p(x), nats per point")
    low, high = climb[:, 1:].min().item(), climb.max().item()  # from step 1 on: 0 lies far below
    curves.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
    handles = dict(zip(*curves.get_legend_handles_labels()[::-1]))  # one line for all the others
    curves.legend(handles.values(), handles, loc="lower right")
    return fig, axes


def _colours(names: Sequence[str]) -> list[str]:
    """A colour for each kind of image, the same in every figure; a kind by another name: black."""
    return [KINDS.get(name, "#000000") for name in names]


def score_strips(
    digits: Tensor, suspects: dict[str, Tensor], threshold: float | Tensor, xlabel: str
) -> tuple[Figure, np.ndarray]:
    """Scores of digits and of each kind of suspects, a strip each, and who passes the threshold.

    Scores far below those of the digits are collected at the left edge; where most of a kind is
    so low, an arrow points there with their median.

    Args:
        digits: (N,), scores of images to accept; suspects: name to the scores (n,) of images to
            reject. threshold: what lies below it is rejected.
    """
    rows = {"digits": digits} | suspects
    fig, axes = plt.subplots(len(rows), 1, figsize=(10, 0.8 * len(rows) + 0.9), sharex=True)
    highest = max(scores.max().item() for scores in rows.values())
    low = digits.median().item() - 8 * digits.std().item()
    bins = np.linspace(low, highest + 0.02 * (highest - low), 90)
    colours = ["#999999", *_colours(list(suspects))]
    for ax, colour, (name, scores) in zip(axes, colours, rows.items(), strict=True):
        heights, _ = np.histogram(scores.clamp(min=low).numpy(), bins)
        ax.stairs(heights / heights.max(), bins, fill=True, color=colour)
        ax.axvline(float(threshold), color="black", linestyle="--", linewidth=1.5)
        ax.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=12)
        ax.set(yticks=[], ylim=(0, 1.15))
        share = (scores >= threshold).double().mean().item()
        ax.text(1.01, 0.4, f"{share:.0%}", transform=ax.transAxes)
        if (middle := scores.median().item()) < low:
            text = f"◀  off the scale: median {middle:,.0f}"
            ax.text(bins[2], 0.5, text, va="center", fontsize=12)
        ax.grid(False)
    axes[0].set_title("left of the dashed line: rejected", fontsize=12)
    axes[0].text(1.01, 1.2, "accepted", transform=axes[0].transAxes, fontsize=11)
    axes[-1].set_xlabel(xlabel)
    return fig, axes


def distances_from_peak(distances: dict[str, Tensor], xlabel: str) -> tuple[Figure, Axes]:
    """Histograms of distances (n,) from 0 on, each scaled to the same height."""
    fig, ax = plt.subplots(figsize=(8, 3.4))
    bins = np.linspace(0, 1.05 * max(values.max().item() for values in distances.values()), 120)
    for colour, (name, values) in zip(PALETTE, distances.items()):
        heights, _ = np.histogram(values.numpy(), bins)
        ax.stairs(heights / heights.max(), bins, fill=True, color=colour, alpha=0.75, label=name)
    ax.set(xlabel=xlabel, ylabel="how often (scaled)", yticks=[], ylim=(0, 1.1))
    ax.axvline(0, color="black", linewidth=2)
    ax.legend()
    return fig, ax


def density_and_volume(
    r: Tensor, log_volume: Tensor, log_density: Tensor, distances: dict[str, Tensor]
) -> tuple[Figure, np.ndarray]:
    """Why draws keep away from the peak: density, volume and their product against the distance r.

    Args:
        r: (T,), distances from the peak. log_volume, log_density: (T,), natural logarithms, of a
            thin shell at r and at a point there; the first rises, the second falls. They are drawn
            to base 2, and relative to the place where their sum is largest.
        distances: name to the distances (n,) of some images. They stand at the right, with the
            product, all scaled to one height; a single image is a line.
    """
    fig, axes = panels(2, width=13, height=4)
    left, right = axes
    log_product = log_volume + log_density
    best = int(log_product.argmax())
    for name, colour, style, values in [
        ("volume of a thin shell", "#009E73", "--", log_volume),
        ("density", "#0072B2", "-.", log_density),
        ("volume × density", "#D55E00", "-", log_product),
    ]:
        doublings = (values - values[best]) / np.log(2)
        left.plot(r, doublings, color=colour, linestyle=style, linewidth=2.5, label=name)
    left.axhline(0, color="#666666", linewidth=0.8)
    left.set(ylim=(-300, 300), ylabel=f"doublings since r = {r[best].item():.0f}")
    left.legend(loc="upper left", fontsize=11)

    right.plot(r, (log_product - log_product[best]).exp(), color="#D55E00", linewidth=2.5)
    bins = np.linspace(0, float(r[-1]), 90)
    for colour, (name, values) in zip(("#000000", "#999999", "#56B4E9"), distances.items()):
        if len(values) == 1:
            right.axvline(values.item(), color=colour, linestyle=":", linewidth=2.5, label=name)
            continue
        heights, _ = np.histogram(values.numpy(), bins)
        right.stairs(
            heights / heights.max(), bins, fill=True, color=colour, alpha=0.75, label=name
        )
    right.set(ylabel="how often (scaled)", yticks=[], ylim=(0, 1.1))
    right.legend(loc="upper right", fontsize=11)
    for ax in axes:
        ax.set(xlabel="r, distance from the mean", xlim=(0, float(r[-1])))
        ax.xaxis.set_major_locator(MultipleLocator(2))
    return fig, axes


def times_to_sum(sides: Tensor, seconds: dict[str, Tensor]) -> tuple[Figure, Axes]:
    """Seconds against pixels per side up to 10^30, with lines at times that one knows."""
    fig, ax = plt.subplots(figsize=(8, 4.2))
    for colour, style, (name, values) in zip(PALETTE, "os^", seconds.items()):
        ax.plot(sides, values, marker=style, markersize=5, color=colour, label=name)
    for time, name in [(1, "a second"), (3.156e7, "a year"), (4.4e17, "age of the universe")]:
        ax.axhline(time, color="#666666", linestyle=":", linewidth=1.5)
        ax.text(float(sides[-1]) + 0.7, time, name, va="center", fontsize=11)
    ax.set(yscale="log", ylim=(1e-9, 1e30), yticks=[10.0**n for n in range(-6, 31, 6)])
    ax.set(xlabel="pixels per side", ylabel="seconds to compute Z")
    ax.minorticks_off()
    ax.legend(loc="upper left", bbox_to_anchor=(0.36, 1))
    return fig, ax


def roc_curves(
    digits: Tensor, suspects: dict[str, Tensor], areas: dict[str, float]
) -> tuple[Figure, Axes]:
    """One ROC curve for each kind of suspects.

    Args:
        digits: (N,), scores of images to accept; suspects: name to the scores (n,) of images to
            reject. areas: name to the area under the curve, written in the legend.
    """
    fig, ax = plt.subplots(figsize=(8.5, 4.6))
    for colour, (name, scores) in zip(_colours(list(suspects)), suspects.items()):
        thresholds = torch.cat([digits, scores]).sort().values
        passed = [
            1 - torch.searchsorted(s.sort().values, thresholds) / len(s) for s in (scores, digits)
        ]
        ax.plot(*passed, color=colour, linewidth=2.5, label=f"{areas[name]:.2f}  {name}")
    ax.plot([0, 1], [0, 1], ":", color="black", linewidth=1.2)
    ax.set(xlabel="share of suspects accepted", ylabel="share of digits accepted")
    ax.legend(title="area under the curve", loc="center left", bbox_to_anchor=(1, 0.5))
    ax.set_aspect("equal")
    return fig, ax


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
