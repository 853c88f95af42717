"""Figures. Every function returns `(fig, ax)` or an array, and touches no global state.

Digits stay at their natural 28 pixels inside arrays; figures and pages enlarge them.
"""

from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from torch import Tensor, nn

from course_utils.data import ImageData, as_float
from course_utils.session import PALETTE, own_seed
from course_utils.training import History

DIGIT_COLOURS = plt.get_cmap("tab10").colors  # ten classes need ten colours
GAP = 2  # blank pixels between the images of a mosaic


def as_images(images: Tensor) -> Tensor:
    """(N, D) or (N, 28, 28), uint8 or float, to float (N, side, side) on the CPU, in [0, 1]."""
    images = images.detach().cpu()
    images = images.float() / 255 if images.dtype == torch.uint8 else images.float()
    if images.dim() == 2:
        side = round(images.shape[1] ** 0.5)
        if side * side != images.shape[1]:
            raise ValueError(f"images: expected square images, got {tuple(images.shape)}")
        images = images.view(-1, side, side)
    if images.dim() != 3:
        raise ValueError(f"images: expected (N, D) or (N, side, side), got {tuple(images.shape)}")
    return images.clamp(0, 1)


def mosaic(images: Tensor, columns: int) -> np.ndarray:
    """Images (N, D) side by side, row after row, as one array; 0 is paper and 1 is ink."""
    images = as_images(images)
    n, height, width = images.shape
    lines = -(-n // columns)
    page = np.zeros((lines * (height + GAP) - GAP, columns * (width + GAP) - GAP), np.float32)
    for i, image in enumerate(images):
        top, left = i // columns * (height + GAP), i % columns * (width + GAP)
        page[top : top + height, left : left + width] = image
    return page


def _bare(ax: Axes) -> None:
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)


def show_rows(rows: dict[str, Tensor], width: float = 10) -> tuple[Figure, Axes]:
    """Rows of images under each other, each with its name: `{"original": x, "decoded": x_hat}`.

    Args:
        rows: name to images (N, D), the same N in every row.
        width: of the figure, inches.
    """
    counts = {len(images) for images in rows.values()}
    if len(counts) != 1:
        raise ValueError(f"rows: expected as many images in each, got {sorted(counts)}")
    (n,) = counts
    page = mosaic(torch.cat([as_images(images) for images in rows.values()]), n)
    labels_width = 0.13 * max(len(name) for name in rows)
    fig, ax = plt.subplots(figsize=(width, (width - labels_width) * page.shape[0] / page.shape[1]))
    show_page(page, ax=ax)
    line_height = (page.shape[0] + GAP) / len(rows)
    ax.set_yticks((np.arange(len(rows)) + 0.5) * line_height - GAP / 2, list(rows))
    ax.tick_params(length=0)
    return fig, ax


def show_grids(
    grids: dict[str, Tensor], columns: int = 8, width: float = 10
) -> tuple[Figure, np.ndarray]:
    """Blocks of images side by side, each under its name."""
    pages = [mosaic(images, columns) for images in grids.values()]
    panel = width / len(pages)
    aspect = max(page.shape[0] / page.shape[1] for page in pages)
    fig, axes = plt.subplots(1, len(pages), figsize=(width, panel * aspect + 0.4), squeeze=False)
    for ax, name, page in zip(axes[0], grids, pages, strict=True):
        show_page(page, name, ax)
    return fig, axes[0]


def panels(n: int, width: float = 12, height: float = 4) -> tuple[Figure, np.ndarray]:
    """A row of n empty panels: (fig, axes)."""
    fig, axes = plt.subplots(1, n, figsize=(width, height), squeeze=False)
    return fig, axes[0]


def show_page(page: np.ndarray, title: str = "", ax: Axes | None = None) -> tuple[Figure, Axes]:
    """One array of ink, 0 to 1, such as a mosaic."""
    if ax is None:
        _, ax = plt.subplots(figsize=(6, 6))
    ax.imshow(page, cmap="gray_r", vmin=0, vmax=1)
    ax.set_title(title)
    _bare(ax)
    return ax.figure, ax


def plot_history(history: History) -> tuple[Figure, np.ndarray]:
    """-ELBO, its reconstruction term and its KL over the epochs of a VAE, on train and test."""
    titles = {"elbo": "−ELBO", "log_lik": "reconstruction: −E[log p(x|z)]", "kl": "KL(q ‖ prior)"}
    fig, axes = panels(3, height=3.8)
    for ax, (name, title) in zip(axes, titles.items(), strict=True):
        for split, style in [("train", "--"), ("test", "-")]:
            values = np.array(history.column(f"{split}_{name}"))
            sign = 1 if name == "kl" else -1
            ax.plot(history.column("epoch"), sign * values, style, label=split, marker=".")
        ax.set(title=title, xlabel="epoch")
        ax.xaxis.get_major_locator().set_params(integer=True)
    axes[0].set_ylabel("nats per image")
    axes[0].legend()
    return fig, axes


def plot_towards(values: Sequence[float], goal: float, name: str) -> tuple[Figure, Axes]:
    """An ELBO per epoch, climbing to a line that is known."""
    fig, ax = plt.subplots(figsize=(8, 3.6))
    ax.axhline(goal, color="black", linestyle=":", label=name)
    ax.plot(range(1, len(values) + 1), values, marker=".", label="ELBO")
    ax.set(xlabel="epoch", ylabel="nats per image")
    ax.legend(loc="lower right")
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


