"""Figures of notebook 06."""

import numpy as np
import pytest
import torch

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


def test_gap_against_beta_draws_every_seed_and_their_mean():
    rows = [
        {"beta": beta, "gap": {"a": gap, "b": 0.0}, "active": units, "elbo": elbo}
        for beta, gap, units, elbo in [(4, 0.4, 2, -9), (1, 0.1, 5, -7), (1, 0.3, 6, -8)]
    ]
    fig, axes = plotting.gap_against_beta({"zeros": rows, "all": rows[:2]})
    means = [[0.1, 0.2], [5.5, 2], [-7.5, -9]]  # the gap averages over the factors first
    for ax, mean in zip(axes, means, strict=True):
        np.testing.assert_array_equal(ax.lines[0].get_xdata(), [1, 4])
        np.testing.assert_allclose(ax.lines[0].get_ydata(), mean)
        assert len(ax.collections[0].get_offsets()) == 3  # one dot per seed
        assert len(ax.collections[1].get_offsets()) == 2
        assert (ax.get_xlabel(), ax.get_xscale()) == ("β", "log")
        assert [t.get_text() for t in ax.get_xticklabels()] == ["1", "4"]
    assert [t.get_text() for t in axes[0].get_legend().get_texts()] == ["zeros", "all"]
