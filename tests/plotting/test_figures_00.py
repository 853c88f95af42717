"""Figures of notebook 00."""

import numpy as np
import pytest
import torch

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
    fig, axes = plotting.roc_curves(digits, {"bad": bad}, {"bad": 1.0}, "log p")
    x, y = axes[1].lines[0].get_data()
    assert (x.min(), x.max(), y.min(), y.max()) == pytest.approx((0, 1, 0, 1), abs=0.11)
    area = np.trapezoid(y[::-1], x[::-1])
    assert area == pytest.approx(1.0, abs=0.11)
    assert axes[1].lines[0].get_label() == "bad: 1.00"
    assert axes[0].get_xlabel() == "log p"


def test_area_table_writes_every_number():
    fig, ax = plotting.area_table(
        {"noise": {"one": 0.25, "two": 1.0}, "blank": {"one": 0, "two": 0.5}}
    )
    assert [text.get_text() for text in ax.texts] == ["0.25", "1.00", "0.00", "0.50"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["noise", "blank"]