def against_prior(z: Tensor, limit: float = 4) -> tuple[Figure, np.ndarray]:
    """Draws z (N, 2) and the standard normal prior: the plane, and a histogram per dimension."""
    fig, axes = panels(3, height=4)
    axes[0].scatter(*z[:3000].T, s=3, alpha=0.3, linewidths=0)
    for radius in (1, 2, 3):
        axes[0].plot(*_ellipse(torch.zeros(2), torch.ones(2), radius), "k:", linewidth=1.2)
    axes[0].set(xlim=(-limit, limit), ylim=(-limit, limit), xlabel="$z_1$", ylabel="$z_2$")
    axes[0].set(title="draws from q(z); circles: prior")
    axes[0].set_aspect("equal")
    ticks = torch.linspace(-limit, limit, 200)
    density = torch.exp(-0.5 * ticks**2) / (2 * torch.pi) ** 0.5
    for m, ax in enumerate(axes[1:]):
        ax.hist(z[:, m].numpy(), bins=60, density=True, alpha=0.6, label="aggregate posterior")
        ax.plot(ticks, density, "k:", label="prior")
        ax.set(xlabel=f"$z_{m + 1}$", xlim=(-limit, limit))
    axes[1].set_ylabel("density")
    handles, labels = axes[1].get_legend_handles_labels()
    axes[1].set_ylim(0, 1.45 * axes[1].get_ylim()[1])
    axes[1].legend(handles, labels, loc="upper center")
    return fig, axes


def _ellipse(mu: Tensor, std: Tensor, scale: float = 2.0) -> Tensor:
    """Outline (2, 200) of the axis-parallel ellipse at `scale` standard deviations; both (2,)."""
    angle = torch.linspace(0, 2 * torch.pi, 200)
    return torch.stack(
        [mu[0] + scale * std[0] * angle.cos(), mu[1] + scale * std[1] * angle.sin()]
    )


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
        ax.plot(*_ellipse(centre, s), color=PALETTE[1], label="q, two standard deviations")
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
        top.plot(*_ellipse(torch.zeros(2), torch.ones(2)), color="black", linewidth=1.5)
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
            ax.plot(*_ellipse(mu[digit], std[digit]), color=PALETTE[digit])
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
    """Estimate minus truth, image by image, with the standard error that each estimate reports."""
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
    """Confusion matrix of ten classes, each row in percent of its class."""
    counts = torch.bincount(10 * labels + guesses, minlength=100).view(10, 10).float()
    percent = 100 * counts / counts.sum(1, keepdim=True)
    fig, ax = plt.subplots(figsize=(6.4, 5.6))
    ax.imshow(percent.numpy(), cmap="Blues", vmin=0, vmax=100)
    for row in range(10):
        for column in range(10):
            value = percent[row, column].item()
            if value >= 0.5:
                colour = "white" if value > 50 else "black"
                ax.text(column, row, f"{value:.0f}", ha="center", va="center", color=colour)
    ax.set(xticks=range(10), yticks=range(10), xlabel="class of the neighbours", ylabel="digit")
    ax.set_title("percent of each digit")
    ax.grid(False)
    return fig, ax


def likelihood_bars(rows: list[dict]) -> tuple[Figure, Axes]:
    """Measured -log p(x) of several models, with two standard errors; lower is better."""
    values = {row["name"]: -row["log_likelihood"] for row in rows}
    fig, ax = bars(values, "−log p(x), nats per image (lower is better)")
    errors = [2 * row["standard_error"] for row in rows]
    ax.errorbar(list(values.values()), range(len(rows)), xerr=errors, fmt="none", ecolor="black")
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


# --- notebook 04 ---------------------------------------------------------------------------------


def repeated_intervals(
    results: dict[str, tuple[Tensor, Tensor]], exact: float, xlabel: str, shown: int = 40
) -> tuple[Figure, np.ndarray]:
    """Many repetitions of an estimate, each with its 95 % interval, against the exact value.

    Args:
        results: name to (means, standard errors), each (R,); the first `shown` are drawn.
    """
    fig, axes = plt.subplots(1, len(results), figsize=(11, 4.2), sharex=True, squeeze=False)
    axes = axes[0]
    for i, (ax, (name, (means, errors))) in enumerate(zip(axes, results.items(), strict=True)):
        for row, (mean, error) in enumerate(zip(means[:shown], errors[:shown], strict=True)):
            misses = abs(mean - exact) > 1.96 * error
            colour, size = ("black", 6) if misses else (PALETTE[i], 4)
            ax.errorbar(mean, row, xerr=1.96 * error, fmt="o", ms=size, lw=1.6, color=colour)
        ax.axvline(exact, color="black", linestyle=":", linewidth=1.5)
        ax.set(title=name, xlabel=xlabel, yticks=[])
    axes[0].set_ylabel("repetitions")
    return fig, axes


def theory_and_measured(
    x: Tensor,
    lines: dict[str, Tensor],
    points: dict[str, tuple[Tensor, Tensor, Tensor]],
    ax: Axes | None = None,
    **axis,
) -> tuple[Figure, Axes]:
    """Theory as lines over x, measurements as points with two standard errors.

    Args:
        x: (T,). lines: name to (T,), or to one number. points: name to (x, y, standard error).
        axis: labels, scales and title, handed to `Axes.set`.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(8, 4))
    colours = dict(zip(dict.fromkeys([*lines, *points]), PALETTE, strict=False))
    for name, line in lines.items():
        y = torch.as_tensor(line, dtype=x.dtype).expand_as(x)
        constant = torch.as_tensor(line).dim() == 0
        ax.plot(x, y, ":" if constant else "-", color=colours[name], label=name, zorder=2)
    for name, (at, y, error) in points.items():
        label = None if name in lines else name
        style = {"fmt": "o", "ms": 5, "capsize": 3, "color": colours[name], "zorder": 3}
        ax.errorbar(at, y, 2 * error, label=label, markeredgecolor="white", **style)
    ax.set(**axis)
    ax.legend(fontsize=11)
    return ax.figure, ax


def frozen_noise(
    eps: Tensor, mu: float, std: float, ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """The same noise eps (L,) carried to z = mu + std * eps; the density of q stands below.

    The first collection of the axes holds the points (z, eps), the second their feet on the z
    axis. Drawing again on the same `ax` replaces the picture.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(6, 4))
    ax.clear()
    floor, limit = -4.4, 6.0
    z, colours = mu + std * eps, plt.get_cmap("viridis")(np.linspace(0.05, 0.9, len(eps)))
    ax.scatter(z, eps, s=60, c=colours, zorder=3)
    ax.scatter(z, torch.full_like(z, floor), s=60, c=colours, zorder=3, clip_on=False)
    ax.vlines(z, floor, eps, colors=colours, linestyles=":", linewidth=1.2)
    span = torch.linspace(-3, 3, 61)
    ax.plot(mu + std * span, span, color="#999999", linewidth=1.5, zorder=1)
    density = torch.exp(-0.5 * span.square()) / (std * (2 * torch.pi) ** 0.5)
    ax.fill_between(mu + std * span, floor, floor + 2 * density, color=PALETTE[0], alpha=0.25)
    ax.set(xlim=(-limit, limit), ylim=(floor, 3), yticks=[-2, 0, 2])
    ax.set(xlabel="z = μ + σε", title=f"μ = {mu:.1f}, σ = {std:.1f}")
    ax.set_ylabel("ε, frozen", y=0.6)
    return ax.figure, ax


