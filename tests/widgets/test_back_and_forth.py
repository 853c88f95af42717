"""An explorer's buttons, without a browser: encode, prior mean, random, and undo of every step."""

import math

import ipywidgets as widgets
import numpy as np
import pytest
import torch
from helpers.explorers import (
    EXPLORERS,
    DecoderOnly,
    assert_shows,
    code_of,
    everything_in,
    images,
    ink,
    labels,
    network,
)
from scipy import stats

from course_utils.data import as_float
from course_utils.widgets import LatentTraversal


@EXPLORERS
@pytest.mark.parametrize("as_rows", [False, True])
def test_any_image_can_be_encoded(kind, as_rows):
    model, pixels = network(4), images()
    live = kind(model, as_float(pixels) if as_rows else pixels, labels())
    for number in (0, 29, 13):  # it starts with image 0
        live.number.value = number
        mu = code_of(model, pixels[number])
        assert live.z == pytest.approx(mu, abs=1e-5)
        assert_shows(live, mu)
        pair = ink(live.pair.value)
        original, gap, decoded = pair[:, :28], pair[:, 28:30], pair[:, 30:]
        assert (original == pixels[number].numpy()).all() and not gap.any()
        assert (decoded == ink(live.image.value)).all()
        assert live.pair_text.value == f"original (label {labels()[number]}) | decoded"
        assert int(live.pair.width) == 3 * pair.shape[1]


def test_without_labels_none_is_named():
    assert LatentTraversal(network(), images()).pair_text.value == "original | decoded"


def test_without_images_there_is_nothing_to_encode():
    live = LatentTraversal(network())
    assert not any(isinstance(w, widgets.BoundedIntText) for w in everything_in(live))
    assert "encode" not in live.buttons
    assert live.kl is None and not live.z.any()
    assert_shows(live, torch.zeros(4))


@EXPLORERS
def test_prior_mean(kind):
    live = kind(network(), images())
    assert live.z.any()
    live.buttons["prior mean"].click()
    assert not live.z.any()
    assert all(slider.value == 0 for slider in live.sliders.values())
    assert_shows(live, torch.zeros(4))


@EXPLORERS
def test_the_button_encodes_the_same_image_again(kind):
    live = kind(network(), images())
    live.number.value = 5
    start = live.z
    live.buttons["random z"].click()
    assert (live.z != start).any()
    live.buttons["encode"].click()
    assert torch.equal(live.z, start) and live.number.value == 5
    assert_shows(live, start)
    live.buttons["undo"].click()  # one step
    assert (live.z != start).any()


@EXPLORERS
def test_random_codes_differ_and_touch_no_other_random_stream(kind):
    live = kind(network(), images())
    elsewhere = torch.get_rng_state()
    for _ in range(3):
        before = live.z
        live.buttons["random z"].click()
        assert (live.z != before).all()
        assert_shows(live, live.z)
    assert torch.equal(torch.get_rng_state(), elsewhere)


@pytest.mark.slow
def test_random_codes_come_from_the_prior():
    live = LatentTraversal(DecoderOnly())
    draws = torch.empty(1000, 3)
    for draw in draws:
        live.random()
        draw[:] = live.z
    standard_error = 1 / math.sqrt(draws.numel())
    assert abs(draws.mean()) < 4.5 * standard_error
    assert abs(draws.square().mean() - 1) < 4.5 * math.sqrt(2) * standard_error
    assert stats.kstest(draws.flatten(), "norm").pvalue > 1e-5
    assert (np.corrcoef(draws.T)[np.triu_indices(3, 1)] ** 2 < 4.5**2 / len(draws)).all()


def test_two_explorers_draw_the_same_codes_every_time():
    first, second = LatentTraversal(network()), LatentTraversal(network())
    for live in (first, second):
        live.random()
    assert torch.equal(first.z, second.z)


@EXPLORERS
def test_undo_goes_back_step_by_step_to_the_beginning(kind):
    live = kind(network(), images(), labels())
    first, second = list(live.sliders)[:2]
    actions = [
        lambda: [setattr(live.sliders[first], "value", v) for v in (0.5, 1.0, 1.5, -2.0)],
        lambda: [setattr(live.sliders[second], "value", v) for v in (2.0, 2.5)],
        live.buttons["prior mean"].click,
        lambda: [setattr(live.sliders[first], "value", v) for v in (-1.0, 1.0)],
        lambda: setattr(live.number, "value", 7),
        live.buttons["random z"].click,
        lambda: live.move(torch.full((4,), 0.3)),
        lambda: setattr(live.number, "value", 3),
    ]

    def state():
        sliders = tuple(slider.value for slider in live.sliders.values())
        still = (live.image.value, live.pair.value, live.pair_text.value, live.number.value)
        return (*live.z.tolist(), *sliders, *still, live.text.value)

    states = [state()]
    for act in actions:  # each of them is one step
        act()
        assert state() != states[-1]
        states.append(state())
    for before in states[-2::-1]:
        live.buttons["undo"].click()
        assert state() == before
    live.buttons["undo"].click()  # there is nothing more to undo
    assert state() == states[0]
    live.sliders[first].value = 1.0  # and it starts anew
    live.buttons["undo"].click()
    assert state() == states[0]


def test_a_slider_that_is_moved_again_after_undo_is_a_new_step():
    live = LatentTraversal(network())
    live.sliders[0].value = 1.0
    live.sliders[1].value = 1.0
    live.undo()
    for again in (1, 0):
        live.sliders[again].value = 2.0
        live.undo()
        assert live.z.tolist() == [1, 0, 0, 0]
    live.undo()
    assert not live.z.any()


def test_the_code_cannot_be_changed_from_outside_except_by_move():
    live, z = LatentTraversal(network()), torch.ones(4)
    live.move(z)
    z[0], live.z[1] = 5, 5
    assert live.z.tolist() == [1, 1, 1, 1]
    live.undo()
    assert not live.z.any()
