"""The figures: what they return, that they show the right numbers and leave no trace."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats
from sklearn.metrics import confusion_matrix

from course_utils import plotting
from course_utils.data import ImageData
from course_utils.models import VAE, ConvVAE
from course_utils.training import History

pytestmark = pytest.mark.usefixtures("course_style")


def images(n: int = 6, side: int = 28) -> torch.Tensor:
    return torch.rand(n, side * side)


def digits(n: int = 40) -> ImageData:
    pixels, labels = torch.zeros(n, 28, 28, dtype=torch.uint8), torch.arange(n) % 10
    return ImageData("strokes", pixels, labels, pixels, labels)


def history() -> History:
    names = [f"{s}_{name}" for s in ("train", "test") for name in ("elbo", "log_lik", "kl")]
    values = {name: 10.0 * k for k, name in enumerate(names)}
    return History([{"epoch": e, **{k: v + e for k, v in values.items()}} for e in (1, 2, 3)])


def grid_posterior(ticks: torch.Tensor, z_1: int, z_2: int) -> torch.Tensor:
    """All mass on one point of the grid, z_1 varying slowest: (1, T * T)."""
    mass = torch.zeros(len(ticks), len(ticks))
    mass[z_1, z_2] = 1
    return mass.log().view(1, -1)


TICKS = torch.linspace(-3, 3, 13)
MEASURED = [
    {"name": "A", "log_likelihood": -90.0, "standard_error": 1.0},
    {"name": "B", "log_likelihood": -120.5, "standard_error": 2.0},
]

# One call of each function that makes a figure, and the number of axes it returns (0: one alone).
FIGURES = {
    "show_rows": (lambda: plotting.show_rows({"original": images(), "decoded": images()}), 0),
    "show_grids": (lambda: plotting.show_grids({"VAE": images(), "PPCA": images()}, 3), 2),
    "panels": (lambda: plotting.panels(3), 3),
    "show_page": (lambda: plotting.show_page(np.zeros((5, 7)), "page"), 0),
    "plot_history": (lambda: plotting.plot_history(history()), 3),
    "plot_towards": (lambda: plotting.plot_towards([1.0, 2.0], 3.0, "goal"), 0),
    "latent_scatter": (
        lambda: plotting.latent_scatter(torch.randn(30, 2), torch.arange(30) % 10),
        0,
    ),
    "against_prior": (lambda: plotting.against_prior(torch.randn(50, 2)), 3),
    "posteriors": (
        lambda: plotting.posteriors(
            TICKS,
            grid_posterior(TICKS, 4, 7).repeat(2, 1),
            torch.zeros(2, 2),
            torch.zeros(2, 2),
            images(2),
        ),
        2,
    ),
    "compare_latents": (
        lambda: plotting.compare_latents({"a": VAE(2, 5), "b": ConvVAE(2, 2)}, digits()),
        4,
    ),
    "two_digit_story": (
        lambda: plotting.two_digit_story([VAE(2, 5), VAE(2, 5)], [0, 3], images(2)),
        6,
    ),
    "estimates_against_truth": (
        lambda: plotting.estimates_against_truth(
            {name: (torch.randn(5), torch.rand(5)) for name in "ab"}, torch.randn(5)
        ),
        2,
    ),
    "confusion": (
        lambda: plotting.confusion(torch.arange(20) % 10, torch.arange(20) // 2),
        0,
    ),
    "likelihood_bars": (lambda: plotting.likelihood_bars(MEASURED), 0),
    "bars": (lambda: plotting.bars({"a": 1.0, "b": 2.0}, "nats"), 0),
}
every_figure = pytest.mark.parametrize(("draw", "panels"), FIGURES.values(), ids=FIGURES)


# --- all figures ---


@every_figure
def test_returns_a_figure_with_its_axes(draw, panels):
    fig, axes = draw()
    assert isinstance(fig, Figure)
    if panels:
        assert isinstance(axes, np.ndarray) and axes.size == panels
    else:
        assert isinstance(axes, Axes)
    assert all(ax.figure is fig for ax in np.ravel(axes))


@every_figure
def test_opens_one_figure_and_changes_no_setting(draw, panels):
    settings = dict(plt.rcParams)
    fig, _ = draw()
    assert [plt.figure(number) for number in plt.get_fignums()] == [fig]
    assert dict(plt.rcParams) == settings


@every_figure
def test_renders_without_a_warning(draw, panels):
    draw()[0].canvas.draw()  # warnings are errors here


@pytest.mark.parametrize(
    "draw",
    [
        lambda ax: plotting.show_page(np.zeros((5, 7)), ax=ax),
        lambda ax: plotting.latent_scatter(torch.randn(30, 2), torch.arange(30) % 10, ax),
    ],
    ids=["show_page", "latent_scatter"],
)
def test_axes_that_are_given_are_used(draw):
    fig, ax = plt.subplots()
    assert draw(ax) == (fig, ax)
    assert len(plt.get_fignums()) == 1


# --- images ---


def test_mosaic_puts_each_image_in_its_place():
    tiles, gap = images(5, side=4).view(5, 4, 4), plotting.GAP
    page = plotting.mosaic(tiles, columns=3)
    assert page.shape == (2 * 4 + gap, 3 * 4 + 2 * gap)
    expected = np.zeros_like(page)
    for i, tile in enumerate(tiles.numpy()):
        top, left = (i // 3) * (4 + gap), (i % 3) * (4 + gap)
        expected[top : top + 4, left : left + 4] = tile
    np.testing.assert_array_equal(page, expected)


def test_mosaic_takes_rows_squares_bytes_and_tensors_with_gradients():
    squares = torch.randint(0, 256, (4, 28, 28), dtype=torch.uint8)
    page = plotting.mosaic(squares, 2)
    for same in (squares.flatten(1), squares.float() / 255, (squares / 255.0).requires_grad_()):
        np.testing.assert_allclose(plotting.mosaic(same, 2), page, atol=1e-7)
    assert page.min() >= 0 and page.max() <= 1


def test_mosaic_cuts_off_what_is_no_ink():
    page = plotting.mosaic(torch.tensor([[-3.0, 0.5, 0.5, 7.0]]), 1)
    np.testing.assert_allclose(page, [[0, 0.5], [0.5, 1]])


@pytest.mark.parametrize("shape", [(784,), (2, 783), (2, 1, 28, 28)], ids=str)
def test_what_is_no_image_is_described(shape):
    with pytest.raises(ValueError, match="images: expected .*, got") as error:
        plotting.mosaic(torch.zeros(shape), 2)
    assert str(shape) in str(error.value)


def test_rows_are_named_and_of_one_length():
    _, ax = plotting.show_rows({"original": images(3), "decoded": images(3)})
    assert [label.get_text() for label in ax.get_yticklabels()] == ["original", "decoded"]
    with pytest.raises(ValueError, match=r"rows: expected as many images in each, got \[3, 4\]"):
        plotting.show_rows({"original": images(3), "decoded": images(4)})


def test_grids_show_their_mosaics_under_their_names():
    grids = {"VAE": images(6), "PPCA": images(4)}
    _, axes = plotting.show_grids(grids, columns=3)
    for ax, (name, tiles) in zip(axes, grids.items(), strict=True):
        assert ax.get_title() == name
        np.testing.assert_array_equal(ax.images[0].get_array(), plotting.mosaic(tiles, 3))


# --- curves and bars ---


def test_history_shows_minus_elbo_minus_reconstruction_and_kl():
    _, axes = plotting.plot_history(history())
    for ax, name, sign in zip(axes, ("elbo", "log_lik", "kl"), (-1, -1, 1), strict=True):
        for line, split in zip(ax.lines, ("train", "test"), strict=True):
            expected = sign * np.array(history().column(f"{split}_{name}"))
            np.testing.assert_array_equal(line.get_ydata(), expected)
            assert list(line.get_xdata()) == [1, 2, 3] and line.get_label() == split


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plotting.bars({"A": 90.0, "B": 120.5}, "nats"),
        lambda: plotting.likelihood_bars(MEASURED),  # minus log-likelihoods
    ],
    ids=["bars", "likelihood_bars"],
)
def test_bars_are_as_long_as_their_values(draw):
    _, ax = draw()
    assert [bar.get_width() for bar in ax.patches] == [90.0, 120.5]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["A", "B"]
    assert "nats" in ax.get_xlabel()


def test_confusion_is_that_of_scikit_learn_in_percent():
    labels, guesses = torch.arange(200) % 10, torch.randint(0, 10, (200,))
    _, ax = plotting.confusion(labels, guesses)
    expected = 100 * confusion_matrix(labels, guesses, normalize="true")
    np.testing.assert_allclose(ax.images[0].get_array(), expected, rtol=1e-6)


# --- latent spaces ---


def test_scatter_shows_every_code_of_its_class():
    codes, labels = torch.randn(30, 2, requires_grad=True), torch.randint(0, 10, (30,))
    _, ax = plotting.latent_scatter(codes, labels)
    for digit, points in enumerate(ax.collections):
        np.testing.assert_allclose(points.get_offsets(), codes[labels == digit].detach())
    assert ax.get_legend() is not None


def test_scatter_without_a_legend():
    _, ax = plotting.latent_scatter(torch.randn(30, 2), torch.arange(30) % 10, legend=False)
    assert ax.get_legend() is None


@pytest.mark.parametrize("shape", [(30, 1), (30, 3)], ids=str)
def test_codes_of_other_than_two_dimensions_are_refused(shape):
    with pytest.raises((TypeError, ValueError)):
        plotting.latent_scatter(torch.zeros(shape), torch.zeros(30, dtype=torch.int64))


class Coordinates(torch.nn.Linear):
    """Decodes z into one pixel: its first or second coordinate, moved into [0, 1]."""

    latent_dim = 2

    def __init__(self, which: int):
        super().__init__(1, 1)
        self.which = which

    def decode_mean(self, z):
        return z[:, [self.which]] / 10 + 0.5


@pytest.mark.parametrize("limit", [None, 3.0])
def test_manifold_runs_from_lower_left_to_upper_right(limit):
    """By default at the middle of equal shares of the prior; else evenly within the limit."""
    shares = (np.arange(5) + 0.5) / 5
    ticks = stats.norm.ppf(shares) if limit is None else limit * (2 * shares - 1)
    z_1, z_2 = np.meshgrid(ticks, ticks[::-1])
    for which, expected in enumerate((z_1, z_2)):
        page = plotting.latent_manifold(Coordinates(which), 5, limit)
        found = (page[:: 1 + plotting.GAP, :: 1 + plotting.GAP] - 0.5) * 10
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_manifold_needs_two_latent_dimensions():
    with pytest.raises(ValueError, match="two latent dimensions, got 3"):
        plotting.latent_manifold(VAE(3, 5))


def test_posterior_mass_and_ellipse_lie_where_they_should():
    mu, log_var = torch.tensor([[0.5, -1.0]]), torch.tensor([[0.0, -2.0]])
    x = images(2)
    _, axes = plotting.posteriors(
        TICKS,
        torch.cat([grid_posterior(TICKS, 9, 2)] * 2),
        mu.repeat(2, 1),
        log_var.repeat(2, 1),
        x,
    )
    for ax in axes:
        mass = np.asarray(ax.collections[0].get_array()).reshape(13, 13)
        assert np.argwhere(mass == mass.max()).tolist() == [[2, 9]]  # row z_2, column z_1
        standardised = (ax.lines[0].get_xydata() - mu[0].numpy()) / log_var[0].div(2).exp().numpy()
        np.testing.assert_allclose(np.linalg.norm(standardised, axis=1), 2, rtol=1e-4)
