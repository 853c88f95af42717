"""Figures of notebook 01, autoencoders."""

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from torch import Tensor, nn

from course_utils.plotting.latents import latent_manifold, latent_scatter
from course_utils.plotting.pages import as_images, mosaic, panels, show_page, tile_centres

SCATTERED = 2_500  # codes that a cloud shows: more make the file large and the picture no better


def _cloud(z: Tensor, labels: Tensor, ax: Axes, legend: bool = True) -> None:
    """The first codes of (N, 2), on axes that nearly all of the N codes fit in."""
    limit = 1.05 * z.abs().quantile(0.998).item()
    latent_scatter(z[:SCATTERED], labels[:SCATTERED], ax, limit, legend)


def code_clouds(
    clouds: dict[str, Tensor], labels: Tensor, correlation: Tensor
) -> tuple[Figure, np.ndarray]:
    """Two-dimensional codes (N, 2), each under its name, and |correlation| (M, M) beside them."""
    fig, axes = panels(len(clouds) + 1, width=5 * (len(clouds) + 1), height=4.6)
    for ax, (name, z) in zip(axes, clouds.items(), strict=False):
        _cloud(z, labels, ax, legend=ax is axes[len(clouds) - 1])
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
    _cloud(codes, labels, axes[0])
    axes[0].annotate(
        "", path[-1], path[0], arrowprops={"arrowstyle": "-|>", "lw": 2.5, "shrinkA": 0}
    )
    axes[0].scatter(*path.T, s=60, color="white", edgecolors="black", linewidths=1.6, zorder=3)
    page = mosaic(torch.cat([as_images(images) for images in rows.values()]), len(path))
    show_page(page, ax=axes[1])
    axes[1].set_yticks(tile_centres(page.shape[0], len(rows)), list(rows))
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
    ax.contour(values, [tau], colors="black", linewidths=0.9, extent=extent)
    ax.set(xlabel="$z_1$", ylabel="$z_2$", title="distance to the nearest code")
    ax.grid(False)
    ax.figure.colorbar(drawn, ax=ax, shrink=0.8, label="distance d(z)")
    return ax.figure, ax


def gap_panels(
    model: nn.Module,
    codes: Tensor,
    labels: Tensor,
    distance: Tensor,
    limit: float,
    tau: float,
    side: int = 12,
) -> tuple[Figure, np.ndarray]:
    """One square of the plane three times: codes, distance to the nearest one, decoded images.

    Args:
        model: with `decode_mean` and two latent dimensions. codes: (N, 2), with labels (N,).
        distance: (T, T) over the square, z_2 along the rows; at tau a line in two panels.
    """
    fig, axes = panels(3, width=17, height=5.8)
    latent_scatter(codes[:SCATTERED], labels[:SCATTERED], axes[0], limit, legend=False)
    below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.13), "ncols": 10}
    axes[0].legend(**below, markerscale=4, handletextpad=0, columnspacing=0.7, fontsize=11)
    axes[0].set_title("codes of test digits")
    gap_map(distance, limit, tau, axes[1])
    extent = (-limit, limit, -limit, limit)
    page = latent_manifold(model, side, limit)
    axes[2].imshow(page, cmap="gray_r", vmin=0, vmax=1.5, extent=extent)  # paler than the line
    axes[2].contour(distance.numpy(), [tau], colors="black", linewidths=0.9, extent=extent)
    axes[2].set(xlabel="$z_1$", ylabel="$z_2$", title="decoded")
    axes[2].grid(False)
    return fig, axes


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
