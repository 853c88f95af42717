"""Figures of notebook 05, a VAE on MNIST."""

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from course_utils.data import ImageData, as_float
from course_utils.plotting.charts import (
    draw_lines,
    ellipse,
    level_of_mass,
    standard_normal,
    tick_sizes,
    write_numbers,
)
from course_utils.plotting.latents import latent_manifold, latent_scatter
from course_utils.plotting.pages import GAP, as_images, mosaic, panels, show_page
from course_utils.session import PALETTE, own_seed
from course_utils.training import History


def plot_history(history: History) -> tuple[Figure, np.ndarray]:
    """-ELBO, its reconstruction term and its KL over the epochs of a VAE, on train and test."""
    titles = {"elbo": "−ELBO", "log_lik": "reconstruction: −E[log p(x|z)]", "kl": "KL(q ‖ prior)"}
    styles = [{"linestyle": style, "marker": "."} for style in ("--", "-")]
    fig, axes = panels(3, height=3.8)
    for ax, (name, title) in zip(axes, titles.items(), strict=True):
        sign = 1 if name == "kl" else -1
        values = {s: sign * np.array(history.column(f"{s}_{name}")) for s in ("train", "test")}
        draw_lines(ax, history.column("epoch"), values, styles)
        ax.set(title=title, xlabel="epoch")
        ax.xaxis.get_major_locator().set_params(integer=True)
    axes[0].set_ylabel("nats per image")
    axes[0].legend()
    return fig, axes


def plot_towards(values: Sequence[float], goal: float, name: str) -> tuple[Figure, Axes]:
    """An ELBO per epoch, (T,), climbing to a line that is known; cut off 60 nats below it."""
    fig, ax = plt.subplots(figsize=(8, 3.6))
    ax.axhline(goal, color="black", linestyle=":", label=name)
    ax.plot(range(1, len(values) + 1), values, marker=".", label="ELBO")
    lowest = max(min(values), goal - 60)
    margin = 0.05 * (goal - lowest)
    ax.set(xlabel="epoch", ylabel="nats per image", ylim=(lowest - margin, goal + margin))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(loc="lower right")
    return fig, ax


def plane_and_page(
    model: nn.Module,
    z: Tensor,
    labels: Tensor,
    limit: float = 4,
    side: int = 11,
    mark: tuple[float, float] | None = None,
) -> tuple[Figure, np.ndarray]:
    """Codes z (N, 2) coloured by class, and beside them what each place decodes to, on one square.

    Dotted circles are the prior's, at one, two and three standard deviations. An orange frame
    stands around the image whose place is nearest to `mark`, if there is one.
    """
    fig, axes = panels(2, width=8.4, height=3.8)
    latent_scatter(z, labels, axes[0], limit, legend=False)
    for dots in axes[0].collections:
        dots.set_rasterized(True)
    page = latent_manifold(model, side, limit)
    axes[1].imshow(
        0.75 * page, cmap="gray_r", vmin=0, vmax=1, extent=(-limit, limit, -limit, limit)
    )
    if mark is not None:
        width = 2 * limit / side
        corner = [math.floor((m + limit) / width) * width - limit for m in mark]
        frame = Rectangle(corner, width, width, fill=False, edgecolor=PALETTE[1], linewidth=2)
        axes[1].add_patch(frame)
    axes[1].set(xlabel="$z_1$", ylabel="$z_2$")
    axes[1].grid(False)
    for ax, title in zip(axes, ("draws from q(z|x), by class", "decoded"), strict=True):
        ax.set_title(title)
    draw_prior(axes[0])
    draw_prior(axes[1], linewidth=0.8)  # thin, because digits lie below
    handles, names = axes[0].get_legend_handles_labels()
    axes[0].legend(handles, names, loc="center right", bbox_to_anchor=(-0.16, 0.5), markerscale=4)
    return fig, axes


def draw_prior(ax: Axes, linewidth: float = 1.5) -> None:
    """The standard normal prior of a plane, as circles of one, two and three deviations."""
    for radius in (1, 2, 3):
        circle = ellipse(torch.zeros(2), torch.eye(2), radius)
        ax.plot(*circle, color="black", linestyle=":", linewidth=linewidth)