def training_bands(
    curves: dict[str, Tensor],
    ylabel: str,
    ax: Axes | None = None,
    colours: Sequence[str] | None = None,
) -> tuple[Figure, Axes]:
    """Median and 10 to 90 % band over runs, per step: name to (R, T), on a logarithmic axis.

    `colours` lists all names in the order of the palette, where `curves` does not hold all.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(8, 4.2))
    colour = dict(zip(colours or curves, PALETTE, strict=False))
    for name, runs in curves.items():
        low, middle, high = runs.quantile(torch.tensor([0.1, 0.5, 0.9]).to(runs), dim=0)
        ax.plot(middle, color=colour[name], label=name)
        steps = range(runs.shape[1])
        ax.fill_between(steps, low, high, color=colour[name], alpha=0.15, linewidth=0)
    ax.set(yscale="log", xlabel="step", ylabel=ylabel)
    ax.legend(fontsize=11)
    return ax.figure, ax


def histogram_and_line(
    values: Tensor, line: float, xlabel: str, name: str, ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """Histogram of single-draw estimates (L,), and the number that they estimate."""
    if ax is None:
        _, ax = plt.subplots(figsize=(8, 3.6))
    low, high = values.quantile(torch.tensor([0.001, 0.999]).to(values)).tolist()
    ax.hist(values.numpy(), bins=80, range=(low, high), alpha=0.6, label="one draw each")
    ax.axvline(line, color="black", linestyle=":", label=f"{name}: {line:.2f}")
    ax.set(xlabel=xlabel, ylabel="draws")
    ax.legend()
    return ax.figure, ax


# --- notebook 03 ---

GAP_STYLE = {"color": "white", "edgecolor": "black", "hatch": "///", "linewidth": 0.8}
BAR_TEXT = {"ha": "center", "fontsize": 11, "fontweight": "bold"}


def stacked_bars(
    parts: dict[str, Sequence[float]], names: Sequence[str], xlabel: str
) -> tuple[Figure, Axes]:
    """One bar per entry, made of parts laid end to end; `names` of the parts, for the legend."""
    fig, ax = plt.subplots(figsize=(9, 0.55 * len(parts) + 1.8))
    values = np.array([list(map(float, row)) for row in parts.values()])  # (bars, parts)
    left = np.zeros(len(parts))
    for j, name in enumerate(names):
        drawn = ax.barh(list(parts), values[:, j], left=left, color=PALETTE[j], label=name)
        labels = [f"{v:.3g}" if v > 0.06 * values.sum(1).max() else "" for v in values[:, j]]
        ax.bar_label(drawn, labels, label_type="center", color="white")
        left += values[:, j]
    ax.set(xlabel=xlabel)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    fig.legend(loc="outside upper center", ncols=len(names))
    return fig, ax


def jensen_picture(w: Tensor, q: Tensor) -> tuple[Figure, Axes]:
    """Jensen's inequality for the logarithm, base 2, of weights w (n,) of probabilities q (n,)."""
    fig, ax = plt.subplots(figsize=(8, 4.2))
    line = torch.linspace(0.7 * w.min(), 1.1 * w.max(), 300)
    ax.plot(line, line.log2(), color="black", linewidth=1.5, label="$\\log_2 w$")
    ax.scatter(w, w.log2(), s=700 * q, color=PALETTE[5], label="w(z), areas q(z)", zorder=3)
    mean_w, mean_log = (q * w).sum(), (q * w.log2()).sum()
    ends = [mean_log, mean_w.log2()]
    ax.plot([mean_w, mean_w], ends, color=PALETTE[1], linewidth=5, label="gap")
    style = {"va": "center", "fontsize": 13}
    ax.text(1.04 * mean_w, mean_w.log2() - 0.08, "$\\log_2 E_q[w]$", **style)
    ax.text(1.04 * mean_w, mean_log - 0.08, "$E_q[\\log_2 w]$", **style)
    ax.set(xlabel="w(z) = p(x, z) / q(z)", ylabel="bits")
    ax.legend(loc="lower right")
    return fig, ax


def derivations(lines: dict[str, dict[str, Sequence[float]]]) -> tuple[Figure, np.ndarray]:
    """The value of every line of every derivation: {derivation: {q: values of the lines}}."""
    fig, axes = panels(len(lines), width=13, height=4)
    for ax, (title, values) in zip(axes, lines.items(), strict=True):
        for i, (name, value) in enumerate(values.items()):
            heights = [float(v) for v in value]
            ax.plot(range(1, len(heights) + 1), heights, marker="o", color=PALETTE[i], label=name)
        ax.set(title=title, xlabel="line", xticks=range(1, len(heights) + 1))
    if len(axes) > 1:
        axes[1].sharey(axes[0])
    axes[0].set_ylabel("value of the line, bits")
    axes[-1].legend(title="q", loc="center left", bbox_to_anchor=(1, 0.5))
    return fig, axes


