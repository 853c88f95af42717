"""Figures of notebook 10, the adversarial cousins."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from course_utils.session import PALETTE


def judge_over_densities(
    x: Tensor, real: Tensor, fake: Tensor, judges: dict[str, Tensor]
) -> tuple[Figure, Axes]:
    """Two densities as areas, and what discriminators say of every place, from 0 to 1.

    Args:
        x: (T,). real, fake: densities (T,). judges: name to D (T,), the first one drawn thick.
    """
    fig, ax = plt.subplots(figsize=(9, 4.2))
    x = x.cpu().numpy()
    for density, name, colour in (
        (real, "p, real", PALETTE[0]),
        (fake, "q, generated", PALETTE[1]),
    ):
        values = density.detach().cpu().numpy()
        ax.fill_between(x, values, color=colour, alpha=0.3, label=name)
    styles = [("#000000", "-", 4), (PALETTE[2], "--", 2.5), (PALETTE[3], ":", 2.5)]
    for (name, values), (colour, style, width) in zip(judges.items(), styles):
        y = values.detach().cpu().numpy()
        ax.plot(x, y, style, color=colour, linewidth=width, label=name)
    ax.axhline(0.5, color=PALETTE[7], linewidth=1)
    ax.set(xlabel="x", ylabel="density; D(x)", ylim=(0, 1.05), xlim=(x[0], x[-1]))
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return fig, ax


def clouds(
    rows: dict[str, Sequence[Tensor]], columns: Sequence[str], centres: Tensor, reach: float = 3.2
) -> tuple[Figure, np.ndarray]:
    """Points in the plane, a row of panels for each name, with the places of the modes.

    Args:
        rows: name to K clouds (N, 2). columns: K titles. centres: (C, 2).
    """
    fig, axes = plt.subplots(
        len(rows), len(columns), figsize=(2.2 * len(columns), 2.2 * len(rows) + 0.4), squeeze=False
    )
    for line, (name, points) in zip(axes, rows.items(), strict=True):
        for ax, cloud in zip(line, points, strict=True):
            ax.plot(
                *centres.cpu().numpy().T, "o", color=PALETTE[0], markersize=13, fillstyle="none"
            )
            ax.scatter(*cloud.detach().cpu().numpy().T, s=5, color=PALETTE[1], zorder=3)
            ax.set(
                xlim=(-reach, reach), ylim=(-reach, reach), xticks=[], yticks=[], aspect="equal"
            )
            ax.grid(False)
        line[0].set_ylabel(name)
    for ax, title in zip(axes[0], columns, strict=True):
        ax.set_title(title)
    return fig, axes


def one_dot_a_seed(groups: dict[str, Tensor], ylabel: str, best: float) -> tuple[Figure, Axes]:
    """A number for each seed as dots, and beside them their mean with one standard error.

    Args:
        groups: name to (S,). best: the value that a dotted line marks.
    """
    fig, ax = plt.subplots(figsize=(6.5, 3.6))
    for place, values in enumerate(groups.values()):
        y = values.double().cpu().numpy()
        spread = np.linspace(-0.12, 0.12, len(y))  # so that equal numbers do not hide each other
        ax.plot(place + spread, y, "o", color=PALETTE[place], markersize=8)
        error = y.std(ddof=1) / len(y) ** 0.5
        style = {"fmt": "D", "color": "black", "capsize": 6, "markersize": 7}
        ax.errorbar(place + 0.3, y.mean(), error, label="" if place else "mean ± 1 error", **style)
    ax.axhline(best, color="black", linestyle=":", linewidth=1.5)
    ax.set(xticks=range(len(groups)), xticklabels=list(groups), ylabel=ylabel, xlim=(-0.5, None))
    ax.set_ylim(0, 1.1 * best)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return fig, ax
