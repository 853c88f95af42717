"""Figures of notebook 04, the reparameterization trick."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from course_utils.plotting.charts import standard_normal
from course_utils.session import PALETTE


def repeated_intervals(
    results: dict[str, tuple[Tensor, Tensor]], exact: float, xlabel: str, shown: int = 40
) -> tuple[Figure, np.ndarray]:
    """Many repetitions of an estimate, each with its 95 % interval, against the exact value.

    Args:
        results: name to (means, standard errors), each (R,); the first `shown` are drawn.
    """
    fig, axes = plt.subplots(1, len(results), figsize=(11, 4.2), sharex=True, squeeze=False)
    axes = axes[0]
    for i, (ax, (name, (means, errors))) in enumerate(zip(axes, results.items(), strict=True)):
        for row, (mean, error) in enumerate(zip(means[:shown], errors[:shown], strict=True)):
            misses = abs(mean - exact) > 1.96 * error
            colour, size = ("black", 6) if misses else (PALETTE[i], 4)
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
    colours = dict(zip(dict.fromkeys([*lines, *points]), PALETTE, strict=False))
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
    curves: dict[str, Tensor],
    ylabel: str,
    ax: Axes | None = None,
    colours: Sequence[str] | None = None,
) -> tuple[Figure, Axes]:
    """Median and 10 to 90 % band over runs, per step: name to (R, T), on a logarithmic axis.

    `colours` lists all names in the order of the palette, where `curves` does not hold all.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(8, 4.2))
    colour = dict(zip(colours or curves, PALETTE, strict=False))
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
