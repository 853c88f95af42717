"""An explorer's sliders, without a browser: units in order, the code that they set, play."""

import math

import ipywidgets as widgets
import pytest
import torch
from helpers.explorers import (
    EXPLORERS,
    assert_shows,
    code_of,
    everything_in,
    folded_units,
    images,
    labels,
    network,
    seen,
    uneven,
)
from torch.distributions import Normal, kl_divergence

from course_utils.data import as_float
from course_utils.widgets import LatentTraversal


@pytest.mark.parametrize("latent_dim", [2, 3, 10, 11, 20, 64])
def test_every_slider_moves_its_unit_and_the_picture(latent_dim):
    live = LatentTraversal(network(latent_dim), images(), labels())
    assert sorted(live.sliders) == list(range(latent_dim))
    for unit, slider in live.sliders.items():
        before, picture = live.z, live.image.value
        slider.value = 2.35 if before[unit] < 0 else -2.35
        assert live.image.value != picture
        changed = (live.z != before).nonzero().flatten().tolist()
        assert changed == [unit]
        assert live.z[unit].item() == pytest.approx(slider.value)
        assert_shows(live, live.z)


@EXPLORERS
def test_the_picture_is_enlarged_by_a_whole_factor_and_stays_in_place(kind):
    live = kind(network(2), images())
    holder = live.image
    live.sliders[0].value = 1.5
    assert live.image is holder
    assert seen(live.image.value).shape == (28, 28, 3)
    assert int(live.image.width) % 28 == 0 and int(live.image.width) >= 200
    assert "course-pixels" in live.image._dom_classes
    assert not any(isinstance(part, widgets.Output) for part in everything_in(live))


def test_sliders_all_look_alike_and_reach_three_and_a_half():
    live = LatentTraversal(network(4))
    for slider in live.sliders.values():
        assert (slider.min, slider.max, slider.step) == (-3.5, 3.5, 0.05)
        assert slider.continuous_update and slider.readout


def test_units_are_ordered_by_their_average_kl():
    model = uneven([0.0, 0.05, 1.0, 0.3, 0.0, 2.0, 0.12])
    pixels = images(200)
    live = LatentTraversal(model, pixels, labels(200))
    with torch.no_grad():
        mu, log_var = model.encode(as_float(pixels))
    q, prior = Normal(mu.double(), (log_var / 2).exp().double()), Normal(0.0, 1.0)
    kl = kl_divergence(q, prior).mean(0)
    assert live.kl.double() == pytest.approx(kl, rel=1e-5, abs=1e-7)
    used = [m for m in kl.argsort(descending=True).tolist() if kl[m] >= 0.01]
    unused = [m for m in range(7) if kl[m] < 0.01]
    assert len(used) >= 3 and len(unused) >= 3  # or this test would test little
    assert (kl[unused] > 0).any()  # unused, though not wholly
    assert list(live.sliders)[: len(used)] == used
    assert folded_units(live) == list(live.sliders)[len(used) :]
    assert set(folded_units(live)) == set(unused)
    for m, slider in live.sliders.items():
        said = f"{kl[m]:.2f} nats" if m in used else "unused"
        assert slider.description == f"z{m + 1}: {said}"
    (fold,) = [w for w in everything_in(live) if isinstance(w, widgets.Accordion)]
    assert fold.get_title(0) == f"{len(unused)} more units, {len(unused)} of them unused"
    assert fold.selected_index is None


def test_only_the_first_thousand_images_say_how_much_a_unit_is_used():
    model = network(3)
    pixels = torch.cat([images(1000), torch.zeros(500, 28, 28, dtype=torch.uint8)])
    live = LatentTraversal(model, pixels)
    assert torch.equal(live.kl, LatentTraversal(model, pixels[:1000]).kl)
    assert not torch.equal(live.kl, LatentTraversal(model, pixels[500:]).kl)
    live.number.value = 1499  # which can be encoded all the same
    assert live.z == pytest.approx(code_of(model, pixels[1499]), abs=1e-5)


@pytest.mark.parametrize(
    ("latent_dim", "encoder", "folded"),
    [(2, True, 0), (10, True, 0), (11, True, 1), (64, True, 54), (64, False, 54)],
)
def test_the_ten_most_used_units_stand_open(latent_dim, encoder, folded):
    live = LatentTraversal(network(latent_dim), images() if encoder else None)
    assert len(folded_units(live)) == folded
    assert folded_units(live) == list(live.sliders)[latent_dim - folded :]
    if folded:
        (fold,) = [w for w in everything_in(live) if isinstance(w, widgets.Accordion)]
        assert fold.get_title(0) == f"{folded} more units, 0 of them unused"


def test_two_units_stand_open_even_if_none_is_used():
    live = LatentTraversal(uneven([0.0, 0.0, 0.0, 0.0]), images())
    assert len(folded_units(live)) == 2
    assert all(slider.description.endswith("unused") for slider in live.sliders.values())


# --- play ----------------------------------------------------------------------------------------


@EXPLORERS
def test_play_moves_the_chosen_unit_to_and_fro(kind):
    live = kind(network(), images())
    unit = list(live.sliders)[1]
    live.play_unit.value = unit
    start, others = live.z, [m for m in range(4) if m != unit]
    values = []
    for step in [*range(1, 80), 0]:  # as the button counts, then over again
        live.play.value = step
        assert live.z[unit].item() == pytest.approx(3 * math.sin(2 * math.pi * step / 80))
        assert torch.equal(live.z[others], start[others])
        values.append(live.z[unit].item())
        if step % 20 == 7:
            assert_shows(live, live.z)
    assert max(values) == pytest.approx(3) and min(values) == pytest.approx(-3)
    live.undo()  # all of it was one step
    assert torch.equal(live.z, start)


def test_play_goes_on_for_ever_and_offers_every_unit():
    live = LatentTraversal(uneven([0.0, 0.5, 1.0]), images())
    assert [unit for _, unit in live.play_unit.options] == list(live.sliders)
    assert [name for name, _ in live.play_unit.options] == [f"z{m + 1}" for m in live.sliders]
    assert (live.play.min, live.play.max) == (0, 79)
    assert getattr(live.play, "repeat", False) or getattr(live.play, "_repeat", False)


# --- codes off the sliders, and the page's rounding ----------------------------------------------


def test_sliders_widen_for_a_code_that_lies_farther_out():
    live = LatentTraversal(network())
    z = torch.tensor([5.23, -4.0, 0.5, -3.52])
    live.move(z)
    assert torch.equal(live.z, z)
    assert [live.sliders[m].value for m in range(4)] == [5.25, -4.0, 0.5, -3.5]
    limits = [(live.sliders[m].min, live.sliders[m].max) for m in range(4)]
    assert limits == [(-6, 6), (-4, 4), (-3.5, 3.5), (-4, 4)]
    assert_shows(live, z)
    live.sliders[0].value = -5.5
    assert live.z[0] == -5.5


@EXPLORERS
def test_the_pages_own_rounding_does_not_move_the_code(kind):
    live = kind(network(2))
    z = torch.tensor([0.1234, -1.5678])
    live.move(z)
    picture = live.image.value
    for unit, slider in live.sliders.items():
        assert slider.value == round(round(float(z[unit]) / 0.05) * 0.05, 2)
        slider.value += 1e-9  # what a page sends back of 0.1 is 0.1000000000000001
    assert torch.equal(live.z, z) and live.image.value == picture
    live.undo()
    assert not live.z.any()  # and it was no step
    live.sliders[0].value += 0.05  # but the smallest true step is one
    assert live.z.tolist() == pytest.approx([0.05, 0])
