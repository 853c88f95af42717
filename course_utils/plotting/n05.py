"""Figures of notebook 05, a VAE on MNIST."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

from course_utils.data import ImageData, as_float
from course_utils.plotting.charts import draw_lines, ellipse, standard_normal, write_numbers
from course_utils.plotting.latents import latent_scatter
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
    """An ELBO per epoch, (T,), climbing to a line that is known."""
    fig, ax = plt.subplots(figsize=(8, 3.6))
    ax.axhline(goal, color="black", linestyle=":", label=name)
    ax.plot(range(1, len(values) + 1), values, marker=".", label="ELBO")
    ax.set(xlabel="epoch", ylabel="nats per image")
    ax.legend(loc="lower right")
    return fig, ax


def against_prior(z: Tensor, limit: float = 4) -> tuple[Figure, np.ndarray]:
    """Draws z (N, 2) and the standard normal prior: the plane, and a histogram per dimension."""
    fig, axes = panels(3, height=4)
    axes[0].scatter(*z[:3000].T, s=3, alpha=0.3, linewidths=0)
    for radius in (1, 2, 3):
        axes[0].plot(*ellipse(torch.zeros(2), torch.eye(2), radius), "k:", linewidth=1.2)
    axes[0].set(xlim=(-limit, limit), ylim=(-limit, limit), xlabel="$z_1$", ylabel="$z_2$")
    axes[0].set(title="draws from q(z); circles: prior")
    axes[0].set_aspect("equal")
    ticks = torch.linspace(-limit, limit, 200)
    for m, ax in enumerate(axes[1:]):
        ax.hist(z[:, m].numpy(), bins=60, density=True, alpha=0.6, label="aggregate posterior")
        ax.plot(ticks, standard_normal(ticks), "k:", label="prior")
        ax.set(xlabel=f"$z_{m + 1}$", xlim=(-limit, limit))
    axes[1].set_ylabel("density")
    handles, labels = axes[1].get_legend_handles_labels()
    axes[1].set_ylim(0, 1.45 * axes[1].get_ylim()[1])
    axes[1].legend(handles, labels, loc="upper center")
    return fig, axes


def posteriors(
    ticks: Tensor, log_posterior: Tensor, mu: Tensor, log_var: Tensor, x: Tensor
) -> tuple[Figure, np.ndarray]:
    """Exact posteriors on a grid as shades, the encoder's q as ellipses, the digits as insets.

    Args:
        ticks: (T,), of both axes. log_posterior: (n, T * T), z_1 varying slowest.
        mu, log_var: (n, 2). x: (n, D), images.
    """
    fig, axes = panels(len(mu), width=4.3 * len(mu), height=4.2)
    ticks, mu, std = ticks.cpu(), mu.cpu(), torch.exp(0.5 * log_var).cpu()
    density = log_posterior.exp().cpu().view(-1, len(ticks), len(ticks)).transpose(1, 2)
    for ax, p, centre, s, image in zip(axes, density, mu, std, as_images(x), strict=True):
        ax.pcolormesh(ticks.numpy(), ticks.numpy(), p.numpy(), cmap="Blues", rasterized=True)
        ax.plot(*ellipse(centre, s.diag()), color=PALETTE[1], label="q, two standard deviations")
        # Frame whatever holds any posterior mass worth a shade, and all of q.
        rows, columns = (p > 0.01 * p.max()).nonzero(as_tuple=True)
        for axis, (index, m) in {"x": (columns, 0), "y": (rows, 1)}.items():
            low = min(ticks[index.min()], centre[m] - 2 * s[m]).item()
            high = max(ticks[index.max()], centre[m] + 2 * s[m]).item()
            margin = 0.15 * (high - low)
            ax.set(**{f"{axis}lim": (low - margin, high + 3 * margin)})
        ax.set(xlabel="$z_1$", ylabel="$z_2$")
        ax.grid(False)
        inset = ax.inset_axes([0.74, 0.74, 0.26, 0.26])
        show_page(image.numpy(), ax=inset)
    axes[0].legend(loc="lower right", fontsize=11)
    return fig, axes


@torch.no_grad()
def compare_latents(trained: dict[str, nn.Module], digits: ImageData) -> tuple[Figure, np.ndarray]:
    """For two-dimensional VAEs: draws from q for 1,000 test digits above, dreams below."""
    fig, axes = plt.subplots(
        2, len(trained), figsize=(12, 6.2), height_ratios=(3, 1.3), squeeze=False
    )
    x, labels = as_float(digits.test_images[:1000]), digits.test_labels[:1000]
    for column, (name, model) in enumerate(trained.items()):
        device = next(model.parameters()).device
        z = model.reparameterize(*model.encode(x.to(device))).cpu()
        limit = 1.05 * max(4, z.abs().quantile(0.99).item())
        top, bottom = axes[:, column]
        latent_scatter(z, labels, top, limit, legend=column == len(trained) - 1)
        top.plot(*ellipse(torch.zeros(2), torch.eye(2)), color="black", linewidth=1.5)
        top.set_title(name)
        show_page(mosaic(model.sample(24), 8), "24 dreams", bottom)
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
        figsize=(3.2 * len(models), 5.2),
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
    drawn = ax.barh(list(values), list(values.values()), color=PALETTE[: len(values)])
    ax.bar_label(drawn, fmt="{:.3g}", padding=12)
    ax.set(xlabel=xlabel, xlim=(0, 1.12 * max(values.values())))
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    return fig, ax


def likelihood_bars(rows: list[dict]) -> tuple[Figure, Axes]:
    """Measured -log p(x) of several models, with two standard errors; lower is better."""
    values = {row["name"]: -row["log_likelihood"] for row in rows}
    fig, ax = bars(values, "−log p(x), nats per image (lower is better)")
    errors = [2 * row["standard_error"] for row in rows]
    ax.errorbar(list(values.values()), range(len(rows)), xerr=errors, fmt="none", ecolor="black")
    return fig, ax
