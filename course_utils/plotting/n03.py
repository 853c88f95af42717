"""Figures of notebook 03, the ELBO."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from course_utils.plotting.charts import draw_lines, letters_on
from course_utils.plotting.pages import panels
from course_utils.session import PALETTE

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
        labels = [f"{v:.3g}" if v > 0.08 * values.sum(1).max() else "" for v in values[:, j]]
        ax.bar_label(drawn, labels, label_type="center", color=letters_on(PALETTE[j]))
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
        numbers = range(1, len(next(iter(values.values()))) + 1)
        draw_lines(ax, numbers, values, [{"marker": "o"}])
        ax.set(title=title, xlabel="line", xticks=numbers)
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


def decoder_and_posterior(
    z: Tensor, curve: Tensor, x: float, std: float, prior: Tensor, posterior: Tensor
) -> tuple[Figure, np.ndarray]:
    """Above, the decoder's curve and what was seen, x ± std; below, prior and posterior density.

    Args:
        z, curve, prior, posterior: (G,), over the same axis.
    """
    fig, axes = plt.subplots(
        2, 1, sharex=True, figsize=(8, 5.6), gridspec_kw={"height_ratios": [3, 2]}
    )
    above, below = axes
    band = f"x ± {std}"
    above.axhspan(x - std, x + std, color=PALETTE[5], alpha=0.25, linewidth=0, label=band)
    above.axhline(x, color="black", linestyle="--", linewidth=1.5, label=f"x = {x}")
    above.plot(z, curve, color=PALETTE[2], label="decoder(z)")
    is_above = (curve > x).int()
    crossing = [i for i in range(1, len(z)) if is_above[i] != is_above[i - 1]]
    above.plot(z[crossing], curve[crossing], "o", color="black", markersize=7)
    style = {"color": PALETTE[7], "alpha": 0.45, "linewidth": 0, "label": "posterior p(z | x)"}
    below.fill_between(z, posterior, **style)
    below.plot(z, prior, "k:", label="prior p(z)")
    for i in crossing:
        for ax in axes:
            ax.axvline(float(z[i]), color="black", linewidth=0.8, alpha=0.5)
    above.set(ylabel="x", ylim=(-3.5, 4.5))
    below.set(xlabel="z", ylabel="density", xlim=(-3, 4), ylim=(0, None))
    above.legend(loc="upper left")
    below.legend(loc="upper left")
    return fig, axes


def targets_and_fits(z: Tensor, target: Tensor, fits: dict[str, Tensor]) -> tuple[Figure, Axes]:
    """A density p over z (G,), filled, and by name the densities q (G,) that should be near it."""
    fig, ax = plt.subplots(figsize=(8, 3.6))
    ax.fill_between(z, target, color=PALETTE[7], alpha=0.45, linewidth=0, label="p")
    draw_lines(ax, z, fits)
    ax.set(xlabel="z", ylabel="density", xlim=(-5, 5), ylim=(0, None))
    ax.legend(loc="upper right")
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
        right.set(ylabel="nats", ylim=(floor, log_px + 2.2), xlim=(-0.5, len(qs) - 0.5))
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
            style = {"va": "top", "color": letters_on(PALETTE[i]), **BAR_TEXT}
            right.text(i, top - 0.15, f"{elbo:.2f}", **style)
        else:  # no bar to write on
            style = {"va": "bottom", "backgroundcolor": "white", **BAR_TEXT}
            right.text(i, floor + 0.15, f"{elbo:.2f}", **style)
        if gap > 1.2:
            box = {"facecolor": "white", "edgecolor": "none", "pad": 2}
            style = {"ha": "center", "va": "center", "fontsize": 11, "bbox": box}
            right.text(i, (log_px + top) / 2, f"gap {gap:.2f}", **style)
        else:  # no room within
            right.text(i, log_px + 1.1, f"gap {gap:.2f}", ha="center", fontsize=11)
    left.legend(loc="upper left", fontsize=11)
    right.set_xticks(range(len(qs)), list(qs), fontsize=10)
    return fig, [left, right]


def sampled_bounds(
    estimates: dict[str, dict[int, Tensor]], elbo: float, log_px: float
) -> tuple[Figure, np.ndarray]:
    """Spread of estimates, {title: {number of samples: repetitions (R,)}}, and two lines."""
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
    """Mean and std of q: of each datum fitted by itself, dots; of encoders, curves over `line`.

    Args:
        x: (N,). free: mean and std of each datum's own q, (N,). line: (T,).
        encoders: name to mean and std along the line, (T,).
    """
    fig, ax = plt.subplots(figsize=(9, 4.2))
    mean, std = free
    ax.errorbar(x, mean, std, fmt="o", ms=5, color="black", elinewidth=1, label="one q per datum")
    for i, (name, (mean, std)) in enumerate(encoders.items()):
        ax.plot(line, mean, color=PALETTE[i], label=name)
        ax.fill_between(line, mean - std, mean + std, color=PALETTE[i], alpha=0.2, linewidth=0)
    ax.set(xlabel="x", ylabel="z: mean ± standard deviation of q")
    ax.legend(loc="upper left")
    return fig, ax
