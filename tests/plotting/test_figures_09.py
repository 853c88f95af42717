"""Figures of notebook 09."""

import numpy as np
import pytest
import torch

from course_utils import plotting
from course_utils.plotting.charts import letters
from course_utils.session import PALETTE

pytestmark = pytest.mark.usefixtures("course_style")


def test_a_timeline_is_in_order_whatever_the_order_given():
    _, ax = plotting.timeline({2013: "later", 1985: "first", 2006: "between"}, marked=[2013])
    texts = [text.get_text() for text in ax.texts]
    assert [text.split("\n")[0] for text in texts] == ["1985", "between", "2013"]
    assert [text.get_color() for text in ax.texts] == [
        letters(PALETTE[place]) for place in (0, 0, 1)
    ]


def test_every_unit_is_linked_to_every_unit_of_the_next_layer():
    both, down = {"x": 4, "h": 3, "g": 2}, {"x": 3, "h": 2}
    _, (left, right) = plotting.layers_of_units({"A": (both, "both"), "B": (down, "down")})
    assert len(left.lines) == 4 * 3 + 3 * 2 and not right.lines
    assert sum(len(dots.get_offsets()) for dots in left.collections) == 9
    arrows = [text for text in right.texts if getattr(text, "arrow_patch", None)]
    assert len(arrows) == 2 * 3 * 2  # up and down
    styles = [arrow.arrow_patch.get_linestyle() for arrow in arrows]
    assert styles.count("--") == styles.count("-") == 6
    dashed = arrows[styles.index("--")]
    assert dashed.xy[1] > dashed.xyann[1]  # the dashed ones lead up


def test_weights_have_a_sign_and_a_scale_of_their_own():
    weights = torch.tensor([[1.0, -1.0, 0.5, 0.0], [-0.02, 0.01, 0.0, 0.0]])
    _, ax = plotting.weight_images(weights, columns=2)
    page = np.asarray(ax.images[0].get_array().filled(np.nan))
    np.testing.assert_allclose(page[:, :2], [[1, 0], [0.75, 0.5]])
    np.testing.assert_allclose(page[:, 4:], [[0, 0.75], [0.5, 0.5]])
    assert np.isnan(page[:, 2:4]).all() and ax.images[0].get_clim() == (0, 1)


def test_the_steps_of_a_bound_stay_below_the_exact_value():
    bounds = torch.tensor([-3.0, -2.5, -2.2, -2.1])
    _, ax = plotting.bound_steps(bounds, -2.0, ("h_1", "h_2"))
    names = [line.get_label() for line in ax.lines]
    first, second = (ax.lines[k].get_data() for k in (1, 2))
    assert "h_1" in names[1] and "h_2" in names[2]
    np.testing.assert_allclose(first, [[1, 3], [-2.5, -2.1]], rtol=1e-6)
    np.testing.assert_allclose(second, [[2], [-2.2]], rtol=1e-6)
    assert list(ax.lines[4].get_ydata()) == [-2.0, -2.0] and ax.get_ylim()[1] > -2.0


def test_each_pair_of_layers_may_have_links_of_its_own():
    layers = {"x": 4, "h": 3, "g": 2}
    _, (ax,) = plotting.layers_of_units({"stack": (layers, ("down", "both"))})
    assert len(ax.lines) == 3 * 2  # both ways, above
    arrows = [text for text in ax.texts if getattr(text, "arrow_patch", None)]
    assert len(arrows) == 4 * 3 * 2


def test_chains_are_drawn_on_one_scale():
    traces = {"plain": torch.zeros(5), "tempered": torch.tensor([0.0, 9, 9, 0, 9])}
    _, axes = plotting.chain_traces(traces, "black pixels")
    assert [ax.get_title() for ax in axes] == ["plain", "tempered"]
    assert axes[0].get_ylim() == axes[1].get_ylim() and axes[1].get_xlabel() == "step"
    np.testing.assert_allclose(axes[1].lines[0].get_ydata(), traces["tempered"])
