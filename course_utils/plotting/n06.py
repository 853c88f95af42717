"""Figures of notebook 06, latent traversals."""

from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from course_utils.plotting.charts import latent_scatter
from course_utils.plotting.pages import GAP, mosaic, panels, show_page
from course_utils.session import PALETTE


def traversal_table(
    decode: Callable[[Tensor], Tensor],
    z: Tensor,
    units: Sequence[int],
    names: Sequence[str],
    limit: float = 3,
    columns: int = 11,
) -> tuple[Figure, Axes]:
    """One row per latent unit: the images as this unit alone goes from -limit to limit.

    Args:
        decode: from codes (B, M) to images (B, D).
        z: (M,), where the other units stay.
        units: the units to move, counted from 0. names: of the rows, one for each unit.
    """
    values = torch.linspace(-limit, limit, columns)
    codes = z.detach().cpu().repeat(len(units), columns, 1)
    for row, unit in enumerate(units):
        codes[row, :, unit] = values
    page = mosaic(decode(codes.flatten(0, 1)), columns)
    # Not known to pyplot: in a notebook that answers its widgets in a second thread, that would
    # show, and meanwhile resize, whatever figure pyplot has open.
    fig = Figure(figsize=(11, 0.85 * len(units) + 0.9))
    ax = fig.subplots()
    show_page(page, ax=ax)
    side = (page.shape[1] + GAP) / columns
    middle = side / 2 - GAP / 2
    ax.set_xticks(
        middle + side * np.arange(columns), [f"{v:.1f}" for v in values.round(decimals=1) + 0.0]
    )
    ax.set_yticks(middle + side * np.arange(len(units)), names)
    ax.tick_params(length=0)
    ax.set_xlabel("value of the unit that moves")
    return fig, ax


def plane_map(
    decode: Callable[[Tensor], Tensor],
    z: Tensor,
    units: Sequence[int],
    codes: Tensor | None = None,
    labels: Tensor | None = None,
    limit: float = 4,
    side: int = 21,
) -> tuple[Figure, Axes]:
    """Decoded images on a grid over two latent units, pale, and the codes of images over them.

    Args:
        decode: from codes (B, M) to images (B, D).
        z: (M,), where the other units stay. units: the two units, counted from 0.
        codes: (N, 2), of images, in the two units. labels: (N,), their classes, to colour them.
    """
    ticks = (torch.arange(side) + 0.5) / side * 2 * limit - limit
    second, first = torch.meshgrid(ticks.flip(0), ticks, indexing="ij")  # the second grows upwards
    grid = z.detach().cpu().repeat(side * side, 1)
    grid[:, units[0]], grid[:, units[1]] = first.flatten(), second.flatten()
    page = mosaic(decode(grid), side)
    fig = Figure(figsize=(6.2, 5.2))  # not known to pyplot, as above
    ax = fig.subplots()
    ax.imshow(0.4 * page, cmap="gray_r", vmin=0, vmax=1, extent=(-limit, limit, -limit, limit))
    if codes is not None:
        classes = torch.zeros(len(codes), dtype=torch.long) if labels is None else labels
        latent_scatter(codes, classes, ax, limit, legend=labels is not None)
        for dots in ax.collections:
            dots.set_sizes([14])
    ax.set(xlabel=f"$z_{{{units[0] + 1}}}$", ylabel=f"$z_{{{units[1] + 1}}}$")
    ax.grid(False)
    return fig, ax


def unit_bars(kl: Tensor, names: Sequence[str]) -> tuple[Figure, Axes]:
    """The average KL of each latent unit (M,), in nats, as upright bars."""
    fig, ax = plt.subplots(figsize=(10, 3.2))
    ax.bar(list(names), kl.detach().cpu().numpy(), color=PALETTE[0])
    ax.set(xlabel="latent unit", ylabel="KL (nats)")
    ax.grid(axis="x", visible=False)
    return fig, ax


def unit_factor_tables(
    tables: dict[str, Tensor], factors: Sequence[str]
) -> tuple[Figure, np.ndarray]:
    """How much each latent unit tells of each factor: tables (M, F), in nats."""
    fig, axes = panels(len(tables), 6 * len(tables) + 1, 4.2)
    top = max(float(table.max()) for table in tables.values())
    for ax, (title, table) in zip(axes, tables.items(), strict=True):
        drawn = ax.imshow(table.T.numpy(), cmap="Blues", vmin=0, vmax=top, aspect="auto")
        for unit, row in enumerate(table.tolist()):
            for factor, nats in enumerate(row):
                dark = "white" if nats > 0.6 * top else "black"
                ax.text(unit, factor, f"{nats:.2f}", ha="center", va="center", color=dark, size=9)
        ax.set_xticks(range(len(table)), [f"z{unit + 1}" for unit in range(len(table))])
        ax.set_yticks(range(len(factors)), factors)
        ax.set(title=title, xlabel="latent unit")
        ax.grid(False)
    fig.colorbar(drawn, ax=axes, label="mutual information (nats)")
    return fig, axes


def gap_against_beta(runs: dict[str, list[dict]]) -> tuple[Figure, np.ndarray]:
    """Mean mutual information gap, active units and ELBO against β: each seed, and their mean.

    Args:
        runs: name of a data set to rows with `beta`, `gap` (factor to gap), `active` and `elbo`.
            The gap of the class, "digit", is left out: no pen stroke has one.
    """
    fig, axes = panels(3, 13, 4)
    scores = {
        "mutual information gap": lambda row: np.mean(
            [g for f, g in row["gap"].items() if f != "digit"]
        ),
        "active units": lambda row: row["active"],
        "test ELBO (nats)": lambda row: row["elbo"],
    }
    for ax, (name, score) in zip(axes, scores.items(), strict=True):
        for (data, rows), colour in zip(runs.items(), PALETTE, strict=False):
            betas = sorted({row["beta"] for row in rows})
            means = [np.mean([score(r) for r in rows if r["beta"] == beta]) for beta in betas]
            ax.plot(betas, means, color=colour, label=data)
            ax.scatter([r["beta"] for r in rows], [score(r) for r in rows], s=18, color=colour)
        ax.set(title=name, xlabel="β")
        ax.set_xscale("log", base=2)
        ax.set_xticks(betas, [str(beta) for beta in betas])
    axes[0].set_ylim(bottom=0)
    axes[1].set_ylim(bottom=0)
    axes[0].legend()
    return fig, axes
