"""Charts of numbers that more than one notebook draws, and the parts that several are made of."""

from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from torch import Tensor

from course_utils.distributions import normal_log_prob
from course_utils.session import PALETTE

MARKERS = [{"marker": marker} for marker in "os^Dv"]
DOTS = [{"marker": "o", "markersize": 5}]
READABLE = 4.5  # contrast of letters with what is behind them: WCAG 2.2, level AA


def contrast(colour: Any, other: Any = "white") -> float:
    """How far two colours differ in lightness (WCAG): 1 for equal ones, 21 for black on white."""
    light = []
    for channels in (to_rgb(colour), to_rgb(other)):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        light.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)
    return max(light) / min(light)


def letters(colour: Any) -> str:
    """A colour for letters on white: the same, darker where it would be hard to read."""
    channels = np.array(to_rgb(colour))
    while contrast(channels) < READABLE:
        channels *= 0.98
    return to_hex(channels)


def letters_on(colour: Any) -> str:
    """White or black, whichever can be read on a patch of a colour."""
    return "white" if contrast(colour) >= READABLE else "black"


def curves(
    x: Sequence[float] | Tensor, lines: dict[str, Tensor], ax: Axes | None = None, **axis
) -> tuple[Figure, Axes]:
    """Lines over x, by name; a single number becomes a dotted horizontal line.

    Args:
        x: (T,). lines: name to (T,), or to one number. axis: labels and scales for `Axes.set`.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(8, 3.8))
    draw_lines(ax, x, lines, DOTS)
    ax.set(**axis)
    ax.legend(fontsize=11)
    return ax.figure, ax


def lines(
    x: Sequence[float],
    values: dict[str, Sequence[float]],
    xlabel: str,
    ylabel: str,
    errors: dict[str, Tensor] | None = None,
) -> tuple[Figure, Axes]:
    """Lines over sizes that double, by name, with bars of two standard errors.

    Args:
        x: (T,), the sizes. values, errors: name to (T,).
    """
    fig, ax = plt.subplots(figsize=(8, 4))
    draw_lines(ax, x, values, MARKERS, errors)
    tick_sizes(ax, x)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend()
    return fig, ax


# --- parts of charts -----------------------------------------------------------------------------


def draw_lines(
    ax: Axes,
    x: Sequence[float] | Tensor | None,
    lines: dict[str, Sequence[float] | Tensor | float],
    styles: Sequence[dict] = ({},),
    errors: dict[str, Tensor] | None = None,
) -> None:
    """Lines over x in the colours of the palette, each with its name for the legend.

    Args:
        x: (T,); None counts the values of each line from 0.
        lines: name to (T,); a single number becomes a dotted horizontal line.
        styles: of the lines in turn, from the first one again where they run out.
        errors: name to standard errors (T,); bars show two of them.
    """
    colours = cycle(PALETTE)
    for (name, y), style in zip(lines.items(), cycle(styles)):
        y = torch.as_tensor(y).detach().cpu().numpy()
        if y.ndim == 0:
            ax.axhline(float(y), color="black", linestyle=":", linewidth=1.6, label=name)
            continue
        at = np.arange(len(y)) if x is None else np.asarray(x)
        style = {"color": next(colours), "label": name, **style}
        if errors is None:
            ax.plot(at, y, **style)
        else:
            ax.errorbar(at, y, 2 * np.asarray(errors[name]), capsize=4, **style)


def tick_sizes(ax: Axes, sizes: Sequence[float]) -> None:
    """A logarithmic x axis with a tick at each size, and at nothing else."""
    ax.set_xscale("log", base=2)
    ax.set_xticks(list(sizes), [str(size) for size in sizes])
    ax.set_xticks([], minor=True)


def write_numbers(
    ax: Axes, values: Tensor, template: str, pale: Callable[[float], bool], **style
) -> None:
    """A number in the middle of each cell of an image (rows, columns), by its format.

    `pale` says of a value whether its cell is dark and needs white letters. NaN stays unwritten.
    """
    for row, numbers in enumerate(values.tolist()):
        for column, value in enumerate(numbers):
            if value == value:
                colour = "white" if pale(value) else "black"
                text = template.format(value)
                ax.text(column, row, text, ha="center", va="center", color=colour, **style)


def standard_normal(t: Tensor) -> Tensor:
    """The density N(t | 0, 1) of each number, (...) -> (...)."""
    zero = t.new_zeros(1)
    return normal_log_prob(t[..., None], zero, zero).exp()


def ellipse(mu: Tensor, root: Tensor, scale: float = 2.0) -> Tensor:
    """The outline (2, 200) at `scale` standard deviations of N(mu, root @ root.T).

    Args:
        mu: (2,). root: (2, 2), a Cholesky factor, or standard deviations on the diagonal.
    """
    angle = torch.linspace(0, 2 * torch.pi, 200, dtype=torch.float64)
    circle = torch.stack([angle.cos(), angle.sin()])
    return mu.double()[:, None] + scale * root.double() @ circle


def level_of_mass(density: Tensor, mass: float) -> float:
    """The density whose outline holds this share of a distribution on an even grid."""
    descending = density.flatten().sort(descending=True).values
    held = descending.cumsum(0) / descending.sum()
    return descending[(held < mass).sum()].item()
