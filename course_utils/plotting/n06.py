"""Figures of notebook 06, latent traversals."""

from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Arc
from scipy.stats import chi
from torch import Tensor

from course_utils.plotting.charts import letters, tick_sizes, write_numbers
from course_utils.plotting.pages import panels
from course_utils.session import PALETTE


def unit_bars(kl: Tensor, names: Sequence[str]) -> tuple[Figure, Axes]:
    """The average KL of each latent unit (M,), in nats, as upright bars."""
    fig, ax = plt.subplots(figsize=(10, 3.2))
    ax.bar(list(names), kl.detach().cpu().numpy(), color=PALETTE[0])
    ax.set(xlabel="latent unit", ylabel="KL (nats)")
    ax.grid(axis="x", visible=False)
    return fig, ax


def shells(codes: dict[str, Tensor], bins: int = 40) -> tuple[Figure, Axes]:
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


def chord_and_arc(
    straight: Callable[[Tensor, Tensor, Tensor], Tensor],
    spherical: Callable[[Tensor, Tensor, Tensor], Tensor],
) -> tuple[Figure, Axes]:
    """Two ways between two codes at a right angle, equally far from 0, in the plane of both.

    Args:
        straight, spherical: from two codes (2,) and shares t (T,) of the way to codes (T, 2).
    """
    z_a, z_b = torch.tensor([[-1.0, 1.0], [1.0, 1.0]]) / 2**0.5
    t = torch.tensor([0, 0.25, 0.5, 0.75, 1])
    fig, ax = plt.subplots(figsize=(5.2, 3.1))
    for x, y in (z_a.tolist(), z_b.tolist()):
        ax.plot([0, x], [0, y], color="#999999", lw=1.2, ls="--")
    for (name, way), colour in zip(
        {"straight": straight, "spherical": spherical}.items(), PALETTE, strict=False
    ):
        ax.plot(*way(z_a, z_b, torch.linspace(0, 1, 61)).T.numpy(), color=colour, lw=2)
        ax.plot(*way(z_a, z_b, t).T.numpy(), "o", color=colour, ms=7)
        x, y = way(z_a, z_b, t[2:3])[0].tolist()
        above = {"textcoords": "offset points", "ha": "center", "color": letters(colour)}
        ax.annotate(name, (x, y), (0, 8), **above)
    ax.plot(0, 0, "o", color="black", ms=5)
    ax.add_patch(Arc((0, 0), 0.36, 0.36, theta1=45, theta2=135, color="#666666"))
    ax.text(0, 0.21, "ω", ha="center", va="bottom")
    ax.text(0.06, -0.02, "0", va="center")
    ax.text(z_a[0] - 0.07, z_a[1], "$z_A$", ha="right", va="center")
    ax.text(z_b[0] + 0.07, z_b[1], "$z_B$", ha="left", va="center")
    ax.set(xlim=(-1.05, 1.05), ylim=(-0.08, 1.2), aspect="equal")
    ax.axis("off")
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
    fig.set_dpi(90)  # a large picture on a page whose size is limited
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
