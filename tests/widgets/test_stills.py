"""Explorers in a notebook, without a browser: widget, saved state, and the still pictures."""

import base64

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from helpers.explorers import (
    EXPLORERS,
    check_map,
    check_table,
    everything_in,
    images,
    labels,
    network,
    seen,
)

from course_utils import plotting
from course_utils.widgets import LatentTraversal, explorers, to_png


@EXPLORERS
def test_a_notebook_gets_the_widget_and_then_a_still_picture(kind, monkeypatch):
    shown = []
    monkeypatch.setattr(explorers, "display", lambda data, raw: shown.append(data))
    live = kind(network(), images(), labels())
    live._ipython_display_()
    widget, still = shown
    name = f"{kind.__name__}(VAE, 4 latents)"
    assert widget == {
        "text/plain": name,
        "application/vnd.jupyter.widget-view+json": {
            "version_major": 2,
            "version_minor": 0,
            "model_id": live.model_id,
        },
    }
    assert repr(live) == repr(kind(network())) == name
    assert set(still) == {"text/plain", "image/png"}
    assert still["text/plain"] == f"{name}: still picture"
    fig, _ = live.figure()
    assert (seen(base64.b64decode(still["image/png"])) == seen(to_png(fig)[0])).all()
    plt.close(fig)


@EXPLORERS
def test_the_saved_state_holds_the_pictures(kind):
    live = kind(network(), images())
    state = widgets.Widget.get_manager_state(widgets=None)["state"]
    assert state[live.model_id]["model_name"] == "VBoxModel"  # front ends know no other
    parts = list(everything_in(live))
    for part in (live.image, live.pair, live.text, *live.sliders.values()):
        assert part in parts and part.model_id in state


@pytest.mark.slow
def test_the_still_picture_moves_each_of_the_eight_most_used_units():
    model, pixels = network(20), images()
    live = LatentTraversal(model, pixels)
    fig, ax = live.figure()
    units = list(live.sliders)[:8]
    names = [f"z{m + 1}: {live.kl[m]:.2f} nats" for m in units]
    assert [label.get_text() for label in ax.get_yticklabels()] == names
    check_table(ax, model, live.z, units)
    plt.close(fig)


# --- the figures behind them ---------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "columns"), [(3, 11), (2, 5)])
def test_a_traversal_table_moves_one_unit_in_each_row(limit, columns):
    model, z = network(5), torch.linspace(-1, 1, 5)
    kept = z.clone()
    with torch.no_grad():
        fig, ax = plotting.traversal_table(
            model.decode_mean, z, [4, 0, 2], ["e", "a", "c"], limit, columns
        )
    assert [label.get_text() for label in ax.get_yticklabels()] == ["e", "a", "c"]
    assert ax.get_xlabel()
    check_table(ax, model, z, [4, 0, 2], limit, columns)
    assert torch.equal(z, kept)
    plt.close(fig)


def test_a_frame_marks_where_the_code_itself_lies():
    z = torch.tensor([-1.0, 3.2, 3.4, 0.0, 0.0])
    with torch.no_grad():
        fig, ax = plotting.traversal_table(network(5).decode_mean, z, [0, 1, 2], "abc")
    columns = [patch.get_x() + patch.get_width() / 2 for patch in ax.patches]
    rows = [patch.get_y() + patch.get_height() / 2 for patch in ax.patches]
    assert columns == pytest.approx([ax.get_xticks()[3], ax.get_xticks()[10]])  # -1.2 and 3.0
    assert rows == pytest.approx(ax.get_yticks()[:2])  # 3.4 lies beyond the row
    plt.close(fig)


def test_a_map_is_decoded_where_its_axes_say():
    model, z = network(5), torch.linspace(-1, 1, 5)
    kept = z.clone()
    with torch.no_grad():
        fig, ax = plotting.plane_map(model.decode_mean, z, (3, 1), limit=2.5)
    check_map(ax, model, z, (3, 1), 2.5)
    assert not ax.collections and ax.get_legend() is None
    assert torch.equal(z, kept)
    plt.close(fig)


def test_a_map_colours_codes_by_their_labels():
    codes, classes = torch.linspace(-3, 3, 120).view(60, 2), torch.arange(60) % 10
    fig, ax = plotting.plane_map(DecoderOnlyPair.decode, torch.zeros(2), (0, 1), codes, classes)
    for dots, label in zip(ax.collections, range(10), strict=True):
        assert np.asarray(dots.get_offsets()) == pytest.approx(codes[classes == label].numpy())
    assert len({tuple(dots.get_facecolor()[0]) for dots in ax.collections}) == 10
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list("0123456789")
    plt.close(fig)
    fig, ax = plotting.plane_map(DecoderOnlyPair.decode, torch.zeros(2), (0, 1), codes)
    assert ax.get_legend() is None  # without labels they are all alike
    assert [len(dots.get_offsets()) for dots in ax.collections if len(dots.get_offsets())] == [60]
    plt.close(fig)


class DecoderOnlyPair:
    @staticmethod
    def decode(z):
        return torch.sigmoid(z).repeat_interleave(18, -1)
