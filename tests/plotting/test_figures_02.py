"""Figures of notebook 02."""

import numpy as np
import pytest
import torch
from figures import N02

from course_utils import plotting

pytestmark = pytest.mark.usefixtures("course_style", "float64")  # as on the page

TEXTS = {
    "points_and_posteriors": "$x_2$",
    "axis_variances": "principal axis",
    "gaps_to_best": "nats below the best",
    "same_picture_turned": "$z_2$",
    "decoded_means": "x",
    "seconds_against_size": "seconds",
    "scores_against_latents": "log p(x), nats per image",
    "score_boxes": "digits",
    "log_likelihood_traces": "nats per row",
}


@pytest.mark.parametrize(("name", "label"), TEXTS.items())
def test_figures_say_what_they_show(name, label):
    fig, _ = N02[name][0]()
    texts = [text.get_text() for text in fig.findobj(lambda artist: hasattr(artist, "get_text"))]
    assert any(label in text for text in texts)
    width, height = fig.get_size_inches()
    assert width > height > 1


def test_gaps_are_distances_to_the_best():
    fig, ax = N02["gaps_to_best"][0]()
    drawn = [line.get_ydata() for line in ax.lines if len(line.get_ydata()) == 3]
    np.testing.assert_allclose(drawn[0], [1.6, 0.6, 0.1])


def test_a_triangle_marks_where_a_point_stands_on_the_line():
    W, mu, z = torch.tensor([[2.0], [1.0]]), torch.tensor([1.0, 0.5]), torch.linspace(-3, 3, 61)
    on_line = W[:, 0] + mu  # at z = 1, and the other point straight across from it
    x = torch.stack([on_line, on_line + torch.tensor([-1.0, 2.0])])
    fig, axes = plotting.points_and_posteriors(x, W, mu, z, torch.rand(2, 61))
    triangles = [line.get_xdata() for line in axes[1].lines if line.get_marker() == "^"]
    np.testing.assert_allclose(np.ravel(triangles), [1, 1])


def test_the_model_matches_the_first_variances_and_spreads_the_rest():
    data = torch.tensor([9.0, 3.0, 1.0])
    fig, ax = plotting.axis_variances(data, torch.tensor([7.0]), 2.0)
    tops = {}
    for bar in ax.patches:
        at = round(bar.get_x() + bar.get_width() / 2, 2)
        tops[at] = max(tops.get(at, 0), bar.get_y() + bar.get_height())
    expected = {0.8: 9, 1.8: 3, 2.8: 1, 1.2: 9, 2.2: 2, 3.2: 2}
    assert tops == pytest.approx(expected)


def test_the_difference_is_test_minus_train():
    fig, axes = plotting.scores_against_latents([2, 5], [1, 2], [1, 3])
    np.testing.assert_allclose(axes[1].lines[0].get_ydata(), [0, 1])


def test_the_story_draws_every_row_of_noise():
    W, mu, eps = torch.tensor([[2.0], [1.0]]), torch.tensor([1.0, 0.5]), torch.randn(7, 2)
    fig, axes = plotting.generative_story(1.0, W, mu, 0.5, eps)
    np.testing.assert_allclose(
        axes[1].collections[0].get_offsets(), W[:, 0] + mu + 0.5 * eps, atol=1e-6
    )
    fig, axes = plotting.generative_story(1.0, W, mu, 0.5, eps, cloud=torch.randn(30, 2))
    assert len(axes[1].collections[0].get_offsets()) == 30
    assert "p(x|z)" in [text.get_text() for text in axes[1].get_legend().get_texts()]