def against_prior(ticks: Tensor, density: Tensor, limit: float = 4) -> tuple[Figure, np.ndarray]:
    """A density (T, T) over the plane against the standard normal: both, and their ratio.

    The ratio is drawn inside the prior's third circle only.

    Args:
        ticks: (T,), of both axes; z_1 varies along the first axis of `density`.
    """
    inside = ticks.abs() <= limit
    ticks, density = ticks[inside].cpu(), density[inside][:, inside].cpu()
    prior = standard_normal(ticks)[:, None] * standard_normal(ticks)[None]
    ratio = torch.log2(density / prior).clamp(-4, 4)
    ratio[ticks[:, None] ** 2 + ticks**2 > 9] = torch.nan  # both are almost zero there
    fig, axes = panels(3, width=12, height=3.8)
    frame = {"extent": (-limit, limit, -limit, limit), "origin": "lower"}
    greys = plt.get_cmap("Greys", 8)  # few shades: each can be told, and the picture stays small
    for ax, values in zip(axes, (density, prior)):
        shades = ax.imshow(values.T.numpy(), cmap=greys, vmin=0, vmax=0.2, **frame)
    fig.colorbar(shades, ax=axes[1], shrink=0.8, label="density", extend="max")
    shades = axes[2].imshow(
        ratio.T.numpy(), cmap=plt.get_cmap("RdBu_r", 8), vmin=-4, vmax=4, **frame
    )
    bar = fig.colorbar(shades, ax=axes[2], shrink=0.8, ticks=[-4, -2, 0, 2, 4])
    bar.ax.set_yticklabels(["1/16", "1/4", "1", "4", "16"])
    titles = "aggregate posterior q(z)", "prior p(z)", "q(z) / p(z)"
    for ax, title in zip(axes, titles, strict=True):
        ax.set(title=title, xlabel="$z_1$", ylabel="$z_2$")
        ax.grid(False)
        draw_prior(ax)
    return fig, axes


def posteriors(
    planes: Sequence[tuple[Tensor, Tensor, Tensor]],
    gaussians: dict[str, tuple[Tensor, Tensor]],
    x: Tensor,
) -> tuple[Figure, np.ndarray]:
    """Exact posteriors and Gaussians beside them, each by the outlines of the same two masses.

    Every pair of outlines holds 39 % and 86 % of its distribution: for a Gaussian these are one
    and two standard deviations.

    Args:
        planes: for each of n images the ticks (T,) of z_1 and of z_2, and the log density (T, T)
            of its posterior there, z_1 along the first axis.
        gaussians: name to mean and log variance, each (n, 2); the axes of these are the plane's.
        x: (n, D), the images, as insets.
    """
    fig, axes = panels(len(x), width=4 * len(x), height=4.3)
    styles = [{"color": PALETTE[1]}, {"color": PALETTE[0], "linestyle": "--"}]
    for n, (ax, (first, second, log_density)) in enumerate(zip(axes, planes, strict=True)):
        density = (log_density - log_density.max()).exp().cpu()
        levels = [level_of_mass(density, mass) for mass in (0.865, 0.393)]
        grid = first.cpu().numpy(), second.cpu().numpy(), density.T.numpy()
        ax.contourf(*grid, [*levels, 1.01], colors=[PALETTE[7]], alpha=0.45)
        ax.contour(*grid, levels, colors=["#555555"], linewidths=1.2)
        for (name, (mu, log_var)), style in zip(gaussians.items(), styles):
            std = torch.exp(0.5 * log_var[n]).cpu()
            for scale in (1, 2):
                outline = ellipse(mu[n].cpu(), std.diag(), scale)
                ax.plot(*outline, **style, label=name if scale == 1 else None)
        ax.fill([], [], color=PALETTE[7], alpha=0.6, label="exact posterior")
        ax.set(xlabel="$z_1$", ylabel="$z_2$", aspect="equal")
        ax.set(
            xlim=(first[0].item(), first[-1].item()), ylim=(second[0].item(), second[-1].item())
        )
        ax.grid(False)
        show_page(as_images(x[[n]])[0].numpy(), ax=ax.inset_axes([0.76, 0.76, 0.24, 0.24]))
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig, axes


@torch.no_grad()
def compare_latents(trained: dict[str, nn.Module], digits: ImageData) -> tuple[Figure, np.ndarray]:
    """For two-dimensional VAEs: draws from q for 500 test digits above, dreams below."""
    fig, axes = plt.subplots(
        2, len(trained), figsize=(9.5, 5.1), height_ratios=(3, 1.2), squeeze=False
    )
    x, labels = as_float(digits.test_images[:500]), digits.test_labels[:500]
    for column, (name, model) in enumerate(trained.items()):
        device = next(model.parameters()).device
        z = model.reparameterize(*model.encode(x.to(device))).cpu()
        limit = 1.05 * max(4, z.abs().quantile(0.99).item())
        top, bottom = axes[:, column]
        latent_scatter(z, labels, top, limit, legend=column == len(trained) - 1)
        draw_prior(top)
        top.set_title(name)
        show_page(mosaic(model.sample(12), 6), "12 dreams", bottom)
    return fig, axes


