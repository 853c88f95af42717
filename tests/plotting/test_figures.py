"""All figures: what they return, and that they leave no trace."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from figures import FIGURES
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from course_utils import plotting

pytestmark = [pytest.mark.usefixtures("course_style"), pytest.mark.slow]

ARRAYS = {"as_images", "latent_manifold", "map_and_digit", "mixture_image", "mosaic"}
APART_FROM_PYPLOT = {"plane_map", "traversal_table"}  # the explorers draw them


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_has_its_axes_and_changes_nothing_else(name):
    draw, panels = FIGURES[name]
    settings = dict(plt.rcParams)
    fig, axes = draw()
    assert isinstance(fig, Figure)
    if panels:
        assert type(axes) is (list if name == "bound_and_gap" else np.ndarray)
        assert np.size(axes) == panels
    else:
        assert isinstance(axes, Axes)
    assert all(ax.figure is fig for ax in np.ravel(axes))
    open_figures = [plt.figure(number) for number in plt.get_fignums()]
    assert open_figures == ([] if name in APART_FROM_PYPLOT else [fig])
    assert dict(plt.rcParams) == settings
    FigureCanvasAgg(fig).draw()  # warnings are errors here


def test_no_figure_is_left_out():
    assert set(FIGURES) == set(plotting.__all__) - ARRAYS


@pytest.mark.parametrize(
    "draw",
    [
        lambda ax: plotting.show_page(np.zeros((5, 7)), ax=ax),
        lambda ax: plotting.curves([1, 2], {"a": torch.ones(2)}, ax),
        lambda ax: plotting.latent_scatter(torch.randn(30, 2), torch.arange(30) % 10, ax),
        lambda ax: plotting.gap_map(torch.rand(5, 5) + 0.01, 2.0, 0.5, ax),
    ],
    ids=["show_page", "curves", "latent_scatter", "gap_map"],
)
def test_axes_that_are_given_are_used(draw):
    fig, ax = plt.subplots()
    assert draw(ax) == (fig, ax)
    assert len(plt.get_fignums()) == 1
