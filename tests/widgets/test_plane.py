"""The map of two latent units, without a browser: marker, tiles, codes, and when it is drawn."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from helpers.explorers import (
    check_map,
    folded_units,
    images,
    ink,
    labels,
    network,
    seen,
    uneven,
)

from course_utils import plotting
from course_utils.data import as_float
from course_utils.widgets import LatentPlane, plane


class OneTile:
    """Ink only where (z_a, z_b) lies within half a tile of a target: one tile of the map."""

    def __init__(self, target, units=(0, 1), latent_dim=2):
        self.target, self.units, self.latent_dim = torch.tensor(target), list(units), latent_dim

    def decode(self, z):
        near = ((z[:, self.units] - self.target).abs() < 7 / 21 / 2).all(-1)
        return near[:, None].repeat(1, 784).float()


def middle(mask):
    """Centre of the smallest box around True pixels, (x, y), and its width and height."""
    y, x = np.nonzero(mask)
    box = (np.ptp(x) + 1, np.ptp(y) + 1)
    return np.array([(x.min() + x.max()) / 2, (y.min() + y.max()) / 2]), box


@pytest.mark.slow
@pytest.mark.parametrize(("units", "latent_dim"), [((0, 1), 2), ((4, 2), 6)])
def test_the_marker_lies_on_the_tile_that_is_decoded(units, latent_dim):
    """Found in the pixels alone: neither the axes nor the widget's own arithmetic is asked."""
    blank = LatentPlane(OneTile([99.0, 99.0], units, latent_dim), units=units)
    start, paper = blank.z, seen(blank.map.value)
    for tile in [(10, 10), (1, 17), (16, 3), (20, 20), (6, 0)]:
        target = [(number + 0.5) / 3 - 3.5 for number in tile]
        live = LatentPlane(OneTile(target, units, latent_dim), units=units)
        blank.move(start)
        assert (seen(blank.map.value) == paper).all() and seen(live.map.value).shape == paper.shape
        where, (width, height) = middle((seen(live.map.value) != paper).any(-1))
        assert 8 < width < 25 and 8 < height < 25  # it is one tile of 21 x 21
        at = dict(zip(units, target))
        z = torch.tensor([at.get(m, 0.0) for m in range(latent_dim)])
        elsewhere = torch.tensor([at[m] + (1.2 if at[m] < 0 else -1.2) for m in at])
        maps = []
        for pair in (torch.tensor(target), elsewhere, -elsewhere):
            z[list(units)] = pair
            blank.move(z)
            maps.append(seen(blank.map.value))
        ring, (width, height) = middle(((maps[0] != maps[1]) & (maps[0] != maps[2])).any(-1))
        assert 15 < width < 30 and 15 < height < 30
        assert ring == pytest.approx(where, abs=2.5)  # pixels; a tile has 18
        live.move(z.index_copy(0, torch.tensor(units), torch.tensor(target)))
        assert ink(live.image.value).all()  # and there the ink is
        live.move(z.index_copy(0, torch.tensor(units), elsewhere))
        assert not ink(live.image.value).any()


@pytest.fixture
def maps_drawn(monkeypatch):
    """The codes for which a map was drawn."""
    drawn = []

    def counted(decode, z, *rest):
        drawn.append(z)
        return plotting.plane_map(decode, z, *rest)

    monkeypatch.setattr(plane, "plane_map", counted)
    return drawn


@pytest.mark.slow
def test_the_map_is_drawn_anew_only_when_other_units_move(maps_drawn):
    live = LatentPlane(network(5), images(), labels(), units=(3, 1))
    assert list(live.sliders) == [3, 1]
    assert len(maps_drawn) == 1
    before = live.map.value
    live.sliders[3].value, live.sliders[1].value = 2.0, -1.0
    live.play.value = 7
    live.undo()
    assert len(maps_drawn) == 1 and live.map.value != before  # the marker alone moved
    for step, act in enumerate([live.random, lambda: live.encode_image(5), live.undo], start=2):
        before = live.map.value
        act()
        assert len(maps_drawn) == step and live.map.value != before
        rest = live.z
        rest[[3, 1]] = 0
        assert torch.equal(maps_drawn[-1], rest)


def test_a_map_of_all_units_is_drawn_once(maps_drawn):
    live = LatentPlane(network(2), images(), labels())
    for act in (live.random, lambda: live.encode_image(3), live.undo, live.buttons["undo"].click):
        act()
    live.move(torch.tensor([5.0, -5.0]))  # off the map, and no error
    assert len(maps_drawn) == 1


def test_the_plot_style_changes_no_size():
    sizes = []
    for dpi in (50, 220):
        with plt.rc_context({"figure.dpi": dpi}):
            live = LatentPlane(network(2), images())
        sizes.append((seen(live.map.value).shape, live.map.width))
    assert sizes[0] == sizes[1] and sizes[0][0][1] == int(sizes[0][1]) > 400


def test_the_plane_takes_the_two_most_used_units():
    model = uneven([0.1, 1.0, 0.0, 2.0, 0.3])
    live = LatentPlane(model, images())
    assert list(live.sliders) == [1, 3]
    assert list(LatentPlane(network(5)).sliders) == [0, 1]
    assert [name for name, _ in live.play_unit.options] == ["z2", "z4"]
    assert not folded_units(live)


@pytest.mark.slow
def test_the_planes_still_picture_shows_codes_and_marker():
    model, pixels = network(20), images(40)
    live = LatentPlane(model, pixels, labels(40), units=(7, 3))
    live.number.value = 9
    fig, ax = live.figure()
    with torch.no_grad():
        mu, _ = model.encode(as_float(pixels))
    for dots, label in zip(ax.collections, range(10), strict=True):
        assert np.asarray(dots.get_offsets()) == pytest.approx(
            mu[labels(40) == label][:, [7, 3]].numpy(), abs=1e-5
        )
    (marker,) = ax.get_lines()
    assert np.ravel(marker.get_data()) == pytest.approx(mu[9, [7, 3]].numpy())
    check_map(ax, model, live.z, (7, 3), 3.5)
    plt.close(fig)