@torch.no_grad()
def two_digit_story(
    models: Sequence[nn.Module], epochs: Sequence[int], x: Tensor
) -> tuple[Figure, np.ndarray]:
    """Two digits x (2, D), epoch by epoch: regions q(z|x), draws, and what those decode to."""
    draws = 4
    fig, axes = plt.subplots(
        3,
        len(models),
        figsize=(2.8 * len(models), 4.6),
        height_ratios=(3.2, 0.8, 0.8),
        squeeze=False,
    )
    for column, (model, epoch) in enumerate(zip(models, epochs, strict=True)):
        mu, log_var = model.encode(x)
        with own_seed(epoch):
            z = model.reparameterize(mu.expand(draws, 2, 2), log_var.expand(draws, 2, 2)).cpu()
        mu, std = mu.cpu(), torch.exp(0.5 * log_var).cpu()
        ax = axes[0, column]
        for digit in range(2):
            ax.plot(*ellipse(mu[digit], std[digit].diag()), color=PALETTE[digit])
            ax.scatter(*z[:, digit].T, s=22, color=PALETTE[digit])
            decoded = model.decode_mean(z[:, digit].to(x))
            page = mosaic(torch.cat([x[[digit]].cpu(), decoded.cpu()]), draws + 1)
            below = axes[1 + digit, column]
            show_page(page, ax=below)
            below.axvline(28 + GAP / 2 - 0.5, color=PALETTE[digit], linewidth=2)
        ax.set(title=f"epoch {epoch}", xlabel="$z_1$")
        ax.set_aspect("equal", adjustable="datalim")
    axes[0, 0].set_ylabel("$z_2$")
    for digit, name in enumerate(["first digit", "second"]):
        axes[1 + digit, 0].set_ylabel(name, fontsize=11)
    return fig, axes


def estimates_against_truth(
    results: dict[str, tuple[Tensor, Tensor]], truth: Tensor
) -> tuple[Figure, np.ndarray]:
    """Estimate minus truth (N,), image by image, with the standard errors that come with it.

    Args:
        results: name to estimates and their standard errors, each (N,).
    """
    fig, axes = panels(len(results), width=11, height=3.6)
    order = (next(iter(results.values()))[0].cpu() - truth.cpu()).argsort()
    for i, (ax, (name, (estimate, se))) in enumerate(zip(axes, results.items(), strict=True)):
        miss = (estimate.cpu() - truth.cpu())[order]
        ax.axhline(0, color="black", linewidth=1)
        ax.errorbar(range(len(miss)), miss, 2 * se.cpu()[order], fmt="o", color=PALETTE[i], ms=4)
        ax.set(title=name, xlabel="test digits, in the order of the left panel")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.sharey(axes[0])
    axes[0].set_ylabel("estimate − truth, nats")
    return fig, axes


def confusion(labels: Tensor, guesses: Tensor) -> tuple[Figure, Axes]:
    """Confusion matrix of ten classes, each row in percent of its class; both int64 (N,)."""
    counts = torch.bincount(10 * labels + guesses, minlength=100).view(10, 10)
    percent = 100 * counts / counts.sum(1, keepdim=True)
    fig, ax = plt.subplots(figsize=(6.4, 5.6))
    ax.imshow(percent.numpy(), cmap="Blues", vmin=0, vmax=100)
    worth_writing = percent.where(percent >= 0.5, torch.nan)
    write_numbers(ax, worth_writing, "{:.0f}", pale=lambda value: value > 50)
    ax.set(xticks=range(10), yticks=range(10), xlabel="class of the neighbours", ylabel="digit")
    ax.set_title("percent of each digit")
    ax.grid(False)
    return fig, ax


def bars(values: dict[str, float], xlabel: str) -> tuple[Figure, Axes]:
    """One labelled bar per entry, its value written beside it."""
    fig, ax = plt.subplots(figsize=(9, 0.6 * len(values) + 1.2))
    drawn = ax.barh(list(values), list(values.values()), color=PALETTE[0])
    ax.bar_label(drawn, fmt="{:.3g}", padding=12)
    ax.set(xlabel=xlabel, xlim=(0, 1.12 * max(values.values())))
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    return fig, ax


def steps_in_nats(rows: list[dict]) -> tuple[Figure, np.ndarray]:
    """log p(x) against the number of latents, and two errors of the differences to the last one.

    Args:
        rows: one for each number of latents, in ascending order: `latents`, `log_likelihood` with
            its `standard_error`, and the `paired_error` of the difference to the last row.
    """
    fig, axes = panels(2, width=11.5, height=3.8)
    sizes = [row["latents"] for row in rows]
    own = [row["standard_error"] for row in rows]
    heights = {"log p(x)": [row["log_likelihood"] for row in rows]}
    draw_lines(axes[0], sizes, heights, [{"marker": "o"}], {"log p(x)": torch.tensor(own)})
    errors = {
        "as if the digits were others": [math.hypot(error, own[-1]) for error in own[:-1]],
        "paired, digit by digit": [row["paired_error"] for row in rows[:-1]],
    }
    styles = [{"marker": "o", "color": PALETTE[4]}, {"marker": "s", "color": PALETTE[2]}]
    draw_lines(axes[1], sizes[:-1], errors, styles)
    axes[0].set(title="log p(x), ± 2 errors", ylabel="nats per image")
    axes[1].set(title=f"error of the difference to M = {sizes[-1]}", ylim=(0, None))
    axes[1].legend(fontsize=11)
    for ax, ticks in zip(axes, (sizes, sizes[:-1]), strict=True):
        tick_sizes(ax, ticks)
        ax.set_xlabel("latent variables M")
    return fig, axes
