"""Figures of notebook 06, latent traversals."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import chi
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


def shells(codes: dict[str, Tensor], bins: int = 60) -> tuple[Figure, Axes]:
    """Distances from 0 of several sets of codes (N, M), from zero on, and what N(0, I) gives.

    The black curve is the density of |z| for z ~ N(0, I): the chi distribution of M degrees.
    """
    fig, ax = plt.subplots(figsize=(9, 4))
    distances = {name: z.double().norm(dim=1).numpy() for name, z in codes.items()}
    high = 1.05 * max(values.max() for values in distances.values())
    for (name, values), colour in zip(distances.items(), PALETTE, strict=False):
        shape = {"bins": np.linspace(0, high, bins), "density": True, "histtype": "step", "lw": 2}
        ax.hist(values, **shape, color=colour, label=name)
    M = next(iter(codes.values())).shape[1]
    t = np.linspace(0, high, 400)
    ax.plot(t, chi.pdf(t, df=M), color="black", lw=1.6, label=f"exactly, for N(0, I), M = {M}")
    ax.set(xlabel="distance |z| from 0", ylabel="density", xlim=(0, high), ylim=(0, None))
    ax.legend(loc="upper left", fontsize=11)
    return fig, ax


def unit_factor_tables(
    tables: dict[str, Tensor], factors: Sequence[str]
) -> tuple[Figure, np.ndarray]:
    """How much each latent unit tells of each factor: tables (M, F), in nats."""
    fig, axes = panels(len(tables), 5.6 * len(tables) + 1, 3.8)
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
    """Mean mutual information gap, units in use and ELBO against β: each seed, and their mean.

    Thin lines join the runs of one seed, for these start alike and see the images in one order.

    Args:
        runs: name of a data set to rows with `beta`, `seed`, `gap` (factor to gap), `active` and
            `elbo`. The gap of the class, "digit", is left out: no pen stroke has one.
    """
    fig, axes = panels(3, 12.5, 3.6)
    scores = {
        "mutual information gap": lambda row: np.mean(
            [g for f, g in row["gap"].items() if f != "digit"]
        ),
        "units with a KL above 0.05 nats": lambda row: row["active"],
        "ELBO of grey test images (nats)": lambda row: row["elbo"],
    }
    for ax, (name, score) in zip(axes, scores.items(), strict=True):
        for (data, rows), colour in zip(runs.items(), PALETTE[2:], strict=False):
            betas = sorted({row["beta"] for row in rows})
            means = [np.mean([score(r) for r in rows if r["beta"] == beta]) for beta in betas]
            ax.plot(betas, means, color=colour, lw=3, label=data)
            for seed in sorted({row["seed"] for row in rows}):
                run = sorted((r["beta"], score(r)) for r in rows if r["seed"] == seed)
                ax.plot(*zip(*run), "o-", color=colour, lw=0.7, ms=4, alpha=0.7)
        ax.set(title=name, xlabel="β")
        ax.title.set_fontsize(13)
        tick_sizes(ax, betas)
    axes[0].set_ylim(bottom=0)
    axes[1].set_ylim(bottom=0)
    axes[0].legend()
    return fig, axes