def mixture_density(
    x: Tensor, components: Tensor, density: Tensor, exact: Tensor
) -> tuple[Figure, Axes]:
    """Weighted components (n, X) of a mixture, their sum (X,), and the density it aims at (X,)."""
    fig, ax = plt.subplots(figsize=(9, 3.8))
    ax.fill_between(x, exact, color=PALETTE[7], alpha=0.4, label="infinite mixture", linewidth=0)
    ax.plot(x, components.T, color=PALETTE[5], linewidth=1.2)
    ax.plot(x, density, color=PALETTE[0], label=f"mixture of {len(components)}")
    ax.set(xlabel="x", ylabel="density p(x)")
    ax.legend(loc="upper left")
    return fig, ax


def bound_and_gap(
    z: Tensor,
    prior: Tensor,
    posterior: Tensor,
    qs: dict[str, tuple[Tensor, float, float]],
    floor: float = -12.0,
    fig: Figure | None = None,
) -> tuple[Figure, list[Axes]]:
    """Densities over z, and one bar per q: the height log p(x), split into ELBO and gap.

    Args:
        z, prior, posterior: (G,). qs: name to (density (G,), elbo, gap), in nats.
        floor: where the bars begin; a lower ELBO stays a number without a bar.
        fig: for a live picture, the figure to draw on; on the second call only what belongs to
            q is drawn anew, for speed: z, prior, posterior and log p(x) must be the same.
    """
    fig = plt.figure(figsize=(10, 3.9), layout="none") if fig is None else fig
    log_px = next(elbo + gap for _, elbo, gap in qs.values())
    if not fig.axes:
        left, right = fig.add_axes([0.08, 0.17, 0.5, 0.76]), fig.add_axes([0.66, 0.17, 0.33, 0.76])
        style = {"color": PALETTE[7], "alpha": 0.45, "linewidth": 0, "label": "posterior"}
        left.fill_between(z, posterior, **style)
        left.plot(z, prior, "k:", label="prior", zorder=3)
        left.set(xlabel="z", ylabel="density", xlim=(-3, 3.5), ylim=(0, 1.5))
        left.set_yticks([0, 0.5, 1, 1.5])
        right.axhline(log_px, color="black", linewidth=1.5)
        right.text(-0.45, log_px + 0.15, f"log p(x) = {log_px:.2f}")
        right.set(ylabel="nats", ylim=(floor, log_px + 1.2), xlim=(-0.5, len(qs) - 0.5))
        right.grid(axis="x", visible=False)
    left, right = fig.axes
    for artist in [*left.lines[1:], *right.patches, *right.texts[1:]]:
        artist.remove()
    for i, (name, (density, elbo, gap)) in enumerate(qs.items()):
        left.plot(z, density, color=PALETTE[i], label=name)
        top = max(elbo, floor)
        right.bar(i, top - floor, bottom=floor, color=PALETTE[i], width=0.65)
        right.bar(i, log_px - top, bottom=top, width=0.65, **GAP_STYLE)
        if elbo > floor + 1:
            right.text(i, top - 0.15, f"{elbo:.2f}", va="top", color="white", **BAR_TEXT)
        else:  # no bar to write on
            style = {"va": "bottom", "backgroundcolor": "white", **BAR_TEXT}
            right.text(i, floor + 0.15, f"{elbo:.2f}", **style)
        if gap > 1.2:
            box = {"facecolor": "white", "edgecolor": "none", "pad": 2}
            style = {"ha": "center", "va": "center", "fontsize": 11, "bbox": box}
            right.text(i, (log_px + top) / 2, f"gap {gap:.2f}", **style)
    left.legend(loc="upper left", fontsize=11)
    right.set_xticks(range(len(qs)), list(qs), fontsize=10)
    return fig, [left, right]


def sampled_bounds(
    estimates: dict[str, dict[int, Tensor]], elbo: float, log_px: float
) -> tuple[Figure, np.ndarray]:
    """Spread of estimates, {title: {number of samples: repeated estimates}}, and two lines."""
    fig, axes = panels(len(estimates), width=12, height=4)
    for ax, (title, by_number) in zip(axes, estimates.items(), strict=True):
        ax.axhline(log_px, color="black", linewidth=1.5, label="log p(x)")
        ax.axhline(elbo, color="black", linestyle=":", linewidth=1.5, label="ELBO")
        values = [v.numpy() for v in by_number.values()]
        drawn = ax.violinplot(values, showextrema=False, widths=0.85)
        for i, body in enumerate(drawn["bodies"]):
            body.set(facecolor=PALETTE[i], alpha=0.6)
            ax.plot(i + 1, values[i].mean(), "o", color=PALETTE[i], markeredgecolor="black", ms=9)
        ax.set_xticks(range(1, len(values) + 1), list(map(str, by_number)))
        ax.set(title=title, ylim=(log_px - 3.5, log_px + 2))
        ax.grid(axis="x", visible=False)
    axes[0].set(ylabel="nats", xlabel="L, samples in the average")
    axes[-1].set(xlabel="K, weights under the logarithm")
    axes[0].legend(loc="lower right")
    return fig, axes


def ascent_bars(traces: dict[str, list[tuple[float, float]]]) -> tuple[Figure, np.ndarray]:
    """E steps and M steps in turn as bars: {title: [(elbo, log_likelihood) after each step]}."""
    fig, axes = panels(len(traces), width=13, height=4.2)
    for ax, (title, trace) in zip(axes, traces.items(), strict=True):
        elbo, log_px = np.array(trace).T
        floor = elbo.min() - 0.15 * (log_px.max() - elbo.min())
        colours = [PALETTE[i % 2] for i in range(1, len(elbo) + 1)]
        colours[0] = PALETTE[7]
        steps = ["start", *("E" if i % 2 else "M" for i in range(1, len(elbo)))]
        ax.bar(range(len(elbo)), elbo - floor, bottom=floor, color=colours, width=0.75)
        ax.bar(range(len(elbo)), log_px - elbo, bottom=elbo, width=0.75, **GAP_STYLE)
        ax.set_xticks(range(len(elbo)), steps)
        ax.set(title=title, ylim=(floor, log_px.max() + 0.1 * (log_px.max() - floor)))
        ax.grid(axis="x", visible=False)
    axes[0].set_ylabel("nats per datum")
    return fig, axes


