"""Figures of notebook 05."""

import numpy as np
import pytest
import torch
from figures import MEASURED, TICKS, grid_posterior, history, images
from sklearn.metrics import confusion_matrix

from course_utils import plotting

pytestmark = pytest.mark.usefixtures("course_style")


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
