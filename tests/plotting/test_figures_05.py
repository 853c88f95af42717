"""Figures of notebook 05."""

import numpy as np
import pytest
import torch
from figures import MEASURED, history, images
from sklearn.metrics import confusion_matrix

from course_utils import plotting
from course_utils.models import VAE

pytestmark = pytest.mark.usefixtures("course_style")


def test_history_shows_minus_elbo_minus_reconstruction_and_kl():
    _, axes = plotting.plot_history(history())
    for ax, name, sign in zip(axes, ("elbo", "log_lik", "kl"), (-1, -1, 1), strict=True):
        for line, split in zip(ax.lines, ("train", "test"), strict=True):
            expected = sign * np.array(history().column(f"{split}_{name}"))
            np.testing.assert_array_equal(line.get_ydata(), expected)
            assert list(line.get_xdata()) == [1, 2, 3] and line.get_label() == split


def test_bars_are_as_long_as_their_values():
    _, ax = plotting.bars({"A": 90.0, "B": 120.5}, "nats")
    assert [bar.get_width() for bar in ax.patches] == [90.0, 120.5]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["A", "B"]
    assert "nats" in ax.get_xlabel()


def test_steps_in_nats_shows_values_and_both_errors_of_a_difference():
    _, axes = plotting.steps_in_nats(MEASURED)
    assert list(axes[0].lines[0].get_xdata()) == [2, 20]
    assert list(axes[0].lines[0].get_ydata()) == [-120.5, -90.0]
    independent, paired = axes[1].lines
    np.testing.assert_allclose(independent.get_ydata(), [2**0.5])
    assert list(paired.get_ydata()) == [0.2]


def test_confusion_is_that_of_scikit_learn_in_percent():
    labels, guesses = torch.arange(200) % 10, torch.randint(0, 10, (200,))
    _, ax = plotting.confusion(labels, guesses)
    expected = 100 * confusion_matrix(labels, guesses, normalize="true")
    np.testing.assert_allclose(ax.images[0].get_array(), expected, rtol=1e-6)


def bell(ticks, mu, std):
    return torch.distributions.Normal(mu, std).log_prob(ticks)


def test_outlines_of_a_posterior_hold_as_much_as_those_of_its_gaussian():
    """A posterior that is itself the Gaussian q: both pairs of outlines lie on each other."""
    mu, std = torch.tensor([0.5, -1.0]), torch.tensor([1.0, 0.4])
    first, second = torch.linspace(-4, 5, 401), torch.linspace(-4, 2, 401)
    plane = first, second, bell(first, mu[0], std[0])[:, None] + bell(second, mu[1], std[1])
    gaussians = {"q": (mu.repeat(2, 1), 2 * std.log().repeat(2, 1))}
    _, axes = plotting.posteriors([plane] * 2, gaussians, images(2))
    for ax in axes:
        assert ax.get_aspect() == 1  # equal: the figure is about shape
        radii = [
            np.linalg.norm((line.get_xydata() - mu.numpy()) / std.numpy(), axis=1)
            for line in ax.lines[:2]
        ]
        np.testing.assert_allclose([r.mean() for r in radii], [1, 2], rtol=1e-4)
        outlines = [path for drawn in ax.collections for path in drawn.get_paths()]
        drawn = {
            round(
                float(np.median(np.linalg.norm((p.vertices - mu.numpy()) / std.numpy(), axis=1)))
            )
            for p in outlines
            if len(p.vertices)
        }
        assert {1, 2} <= drawn


def test_density_and_ratio_to_the_prior_stand_where_they_should():
    ticks = torch.linspace(-5, 5, 101)
    density = (bell(ticks, 1.0, 0.5)[:, None] + bell(ticks, -2.0, 0.5)).exp()
    _, axes = plotting.against_prior(ticks, density, limit=4)
    shown = np.asarray(axes[0].images[0].get_array())  # rows are z_2, from below
    row, column = np.unravel_index(shown.argmax(), shown.shape)
    low, high = axes[0].images[0].get_extent()[:2]
    at = np.linspace(low, high, len(shown))
    np.testing.assert_allclose([at[column], at[row]], [1, -2], atol=0.06)
    ratio = np.ma.filled(axes[2].images[0].get_array(), np.nan)
    assert ratio[row, column] > 0 > np.nanmin(ratio) and np.nanmax(np.abs(ratio)) <= 4
    outside = at[:, None] ** 2 + at**2 > 9.1  # hardly any draw of the prior, and not drawn
    assert np.isnan(ratio[outside]).all() and not np.isnan(ratio[~outside]).all()


def test_codes_and_page_share_their_axes():
    z = torch.randn(30, 2)
    mark = (1.3, -2.0)
    _, axes = plotting.plane_and_page(VAE(2, 5), z, torch.arange(30) % 10, limit=3.0, mark=mark)
    for ax in axes:
        assert ax.get_xlim() == ax.get_ylim() == (-3.0, 3.0)
    assert sum(len(dots.get_offsets()) for dots in axes[0].collections) == 30
    (frame,) = axes[1].patches
    assert frame.get_width() == pytest.approx(6 / 11)
    assert frame.get_x() < mark[0] < frame.get_x() + frame.get_width()
    assert frame.get_y() < mark[1] < frame.get_y() + frame.get_height()


def test_a_blank_image_has_a_frame():
    _, ax = plotting.show_rows(
        {"blank": torch.zeros(3, 784), "ink": torch.ones(3, 784)}, framed=True
    )
    corners = {(round(p.get_x()), round(p.get_y()), p.get_width()) for p in ax.patches}
    assert len(corners) == 6 and all(width == 28 for _, _, width in corners)