def beta_chart(betas: dict[str, float]) -> tuple[Figure, Axes]:
    """The weight of the KL that each loss really uses, on a logarithmic axis."""
    fig, ax = plt.subplots(figsize=(10, 0.42 * len(betas) + 1.2))
    values = np.array(list(betas.values()))
    ax.axvline(1, color="black", linewidth=1.5)
    ax.hlines(range(len(values)), np.minimum(values, 1), np.maximum(values, 1), color=PALETTE[5])
    colours = [PALETTE[2] if abs(v - 1) < 1e-9 else PALETTE[1] for v in values]
    ax.scatter(values, range(len(values)), s=90, color=colours, zorder=3)
    for i, value in enumerate(values):
        text = f"{value:,.0f}" if value > 100 else f"{value:.3g}"
        side = {"ha": "right", "xytext": (-9, 0)} if value < 1 else {"xytext": (9, 0)}
        ax.annotate(text, (value, i), textcoords="offset points", va="center", **side)
    ax.set_yticks(range(len(values)), list(betas))
    ax.set(xscale="log", xlabel="β; the ELBO has 1", xlim=(values.min() / 8, values.max() * 8))
    ax.invert_yaxis()
    return fig, ax


def one_q_or_many(
    x: Tensor,
    free: tuple[Tensor, Tensor],
    line: Tensor,
    encoders: dict[str, tuple[Tensor, Tensor]],
) -> tuple[Figure, Axes]:
    """Mean and std of q: of each datum fitted by itself, dots; of encoders, curves over `line`."""
    fig, ax = plt.subplots(figsize=(9, 4.2))
    mean, std = free
    ax.errorbar(x, mean, std, fmt="o", ms=5, color="black", elinewidth=1, label="one q per datum")
    for i, (name, (mean, std)) in enumerate(encoders.items()):
        ax.plot(line, mean, color=PALETTE[i], label=name)
        ax.fill_between(line, mean - std, mean + std, color=PALETTE[i], alpha=0.2, linewidth=0)
    ax.set(xlabel="x", ylabel="z: mean ± standard deviation of q")
    ax.legend(loc="upper left")
    return fig, ax


# --- notebook 00 ---------------------------------------------------------------------------------


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


def show_titled(
    images: Tensor, titles: Sequence[str], columns: int = 10, width: float = 12
) -> tuple[Figure, np.ndarray]:
    """Images (N, D), each under a title of its own."""
    rows = -(-len(images) // columns)
    above = 0.1 + 0.22 * (1 + titles[0].count("\n"))  # inches
    height = rows * (width / columns + above)
    fig, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False)
    for ax in axes.flat[len(images) :]:
        ax.set_visible(False)
    for ax, image, title in zip(axes.flat, as_images(images), titles):
        show_page(image.numpy(), ax=ax)
        ax.set_title(title, fontsize=12)
        for spine in ax.spines.values():
            spine.set(visible=True, color="#bbbbbb")
    return fig, axes


def _density_pixels(density: Tensor, points: Tensor, limit: float) -> np.ndarray:
    """Density (S, S), row 0 at the bottom, as blue shades with dark dots: uint8 (S, S, 3)."""
    side = len(density)
    shade = (density / density.max()).sqrt().cpu().numpy()[::-1, :, None]  # faint tails show too
    blue = np.array([0, 114, 178])
    page = (255 - 0.85 * shade * (255 - blue)).astype(np.uint8)
    at = ((points.cpu() + limit) / (2 * limit) * side).long()
    inside = at[((at >= 0) & (at < side)).all(1)]
    page[side - 1 - inside[:, 1], inside[:, 0]] = 40
    return page


def mixture_image(
    density: Tensor, points: Tensor, progress: float, limit: float = 3.0
) -> np.ndarray:
    """One frame of EM as pixels: density and data above, a bar of progress below.

    Args:
        density: (S, S) on an even grid from -limit to limit, row by row upwards.
        points: (N, 2). progress: 0 to 1, the share of the width that the bar fills.
    Returns:
        uint8 (S + 10, S, 3).
    """
    page = _density_pixels(density, points, limit)
    strip = np.full((10, page.shape[1], 3), 255, np.uint8)
    strip[3:, : round(progress * page.shape[1])] = (213, 94, 0)
    return np.concatenate([page, strip])


def density_panels(
    densities: dict[str, Tensor], points: Tensor, limit: float = 3.0
) -> tuple[Figure, np.ndarray]:
    """Densities (S, S) over the plane, row by row upwards, with the data points (N, 2)."""
    fig, axes = panels(len(densities), width=13, height=13 / len(densities) + 0.5)
    for ax, (name, density) in zip(axes, densities.items(), strict=True):
        page = _density_pixels(density, points[:0], limit)
        ax.imshow(page, extent=(-limit, limit, -limit, limit), interpolation="bilinear")
        ax.scatter(*points.T, s=4, color="#222222", alpha=0.5, linewidths=0)
        ax.set(title=name, xlabel="$x_1$", xlim=(-limit, limit), ylim=(-limit, limit))
        ax.grid(False)
    axes[0].set_ylabel("$x_2$")
    return fig, axes


