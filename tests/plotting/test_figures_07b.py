"""Figures of notebook 07b."""

import numpy as np
import pytest
import torch
from figures import BELL, PEAK, STRONGER, TICKS, Z

from course_utils import plotting

pytestmark = pytest.mark.usefixtures("course_style")


def test_an_interval_is_shaded_with_its_width_before_and_after():
    fig, (before, between, after) = plotting.stretched(Z, 2 * Z, (BELL, BELL / 2), [(30, 40)])
    assert [t.get_text() for t in before.texts] == ["width 1.00"]
    assert [t.get_text() for t in after.texts] == ["width 2.00"]
    np.testing.assert_allclose(between.lines[0].get_ydata(), 2 * Z)


def test_a_posterior_is_grey_and_each_q_has_its_panel_and_title():
    shown = {"narrow": PEAK, "turned": PEAK.T}
    fig, axes = plotting.bent_posteriors((TICKS, TICKS), PEAK, shown)
    assert [ax.get_title() for ax in axes] == [*shown]
    assert [t.get_text() for t in fig.legends[0].get_texts()] == ["exact posterior", "q"]
    assert all(len(ax.collections) == 3 for ax in axes)  # filled, its outlines, those of q


def test_densities_share_one_scale_with_z1_to_the_right():
    density = torch.zeros(5, 5)
    density[4, 1] = 2.0  # z_1 large, z_2 small
    fig, axes = plotting.densities_over_plane({"a": density, "b": density / 4}, 3.0)
    for ax, expected in zip(axes, (density, density / 4), strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), expected.T)
        assert ax.images[0].get_clim() == (0, 2.0) and ax.images[0].origin == "lower"


def test_gains_leave_the_reference_out_and_show_every_seed():
    fig, ax = plotting.gains_of_rows(STRONGER)
    labels = [t.get_text() for t in ax.get_yticklabels()]
    assert labels == ["flow q:\nwider", "flow prior:\nwider"]
    dots = [list(line.get_xdata()) for line in ax.lines if line.get_marker() == "o"]
    assert dots == [[1.0, 1.0], [2.0, 2.0], [-0.5, -0.5], [-1.0, -1.0]]
    assert "baseline" in ax.get_xlabel()
