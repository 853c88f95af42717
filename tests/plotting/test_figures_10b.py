"""Figures of notebook 10b."""

import numpy as np
import pytest
import torch
from figures import BELL, SEEDS, Z, codes

from course_utils import plotting
from course_utils.session import PALETTE

pytestmark = pytest.mark.usefixtures("course_style")


def test_a_ratio_is_drawn_beside_the_densities_that_it_is_made_of():
    logit = 0.5 - Z
    _, (left, right) = plotting.learned_ratio(Z, BELL.log(), (2 * BELL).log(), logit)
    np.testing.assert_allclose(left.lines[0].get_ydata(), BELL, rtol=1e-6)
    np.testing.assert_allclose(left.lines[1].get_ydata(), 2 * BELL, rtol=1e-6)
    np.testing.assert_allclose(right.lines[0].get_ydata(), -np.log(2) * np.ones(len(Z)), rtol=1e-4)
    np.testing.assert_allclose(right.lines[1].get_ydata(), logit)


def test_the_prior_has_no_classes_and_all_clouds_have_the_same_axes():
    clouds = {"one": codes(), "prior": codes(), "other": codes()}
    _, axes = plotting.clouds_beside_prior(clouds, torch.arange(30) % 10)
    assert [ax.get_title() for ax in axes] == [*clouds]
    assert [len(ax.collections) for ax in axes] == [10, 1, 10]
    np.testing.assert_allclose(axes[1].collections[0].get_offsets(), clouds["prior"])
    assert len({ax.get_xlim() + ax.get_ylim() for ax in axes}) == 1
    assert [ax.get_legend() is not None for ax in axes] == [False, False, True]


def test_every_seed_has_a_dot_with_two_errors_and_every_model_a_mean():
    _, (right, log_lik) = plotting.judged_clouds(SEEDS)
    dots = [line for line in right.lines if line.get_marker() == "o"]
    assert [list(d.get_ydata()) for d in dots] == [pytest.approx([0.6, 0.62, 0.64])] * 2
    means = [line for line in log_lik.lines if len(set(line.get_ydata())) == 1]
    assert [line.get_ydata()[0] for line in means] == [-151.0, -151.0]
    bars = [segment for c in right.collections for segment in c.get_segments()]
    assert sorted({round(float(s[1, 1] - s[0, 1]), 6) for s in bars}) == [0.04]
    assert [t.get_text() for t in right.get_xticklabels()] == ["VAE", "adversarial"]


def test_distances_are_drawn_over_the_shift_and_the_densities_at_it():
    _, axes = plotting.two_distances(Z, {"a": Z, "b": Z / 2}, at=(0.5, 2.0))
    assert [ax.get_title() for ax in axes[:2]] == ["θ = 0.5", "θ = 2.0"]
    for ax, shift in zip(axes, (0.5, 2.0)):
        p, q = (c.get_paths()[0].vertices[:, 0] for c in ax.collections)
        assert (p.min(), p.max()) == (0, 1) and (q.min(), q.max()) == (shift, shift + 1)
    np.testing.assert_allclose(axes[2].lines[1].get_ydata(), Z / 2)


def test_the_contrast_of_real_digits_is_a_dotted_line():
    _, axes = plotting.likeness_seeds(SEEDS)
    dotted = [line for line in axes[2].lines if line.get_linestyle() == ":"]
    assert [list(line.get_ydata()) for line in dotted] == [[1, 1]]
    dots = [line for line in axes[1].lines if line.get_marker() == "o"]
    assert [list(line.get_ydata()) for line in dots] == [pytest.approx([0.1, 0.12, 0.14])] * 2


def test_what_a_smile_should_move_is_a_dotted_line():
    _, axes = plotting.smile_seeds(SEEDS, 1.6)
    dotted = [line for line in axes[0].lines if line.get_linestyle() == ":"]
    assert [list(line.get_ydata()) for line in dotted] == [[1.6, 1.6]]
    dots = [line for line in axes[1].lines if line.get_marker() == "o"]
    assert list(dots[0].get_ydata()) == pytest.approx([0, 0.1, 0.2])
    assert dots[0].get_color() == PALETTE[0] and dots[1].get_color() == PALETTE[1]