def roc_curves(
    digits: Tensor, suspects: dict[str, Tensor], areas: dict[str, float], xlabel: str
) -> tuple[Figure, np.ndarray]:
    """Scores of digits and of suspects: histograms, and one ROC curve for each suspect.

    Args:
        digits: (N,), scores of images to accept; suspects: name to the scores (n,) of images to
            reject. areas: name to the area under the curve, written in the legend.
    """
    fig, axes = panels(2, width=13, height=4.6)
    everything = torch.cat([digits, *suspects.values()])
    low = max(everything.min().item(), digits.median().item() - 12 * digits.std().item())
    bins = np.linspace(low, everything.max().item(), 70)
    shape = {"bins": bins, "density": True}
    axes[0].hist(digits.clamp(min=low).numpy(), **shape, color="#bbbbbb", label="digits")
    for colour, (name, scores) in zip(PALETTE, suspects.items()):
        shown = scores.clamp(min=low).numpy()
        axes[0].hist(shown, **shape, histtype="step", lw=2, color=colour)
        thresholds = torch.cat([digits, scores]).sort().values
        passed = [
            1 - torch.searchsorted(s.sort().values, thresholds) / len(s) for s in (scores, digits)
        ]
        axes[1].plot(*passed, color=colour, label=f"{name}: {areas[name]:.2f}")
    axes[0].set(xlabel=xlabel, ylabel="density", yscale="log")
    axes[0].set_title("left edge: that far down, or further", fontsize=12)
    axes[0].legend()
    axes[1].plot([0, 1], [0, 1], ":", color="black", linewidth=1.2)
    axes[1].set(xlabel="share of suspects accepted", ylabel="share of digits accepted")
    axes[1].legend(title="area under the curve", loc="center left", bbox_to_anchor=(1, 0.5))
    axes[1].set_aspect("equal")
    return fig, axes


