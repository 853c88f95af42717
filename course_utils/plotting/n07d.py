"""Figures of notebook 07d, a VAE for signals."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from course_utils.plotting.charts import write_numbers
from course_utils.plotting.pages import panels
from course_utils.session import PALETTE


def signals_and_arrows(
    x: Tensor, arrows: Tensor, names: Sequence[str]
) -> tuple[Figure, np.ndarray]:
    """The channels of a recording, one above the other, and which channel drives which.

    Args:
        x: (steps, D). arrows: (D, D), bool, [to, from].
    """
    fig, axes = panels(2, width=10.5, height=3.8)
    left, right = axes
    _stack(left, x, names)
    left.set_title("the recording")
    _table(right, arrows.double(), arrows, names, numbers=False)
    right.set_title("which channel drives which")
    return fig, axes


def signal_rows(groups: dict[str, Tensor], names: Sequence[str]) -> tuple[Figure, np.ndarray]:
    """Windows side by side, one panel for each name, in one unit of height.

    Args:
        groups: name to (steps, D).
    """
    fig, axes = panels(len(groups), width=3.6 * len(groups), height=3.3)
    for ax, (title, x) in zip(axes, groups.items(), strict=True):
        _stack(ax, x, names)
        ax.set_title(title)
    return fig, axes


def bands(
    x: Sequence[float] | Tensor,
    sets: dict[str, Tensor],
    titles: Sequence[str],
    exact: Tensor | None = None,
    **axis,
) -> tuple[Figure, np.ndarray]:
    """Curves with bands of two standard errors, several sets beside each other in each panel.

    Args:
        x: (X,). sets: name to (R, X, P), curves of R recordings for each of P panels.
        titles: of the P panels. exact: (X, P), drawn dashed. axis: for `Axes.set`, of each panel.
    """
    fig, axes = panels(len(titles), width=2.9 * len(titles), height=3.0)
    for p, (ax, title) in enumerate(zip(axes, titles, strict=True)):
        for colour, (name, values) in zip(PALETTE, sets.items()):
            curves = values[..., p].numpy()
            mean, error = curves.mean(0), 2 * curves.std(0, ddof=1) / len(curves) ** 0.5
            ax.fill_between(x, mean - error, mean + error, color=colour, alpha=0.3, linewidth=0)
            ax.plot(x, mean, color=colour, label=name, linewidth=1.6)
        if exact is not None:
            ax.plot(x, exact[:, p], color="black", linestyle="--", linewidth=1.4, label="exact")
        ax.set(title=title, **axis)
        if p:
            ax.set_ylabel("")
    axes[-1].legend(fontsize=11)
    return fig, axes


def penalty_curves(
    penalties: Sequence[float],
    norms: Tensor,
    elbo: Tensor,
    chosen: float,
    truth: Tensor,
    names: Sequence[str],
) -> tuple[Figure, np.ndarray]:
    """The norm of each group of weights as the penalty grows, and the held-out ELBO.

    Args:
        penalties: (P,), above 0. norms: (P, D, D), [to, from]. truth: (D, D), bool.
        elbo: (P, N), of N held-out windows, nats. chosen: one of the penalties.
    """
    fig, axes = panels(2, width=10.5, height=3.8)
    left, right = axes
    places = list(range(len(penalties)))
    colours = iter(PALETTE)
    for to in range(len(names)):
        for source in range(len(names)):
            if to == source:
                continue
            line = norms[:, to, source]
            if truth[to, source]:
                label = f"{names[source]} → {names[to]}"
                left.plot(places, line, "o-", color=next(colours), label=label, zorder=3)
            else:
                left.plot(places, line, color=PALETTE[7], linewidth=1.2)
    left.plot([], [], color=PALETTE[7], linewidth=1.2, label="no true arrow")
    left.set(xlabel="penalty λ", ylabel="norm of the group", title="groups shrink to exactly 0")
    left.legend(fontsize=11)
    best = elbo[elbo.mean(1).argmax()]
    lost = elbo - best  # window by window
    mean, error = lost.mean(1).numpy(), (2 * lost.std(1) / lost.shape[1] ** 0.5).numpy()
    limit = -best.std().item() / len(best) ** 0.5  # the rule's: one standard error of the best
    top = right.inset_axes((0.15, 0.12, 0.3, 0.5))
    near = [k for k, value in enumerate(mean) if value > 6 * limit] or [0]
    for ax, shown in ((right, places), (top, near)):
        how = {"fmt": "o-", "color": PALETTE[0], "capsize": 4}
        ax.errorbar(shown, mean[shown], error[shown], **how)
        ax.axhline(0, color="black", linestyle=":", linewidth=1.4)
        ax.axhline(limit, color="black", linestyle="-.", linewidth=1.2)
    top.set_xticks(near, [f"{penalties[k]:g}" for k in near], fontsize=11)
    top.tick_params(axis="y", labelsize=11)
    top.spines[:].set_visible(True)
    right.set(xlabel="penalty λ", ylabel="nats per window", title="held-out ELBO minus the best")
    for ax in axes:
        ax.set_xticks(places, [f"{penalty:g}" for penalty in penalties])
        ax.axvline(list(penalties).index(chosen), color="black", linestyle="--", linewidth=1.2)
    return fig, axes


def arrow_tables(
    tables: dict[str, Tensor], truth: Tensor, names: Sequence[str]
) -> tuple[Figure, np.ndarray]:
    """Scores of all arrows beside each other; frames mark the true ones.

    Args:
        tables: title to (D, D), [to, from]; the darkest is the largest one of its table.
        truth: (D, D), bool.
    """
    fig, axes = panels(len(tables), width=4.2 * len(tables), height=4.3)
    for ax, (title, table) in zip(axes, tables.items(), strict=True):
        _table(ax, table, truth, names)
        ax.set_title(title)
    return fig, axes


def arrow_counts(rows: Sequence[dict]) -> tuple[Figure, np.ndarray]:
    """Right and wrong arrows of each method: a bar for the mean over seeds, a dot for each seed.

    Args:
        rows: `patient`, `steps`, `method`, `seed`, `right` (of 4), `wrong` (of 8).
    """
    patients = list(dict.fromkeys(row["patient"] for row in rows))
    cases = list(dict.fromkeys((row["method"], row["steps"]) for row in rows))
    cases.sort(key=lambda case: [row["method"] for row in rows].index(case[0]))
    fig, axes = panels(2 * len(patients), width=14, height=3.8)
    for k, ax in enumerate(axes):
        patient, what = patients[k // 2], ("right", "wrong")[k % 2]
        for i, (method, steps) in enumerate(cases):
            values = [
                row[what]
                for row in rows
                if (row["patient"], row["method"], row["steps"]) == (patient, method, steps)
            ]
            colour = PALETTE[2] if what == "right" else PALETTE[1]
            ax.barh(i, np.mean(values), color=colour, alpha=0.35, height=0.75)
            places = i + 0.07 * (np.arange(len(values)) - (len(values) - 1) / 2)
            ax.plot(values, places, "o", color=colour, markersize=4)
        top = 4 if what == "right" else 8
        ax.set(title=f"{patient}: {what}, of {top}", xlim=(-0.2, top + 0.3), xlabel="arrows")
        labels = [f"{method}, {steps:,}" for method, steps in cases] if k == 0 else [""] * 6
        ax.set_yticks(range(len(cases)), labels[: len(cases)])
        ax.invert_yaxis()
        ax.grid(axis="y", visible=False)
    return fig, axes


# --- parts of these figures ----------------------------------------------------------------------


def _stack(ax: Axes, x: Tensor, names: Sequence[str]) -> None:
    """Channels one above the other, the first one on top, six standard deviations apart."""
    for i in range(len(names)):
        ax.plot(x[:, i] - 6 * i, color=PALETTE[i], linewidth=1.6)
    ax.set_yticks([-6 * i for i in range(len(names))], names)
    ax.set(xlabel="step", ylim=(-6 * len(names) + 2, 4.5))
    ax.grid(axis="x", visible=False)


def _table(
    ax: Axes, table: Tensor, truth: Tensor, names: Sequence[str], numbers: bool = True
) -> None:
    """A table of scores, [to, from], in grey; a frame around each true arrow. NaN stays empty."""
    largest = table.double().nan_to_num(0.0).max().clamp(min=1e-12)
    shown = table.double() / largest
    ax.imshow(shown, cmap="Greys", vmin=0, vmax=1.25)
    ax.set_xticks(range(len(names)), [f"from {name}" for name in names], fontsize=11)
    ax.set_yticks(range(len(names)), [f"to {name}" for name in names])
    ax.grid(False)
    if numbers:
        limit = 0.6 * float(largest)
        write_numbers(ax, table, "{:.2f}", lambda value: value > limit, fontsize=11)
    for to, source in torch.nonzero(truth).tolist():
        colour = PALETTE[6] if to == source else PALETTE[1]
        place = (source - 0.47, to - 0.47)
        for edge, width in (("white", 6), (colour, 3)):  # seen on a dark cell, too
            ax.add_patch(Rectangle(place, 0.94, 0.94, fill=False, edgecolor=edge, linewidth=width))
