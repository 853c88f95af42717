"""Figures of notebook 07b, four stronger parts."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from torch import Tensor

from course_utils.plotting.charts import level_of_mass
from course_utils.plotting.pages import panels
from course_utils.session import PALETTE


def stretched(
    eps: Tensor, z: Tensor, densities: tuple[Tensor, Tensor], intervals: Sequence[tuple[int, int]]
) -> tuple[Figure, np.ndarray]:
    """A map of one number, and the densities before and after: what is stretched gets lower.

    Args:
        eps, z: (T,), rising numbers and where the map takes them.
        densities: of eps and of z, each (T,).
        intervals: pairs of places in `eps`; each interval is shaded before and after the map.
    """
    fig, axes = panels(3, width=13.5, height=3.9)
    before, between, after = axes
    eps, z = (t.cpu().numpy() for t in (eps, z))
    densities = [t.cpu().numpy() for t in densities]
    names = ("ε", "z = f(ε)")
    for ax, at, density, name in zip((before, after), (eps, z), densities, names):
        ax.plot(at, density, color="black", linewidth=2)
        ax.set(xlabel=name, ylabel="density", ylim=(0, 0.44), xlim=(at[0], at[-1]))
    between.plot(eps, z, color="black", linewidth=2)
    between.set(xlabel="ε", ylabel="z", xlim=(eps[0], eps[-1]), ylim=(z[0], z[-1]))
    for (a, b), colour in zip(intervals, PALETTE[1:]):
        for ax, at, density in ((before, eps, densities[0]), (after, z, densities[1])):
            ax.fill_between(at[a : b + 1], density[a : b + 1], color=colour, alpha=0.7)
            label = f"width {at[b] - at[a]:.2f}"
            ax.annotate(
                label,
                (float(at[(a + b) // 2]), float(density[(a + b) // 2])),
                xytext=(4, 6),
                textcoords="offset points",
                fontsize=12,
                color=colour,
            )
        between.axvspan(float(eps[a]), float(eps[b]), color=colour, alpha=0.35)
        between.axhspan(float(z[a]), float(z[b]), color=colour, alpha=0.35)
    before.set_title("before")
    between.set_title("the map")
    after.set_title("after")
    return fig, axes


def bent_posteriors(
    ticks: tuple[Tensor, Tensor],
    log_posterior: Tensor,
    approximations: dict[str, Tensor],
    letter: str = "z",
) -> tuple[Figure, np.ndarray]:
    """One exact posterior, and beside it one q a panel, by the outlines of the same two masses.

    Every pair of outlines holds 39 % and 86 % of its distribution.

    Args:
        ticks: of z_1 and of z_2, each (T,). log_posterior: (T, T), z_1 along the first axis.
        approximations: title to log q (T, T). letter: of the axes.
    """
    fig, axes = panels(len(approximations), width=3.9 * len(approximations), height=4.1)
    for ax, (title, log_q) in zip(axes, approximations.items()):
        draw_masses(ax, ticks, log_posterior)
        draw_masses(ax, ticks, log_q, PALETTE[1])
        ax.set(xlabel=f"${letter}_1$", aspect="equal")
        ax.set_title(title, fontsize=13)
        ax.grid(False)
    axes[0].set_ylabel(f"${letter}_2$")
    axes[0].fill([], [], color=PALETTE[7], alpha=0.6, label="exact posterior")
    axes[0].plot([], [], color=PALETTE[1], label="q")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig, axes


def draw_masses(
    ax: Axes, ticks: tuple[Tensor, Tensor], log_density: Tensor, colour: str | None = None
) -> None:
    """Outlines that hold 39 % and 86 % of a density on a grid; grey and filled without a colour.

    Args:
        ticks: each (T,). log_density: (T, T), the first tick along the first axis.
    """
    density = (log_density - log_density.max()).exp().detach().cpu()
    levels = [level_of_mass(density, mass) for mass in (0.865, 0.393)]
    grid = *(t.cpu().numpy() for t in ticks), density.T.numpy()
    if colour is None:
        ax.contourf(*grid, [*levels, 1.01], colors=[PALETTE[7]], alpha=0.45)
        ax.contour(*grid, levels, colors=["#555555"], linewidths=1.2)
    else:
        ax.contour(*grid, levels, colors=[colour], linewidths=2)


def densities_over_plane(densities: dict[str, Tensor], limit: float) -> tuple[Figure, np.ndarray]:
    """Densities over the same plane, in the same shades; pale ones are made darker by a root.

    Args:
        densities: name to density (T, T) on an even grid from -limit to limit, z_1 along the
            first axis.
    """
    fig, axes = panels(len(densities), width=3.3 * len(densities) + 0.8, height=3.7)
    highest = max(float(density.max()) for density in densities.values())
    for ax, (name, density) in zip(axes, densities.items()):
        shown = ax.imshow(
            density.T.cpu().numpy(),
            origin="lower",
            extent=(-limit, limit, -limit, limit),
            cmap="Greys",
            norm=PowerNorm(0.5, vmin=0, vmax=highest),
        )
        ax.set(title=name, xlabel="$z_1$", aspect="equal")
        ax.grid(False)
    axes[0].set_ylabel("$z_2$")
    bar = fig.colorbar(shown, ax=list(axes), shrink=0.8, label="density")
    bar.ax.tick_params(labelsize=10)
    return fig, axes


def noise_on_its_way(stages: dict[str, Tensor], limit: float) -> tuple[Figure, np.ndarray]:
    """The same draws after some steps of a flow, coloured by where each began.

    Args:
        stages: name to draws (N, 2), in the order of the flow; the first one is the noise.
    """
    fig, axes = panels(len(stages), width=3.3 * len(stages), height=3.7)
    start = next(iter(stages.values())).cpu()
    angle = torch.atan2(start[:, 1], start[:, 0])
    for ax, (name, draws) in zip(axes, stages.items()):
        ax.scatter(*draws.cpu().T, s=4, c=angle, cmap="hsv", linewidths=0)
        ax.set(title=name, xlabel="$z_1$", aspect="equal")
        ax.set(xlim=(-limit, limit), ylim=(-limit, limit))
    axes[0].set_ylabel("$z_2$")
    return fig, axes


def gains_of_rows(rows: Sequence[dict], reference: str = "baseline") -> tuple[Figure, Axes]:
    """What each row gains over the reference: log p(x) and ELBO, one dot a seed with 2 errors.

    Args:
        rows: `row`, `name`, and `runs`, one for each seed, with `gain_log_p`, `gain_elbo` and
            their errors `..._se`, nats per image.
    """
    shown = [row for row in rows if row["row"] != reference]
    fig, ax = plt.subplots(figsize=(9.5, 0.9 + 0.85 * len(shown)))
    for place, row in enumerate(shown):
        for up, name, colour in ((-0.18, "log_p", PALETTE[0]), (0.18, "elbo", PALETTE[1])):
            values = [run[f"gain_{name}"] for run in row["runs"]]
            errors = [2 * run[f"gain_{name}_se"] for run in row["runs"]]
            ax.barh(place + up, np.mean(values), height=0.34, color=colour, alpha=0.35)
            spread = 0.1 * (np.arange(len(values)) - (len(values) - 1) / 2)
            style = {"fmt": "o", "color": colour, "markersize": 5, "capsize": 3}
            ax.errorbar(values, place + up + spread, xerr=errors, **style)
    for name, colour in (("log p(x)", PALETTE[0]), ("ELBO", PALETTE[1])):
        ax.barh([0], [0], color=colour, alpha=0.5, label=name)
    ax.axvline(0, color="black", linewidth=1.2)
    ax.set_yticks(range(len(shown)), [f"{row['row']}:\n{row['name']}" for row in shown])
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set(xlabel=f"gain over the {reference}, nats per image")
    ax.legend(loc="best")
    return fig, ax