def area_table(rows: dict[str, dict[str, float]]) -> tuple[Figure, Axes]:
    """Areas under ROC curves, one row per kind of image and one column per test."""
    columns = list(next(iter(rows.values())))
    values = np.array([[row[column] for column in columns] for row in rows.values()])
    fig, ax = plt.subplots(figsize=(4.5 + 1.8 * len(columns), 0.55 * len(rows) + 0.9))
    ax.imshow(values, cmap="PuOr", vmin=0, vmax=1, aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        colour = "white" if abs(value - 0.5) > 0.25 else "black"
        ax.text(j, i, f"{value:.2f}", ha="center", va="center", color=colour)
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.grid(False)
    return fig, ax


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


# --- notebook 02 ---------------------------------------------------------------------------------


def _outline(mu: Tensor, cov: Tensor, scale: float = 2.0) -> Tensor:
    """Outline (2, 200) of the ellipse at `scale` standard deviations of N(mu, cov)."""
    angle = torch.linspace(0, 2 * torch.pi, 200, dtype=torch.float64)
    circle = torch.stack([angle.cos(), angle.sin()])
    return mu.double()[:, None] + scale * torch.linalg.cholesky(cov.double()) @ circle


def generative_story(
    z: float, W: Tensor, mu: Tensor, sigma: float, eps: Tensor, cloud: Tensor | None = None
) -> tuple[Figure, np.ndarray]:
    """One z in the prior; W z + mu, and what noise makes of it, in the plane.

    Args:
        W: (2, 1). mu: (2,). eps: (n, 2), the noise of the n draws of x at this z.
        cloud: draws of x at other z's, (N, 2), as a backdrop.
    """
    # Without constrained layout: this is drawn anew at every move of a slider.
    fig, axes = plt.subplots(1, 2, figsize=(8, 3.4), width_ratios=(1, 1.6), layout="none")
    fig.subplots_adjust(0.09, 0.17, 0.99, 0.9, 0.22)
    ticks = torch.linspace(-3, 3, 121)
    axes[0].fill_between(ticks, torch.exp(-0.5 * ticks**2) / (2 * torch.pi) ** 0.5, alpha=0.3)
    axes[0].plot([z, z], [0, np.exp(-0.5 * z**2) / (2 * np.pi) ** 0.5], color=PALETTE[1])
    axes[0].plot(z, 0, "o", color=PALETTE[1], clip_on=False)
    axes[0].set(title="1. draw z", xlabel="z", ylabel="p(z)", ylim=(0, 0.42))
    axes[0].set(xticks=(-2, 0, 2), yticks=(0, 0.2, 0.4))
    ax, centre = axes[1], W[:, 0] * z + mu
    if cloud is not None:
        ax.scatter(*cloud.T, s=6, color=PALETTE[7], alpha=0.6, linewidths=0)
    ax.plot(*(W * torch.tensor([-3, 3]) + mu[:, None]), color=PALETTE[0], label="Wz + μ")
    ax.plot(*_outline(mu, W @ W.T + sigma**2 * torch.eye(2)), "k:", label="p(x)")
    ax.plot(*_outline(centre, sigma**2 * torch.eye(2)), color=PALETTE[1], label="p(x|z)")
    ax.scatter(*(centre + sigma * eps).T, s=14, color=PALETTE[1], linewidths=0)
    ax.plot(*centre, "o", color=PALETTE[0], markersize=9)
    ax.set(title="2. go to Wz + μ   3. add noise", xlabel="x₁", ylabel="x₂")
    ax.set(xlim=(-7, 9), ylim=(-4.6, 5.6), xticks=(-5, 0, 5), yticks=(-3, 0, 3))
    ax.set_aspect("equal", adjustable="box")
    ax.legend(loc="lower right", fontsize=11, frameon=True)
    return fig, axes


def points_and_posteriors(
    x: Tensor, W: Tensor, mu: Tensor, z: Tensor, densities: Tensor
) -> tuple[Figure, np.ndarray]:
    """Points x (n, 2) beside the line W z + mu, and their posteriors (n, T) over z (T,)."""
    fig, axes = panels(2, width=11)
    axes[0].plot(*(W * z + mu[:, None]), color="black", label="Wz + μ")
    axes[1].plot(z, torch.exp(-0.5 * z**2) / (2 * torch.pi) ** 0.5, "k:", label="prior p(z)")
    for i, (point, density) in enumerate(zip(x, densities, strict=True)):
        style = {"color": PALETTE[i], "linestyle": ["-", "-.", "--", ":"][i % 4]}
        style |= {} if i else {"linewidth": 7, "alpha": 0.4}  # another may lie upon it
        axes[0].plot(*point, "o", color=PALETTE[i], markersize=10)
        axes[0].annotate(str(i + 1), point, (9, 5), textcoords="offset points")
        axes[1].plot(z, density, **style, label=f"p(z|x), point {i + 1}")
    axes[0].set(xlabel="$x_1$", ylabel="$x_2$", xlim=(-5, 7), ylim=(-3.5, 4.5))
    axes[0].set_aspect("equal")
    axes[1].set(xlabel="z", ylabel="density", ylim=(0, 1.35 * float(densities.max())))
    axes[0].legend(loc="lower right")
    axes[1].legend(ncols=2, loc="upper left", fontsize=11)
    return fig, axes


def gaps_to_best(runs: dict[str, Sequence[Sequence[float]]], best: float) -> tuple[Figure, Axes]:
    """Best log-likelihood minus that of each step, for several runs of several methods."""
    fig, ax = plt.subplots(figsize=(8, 4))
    for i, (name, traces) in enumerate(runs.items()):
        for trace in traces:
            gap = (best - np.array(trace)).clip(1e-12)
            ax.loglog(np.arange(1, len(gap) + 1), gap, color=PALETTE[i], linestyle=["-", "--"][i])
        ax.plot([], [], color=PALETTE[i], linestyle=["-", "--"][i], label=name)
    ax.axhline(1e-4, color="black", linestyle=":", linewidth=1)
    ax.set(xlabel="step", ylabel="nats below the best")
    ax.legend(loc="lower left")
    return fig, ax


def same_picture_turned(codes: dict[str, Tensor]) -> tuple[Figure, np.ndarray]:
    """The same rows as codes (N, 2) in several frames; colour is z_1 in the first."""
    fig, axes = panels(len(codes), width=4.3 * len(codes), height=4)
    hue = next(iter(codes.values()))[:, 0]
    for ax, (name, z) in zip(axes, codes.items(), strict=True):
        ax.scatter(*z.T, c=hue, cmap="viridis", s=14, linewidths=0)
        ax.set(title=name, xlabel="$z_1$", ylabel="$z_2$", xlim=(-3.6, 3.6), ylim=(-3.6, 3.6))
        ax.set_aspect("equal")
    return fig, axes


def decoded_means(x: Tensor, decoded: dict[str, Tensor]) -> tuple[Figure, np.ndarray]:
    """Points x (N, 2), joined with the points that they are decoded to."""
    fig, axes = panels(len(decoded), width=4.2 * len(decoded), height=3.6)
    for ax, (name, points) in zip(axes, decoded.items(), strict=True):
        for a, b in zip(x, points, strict=True):
            ax.plot([a[0], b[0]], [a[1], b[1]], color=PALETTE[7], linewidth=1)
        ax.scatter(*x.T, s=16, color=PALETTE[0], label="x")
        ax.scatter(*points.T, s=16, color=PALETTE[1], label="W E[z|x] + μ")
        low, high = (x.min(0).values - 0.5).tolist(), (x.max(0).values + 0.5).tolist()
        ax.set(title=name, xlabel="$x_1$", xlim=(low[0], high[0]), ylim=(low[1], high[1]))
        ax.set_aspect("equal")
    axes[0].set_ylabel("$x_2$")
    axes[0].legend(loc="upper left", fontsize=10)
    return fig, axes


def seconds_against_size(
    sizes: Sequence[int], seconds: dict[str, Sequence[float]]
) -> tuple[Figure, Axes]:
    """Measured seconds of several methods over the data dimension, both on log scales."""
    fig, ax = plt.subplots(figsize=(8, 3.8))
    for name, values in seconds.items():
        ax.loglog(sizes, values, marker="o", label=name)
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.set_xticks([], minor=True)
    ax.set(xlabel="D, data dimension", ylabel="seconds")
    ax.legend()
    return fig, ax


def scores_against_latents(
    latents: Sequence[int], train: Sequence[float], test: Sequence[float]
) -> tuple[Figure, np.ndarray]:
    """Mean log-likelihood of train and test over the number of latents, and their difference."""
    fig, axes = panels(2, width=11, height=3.8)
    axes[0].plot(latents, train, marker="o", linestyle="--", label="train")
    axes[0].plot(latents, test, marker="o", label="test")
    axes[0].legend(loc="lower right")
    axes[0].set(ylabel="log p(x), nats per image")
    axes[1].plot(latents, np.subtract(test, train), marker="o", color=PALETTE[2])
    axes[1].set(ylabel="test − train, nats per image")
    for ax in axes:
        ax.axhline(0, color="black", linewidth=1)
        ax.set(xlabel="M, latent dimensions", xscale="log")
        ax.set_xticks(latents, [str(m) for m in latents])
        ax.set_xticks([], minor=True)
    return fig, axes


def score_boxes(scores: dict[str, Tensor]) -> tuple[Figure, Axes]:
    """log p(x) of several kinds of images: a line from the 1st to the 99th percentile, a bar for
    the middle half, a dot for the median. The axis is linear between -1000 and 1000 nats.
    """
    fig, ax = plt.subplots(figsize=(10, 0.55 * len(scores) + 1.2))
    for row, values in enumerate(scores.values()):
        low, left, middle, right, high = np.percentile(values.cpu().numpy(), [1, 25, 50, 75, 99])
        ax.plot([low, high], [row, row], color=PALETTE[row])
        ax.plot([left, right], [row, row], color=PALETTE[row], linewidth=10, solid_capstyle="butt")
        ax.plot(middle, row, "o", color="white", markeredgecolor="black", markersize=7)
    ax.set_yticks(range(len(scores)), list(scores))
    ax.invert_yaxis()
    ax.set_xscale("symlog", linthresh=1000)
    ticks = [-10_000, -3_000, -1_000, -500, 0, 500, 1_000]
    ax.set_xticks(ticks, [f"{tick:,}".replace("-", "−") for tick in ticks])
    ax.set_xticks([], minor=True)
    ax.set(xlabel="log p(x), nats per image")
    ax.grid(axis="y", visible=False)
    return fig, ax


def log_likelihood_traces(traces: dict[str, Sequence[float]]) -> tuple[Figure, Axes]:
    """Log-likelihood of what was observed over the steps of several algorithms."""
    fig, ax = plt.subplots(figsize=(8, 3.8))
    for i, (name, values) in enumerate(traces.items()):
        ax.plot(values, label=name, linestyle=["-", "--"][i % 2])
    top = max(max(values) for values in traces.values())
    low = min(np.median(values) for values in traces.values())
    ax.set(xlabel="step", ylabel="nats per row, observed entries")
    ax.set_ylim(low - 1.2 * (top - low), top + 0.3 * (top - low))
    ax.legend(loc="lower right")
    return fig, ax


# --- notebook 01 ---

SCATTERED = 2_500  # codes that a cloud shows: more make the file large and the picture no better


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


def code_clouds(
    clouds: dict[str, Tensor], labels: Tensor, correlation: Tensor
) -> tuple[Figure, np.ndarray]:
    """Two-dimensional codes (N, 2), each under its name, and |correlation| (M, M) beside them."""
    fig, axes = panels(len(clouds) + 1, width=5 * (len(clouds) + 1), height=4.6)
    for ax, (name, z) in zip(axes, clouds.items(), strict=False):
        limit = 1.05 * z.abs().quantile(0.998).item()
        legend = ax is axes[len(clouds) - 1]
        latent_scatter(z[:SCATTERED], labels[:SCATTERED], ax, limit, legend)
        ax.set_title(name)
    size = len(correlation)
    extent = (0.5, size + 0.5, size + 0.5, 0.5)  # coordinates are counted from 1
    drawn = axes[-1].imshow(correlation.abs().numpy(), cmap="Blues", vmin=0, vmax=1, extent=extent)
    axes[-1].set(xlabel="$m$", ylabel="$n$", title="|correlation| of $z_m$ and $z_n$")
    ticks = range(1, size + 1, max(1, size // 5))
    axes[-1].set(xticks=ticks, yticks=ticks)
    axes[-1].grid(False)
    fig.colorbar(drawn, ax=axes[-1], shrink=0.8)
    return fig, axes


def plane_walk(
    codes: Tensor, labels: Tensor, path: Tensor, rows: dict[str, Tensor]
) -> tuple[Figure, np.ndarray]:
    """A straight path (n, 2) over a plane of codes (N, 2), and rows of n images each, named."""
    fig, axes = plt.subplots(1, 2, figsize=(14, 5), width_ratios=(1, 1.5))
    limit = 1.05 * codes.abs().quantile(0.998).item()
    latent_scatter(codes[:SCATTERED], labels[:SCATTERED], axes[0], limit)
    axes[0].annotate(
        "", path[-1], path[0], arrowprops={"arrowstyle": "-|>", "lw": 2.5, "shrinkA": 0}
    )
    axes[0].scatter(*path.T, s=60, color="white", edgecolors="black", linewidths=1.6, zorder=3)
    show_page(mosaic(torch.cat([as_images(r) for r in rows.values()]), len(path)), ax=axes[1])
    axes[1].set_yticks([13.5 + (28 + GAP) * i for i in range(len(rows))], list(rows))
    axes[1].tick_params(length=0)
    return fig, axes


def _gap_scale(distance: np.ndarray, tau: float) -> LogNorm:
    """Colours of distances: logarithmic, all the same where a code is very near."""
    return LogNorm(tau / 8, max(distance.max(), tau), clip=True)


def gap_map(
    distance: Tensor, limit: float, tau: float, ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """Distance to the nearest code over a square (T, T), z_2 along the rows; a line at tau."""
    if ax is None:
        _, ax = plt.subplots(figsize=(6.2, 5))
    extent, values = (-limit, limit, -limit, limit), distance.numpy()
    scale = _gap_scale(values, tau)
    drawn = ax.imshow(values, cmap="viridis_r", origin="lower", extent=extent, norm=scale)
    ax.contour(values, [tau], colors="black", linewidths=0.7, extent=extent)
    ax.set(xlabel="$z_1$", ylabel="$z_2$", title="distance to the nearest code")
    ax.grid(False)
    ax.figure.colorbar(drawn, ax=ax, shrink=0.8)
    return ax.figure, ax


def map_and_digit(distance: Tensor, at: Tensor, image: Tensor, tau: float) -> np.ndarray:
    """The map of distances (T, T) with a cross at `at` (2,), and a decoded image, as one picture.

    Args:
        distance: to the nearest code, z_2 growing along the rows.
        at: from -1 to 1 along either axis.
        image: (D,).
    Returns:
        Colours (T, 2 T + 4, 3) as uint8.
    """
    side = len(distance)
    scale = _gap_scale(distance.numpy(), tau)
    colours = plt.get_cmap("viridis_r")(scale(distance.numpy()))[..., :3]
    column, row = (((at + 1) / 2 * (side - 1)).round().long()).tolist()
    colours[row, max(column - 6, 0) : column + 7] = (0.84, 0.37, 0.0)  # orange of the palette
    colours[max(row - 6, 0) : row + 7, column] = (0.84, 0.37, 0.0)
    nearest = np.arange(side) * 28 // side  # enlarge without smoothing
    ink = as_images(image[None])[0].numpy()[np.ix_(nearest, nearest)]
    digit = np.repeat(1 - ink[..., None], 3, axis=2)
    page = np.concatenate([colours[::-1], np.ones((side, 4, 3)), digit], axis=1)
    return (255 * page).round().astype(np.uint8)


# --- notebook 06 ---------------------------------------------------------------------------------


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
