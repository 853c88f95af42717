"""Figures of notebook 07, bounds, likelihoods and failures."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from course_utils.plotting.pages import panels
from course_utils.session import PALETTE

# One colour for each part of a VAE, in every figure of the notebook.
PARTS = {
    "decoder": PALETTE[0],
    "encoder": PALETTE[1],
    "posterior": PALETTE[2],
    "prior": PALETTE[3],
    "marginal": PALETTE[3],
}
# What the page calls a part where the record has another name.
NAMES = {"posterior": "family of q", "marginal": "prior"}


def units_against_noise(eigenvalues: Tensor, noise: float) -> tuple[Figure, np.ndarray]:
    """A linear VAE at its optimum: what each unit explains, and its KL as the noise rises.

    Args:
        eigenvalues: (D,), the variances of the data along their axes, all above 0.
        noise: the variance σ² of the pixels' noise.
    """
    fig, axes = panels(2, width=11.5, height=3.9)
    left, right = axes
    names = [f"unit {i + 1}" for i in range(len(eigenvalues))]
    ticks = np.logspace(-2, np.log10(4 * float(eigenvalues.max())), 300)
    for i, (name, value) in enumerate(zip(names, eigenvalues.tolist(), strict=True)):
        colour = PALETTE[i]
        explained = max(value - noise, 0.0)
        left.bar(i, value - explained, color=PALETTE[7], width=0.6)
        left.bar(i, explained, bottom=noise, color=colour, width=0.6)
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
        place = {"xytext": (0, 6), "textcoords": "offset points", "ha": "center", "bbox": box}
        left.annotate(f"λ = {value:g}", (i, max(value, noise)), fontsize=12, **place)
        right.plot(ticks, 0.5 * np.log(np.maximum(value / ticks, 1)), color=colour, label=name)
        kl = 0.5 * np.log(max(value / noise, 1))
        right.plot(noise, kl, "o" if kl > 0 else "X", color=colour, markersize=11, zorder=3)
    left.axhline(noise, color="black", linestyle="--", linewidth=1.5)
    top = 1.15 * float(eigenvalues.max())
    place = {"ha": "right", "va": "bottom", "fontsize": 12}
    if noise < top:
        left.text(len(eigenvalues) - 0.45, noise, "σ²", **place)
    left.bar([0], [0], color=PALETTE[7], label="noise")
    left.set_xticks(range(len(names)), names)
    left.set(ylabel="variance along this axis", ylim=(0, top), title="coloured: what w² explains")
    left.grid(axis="x", visible=False)
    left.legend(loc="upper right")
    right.axvline(noise, color="black", linestyle="--", linewidth=1.5)
    right.set(
        xscale="log",
        xlabel="σ², the variance of the noise",
        ylabel="KL of the unit, nats",
        title="× marks a dead unit",
        xlim=(ticks[0], ticks[-1]),
    )
    right.legend(loc="upper right")
    return fig, axes


def four_parts(diagnosis: Sequence[dict], rows: Sequence[dict] = ()) -> tuple[Figure, np.ndarray]:
    """What each part of a VAE loses, and what a stronger one brings: each seed, and their mean.

    Args:
        diagnosis: of one model, one for each seed: `amortization_gap`, `approximation_gap` and
            `marginal_kl_at_least`, each with its error `..._se`, in nats.
        rows: one for each model: `part`, `name`, and `runs`, one for each seed, with `gain_elbo`,
            `gain_log_p`, and the errors of both, nats against the baseline of the same seed.
            Without rows there is one panel, of what is lost.
    """
    fig, axes = panels(2 if rows else 1, width=12.5 if rows else 8.5, height=4.2 if rows else 3.6)
    left, right = axes[0], axes[-1]
    measured = {
        "encoder": ("amortization gap", "amortization_gap"),
        "posterior": ("approximation gap", "approximation_gap"),
        "prior": ("KL(q(z) ‖ p(z)), at least", "marginal_kl_at_least"),
    }
    places = (0, 1, 2.4)  # the third is no part of the same gap
    for place, (part, (_, name)) in zip(places, measured.items(), strict=True):
        values, errors = ([row[name + end] for row in diagnosis] for end in ("", "_se"))
        _one_part(left, place, values, errors, PARTS[part])
    left.axhline(1.7, color="black", linestyle="--", linewidth=1.2)
    labels = [f"{NAMES.get(part, part)}:\n{words}" for part, (words, _) in measured.items()]
    left.set_yticks(places, labels)
    left.set(xlabel="nats per image", title="two parts of the gap, and the prior", xlim=(0, None))
    cures = [row for row in rows if row["part"] in PARTS]
    for i, row in enumerate(cures):
        for name, marker, place in (("gain_elbo", "o", i - 0.2), ("gain_log_p", "D", i + 0.2)):
            values, errors = ([run[name + end] for run in row["runs"]] for end in ("", "_se"))
            _one_part(right, place, values, errors, PARTS[row["part"]], marker, height=0.36)
    if cures:
        labels = [f"{NAMES.get(row['part'], row['part'])}:\n{row['name']}" for row in cures]
        right.set_yticks(range(len(cures)), labels)
        right.axvline(0, color="black", linewidth=1.2)
        right.set(xlabel="gained, nats per image", title="what a stronger part gains")
        for marker, label in (("o", "ELBO"), ("D", "log p(x)")):
            right.plot([], [], marker, color="black", markersize=6, label=label)
        right.legend(loc="upper right")
    for ax in axes:
        ax.invert_yaxis()
        ax.grid(axis="y", visible=False)
    return fig, axes


def _one_part(
    ax: Axes,
    row: float,
    values: Sequence[float],
    errors: Sequence[float],
    colour: str,
    marker: str = "o",
    height: float = 0.7,
) -> None:
    """A pale bar for the mean over seeds, and a mark with two standard errors for each seed."""
    ax.barh(row, np.mean(values), color=colour, alpha=0.35, height=height)
    places = row + 0.26 * height * (np.arange(len(values)) - (len(values) - 1) / 2)
    bars = 2 * np.asarray(errors)
    ax.errorbar(values, places, xerr=bars, fmt=marker, color=colour, markersize=5, capsize=2)


def rate_distortion(
    points: dict[float, tuple[float, float]], floor: float | None = None
) -> tuple[Figure, Axes]:
    """Distortion against rate of models trained with several β; dotted: equal ELBO.

    Args:
        points: β to (rate, distortion), nats per image.
        floor: the distortion of a decoder without a code, drawn at rate 0.
    """
    fig, ax = plt.subplots(figsize=(8, 4.8))
    rates, distortions = torch.tensor(list(points.values())).T
    right = 1.12 * float(rates.max())
    low, high = 0.9 * float(distortions.min()), 1.06 * max(float(distortions.max()), floor or 0)
    sums = rates + distortions
    for level in (float(sums.min()), float(sums.min()) + 40, float(sums.min()) + 80):
        ax.plot([0, right], [level, level - right], color="black", linestyle=":", linewidth=1)
        if low < level - 0.02 * right < high:
            ax.text(0.02 * right, level, f"ELBO −{level:.0f}", fontsize=10, va="bottom")
    ax.plot(rates, distortions, "o-", color=PALETTE[0])
    for beta, (rate, distortion) in points.items():
        place = {"textcoords": "offset points", "xytext": (8, 6), "fontsize": 12}
        ax.annotate(f"β = {beta:g}", (rate, distortion), **place)
    if floor is not None:
        ax.plot(0, floor, "s", color=PALETTE[7], markersize=9, label="no code at all")
        ax.legend(loc="upper right")
    ax.set(
        xlabel="rate: KL, nats per image",
        ylabel="distortion: −E[log p(x|z)], nats",
        xlim=(-0.02 * right, right),
        ylim=(low, high),
    )
    return fig, ax
