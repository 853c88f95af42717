"""Figures of notebook 03."""

import math

import matplotlib.pyplot as plt
import pytest
from figures import BELL, N03, Z

from course_utils import plotting

pytestmark = pytest.mark.usefixtures("course_style")


def drawn(name):
    fig, axes = N03[name][0]()
    return fig, [axes] if isinstance(axes, plt.Axes) else list(axes)


@pytest.mark.parametrize("name", N03)
def test_figures_are_labelled(name):
    fig, axes = drawn(name)
    assert axes == fig.axes
    for ax in axes:
        named_bars = any(text.get_text().isalpha() for text in ax.get_xticklabels())
        shared = ax.get_shared_x_axes().get_siblings(ax)
        assert named_bars or any(other.get_xlabel() for other in shared)
    named_rows = any(text.get_text().isalpha() for text in axes[0].get_yticklabels())
    assert axes[0].get_ylabel() or named_rows


def test_stacked_bars_end_at_the_sum():
    _, (ax,) = drawn("stacked_bars")
    ends = [patch.get_x() + patch.get_width() for patch in ax.patches]
    assert ends == pytest.approx([1, 1, 1.5, 1])


def test_decoder_and_posterior_marks_each_crossing():
    _, (above, below) = drawn("decoder_and_posterior")
    (dots,) = [line for line in above.lines if line.get_marker() == "o"]
    curve = dots.get_ydata()
    assert len(curve) == 3 and all(abs(value - 1.5) < 0.6 for value in curve)
    assert {"prior p(z)", "posterior p(z | x)"} == {
        text.get_text() for text in below.get_legend().get_texts()
    }


def test_bars_of_bound_and_gap_fill_log_px():
    _, (curves, bars) = drawn("bound_and_gap")
    bound, gap = bars.patches
    assert bound.get_y() + bound.get_height() == pytest.approx(-3)
    assert gap.get_y() + gap.get_height() == pytest.approx(-1)
    assert {"q", "prior", "posterior"} <= {t.get_text() for t in curves.get_legend().get_texts()}
    assert "-3.00" in [text.get_text() for text in bars.texts]


def test_bound_and_gap_draws_on_the_figure_it_is_given():
    fig, _ = drawn("bound_and_gap")
    before = list(fig.axes)
    again, axes = plotting.bound_and_gap(Z, BELL, BELL, {"new": (BELL / 2, -50.0, 49.0)}, fig=fig)
    assert again is fig and fig.axes == axes == before
    assert len(axes[1].patches) == 2  # one bar: nothing of the old q is left
    assert axes[1].patches[0].get_height() == 0  # below the floor: a number without a bar
    names = [text.get_text() for text in axes[0].get_legend().get_texts()]
    assert sorted(names) == ["new", "posterior", "prior"]
    assert [tick.get_text() for tick in axes[1].get_xticklabels()] == ["new"]


def test_ascent_bars_name_their_steps_and_touch():
    _, (ax,) = drawn("ascent_bars")
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["start", "E", "M"]
    bound, gap = ax.patches[:3], ax.patches[3:]
    assert [g.get_y() + g.get_height() for g in gap] == pytest.approx([-2, -2, -1])
    assert [b.get_y() + b.get_height() for b in bound] == pytest.approx([-3, -2, -1.5])


def test_beta_chart_writes_the_numbers():
    _, (ax,) = drawn("beta_chart")
    assert [text.get_text() for text in ax.texts] == ["1", "784", "0.392"]
    assert math.isclose(ax.get_lines()[0].get_xdata()[0], 1) and ax.get_xscale() == "log"


def test_sampled_bounds_mark_the_means_and_the_lines():
    _, axes = drawn("sampled_bounds")
    for ax in axes:
        heights = sorted(float(line.get_ydata()[0]) for line in ax.get_lines())
        assert heights == pytest.approx([-2, -1, 0, 0.5], abs=1e-6)
        assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "5"]
