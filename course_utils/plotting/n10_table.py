"""Figures of the closing table of notebook 10: the judge, and every model of the course."""

import math
import statistics
from collections.abc import Callable
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.figure import Figure
from torch import Tensor

from course_utils.plotting.pages import panels
from course_utils.session import PALETTE

Guess = Callable[[Tensor], Tensor]  # from points (N, 2) to whether each looks real, (N,)


def told_apart(
    clouds: dict[str, tuple[Tensor, Tensor, Guess]], limit: float = 4.0
) -> tuple[Figure, np.ndarray]:
    """Two clouds of points, and the regions where a judge says "real" or "sample".

    Args:
        clouds: title to (samples (N, 2), real points (N, 2), the judge's guess).
        limit: each axis goes from -limit to limit.
    """
    fig, axes = panels(len(clouds), width=4.3 * len(clouds), height=4.5)
    ticks = torch.linspace(-limit, limit, 150)
    grid = torch.cartesian_prod(ticks, ticks)
    colours = ListedColormap([PALETTE[1], PALETTE[0]])
    for ax, (title, (samples, real, guess)) in zip(axes, clouds.items(), strict=True):
        regions = guess(grid).view(len(ticks), -1).T.float()  # rows upwards, columns to the right
        how = {"cmap": colours, "vmin": 0, "vmax": 1, "alpha": 0.22, "origin": "lower"}
        ends = (-limit, limit, -limit, limit)
        ax.imshow(regions.numpy(), extent=ends, interpolation="nearest", **how)
        named = (("samples", samples, PALETTE[1], "^"), ("real", real, PALETTE[0], "o"))
        for name, points, colour, marker in named:
            style = {"s": 14, "color": colour, "marker": marker, "linewidths": 0, "label": name}
            ax.scatter(*points.T.numpy(), **style)
        ax.set(title=title, xlabel="$x_1$", xlim=ends[:2], ylim=ends[:2], aspect="equal")
        ax.grid(False)
    axes[0].set_ylabel("$x_2$")
    axes[0].legend(loc="upper left", fontsize=11, framealpha=0.9)
    return fig, axes


# --- every model ---------------------------------------------------------------------------------


class Column(NamedTuple):
    """A column of the table: its group, its head, its width in inches, and how it is printed.

    `best` and `worst` are the ends of a scale for the shade behind each number.
    """

    group: str
    head: str
    width: float
    template: str
    best: float | None = None
    worst: float | None = None


COLUMNS = {
    "probability": Column("log p(x), nats", "probability\nof 0s and 1s", 1.45, "{:.1f}"),
    "density": Column("log p(x), nats", "density\nof greys", 1.25, "{:.1f}"),
    "reconstruction": Column("encoder", "squared\nerror", 1.15, "{:.1f}", 15, 45),
    "judge_pixels": Column("the judge is right", "on\npixels", 1.2, "{:.2f}", 0.5, 1),
    "judge_features": Column("the judge is right", "on\nfeatures", 1.2, "{:.2f}", 0.5, 1),
    "precision": Column("samples", "precision:\nlike data", 1.25, "{:.2f}", 1, 0),
    "recall": Column("samples", "recall:\ncover data", 1.25, "{:.2f}", 1, 0),
    "classes": Column("samples", "classes\nof 10", 0.95, "{:.0f}", 10, 0),
    "seconds": Column("training", "CPU\nseconds", 0.95, "{:.0f}"),
}
GOOD_FOR = {
    "real digits": "the line to compare with",
    "independent pixels": "the line that a model should beat",
    "PPCA": "an exact density, no steps",
    "Gaussian mixture": "an exact density, classes",
    "autoencoder": "codes and reconstructions",
    "VAE": "codes, samples and a bound",
    "IWAE": "a tighter bound, same network",
    "VampPrior": "samples from where the codes are",
    "M2": "few labels; a class you name",
    "RBM": "exact posterior; fills in parts",
    "DBM": "features in two layers",
    "GAN": "edges without blur",
    "adversarial autoencoder": "codes that follow any prior",
    "VAE/GAN": "an encoder for sharper samples",
}
NAME_WIDTH, WORDS_WIDTH, LINE, HEAD = 3.0, 3.5, 0.5, 1.3  # inches


def over_seeds(row: dict, key: str) -> list[float]:
    """What each run of a row has in a column; empty where the row has no such number."""
    if key in ("probability", "density"):
        key = "log_p" if row["likelihood"] == key else ""
    values = [run.get(key) for run in row["runs"]]
    values = [value[0] if isinstance(value, list) else value for value in values]
    return [] if None in values else values


def _shade(value: float, column: Column) -> tuple:
    """From white (worst) to blue (best)."""
    if column.best is None:
        return (1.0, 1.0, 1.0)
    share = np.clip((value - column.worst) / (column.best - column.worst), 0, 1)
    return tuple(1 - 0.55 * share * (1 - np.array(to_rgb(PALETTE[5]))))


