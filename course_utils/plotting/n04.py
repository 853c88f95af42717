"""Figures of notebook 04, the reparameterization trick."""

from collections.abc import Iterable
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from course_utils.plotting.charts import standard_normal
from course_utils.session import PALETTE

COLOURS = {  # one colour for one estimator, in every figure of the notebook
    "pathwise": PALETTE[0],
    "sampled KL": PALETTE[0],  # the path, too
    "score function": PALETTE[1],
    "score, best baseline": PALETTE[2],
    "score, leave one out": PALETTE[2],
    "path only": PALETTE[3],
    "relaxed": PALETTE[4],
    "analytic KL": PALETTE[5],
    "path cut by sample()": PALETTE[7],
    "exact": "black",
    "best": "black",
}


def colours_of(names: Iterable[str]) -> dict[str, str]:
    """A colour for each name: that of `COLOURS`, else the palette's in turn."""
    return {name: COLOURS.get(name, colour) for name, colour in zip(names, cycle(PALETTE))}


def repeated_intervals(
    results: dict[str, tuple[Tensor, Tensor]], exact: float, xlabel: str, shown: int = 40
) -> tuple[Figure, np.ndarray]:
    """Many repetitions of an estimate, each with its 95 % interval, against the exact value.

    Args:
        results: name to (means, standard errors), each (R,); the first `shown` are drawn.
    """
    fig, axes = plt.subplots(1, len(results), figsize=(11, 4.2), sharex=True, squeeze=False)
    axes, colours = axes[0], colours_of(results)
    for ax, (name, (means, errors)) in zip(axes, results.items(), strict=True):
        for row, (mean, error) in enumerate(zip(means[:shown], errors[:shown], strict=True)):
            misses = abs(mean - exact) > 1.96 * error
            colour, size = ("black", 6) if misses else (colours[name], 4)
            ax.errorbar(mean, row, xerr=1.96 * error, fmt="o", ms=size, lw=1.6, color=colour)
        ax.axvline(exact, color="black", linestyle=":", linewidth=1.5)
        ax.set(title=name, xlabel=xlabel, yticks=[])
    axes[0].set_ylabel("repetitions")
    return fig, axes


def theory_and_measured(
    x: Tensor,
    lines: dict[str, Tensor],
    points: dict[str, tuple[Tensor, Tensor, Tensor]],
    ax: Axes | None = None,
    **axis,
) -> tuple[Figure, Axes]:
    """Theory as lines over x, measurements as points with two standard errors.

    Args:
        x: (T,). lines: name to (T,), or to one number. points: name to (x, y, standard error).
        axis: labels, scales and title, handed to `Axes.set`.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(8, 4))
    colours = colours_of(dict.fromkeys([*lines, *points]))
    for name, line in lines.items():
        y = torch.as_tensor(line, dtype=x.dtype).expand_as(x)
        constant = torch.as_tensor(line).dim() == 0
        ax.plot(x, y, ":" if constant else "-", color=colours[name], label=name, zorder=2)
    for name, (at, y, error) in points.items():
        label = None if name in lines else name
        style = {"fmt": "o", "ms": 5, "capsize": 3, "color": colours[name], "zorder": 3}
        ax.errorbar(at, y, 2 * error, label=label, markeredgecolor="white", **style)
    ax.set(**axis)
    ax.legend(fontsize=11)
    return ax.figure, ax


def frozen_noise(
    eps: Tensor, mu: float, std: float, ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """The same noise eps (L,) carried to z = mu + std * eps; the density of q stands below.

    The first collection of the axes holds the points (z, eps), the second their feet on the z
    axis. Drawing again on the same `ax` replaces the picture.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(6, 4))
    ax.clear()
    floor, limit = -4.4, 6.0
    z, colours = mu + std * eps, plt.get_cmap("viridis")(np.linspace(0.05, 0.9, len(eps)))
    ax.scatter(z, eps, s=60, c=colours, zorder=3)
    ax.scatter(z, torch.full_like(z, floor), s=60, c=colours, zorder=3, clip_on=False)
    ax.vlines(z, floor, eps, colors=colours, linestyles=":", linewidth=1.2)
    span = torch.linspace(-3, 3, 61)
    ax.plot(mu + std * span, span, color="#999999", linewidth=1.5, zorder=1)
    density = standard_normal(span) / std
    ax.fill_between(mu + std * span, floor, floor + 2 * density, color=PALETTE[0], alpha=0.25)
    ax.set(xlim=(-limit, limit), ylim=(floor, 3), yticks=[-2, 0, 2])
    ax.set(xlabel="z = μ + σε", title=f"μ = {mu:.1f}, σ = {std:.1f}")
    ax.set_ylabel("ε, frozen", y=0.6)
    return ax.figure, ax


def training_bands(
    curves: dict[str, Tensor], ylabel: str, ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """Median and 10 to 90 % band over runs, per step: name to (R, T), on a logarithmic axis."""
    if ax is None:
        _, ax = plt.subplots(figsize=(8, 4.2))
    colour = colours_of(curves)
    for name, runs in curves.items():
        low, middle, high = runs.quantile(torch.tensor([0.1, 0.5, 0.9]).to(runs), dim=0)
        ax.plot(middle, color=colour[name], label=name)
        steps = range(runs.shape[1])
        ax.fill_between(steps, low, high, color=colour[name], alpha=0.15, linewidth=0)
    ax.set(yscale="log", xlabel="step", ylabel=ylabel)
    ax.legend(fontsize=11)
    return ax.figure, ax


def histogram_and_line(
    values: Tensor, line: float, xlabel: str, name: str, ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """Histogram of single-draw estimates (L,), and the number that they estimate."""
    if ax is None:
        _, ax = plt.subplots(figsize=(8, 3.6))
    low, high = values.quantile(torch.tensor([0.001, 0.999]).to(values)).tolist()
    ax.hist(values.numpy(), bins=80, range=(low, high), alpha=0.6, label="one draw each")
    ax.axvline(line, color="black", linestyle=":", label=f"{name}: {line:.2f}")
    ax.set(xlabel=xlabel, ylabel="draws")
    ax.legend()
    return ax.figure, ax


def draws_and_density(draws: Tensor, z: Tensor, density: Tensor) -> tuple[Figure, Axes]:
    """Histogram of draws (L,), and a density at the points z (G,) as a line."""
    fig, ax = plt.subplots(figsize=(8, 3.6))
    bins = np.linspace(-6, 6, 81)
    weights = np.full(len(draws), 1 / (len(draws) * (bins[1] - bins[0])))  # draws outside count
    ax.hist(draws.numpy(), bins=bins, weights=weights, alpha=0.6, label="draws")
    ax.plot(z, density, color="black", label="density from the rule")
    ax.set(xlim=(-6, 6), xlabel="z", ylabel="density")
    ax.legend()
    return fig, ax
