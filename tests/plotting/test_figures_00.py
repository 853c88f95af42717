"""Figures of notebook 00."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from course_utils import plotting

pytestmark = pytest.mark.usefixtures("course_style")


def test_mixture_image_puts_data_and_progress_in_their_place():
    density = torch.zeros(60, 60)
    density[10, 40] = 1  # low on the right
    image = plotting.mixture_image(density, torch.tensor([[-2.95, 2.95]]), progress=0.5)
    assert image.shape == (70, 60, 3)
    assert image.dtype == np.uint8
    assert (image[0, 0] == 40).all()  # the datum: top left
    assert image[60 - 1 - 10, 40, 0] < 100  # the peak is shaded
    assert (image[30, 30] == 255).all()
    orange = (image[-1] == (213, 94, 0)).all(-1)
    assert orange[:30].all()
    assert not orange[30:].any()


def test_density_panels_have_axes_in_units_of_the_plane():
    fig, axes = plotting.density_panels(
        {"a": torch.rand(20, 20), "b": torch.rand(20, 20)}, torch.randn(9, 2), limit=2.0
    )
    assert [ax.get_title() for ax in axes] == ["a", "b"]
    assert axes[0].get_xlim() == (-2, 2)
    assert axes[0].get_ylabel() == "$x_2$"
    assert len(axes[1].collections[0].get_offsets()) == 9


def test_roc_curves_start_and_end_in_the_corners_and_name_the_area():
    digits, bad = torch.arange(10.0), torch.arange(-10.0, 0.0)
    fig, ax = plotting.roc_curves(digits, {"bad": bad}, {"bad": 1.0})
    x, y = ax.lines[0].get_data()
    assert (x.min(), x.max(), y.min(), y.max()) == pytest.approx((0, 1, 0, 1), abs=0.11)
    area = np.trapezoid(y[::-1], x[::-1])
    assert area == pytest.approx(1.0, abs=0.11)
    assert ax.lines[0].get_label() == "1.00  bad"


def test_a_kind_of_image_has_one_colour_in_all_figures():
    digits, scores = torch.randn(50), {"blank page": torch.randn(9), "attacked": torch.randn(9)}
    _, strips = plotting.score_strips(digits, scores, 0.0, "log p")
    _, roc = plotting.roc_curves(digits, scores, dict.fromkeys(scores, 0.5))
    filled = [to_hex(ax.patches[0].get_facecolor()) for ax in strips[1:]]
    assert filled == [to_hex(line.get_color()) for line in roc.lines[:2]]
    assert len(set(filled)) == 2


def test_score_strips_say_who_passes_and_collect_the_rest_at_the_edge():
    digits, low = torch.linspace(-1, 1, 100), torch.full((10,), -1e6)
    fig, axes = plotting.score_strips(digits, {"low": low}, digits.quantile(0.05), "log p")
    assert [ax.texts[0].get_text() for ax in axes] == ["95%", "0%"]
    assert axes[1].texts[1].get_text().endswith("median -1,000,000")
    heights, edges, _ = axes[1].patches[0].get_data()
    assert heights[0] == 1
    assert heights[1:].sum() == 0
    assert edges[0] > -10
    assert axes[-1].get_xlabel() == "log p"


def test_distances_begin_at_the_peak():
    fig, ax = plotting.distances_from_peak({"a": torch.ones(9), "b": torch.tensor([9.0])}, "r")
    assert ax.patches[0].get_data().edges[0] == 0
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]


def test_volume_and_density_meet_where_their_product_is_largest():
    r = torch.linspace(1, 7, 601, dtype=torch.float64)
    shown = {"page": torch.tensor([2.0]), "draws": torch.tensor([3.0, 3.1, 5.0])}
    fig, (left, right) = plotting.density_and_volume(r, 9 * r.log(), -(r**2) / 2, shown)
    volume, density, product = (line.get_ydata() for line in left.lines[:3])
    np.testing.assert_allclose(product, volume + density, atol=1e-9)
    at = int(np.argmax(product))
    assert r[at].item() == pytest.approx(3)  # the square root of 9
    assert product[at] == volume[at] == density[at] == 0
    at_six = int((r - 6).abs().argmin())
    assert volume[at_six] == pytest.approx(9)  # from 3 to 6 it doubles nine times
    assert [text.get_text() for text in right.get_legend().get_texts()] == ["page", "draws"]
    assert right.lines[1].get_xdata()[0] == 2  # one image is a line


def test_em_panels_name_the_starts_that_they_show():
    half = torch.ones(2) / 2, torch.randn(2, 2), torch.eye(2).repeat(2, 1, 1)
    climb = torch.tensor([[-9.0, -2.0, -1.0], [-9.0, -3.0, -1.5], [-9, -2, -1], [-9, -2, -1]])
    fig, axes = plotting.em_panels(
        {"start 1": {"step 0": half}, "start 2": {"step 0": half}}, torch.randn(9, 2), climb
    )
    curves = fig.axes[-1]
    names = [text.get_text() for text in curves.get_legend().get_texts()]
    assert names == ["another start", "start 1", "start 2"]
    assert curves.get_ylim()[0] > -9  # from step 1 on
    styles = [line.get_linestyle() for line in curves.lines]
    assert styles[2:] == ["-", "--"]


def test_times_to_sum_mark_times_that_one_knows():
    fig, ax = plotting.times_to_sum(torch.tensor([2.0, 3.0]), {"a": torch.tensor([1.0, 2.0])})
    assert [text.get_text() for text in ax.texts] == ["a second", "a year", "age of the universe"]


def test_area_table_writes_every_number():
    fig, ax = plotting.area_table(
        {"noise": {"one": 0.25, "two": 1.0}, "blank": {"one": 0, "two": 0.5}}
    )
    assert [text.get_text() for text in ax.texts] == ["0.25", "1.00", "0.00", "0.50"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["noise", "blank"]
