"""Figures of notebook 06, latent traversals."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from course_utils.plotting.charts import tick_sizes, write_numbers
from course_utils.plotting.pages import panels
from course_utils.session import PALETTE


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
        write_numbers(ax, table.T, "{:.2f}", pale=lambda nats: nats > 0.6 * top, size=9)
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
        tick_sizes(ax, betas)
    axes[0].set_ylim(bottom=0)
    axes[1].set_ylim(bottom=0)
    axes[0].legend()
    return fig, axes
