"""Figures of notebook 08, learning from few labels."""

from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from torch import Tensor

from course_utils.plotting.charts import letters
from course_utils.plotting.latents import DIGIT_COLOURS
from course_utils.plotting.pages import panels
from course_utils.session import PALETTE

Guess = Callable[[Tensor], Tensor]  # from points (N, 2) to classes (N,)


def label_planes(
    guesses: dict[str, Guess | None],
    few: Tensor,
    labels: Tensor,
    cloud: Tensor,
    limit: float = 4,
) -> tuple[Figure, np.ndarray]:
    """The plane of codes, once for each classifier: its regions, and the few labelled codes.

    Args:
        guesses: title to a classifier of points, whose regions are coloured; None draws the
            cloud without regions.
        few: (L, 2), codes with labels (L,), each written as its digit.
        cloud: (N, 2), codes without labels: grey dots, faint in the first panel.
    """
    fig, axes = panels(len(guesses), width=4.7 * len(guesses), height=4.9)
    ticks = torch.linspace(-limit, limit, 200)
    points = torch.cartesian_prod(ticks, ticks)
    ends, colours = (-limit, limit, -limit, limit), ListedColormap(DIGIT_COLOURS)
    for n, (ax, (title, guess)) in enumerate(zip(axes, guesses.items(), strict=True)):
        if guess is not None:
            regions = guess(points).view(200, 200).T  # rows upwards, columns to the right
            how = {"cmap": colours, "vmin": -0.5, "vmax": 9.5, "alpha": 0.3, "origin": "lower"}
            ax.imshow(regions.numpy(), extent=ends, interpolation="nearest", **how)
        faint = 0.35 if n else 0.12
        ax.scatter(*cloud.T.numpy(), s=2, color="#555555", alpha=faint, linewidths=0)
        for z, label in zip(few.tolist(), labels.tolist(), strict=True):
            bold = {"fontsize": 11, "fontweight": "bold", "ha": "center", "va": "center"}
            ax.text(*z, str(label), color=letters(DIGIT_COLOURS[label]), clip_on=True, **bold)
        ax.set(xlim=ends[:2], ylim=ends[:2], xlabel="$z_1$", ylabel="$z_2$", title=title)
        ax.set_aspect("equal")
        ax.grid(False)
    return fig, axes


def error_rates(
    rates: dict[str, tuple[float, float]], grouped: Sequence[str] = ()
) -> tuple[Figure, Axes]:
    """Test errors in percent, one row for each way, with bars of two standard errors.

    Args:
        rates: name to (error, its standard error), shares of the test digits.
        grouped: the names that are drawn in the second colour.
    """
    fig, ax = plt.subplots(figsize=(9, 0.5 * len(rates) + 1.1))
    for row, (name, (rate, error)) in enumerate(rates.items()):
        colour = PALETTE[1] if name in grouped else PALETTE[0]
        ax.barh(row, 100 * rate, color=colour, alpha=0.35, height=0.6)
        ax.errorbar(100 * rate, row, xerr=200 * error, fmt="o", color=colour, capsize=4)
        right = {"xytext": (10, 0), "textcoords": "offset points", "va": "center"}
        ax.annotate(f"{100 * rate:.1f}", (100 * (rate + 2 * error), row), fontsize=12, **right)
    ax.set_yticks(range(len(rates)), list(rates))
    ax.invert_yaxis()
    most = max(rate + 2 * error for rate, error in rates.values())
    ax.set(xlabel="test error, percent", xlim=(0, 115 * most))
    ax.grid(axis="y", visible=False)
    return fig, ax


def areas_with_errors(
    areas: dict[str, dict[str, tuple[float, float]]],
) -> tuple[Figure, Axes]:
    """Areas under ROC curves: a row for each kind of image, a mark for each score.

    Args:
        areas: kind of image to {score: (area, its standard error)}.
    """
    scores = list(next(iter(areas.values())))
    fig, ax = plt.subplots(figsize=(9, 0.65 * len(areas) + 1.4))
    for n, score in enumerate(scores):
        values, errors = zip(*(row[score] for row in areas.values()), strict=True)
        at = np.arange(len(areas)) + 0.2 * (n - (len(scores) - 1) / 2)
        bars = 2 * np.asarray(errors)
        style = {"color": PALETTE[n], "marker": "os^Dv"[n], "markersize": 8, "label": score}
        ax.errorbar(values, at, xerr=bars, linestyle="none", capsize=4, **style)
    ax.axvline(0.5, color="black", linestyle=":", linewidth=1.5)
    ax.set_yticks(range(len(areas)), list(areas))
    ax.invert_yaxis()
    ax.set(xlim=(-0.03, 1.03), xlabel="area: 1 catches every image, ½ is a coin toss")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return fig, ax
