"""Figures of notebook 02, probabilistic PCA."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from course_utils.plotting.charts import draw_lines, ellipse, standard_normal, tick_sizes
from course_utils.plotting.pages import panels
from course_utils.session import PALETTE


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
    axes[0].fill_between(ticks, standard_normal(ticks), alpha=0.3)
    axes[0].plot([z, z], [0, standard_normal(torch.tensor(z))], color=PALETTE[0])
    axes[0].plot(z, 0, "o", color=PALETTE[0], clip_on=False)
    axes[0].set(title="1. draw z", xlabel="z", ylabel="p(z)", ylim=(0, 0.42))
    axes[0].set(xticks=(-2, 0, 2), yticks=(0, 0.2, 0.4))
    ax, centre = axes[1], W[:, 0] * z + mu
    if cloud is not None:
        ax.scatter(*cloud.T, s=6, color=PALETTE[7], alpha=0.6, linewidths=0)
    ax.plot(*(W * torch.tensor([-3, 3]) + mu[:, None]), color=PALETTE[0], label="Wz + μ")
    root = torch.linalg.cholesky((W @ W.T).double() + sigma**2 * torch.eye(2))
    ax.plot(*ellipse(mu, root), "k:", label="p(x)")
    ax.plot(*ellipse(centre, sigma * torch.eye(2)), color=PALETTE[1], label="p(x|z)")
    ax.scatter(*(centre + sigma * eps).T, s=14, color=PALETTE[1], linewidths=0)
    ax.plot(*centre, "o", color=PALETTE[0], markersize=9)
    ax.set(title="2., 3. go to Wz + μ   4. add noise", xlabel="x₁", ylabel="x₂")
    ax.set(xlim=(-7, 9), ylim=(-4.6, 5.6), xticks=(-5, 0, 5), yticks=(-3, 0, 3))
    ax.set_aspect("equal", adjustable="box")
    ax.legend(loc="lower right", fontsize=11, frameon=True)
    return fig, axes


def points_and_posteriors(
    x: Tensor, W: Tensor, mu: Tensor, z: Tensor, densities: Tensor
) -> tuple[Figure, np.ndarray]:
    """Points x (n, 2) beside the line W z + mu, and their posteriors (n, T) over z (T,).

    A dotted line leads from a point straight to the line. A triangle on the z axis marks where it
    arrives, an arrow leads from there to the peak of the posterior.
    """
    fig, axes = panels(2, width=11, height=4.4)
    axes[0].plot(*(W * z + mu[:, None]), color=PALETTE[0], label="Wz + μ")
    feet = ((x - mu) * W[:, 0]).sum(1) / W.square().sum()  # z of the nearest point of the line
    axes[1].plot(z, standard_normal(z), "k:", label="prior p(z)")
    for i, (point, density) in enumerate(zip(x, densities, strict=True)):
        style = {"color": PALETTE[i], "linestyle": ["-", "-.", "--", "-"][i % 4]}
        style |= {} if i else {"linewidth": 7, "alpha": 0.4}  # another may lie upon it
        foot = W[:, 0] * feet[i] + mu
        axes[0].plot(*torch.stack([point, foot]).T, ":", color=PALETTE[i], linewidth=2)
        axes[0].plot(*point, "o", color=PALETTE[i], markersize=10)
        axes[0].annotate(str(i + 1), point, (9, 5), textcoords="offset points")
        axes[1].plot(z, density, **style, label=f"p(z|x), point {i + 1}")
        peak, top = z[density.argmax()], float(density.max())
        axes[1].plot(feet[i], 0, "^", color=PALETTE[i], markersize=10, clip_on=False)
        if abs(peak - feet[i]) > 0.02:
            axes[1].plot([feet[i], feet[i]], [0, top], color=PALETTE[i], lw=1)
            arrow = {"arrowstyle": "->", "color": PALETTE[i], "linewidth": 2, "shrinkB": 0}
            axes[1].annotate("", (peak, top), (feet[i], top), arrowprops=arrow)
    axes[0].set(xlabel="$x_1$", ylabel="$x_2$", xlim=(-5, 7), ylim=(-3.5, 4.5))
    axes[0].set_aspect("equal")
    axes[1].set(xlabel="z", ylabel="density", ylim=(0, 1.15 * float(densities.max())))
    axes[1].set_xlim(-3, 3)
    axes[0].legend(loc="lower right")
    handles, labels = axes[1].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=5, fontsize=11)
    return fig, axes


def axis_variances(data: Tensor, signal: Tensor, noise: float) -> tuple[Figure, Axes]:
    """Along each principal axis: the variance of the data (D,), and that of the model, made of
    ‖w‖² (M,) on the first axes and of the noise on all of them.
    """
    fig, ax = plt.subplots(figsize=(8, 3.8))
    data, signal = np.asarray(data), np.asarray(signal)
    axis = np.arange(1, len(data) + 1)
    bars = ax.bar(axis - 0.2, data, width=0.36, color=PALETTE[7], label="data, λ")
    ax.bar_label(bars, [f"{value:.2f}" for value in data], fontsize=11)
    orange = ax.bar(axis + 0.2, noise, width=0.36, color=PALETTE[1], label="model: noise, σ²")
    shown = [f"{noise:.2f}" if i > len(signal) else "" for i in axis]  # where nothing lies on it
    ax.bar_label(orange, shown, fontsize=11)
    label = "model: along W, ‖w‖²"
    ax.bar(axis[: len(signal)] + 0.2, signal, bottom=noise, width=0.36, label=label)
    ax.set(xlabel="principal axis", ylabel="variance", xticks=axis)
    ax.grid(axis="x", visible=False)
    ax.legend(loc="upper right")
    return fig, ax


def gaps_to_best(runs: dict[str, Sequence[Sequence[float]]], best: float) -> tuple[Figure, Axes]:
    """Best log-likelihood minus that of each step: name of a method to its runs, each (T,)."""
    fig, ax = plt.subplots(figsize=(8, 4))
    for i, (name, traces) in enumerate(runs.items()):
        style = {"color": PALETTE[i], "linestyle": ["-", "--", "-.", ":"][i % 4]}
        for trace in traces:
            gap = (best - np.array(trace)).clip(1e-12)
            ax.loglog(np.arange(1, len(gap) + 1), gap, **style)
        ax.plot([], [], **style, label=name)
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


def decoded_means(
    x: Tensor, decoded: dict[str, Tensor], W: Tensor, mu: Tensor
) -> tuple[Figure, np.ndarray]:
    """Points x (N, 2), each joined with its decoded one on the line W z + mu; a cross at mu."""
    fig, axes = panels(len(decoded), width=4.2 * len(decoded), height=3.6)
    for ax, (name, points) in zip(axes, decoded.items(), strict=True):
        ax.plot(*(W * torch.tensor([-9, 9]) + mu[:, None]), color=PALETTE[0], lw=1, alpha=0.5)
        for a, b in zip(x, points, strict=True):
            ax.plot([a[0], b[0]], [a[1], b[1]], color=PALETTE[7], linewidth=0.8)
        ax.scatter(*x.T, s=16, color=PALETTE[7], label="x")
        ax.scatter(*points.T, s=16, color=PALETTE[0], label="W E[z|x] + μ")
        ax.plot(*mu, "X", color=PALETTE[1], markeredgecolor="white", markersize=12, label="μ")
        low, high = (x.min(0).values - 0.5).tolist(), (x.max(0).values + 0.5).tolist()
        ax.set(title=name, xlabel="$x_1$", xlim=(low[0], high[0]), ylim=(low[1], high[1]))
        ax.set_aspect("equal")
    axes[0].set_ylabel("$x_2$")
    axes[0].legend(loc="upper left", fontsize=10)
    return fig, axes


def seconds_against_size(
    sizes: Sequence[int], seconds: dict[str, Sequence[float]]
) -> tuple[Figure, Axes]:
    """Seconds of several methods, name to (T,), over the data dimension (T,), on log scales."""
    fig, ax = plt.subplots(figsize=(8, 3.8))
    draw_lines(ax, sizes, seconds, [{"marker": "o"}])
    tick_sizes(ax, sizes)
    ax.set(xlabel="D, data dimension", ylabel="seconds", yscale="log")
    ax.legend()
    return fig, ax


def scores_against_latents(
    latents: Sequence[int], train: Sequence[float], test: Sequence[float]
) -> tuple[Figure, np.ndarray]:
    """Mean log-likelihood of train and test over the number of latents, (T,) each, and how they
    differ.
    """
    fig, axes = panels(2, width=11, height=3.8)
    styles = [{"marker": "o", "linestyle": style} for style in ("--", "-")]
    draw_lines(axes[0], latents, {"train": train, "test": test}, styles)
    axes[0].legend(loc="lower right")
    axes[0].set(ylabel="log p(x), nats per image")
    axes[1].plot(latents, np.subtract(test, train), marker="o", color=PALETTE[2])
    axes[1].set(ylabel="test − train, nats per image")
    for ax in axes:
        ax.axhline(0, color="black", linewidth=1)
        ax.set(xlabel="M, latent dimensions")
        tick_sizes(ax, latents)
    return fig, axes


def score_boxes(scores: dict[str, Tensor]) -> tuple[Figure, Axes]:
    """log p(x) of several kinds of images, name to (n,), without the shapes of their tails.

    A line goes from the 1st to the 99th percentile, a bar is the middle half, a dot the median.
    The axis is linear between -1000 and 1000 nats.
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
    """Log-likelihood of what was observed over the steps of several algorithms: name to (T,)."""
    fig, ax = plt.subplots(figsize=(8, 3.8))
    draw_lines(ax, None, traces, [{"linestyle": "-"}, {"linestyle": "--"}])
    top = max(max(values) for values in traces.values())
    low = min(np.median(values) for values in traces.values())
    ax.set(xlabel="step", ylabel="nats per row, observed entries")
    ax.set_ylim(low - 1.2 * (top - low), top + 0.3 * (top - low))
    ax.legend(loc="lower right")
    return fig, ax