def _cells(ax: Axes, row: dict, top: float, left: float) -> None:
    """The numbers of one row: mean over the seeds, and their standard deviation, smaller."""
    for key, column in COLUMNS.items():
        values = over_seeds(row, key)
        middle = left + column.width / 2
        if not values:
            text = {"ha": "center", "va": "center", "fontsize": 15, "color": "#777777"}
            ax.text(middle, top + LINE / 2, "—", **text)
        else:
            mean = statistics.mean(values)
            box = plt.Rectangle((left, top), column.width, LINE, linewidth=0)
            box.set_facecolor(_shade(mean, column))
            ax.add_patch(box)
            text = {"va": "center", "color": "black"}
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            number = column.template.format(mean).replace("-", "−")
            if key in ("classes", "seconds") or spread < 1e-9:  # of one run: none
                ax.text(middle, top + LINE / 2, number, ha="center", fontsize=15, **text)
            else:
                error = " ±" + column.template.format(spread).removeprefix("0")
                place = middle + 0.15
                ax.text(place, top + LINE / 2, number, ha="right", fontsize=15, **text)
                ax.text(place, top + LINE / 2, error, ha="left", fontsize=10.5, **text)
        left += column.width


def _heads(ax: Axes, left: float, right: float) -> None:
    """The head of each column, under the name of its group."""
    bold = {"ha": "center", "va": "bottom", "fontweight": "bold", "fontsize": 14}
    groups: dict[str, list[float]] = {}
    for column in COLUMNS.values():
        groups.setdefault(column.group, [left, left])[1] = left + column.width
        ax.text(
            left + column.width / 2, -0.06, column.head, ha="center", va="bottom", fontsize=12.5
        )
        left += column.width
    for name, (start, end) in groups.items():
        ax.text((start + end) / 2, -0.76, name, **bold)
        ax.plot([start + 0.06, end - 0.06], [-0.68, -0.68], color="black", linewidth=1)
    ax.text(left + 0.12, -0.06, "good for", ha="left", va="bottom", fontsize=12.5)
    ax.plot([0, right], [0, 0], color="black", linewidth=1.5)


def model_table(rows: list[dict], good_for: dict[str, str] = GOOD_FOR) -> tuple[Figure, Axes]:
    """All models in one table: the mean over the seeds, and how much these differ.

    Args:
        rows: of the record `every_model`, in its order. good_for: a few words on each, by name.
    """
    left = NAME_WIDTH
    width = left + sum(column.width for column in COLUMNS.values()) + WORDS_WIDTH
    height = HEAD + LINE * len(rows)
    fig, ax = plt.subplots(figsize=(width, height))
    ax.set(xlim=(0, width), ylim=(LINE * len(rows), -HEAD))
    ax.axis("off")
    _heads(ax, left, width)
    for n, row in enumerate(rows):
        top = n * LINE
        plain = {"va": "center", "ha": "left"}
        ax.text(0.05, top + LINE / 2, row["name"], fontsize=15, fontweight="bold", **plain)
        _cells(ax, row, top, left)
        words = good_for.get(row["name"], "")
        ax.text(width - WORDS_WIDTH + 0.12, top + LINE / 2, words, fontsize=13, **plain)
        ax.plot([0, width], [top + LINE] * 2, color="#cccccc", linewidth=0.8)
    return fig, ax


def like_and_cover(rows: list[dict]) -> tuple[Figure, Axes]:
    """Precision against recall: a dot for each seed, joined at their mean, and the model's name.

    Args:
        rows: of the record `every_model`.
    """
    fig, ax = plt.subplots(figsize=(10, 6.2))
    dots, names = [], {}
    for n, row in enumerate(rows):
        across, up = (over_seeds(row, key) for key in ("recall", "precision"))
        colour, marker = PALETTE[n % 7], "os^Dv"[n // 7 % 5]
        ax.plot(across, up, marker, color=colour, markersize=10, label=row["name"], alpha=0.85)
        dots += zip(across, up, strict=True)
        x, y = statistics.mean(across), statistics.mean(up)
        names[row["name"]] = x, y, list(zip(across, up, strict=True))
        for dot in zip(across, up, strict=True):
            ax.plot(*zip((x, y), dot, strict=True), color=colour, linewidth=1.5)
    taken = [(x - 0.012, x + 0.012, y) for x, y in dots]
    for name, (x, y, own) in names.items():
        place = _free_place(x, y, 0.02 + 0.0125 * len(name), taken)
        taken.append(place)
        ax.text(place[0], place[2], name, va="center", fontsize=13)
        if abs(place[2] - y) > 0.02:  # not beside its dots: a line leads there
            foot = (place[0] + place[1]) / 2, place[2] - math.copysign(0.02, place[2] - y)
            dot = min(own, key=lambda dot: math.dist(dot, foot))
            ax.plot(*zip(foot, dot, strict=True), color="#777777", linewidth=0.8, zorder=1)
    ax.set(xlabel="recall: share of the data that samples cover", xlim=(-0.03, 1.2))
    ax.set(ylabel="precision: share of samples like data", ylim=(-0.03, 1.08))
    ax.set_xticks(np.linspace(0, 1, 6))
    return fig, ax


def _free_place(x: float, y: float, width: float, taken: list) -> tuple[float, float, float]:
    """Left end, right end and height of a name beside a dot: the first that hides nothing.

    Args:
        taken: what is there, each (left, right, height).
    """
    right, left, middle = x + 0.022, x - 0.022 - width, x - width / 2
    tries = [(right, y), (left, y), (middle, y + 0.05), (middle, y - 0.05)]
    for step in (0.04, -0.04, 0.07, -0.07, 0.1, -0.1):
        tries += [(right, y + step), (left, y + step)]
    for start, height in tries:
        apart = (
            start > end or start + width < begin or abs(height - other) > 0.033
            for begin, end, other in taken
        )
        if all(apart) and start > 0.01:
            return start, start + width, height
    return right, right + width, y
