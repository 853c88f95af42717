"""Figures of notebook 06."""

import math

import numpy as np
import pytest
import torch
from figures import arc, chord

from course_utils import plotting

pytestmark = pytest.mark.usefixtures("course_style")


def test_unit_bars_stand_in_the_order_given():
    kl = torch.tensor([2.0, 0.5, 1.25], requires_grad=True)
    fig, ax = plotting.unit_bars(kl, ["z3", "z1", "z2"])
    assert [bar.get_height() for bar in ax.patches] == [2.0, 0.5, 1.25]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["z3", "z1", "z2"]
    assert ax.get_ylabel() == "KL (nats)"


def test_unit_factor_tables_share_one_scale_and_write_the_numbers():
    tables = {"low": torch.tensor([[0.1, 0.0], [0.2, 0.3], [0.0, 0.1]]), "high": torch.ones(3, 2)}
    fig, axes = plotting.unit_factor_tables(tables, ["slant", "width"])
    for ax, (title, table) in zip(axes, tables.items(), strict=True):
        assert ax.get_title() == title
        np.testing.assert_array_equal(ax.images[0].get_array(), table.T)  # units across
        assert ax.images[0].get_clim() == (0, 1)
        assert [t.get_text() for t in ax.get_xticklabels()] == ["z1", "z2", "z3"]
        assert [t.get_text() for t in ax.get_yticklabels()] == ["slant", "width"]
        written = {t.get_position(): t.get_text() for t in ax.texts}
        assert written[1, 0] == f"{table[1, 0]:.2f}" and len(written) == 6
    assert fig.axes[-1].get_ylabel() == "mutual information (nats)"


def test_gap_against_beta_joins_the_runs_of_each_seed_and_draws_their_mean():
    runs = [(4, 0, 0.4, 2, -9), (1, 0, 0.1, 5, -7), (1, 1, 0.3, 6, -8)]
    rows = [
        {
            "beta": b,
            "seed": seed,
            "gap": {"a": gap, "b": 0.0, "digit": 0.9},
            "active": m,
            "elbo": e,
        }
        for b, seed, gap, m, e in runs
    ]
    fig, axes = plotting.gap_against_beta({"zeros": rows, "all": rows[:2]})
    # The gap averages over the factors first, and leaves the class out.
    expected = [
        ([0.1, 0.2], [0.05, 0.2], [0.15]),
        ([5.5, 2], [5, 2], [6]),
        ([-7.5, -9], [-7, -9], [-8]),
    ]
    for ax, (mean, first, second) in zip(axes, expected, strict=True):
        np.testing.assert_allclose(ax.lines[0].get_ydata(), mean)
        for line, run in [(ax.lines[1], first), (ax.lines[2], second)]:
            np.testing.assert_array_equal(line.get_xdata(), [1, 4][: len(run)])
            np.testing.assert_allclose(line.get_ydata(), run)
            assert line.get_marker() == "o" and line.get_linewidth() < ax.lines[0].get_linewidth()
        assert len(ax.lines) == 3 + 2
        assert (ax.get_xlabel(), ax.get_xscale()) == ("β", "log")
        assert [t.get_text() for t in ax.get_xticklabels()] == ["1", "4"]
    assert [t.get_text() for t in axes[0].get_legend().get_texts()] == ["zeros", "all"]


def test_shells_begin_at_zero_and_carry_the_chi_density():
    z = torch.stack([torch.linspace(0.3, 2, 50), torch.zeros(50), torch.ones(50)], dim=1)
    fig, ax = plotting.shells({"prior": z, "digits": 2 * z})
    assert ax.get_xlim()[0] == 0 and ax.get_ylim()[0] == 0
    assert ax.get_xlim()[1] > 2 * math.sqrt(5)  # the farthest code is in sight
    (curve,) = ax.lines
    t, density = curve.get_data()
    expected = math.sqrt(2 / math.pi) * t**2 * np.exp(-(t**2) / 2)  # Maxwell's, for M = 3
    np.testing.assert_allclose(density, expected, atol=1e-12)
    assert len(ax.patches) == 2  # outlines
    names = {t.get_text() for t in ax.get_legend().get_texts()}
    assert {"prior", "digits"} < names and any("M = 3" in name for name in names)


def test_the_chord_comes_nearer_to_zero_than_the_arc():
    _, ax = plotting.chord_and_arc(chord, arc)
    dashed, ways, dots = ax.lines[:2], ax.lines[2:6:2], ax.lines[3:6:2]
    assert all(line.get_linestyle() == "--" for line in dashed)
    for way, mark, middle in zip(ways, dots, [0.5**0.5, 1], strict=True):
        lengths, at_dots = (np.hypot(*line.get_data()) for line in (way, mark))
        assert lengths[[0, -1]] == pytest.approx(1) and at_dots[2] == pytest.approx(middle)
        assert len(at_dots) == 5 and mark.get_color() == way.get_color()
    texts = {text.get_text() for text in ax.texts}
    assert {"straight", "spherical", "ω", "0", "$z_A$", "$z_B$"} == texts
