"""Pictures of latent spaces."""

import numpy as np
import pytest
import torch
from scipy import stats

from course_utils import plotting
from course_utils.models import VAE
from course_utils.plotting.pages import GAP

pytestmark = pytest.mark.usefixtures("course_style")


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
        found = (page[:: 1 + GAP, :: 1 + GAP] - 0.5) * 10
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_manifold_needs_two_latent_dimensions():
    with pytest.raises(ValueError, match="two latent dimensions, got 3"):
        plotting.latent_manifold(VAE(3, 5))
