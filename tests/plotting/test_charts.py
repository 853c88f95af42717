"""Charts of several notebooks, and the parts that charts are made of."""

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb
from scipy import stats

from course_utils import plotting
from course_utils.plotting import charts
from course_utils.plotting.latents import DIGIT_COLOURS
from course_utils.session import PALETTE

pytestmark = pytest.mark.usefixtures("course_style")


def test_contrast_is_that_of_the_guidelines():
    assert charts.contrast("black") == pytest.approx(21)
    assert charts.contrast("#777777", "#777777") == 1
    assert charts.contrast("#777777") == pytest.approx(4.48, abs=0.01)  # known to fail narrowly
    assert charts.contrast("#767676") == pytest.approx(4.54, abs=0.01)  # and to pass narrowly


@pytest.mark.parametrize("colour", [*PALETTE, *DIGIT_COLOURS])
def test_letters_can_be_read(colour):
    assert charts.contrast(charts.letters(colour)) >= 4.5
    assert charts.contrast(colour, charts.letters_on(colour)) >= 4.5
    if charts.contrast(colour) >= 4.5:
        assert to_rgb(charts.letters(colour)) == pytest.approx(to_rgb(colour), abs=0.01)


def test_curves_draws_lines_and_levels():
    fig, ax = plotting.curves(
        [0, 1, 2], {"a": torch.tensor([1.0, 2.0, 4.0]), "limit": 3.0}, xlabel="x", yscale="log"
    )
    assert [line.get_label() for line in ax.lines] == ["a", "limit"]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [1, 2, 4])
    assert ax.get_xlabel() == "x"
    assert ax.get_yscale() == "log"


def test_lines_carry_their_names_and_two_standard_errors():
    errors = {"a": torch.tensor([0.5, 0.5]), "b": torch.tensor([0.1, 0.1])}
    fig, ax = plotting.lines([2, 4], {"a": [1.0, 2.0], "b": [3.0, 4.0]}, "size", "error", errors)
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["a", "b"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["2", "4"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("size", "error")
    bar = ax.containers[0].lines[2][0].get_segments()[0]
    np.testing.assert_allclose(bar[:, 1], [0.0, 2.0])


def test_every_line_has_a_colour_and_a_style_however_many_there_are():
    """More names than colours or markers: no line is left out."""
    fig, ax = plt.subplots()
    many = {str(k): torch.full((3,), float(k)) for k in range(len(PALETTE) + 1)}
    charts.draw_lines(ax, None, many, charts.MARKERS)
    assert [line.get_label() for line in ax.lines] == list(many)
    assert [line.get_color() for line in ax.lines] == [*PALETTE, PALETTE[0]]
    assert ax.lines[5].get_marker() == ax.lines[0].get_marker() != ax.lines[1].get_marker()
    np.testing.assert_array_equal(ax.lines[2].get_xdata(), [0, 1, 2])


def test_numbers_stand_in_their_cells():
    fig, ax = plt.subplots()
    values = torch.tensor([[0.25, 1.0, torch.nan]])
    charts.write_numbers(ax, values, "{:.1f}", pale=lambda value: value > 0.5)
    written = {text.get_position(): (text.get_text(), text.get_color()) for text in ax.texts}
    assert written == {(0, 0): ("0.2", "black"), (1, 0): ("1.0", "white")}


def test_the_density_is_that_of_scipy():
    t = torch.linspace(-4, 4, 9, dtype=torch.float64)
    np.testing.assert_allclose(charts.standard_normal(t), stats.norm.pdf(t), rtol=1e-12)
    assert charts.standard_normal(torch.tensor(0.5)).item() == pytest.approx(stats.norm.pdf(0.5))


def test_an_outline_has_one_distance_in_standard_deviations():
    root = torch.tensor([[2.0, 0.0], [-0.5, 0.3]])
    mu, precision = torch.tensor([1.0, -2.0]), np.linalg.inv((root @ root.T).numpy())
    r = (charts.ellipse(mu, root, 3.0) - mu[:, None]).numpy()
    np.testing.assert_allclose(np.einsum("it,ij,jt->t", r, precision, r), 9, rtol=1e-5)
