"""Figures of notebook 08: regions lie where their points are, bars have the right length."""

import numpy as np
import pytest
import torch

from course_utils import plotting

pytestmark = pytest.mark.usefixtures("course_style")


def test_regions_lie_where_their_points_are():
    def lower_right(z):
        return ((z[:, 0] > 1) & (z[:, 1] < -1)).long() * 7

    few = torch.tensor([[0.0, 0.0], [2.0, -2.0]])
    cloud = torch.randn(30, 2)
    _, axes = plotting.label_planes(
        {"a": lower_right, "b": None}, few, torch.tensor([0, 7]), cloud
    )
    (image,) = axes[0].images
    regions, (left, right, bottom, top) = np.asarray(image.get_array()), image.get_extent()
    assert image.origin == "lower" and (left, right, bottom, top) == (-4, 4, -4, 4)
    assert regions[20, 180] == 7  # low, and far to the right
    assert {int(regions[i, j]) for i, j in ((20, 20), (180, 180), (180, 20))} == {0}
    clouds = [ax.collections[0] for ax in axes]
    assert not axes[1].images and all(len(c.get_offsets()) == 30 for c in clouds)
    assert clouds[0].get_alpha() < clouds[1].get_alpha()  # the first panel's cloud is faint
    words = [(text.get_text(), text.get_position()) for text in axes[0].texts]
    assert words == [("0", (0.0, 0.0)), ("7", (2.0, -2.0))]


def test_error_rates_are_drawn_in_percent_with_two_standard_errors():
    _, ax = plotting.error_rates({"a": (0.2, 0.01), "b": (0.1, 0.02)}, grouped=["b"])
    widths = [bar.get_width() for bar in ax.patches]
    assert widths == pytest.approx([20, 10])
    assert ax.patches[0].get_facecolor() != ax.patches[1].get_facecolor()
    ends = [bars[2][0].get_segments()[0][:, 0] for bars in ax.containers if len(bars) == 3]
    np.testing.assert_allclose(sorted(map(tuple, ends)), [(6, 14), (18, 22)])
    assert [text.get_text() for text in ax.texts] == ["20.0", "10.0"]


def test_areas_stand_beside_their_kind():
    areas = {
        "noise": {"one": (0.7, 0.02), "other": (0.4, 0.1)},
        "attacked": {"one": (0.6, 0.01), "other": (0.5, 0.1)},
    }
    _, ax = plotting.areas_with_errors(areas)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["noise", "attacked"]
    for score, bars in zip(("one", "other"), ax.containers, strict=True):
        line = bars[0]
        assert line.get_xdata().tolist() == [areas[kind][score][0] for kind in areas]
        assert line.get_ydata().round().tolist() == [0, 1]
