"""Charts that more than one notebook draws."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

from course_utils.plotting.pages import mosaic
from course_utils.session import PALETTE

DIGIT_COLOURS = plt.get_cmap("tab10").colors  # ten classes need ten colours


def curves(
    x: Sequence[float] | Tensor, lines: dict[str, Tensor], ax: Axes | None = None, **axis
) -> tuple[Figure, Axes]:
    """Lines over x, by name; a single number becomes a dotted horizontal line.

    Args:
        x: (T,). lines: name to (T,), or to one number. axis: labels and scales for `Axes.set`.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(8, 3.8))
    colours = iter(PALETTE)
    for name, y in lines.items():
        y = torch.as_tensor(y).detach().cpu()
        if y.dim():
            ax.plot(x, y, marker="o", ms=5, label=name, color=next(colours))
        else:
            ax.axhline(y.item(), color="black", linestyle=":", linewidth=1.6, label=name)
    ax.set(**axis)
    ax.legend(fontsize=11)
    return ax.figure, ax


def lines(
    x: Sequence[float],
    curves: dict[str, Sequence[float]],
    xlabel: str,
    ylabel: str,
    errors: dict[str, Tensor] | None = None,
) -> tuple[Figure, Axes]:
    """Curves over doubling sizes (logarithmic x axis), with bars of two standard errors."""
    fig, ax = plt.subplots(figsize=(8, 4))
    for (name, values), marker in zip(curves.items(), "os^Dv", strict=False):
        bars = None if errors is None else 2 * np.asarray(errors[name])
        ax.errorbar(x, np.asarray(values), bars, marker=marker, label=name, capsize=4)
    ax.set_xscale("log", base=2)
    ax.set_xticks(list(x), [str(value) for value in x])
    ax.minorticks_off()
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend()
    return fig, ax


def bars(values: dict[str, float], xlabel: str) -> tuple[Figure, Axes]:
    """One labelled bar per entry, its value written beside it."""
    fig, ax = plt.subplots(figsize=(9, 0.6 * len(values) + 1.2))
    drawn = ax.barh(list(values), list(values.values()), color=PALETTE[: len(values)])
    ax.bar_label(drawn, fmt="{:.3g}", padding=12)
    ax.set(xlabel=xlabel, xlim=(0, 1.12 * max(values.values())))
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    return fig, ax


def latent_scatter(
    codes: Tensor, labels: Tensor, ax: Axes | None = None, limit: float = 4, legend: bool = True
) -> tuple[Figure, Axes]:
    """Two-dimensional codes (N, 2), coloured by class; equal axes from -limit to limit."""
    if ax is None:
        _, ax = plt.subplots(figsize=(6.6, 6))
    codes, labels = codes.detach().cpu(), labels.cpu()
    for digit in range(10):
        z = codes[labels == digit]
        ax.scatter(*z.T, s=5, alpha=0.6, color=DIGIT_COLOURS[digit], label=digit, linewidths=0)
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), xlabel="$z_1$", ylabel="$z_2$")
    ax.set_aspect("equal")
    if legend:
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=4, title="digit")
    return ax.figure, ax


@torch.no_grad()
def latent_manifold(model: nn.Module, side: int = 20, limit: float | None = None) -> np.ndarray:
    """Decoded images on a grid over a two-dimensional latent space, as one array.

    Args:
        model: with `decode_mean` and `latent_dim == 2`.
        side: images per row and column.
        limit: None spaces the grid by the inverse Gaussian distribution function, so that each
            image stands for the same share of the prior; a number gives an even grid from -limit
            to limit.
    """
    if model.latent_dim != 2:
        raise ValueError(f"expected a model with two latent dimensions, got {model.latent_dim}")
    share = (torch.arange(side) + 0.5) / side
    ticks = (2 * share - 1) * limit if limit is not None else torch.special.ndtri(share)
    z_2, z_1 = torch.meshgrid(ticks.flip(0), ticks, indexing="ij")  # z_2 grows upwards
    z = torch.stack([z_1.flatten(), z_2.flatten()], dim=1)
    return mosaic(model.decode_mean(z.to(next(model.parameters()))), side)


def shells(draws: dict[str, Tensor], xlabel: str, bins: int = 60) -> tuple[Figure, Axes]:
    """Histograms of several sets of draws (n,) on one axis, as outlines."""
    fig, ax = plt.subplots(figsize=(8, 3.8))
    low = min(values.quantile(0.05).item() for values in draws.values())
    high = max(values.max().item() for values in draws.values())
    for name, values in draws.items():
        ax.hist(
            values.numpy(),
            np.linspace(low, high, bins),
            density=True,
            histtype="step",
            lw=2,
            label=name,
        )
    ax.set(xlabel=xlabel, ylabel="density")
    ax.legend()
    return fig, ax
