"""Figures of notebook 10."""

import numpy as np
import pytest
import torch

from course_utils import plotting

pytestmark = pytest.mark.usefixtures("course_style")


def test_judges_stand_over_the_densities_that_they_judge():
    x = torch.linspace(0, 1, 5)
    judges = {"exact": x, "trained": 1 - x}
    _, ax = plotting.judge_over_densities(x, 2 * x, 0.5 * x, judges)
    assert [line.get_label() for line in ax.lines[:2]] == ["exact", "trained"]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), x)
    tops = [area.get_paths()[0].vertices[:, 1].max() for area in ax.collections]
    np.testing.assert_allclose(tops, [2, 0.5])


def test_clouds_stand_by_name_and_time_on_one_scale():
    centres = torch.tensor([[0.0, 2.0], [2.0, 0.0]])
    early, late = torch.zeros(3, 2), torch.ones(4, 2)
    _, axes = plotting.clouds({"a": [early, late], "b": [late, early]}, ["1", "2"], centres)
    assert axes.shape == (2, 2) and [ax.get_title() for ax in axes[0]] == ["1", "2"]
    assert [line[0].get_ylabel() for line in axes] == ["a", "b"]
    np.testing.assert_allclose(axes[1, 0].collections[0].get_offsets(), late)
    np.testing.assert_allclose(axes[1, 0].lines[0].get_xydata(), centres)
    assert len({ax.get_xlim() for ax in axes.flat} | {ax.get_ylim() for ax in axes.flat}) == 1


def test_every_seed_has_its_dot_and_the_mean_its_error():
    values = torch.tensor([2, 4, 6])
    _, ax = plotting.one_dot_a_seed({"a": values, "b": torch.tensor([8, 8, 8])}, "modes", 8)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), values)
    assert len(set(ax.lines[0].get_xdata())) == 3
    (bar,) = ax.containers[0].lines[2]
    low, high = bar.get_segments()[0][:, 1]
    assert (low, high) == pytest.approx((4 - 2 / 3**0.5, 4 + 2 / 3**0.5))
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["a", "b"]
