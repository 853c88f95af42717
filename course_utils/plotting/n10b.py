"""Figures of notebook 10b, adversarial codes."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from course_utils.plotting.latents import latent_scatter
from course_utils.plotting.pages import panels
from course_utils.session import PALETTE

SHOWN = 3_000  # codes of a cloud


def learned_ratio(
    z: Tensor, log_p: Tensor, log_q: Tensor, logit: Tensor
) -> tuple[Figure, np.ndarray]:
    """Two densities over a line, and beside them their log ratio: exact, and a judge's logit.

    Args:
        z: (T,). log_p, log_q: (T,). logit: of the judge, (T,).
    """
    fig, axes = panels(2, width=11.5, height=3.8)
    left, right = axes
    z, log_p, log_q, logit = (t.detach().cpu().numpy() for t in (z, log_p, log_q, logit))
    left.plot(z, np.exp(log_p), color=PALETTE[7], lw=2.5, label="p(z), the prior")
    left.plot(z, np.exp(log_q), color=PALETTE[0], lw=2.5, label="q(z), two lumps")
    left.set(xlabel="z", ylabel="density", ylim=(0, 0.52))
    right.plot(z, log_p - log_q, color="black", lw=2.5, label="log p(z) − log q(z)")
    right.plot(z, logit, color=PALETTE[1], lw=2.5, ls="--", label="the judge's logit")
    right.axhline(0, color="#999999", lw=1)
    right.set(xlabel="z", ylabel="log ratio (nats)")
    left.legend(fontsize=11, loc="upper left")
    right.legend(fontsize=11, loc="upper center")
    right.set_ylim(None, 2.6)
    return fig, axes


def clouds_beside_prior(
    clouds: dict[str, Tensor], labels: Tensor, prior: str = "prior", limit: float = 4
) -> tuple[Figure, np.ndarray]:
    """Two-dimensional codes (N, 2) by class, and the prior's draws in grey; the same axes.

    Args:
        clouds: name to codes. labels: (N,), of all clouds but the prior's. prior: its name.
    """
    fig, axes = panels(len(clouds), width=4.4 * len(clouds) + 0.8, height=4.6)
    last = [name for name in clouds if name != prior][-1]
    for ax, (name, z) in zip(axes, clouds.items(), strict=True):
        z = z[:SHOWN].detach().cpu()
        if name == prior:
            ax.scatter(*z.T, s=5, alpha=0.6, color="#777777", linewidths=0)
            axis = {"xlim": (-limit, limit), "ylim": (-limit, limit), "aspect": "equal"}
            ax.set(xlabel="$z_1$", ylabel="$z_2$", **axis)
        else:
            latent_scatter(z, labels[:SHOWN], ax, limit, legend=name == last)
        ax.set_title(name, fontsize=13)
    return fig, axes


def _seed_dots(ax: Axes, rows: Sequence[dict], names: Sequence[str], value: str) -> None:
    """One dot for each seed, and a short line at the mean; one place for each model."""
    for place, (name, colour) in enumerate(zip(names, PALETTE)):
        found = np.array([row[value] for row in rows if row["model"] == name])
        spread = 0.09 * (np.arange(len(found)) - (len(found) - 1) / 2)
        ax.plot(place + spread, found, "o", color=colour, ms=8)
        ax.plot([place - 0.25, place + 0.25], [found.mean()] * 2, color=colour, lw=2.5)
    ax.set_xticks(range(len(names)), [name.replace(", ", ",\n") for name in names])
    ax.set_xlim(-0.6, len(names) - 0.4)
    ax.grid(axis="x", visible=False)


def _models(rows: Sequence[dict]) -> list[str]:
    return list(dict.fromkeys(row["model"] for row in rows))


def _seed_panels(
    rows: Sequence[dict], titles: dict[str, str], ylabel: str = ""
) -> tuple[Figure, np.ndarray]:
    """`_seed_dots` of several values from 0 on, each in a panel with its title."""
    fig, axes = panels(len(titles), width=13, height=3.9)
    for ax, (value, title) in zip(axes, titles.items(), strict=True):
        _seed_dots(ax, rows, _models(rows), value)
        ax.set(ylabel=ylabel, ylim=(0, 1.08 * ax.get_ylim()[1]))
        ax.set_title(title, fontsize=13)
    return fig, axes


def judged_clouds(rows: Sequence[dict]) -> tuple[Figure, np.ndarray]:
    """How often a new judge is right about codes, and the nats of reconstruction, by seed.

    Args:
        rows: `model`, `seed`, `right`, `right_se` and `log_lik`.
    """
    fig, axes = panels(2, width=10, height=3.9)
    names = _models(rows)
    _seed_dots(axes[0], rows, names, "right")
    for place, name in enumerate(names):
        errors = [(row["right"], row["right_se"]) for row in rows if row["model"] == name]
        for at, (right, error) in enumerate(errors):
            x = place + 0.09 * (at - (len(errors) - 1) / 2)
            axes[0].errorbar(x, right, yerr=2 * error, color="black", lw=1.2, capsize=3)
    axes[0].axhline(0.5, color="black", lw=1.2, ls=":")
    axes[0].set(ylabel="share of right answers", title="a new judge of codes and prior")
    axes[0].set_ylim(0.48, None)
    _seed_dots(axes[1], rows, names, "log_lik")
    axes[1].set(ylabel="log p(x|z), nats per digit", title="reconstruction")
    for ax in axes:
        ax.title.set_fontsize(13)
    return fig, axes


def two_distances(
    theta: Tensor, distances: dict[str, Tensor], at: Sequence[float]
) -> tuple[Figure, np.ndarray]:
    """Two uniform densities of width 1 at some shifts, and distances of both over the shift.

    Args:
        theta: (T,), shifts. distances: name to (T,). at: shifts to draw the densities at.
    """
    widths = [1] * len(at) + [1.5]
    fig, axes = plt.subplots(1, len(widths), figsize=(13, 3.9), width_ratios=widths)
    for ax, shift in zip(axes, at):
        for start, name, colour in ((0, "p", PALETTE[7]), (shift, "q", PALETTE[0])):
            ax.fill_between([start, start + 1], 1, color=colour, alpha=0.55, label=name)
        ax.set(xlabel="z", ylabel="density", title=f"θ = {shift}", ylim=(0, 1.4))
        ax.set_xlim(-0.3, float(max(at)) + 1.3)
        ax.legend(ncols=2, loc="upper center", fontsize=11)
    for (name, values), colour in zip(distances.items(), PALETTE[1:]):
        axes[-1].plot(theta.cpu().numpy(), values.cpu().numpy(), color=colour, lw=2.5, label=name)
    axes[-1].set(xlabel="θ, the shift of q", ylabel="distance")
    axes[-1].legend(fontsize=11)
    return fig, axes


def likeness_seeds(rows: Sequence[dict]) -> tuple[Figure, np.ndarray]:
    """How far reconstructions lie from digits in two views, and the contrast of dreams, by seed.

    Args:
        rows: `model`, `seed`, `pixels`, `features` and `contrast`; 1 is the distance to another
            digit, and the contrast of real digits.
    """
    titles = {
        "pixels": "distance in pixels",
        "features": "distance in features",
        "contrast": "contrast of dreams",
    }
    fig, axes = _seed_panels(rows, titles)
    axes[-1].axhline(1, color="black", lw=1.2, ls=":")
    return fig, axes


def smile_seeds(rows: Sequence[dict], groups: float) -> tuple[Figure, np.ndarray]:
    """What the smile vector moves, the smile and the other factor that moves most, by seed.

    Args:
        rows: `model`, `seed`, `smile_moves`, `others_at_most` and `error`, in spreads.
        groups: how much the smile should move.
    """
    titles = {
        "smile_moves": "the smile moves by",
        "others_at_most": "the other factor that moves most",
        "error": "error at α = 0, worst factor",
    }
    fig, axes = _seed_panels(rows, titles, "spreads")
    axes[0].axhline(groups, color="black", lw=1.2, ls=":")
    return fig, axes
