"""Figures of notebook 01."""

import numpy as np
import pytest
import torch

from course_utils import plotting

pytestmark = pytest.mark.usefixtures("course_style")


def test_code_clouds_and_walk():
    codes, labels = torch.randn(60, 2), torch.arange(60) % 10
    fig, axes = plotting.code_clouds({"one": codes, "two": codes}, labels, torch.eye(3))
    assert [ax.get_title() for ax in axes[:2]] == ["one", "two"]
    np.testing.assert_array_equal(axes[-1].images[0].get_array(), np.eye(3))
    assert list(axes[-1].images[0].get_extent()) == [0.5, 3.5, 3.5, 0.5]  # counted from 1
    assert list(axes[-1].get_xticks()) == [1, 2, 3]
    path = torch.tensor([[0.0, 0], [1, 1]])
    rows = {"up": torch.zeros(2, 784), "down": torch.ones(2, 784)}
    fig, axes = plotting.plane_walk(codes, labels, path, rows)
    assert [t.get_text() for t in axes[1].get_yticklabels()] == ["up", "down"]
    np.testing.assert_array_equal(axes[0].collections[-1].get_offsets(), path)


def test_gap_map_lies_the_right_way_up():
    distance = torch.rand(5, 5) + 0.01
    fig, ax = plotting.gap_map(distance, 2.0, 0.5)
    drawn = ax.images[0]
    assert drawn.origin == "lower" and list(drawn.get_extent()) == [-2, 2, -2, 2]
    assert ax.get_xlabel() == "$z_1$" and ax.get_ylabel() == "$z_2$"


def test_map_and_digit_has_the_shape_and_kind_that_knobs_wants():
    page = plotting.map_and_digit(torch.rand(30, 30), torch.zeros(2), torch.zeros(784), 0.1)
    assert page.shape == (30, 64, 3) and page.dtype == np.uint8
    assert (page[:, 34:] == 255).all()  # an empty image is paper
