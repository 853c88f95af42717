"""Figures of notebook 04."""

import numpy as np
import pytest
import torch

from course_utils import plotting
from course_utils.session import PALETTE

pytestmark = pytest.mark.usefixtures("course_style", "float64")  # as on the page


def test_repeated_intervals_mark_the_misses():
    results = {"a": (torch.tensor([1.0, 3.0]), torch.tensor([0.2, 0.2]))}
    fig, (ax,) = plotting.repeated_intervals(results, 1.0, "value")
    colours = [line.lines[0].get_color() for line in ax.containers]
    assert colours[1] == "black" != colours[0]
    assert (ax.get_title(), ax.get_xlabel()) == ("a", "value")


def test_theory_and_measured_match_by_colour():
    x, at = torch.linspace(0, 1, 20), torch.tensor([0.2, 0.8])
    fig, ax = plotting.theory_and_measured(
        x, {"p": x**2, "level": 0.5}, {"p": (at, at**2, 0.1 * at)}, xlabel="x", ylabel="y"
    )
    curve, level = ax.lines[:2]
    np.testing.assert_allclose(curve.get_ydata(), x**2)
    np.testing.assert_allclose(level.get_ydata(), 0.5)
    assert ax.containers[0].lines[0].get_color() == curve.get_color() != level.get_color()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "y")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["p", "level"]


def test_training_bands_show_the_median_and_keep_colours():
    runs = torch.tensor([[1.0, 2.0], [3.0, 4.0], [9.0, 9.0]])
    fig, ax = plotting.training_bands({"score function": runs}, "nats")
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [3.0, 4.0])
    assert ax.lines[0].get_color() == PALETTE[1]
    assert ax.get_yscale() == "log" and ax.get_ylabel() == "nats"


def test_histogram_and_line():
    fig, ax = plotting.histogram_and_line(torch.linspace(0, 1, 500), 0.25, "value", "truth")
    assert ax.get_xlabel() == "value" and ax.get_ylabel() == "draws"
    assert "truth: 0.25" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_an_estimator_keeps_its_colour_from_figure_to_figure():
    x, runs = torch.linspace(0, 1, 20), torch.rand(3, 5)
    for name, colour in [("path only", PALETTE[3]), ("analytic KL", PALETTE[5])]:
        _, ax = plotting.theory_and_measured(x, {"other": x, name: x}, {})
        _, bands = plotting.training_bands({name: runs + 1}, "nats")
        assert ax.lines[1].get_color() == bands.lines[0].get_color() == colour
        assert ax.lines[0].get_color() == PALETTE[0]


def test_draws_and_density_share_one_scale():
    """Draws that lie outside the frame still count: the bars are a density of all draws."""
    draws = torch.tensor([0.1] * 3 + [50.0])
    _, ax = plotting.draws_and_density(draws, torch.tensor([-1.0, 1.0]), torch.tensor([0.2, 0.2]))
    area = sum(bar.get_height() * bar.get_width() for bar in ax.patches)
    assert area == pytest.approx(3 / 4)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [0.2, 0.2])
