"""The explorers of a latent space, without a browser: what a control does to code and picture."""

import base64
import io
import math
import re

import matplotlib

matplotlib.use("Agg")

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from torch.distributions import Normal, kl_divergence

from course_utils import plotting
from course_utils import widgets as course_widgets
from course_utils.data import as_float
from course_utils.models import VAE, Autoencoder, ConvVAE
from course_utils.widgets import LatentPlane, LatentTraversal, to_png

EXPLORERS = pytest.mark.parametrize("kind", [LatentTraversal, LatentPlane])


@pytest.fixture(autouse=True)
def no_callback_fails(caplog):
    """What a button calls may fail silently: ipywidgets only logs it."""
    yield
    assert not [line for line in caplog.get_records("call") if "callback" in line.getMessage()]


pytestmark = pytest.mark.usefixtures("no_figure_is_left_over")


def network(latent_dim=4, cls=VAE, **options):
    """A network with random weights, so large that every unit changes the image visibly."""
    torch.manual_seed(latent_dim)
    model = cls(latent_dim=latent_dim, hidden_dim=8, **options).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(4)
    return model


def uneven(scales):
    """A VAE whose encoder uses unit m as much as `scales[m]` says; 0 is not at all."""
    model = network(len(scales))
    last = model.encoder[-1]
    with torch.no_grad():
        for rows in (last.weight, last.bias):  # means first, then log variances
            parts = rows.view(2, len(scales), -1)
            parts *= torch.tensor(scales)[:, None] / parts.abs().amax((0, 2))[:, None]
    return model


def images(n=30, seed=0):
    pixels = torch.randint(256, (n, 28, 28), generator=torch.Generator().manual_seed(seed))
    return (pixels / (1 + torch.arange(n)[:, None, None] % 5)).to(torch.uint8)


def labels(n=30):
    return torch.arange(n) * 7 % 10


class DecoderOnly:
    """The least that an explorer asks for: no encoder, no parameters, no module."""

    latent_dim = 3

    def decode(self, z):
        """Three stripes of 16 pixels, each as dark as its unit."""
        return torch.sigmoid(z).repeat_interleave(12, -1)


class Fragile(DecoderOnly):
    def decode(self, z):
        if len(z) == 1 and (z > 2).any():  # the map of the plane is decoded in one piece
            raise RuntimeError("too far out\nand more")
        return super().decode(z)


def seen(png):
    """The pixels of a PNG, as colours (H, W, 3)."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def ink(png):
    """The ink of a grey PNG: (H, W), 0 is paper and 255 is ink."""
    return 255 - seen(png)[..., 0]


@torch.no_grad()
def assert_shows(live, z, model=None):
    """The picture is what the model makes of z, to the rounding of pixels."""
    model = model or live.model
    wanted = getattr(model, "decode_mean", model.decode)(z[None]).view(-1)
    side = math.isqrt(len(wanted))
    error = np.abs(ink(live.image.value) - 255 * wanted.clamp(0, 1).view(side, side).numpy())
    assert error.max() < 0.501


def everything_in(widget):
    """A widget and all that it holds."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from everything_in(child)


def folded_units(live):
    folds = [w for w in everything_in(live) if isinstance(w, widgets.Accordion)]
    held = {id(w) for fold in folds for w in everything_in(fold)}
    return [m for m, slider in live.sliders.items() if id(slider) in held]


def code_of(model, image):
    with torch.no_grad():
        code = model.encode(as_float(image[None]))
    return (code[0] if isinstance(code, tuple) else code)[0]


# --- sliders -------------------------------------------------------------------------------------


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


# --- encode, prior mean, random, undo ------------------------------------------------------------


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


# --- what is said of z ---------------------------------------------------------------------------


@pytest.mark.parametrize("latent_dim", [2, 20, 64])
@pytest.mark.parametrize("radius", [0.0, 0.2, 0.7, 1.0, 1.4, 1.85, 3.0])
def test_density_and_distance_are_those_of_the_prior(latent_dim, radius):
    live = LatentTraversal(network(latent_dim))
    direction = torch.randn(latent_dim, generator=torch.Generator().manual_seed(1))
    z = radius * math.sqrt(latent_dim) * direction / direction.norm()
    live.move(z)
    text = live.text.value.replace("\n", " ")
    log_prob, length, percent, where = re.fullmatch(
        r"log p\(z\) = (\S+) nats, \|z\| = (\S+): (\d+) % of the prior lies closer to 0, (.+)",
        text,
    ).groups()
    exact = z.double().numpy()
    assert float(log_prob) == pytest.approx(stats.norm.logpdf(exact).sum(), abs=0.0501)
    assert float(length) == pytest.approx(np.linalg.norm(exact), abs=0.00501)
    closer = stats.chi(latent_dim).cdf(np.linalg.norm(exact))
    assert float(percent) == pytest.approx(100 * closer, abs=0.501)
    expected = "closer than is typical" if closer < 0.05 else "typical"
    assert where == ("farther out than is typical" if closer > 0.95 else expected)


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


# --- models of other kinds -----------------------------------------------------------------------


def test_a_decoder_alone_will_do():
    live = LatentTraversal(DecoderOnly())
    assert [slider.description for slider in live.sliders.values()] == ["z1", "z2", "z3"]
    assert (live.z, seen(live.image.value).shape) == (pytest.approx(torch.zeros(3)), (6, 6, 3))
    live.sliders[1].value = 3.0
    assert_shows(live, torch.tensor([0.0, 3.0, 0.0]))
    live.random()
    assert_shows(live, live.z)
    for fig, _ in (live.figure(), LatentPlane(DecoderOnly()).figure()):
        plt.close(fig)


@EXPLORERS
@pytest.mark.parametrize(
    "model",
    [
        network(2, Autoencoder),
        network(2, ConvVAE),
        network(2, likelihood="gaussian"),
        network(3).double(),
    ],
    ids=["Autoencoder", "ConvVAE", "gaussian", "double"],
)
def test_models_of_the_course(kind, model):
    precision = next(model.parameters()).dtype
    live = kind(model, images(), labels())
    assert (live.kl is None) == isinstance(model, Autoencoder)
    live.number.value = 4
    with torch.no_grad():
        code = model.encode(as_float(images()[4:5]).to(precision))
        mu = (code[0] if isinstance(code, tuple) else code)[0]
        assert live.z == pytest.approx(mu.float(), abs=1e-5)
        unit = next(iter(live.sliders))
        live.sliders[unit].value = -2.0
        mu[unit] = -2.0
        wanted = model.decode_mean(mu[None]).clamp(0, 1).view(28, 28).numpy()
    assert np.abs(ink(live.image.value) - 255 * wanted).max() < 0.51


def test_it_leaves_the_model_as_it_was():
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    live = LatentPlane(model.train(), images())
    live.random()
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(weight.grad is None for weight in model.parameters())


# --- errors --------------------------------------------------------------------------------------


@EXPLORERS
def test_an_error_surfaces_and_the_last_picture_stays(kind):
    live = kind(Fragile())
    live.sliders[0].value = 1.0
    good = live.image.value
    with pytest.raises(RuntimeError, match="too far out"):
        live.sliders[0].value = 3.0
    assert live.image.value == good
    assert live.text.value == "RuntimeError: too far out"
    live.undo()
    live.sliders[0].value = 1.0
    assert live.image.value == good and live.text.value.startswith("log p(z)")
    with pytest.raises(RuntimeError, match="too far out"):
        live.move(torch.full((3,), 2.5))
    assert live.image.value == good


def test_an_error_at_the_start_surfaces():
    class Broken(DecoderOnly):
        def decode(self, z):
            raise RuntimeError("never works")

    with pytest.raises(RuntimeError, match="never works"):
        LatentTraversal(Broken())


class Nothing:
    latent_dim = 2


class NoSize:
    def decode(self, z):
        return z


@EXPLORERS
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((Nothing(),), r"model: expected decode\(z\) and latent_dim .* Nothing"),
        ((NoSize(),), "model: expected .* NoSize with latent_dim None"),
        ((network(1),), "model: expected .*latent_dim of 2 or more, got VAE with latent_dim 1"),
        ((network(), images(5), labels(4)), "labels: expected 5, one per image, got 4"),
        ((network(), images(0)), r"images: expected at least one, got \(0, 28, 28\)"),
        ((DecoderOnly(), images()), r"images: expected a model with encode\(x\)"),
        ((network(), images().long()), "expected uint8 or floating-point images"),
    ],
)
def test_bad_arguments_are_named(kind, arguments, message):
    with pytest.raises(ValueError, match=message):
        kind(*arguments)


@pytest.mark.parametrize("units", [(0, 0), (0, 4), (-1, 0), (0,), (0, 1, 2), (0, 1, 1)])
def test_a_plane_needs_two_units_that_there_are(units):
    with pytest.raises(ValueError, match="units: expected two different ones below 4"):
        LatentPlane(network(), units=units)


@pytest.mark.parametrize(
    "z", [torch.zeros(3), torch.zeros(1, 4), torch.tensor([0, 0, 0, torch.nan])]
)
def test_a_code_must_be_finite_and_of_the_right_length(z):
    live = LatentTraversal(network())
    picture = live.image.value
    with pytest.raises(ValueError, match="z: expected 4 finite numbers"):
        live.move(z)
    assert live.image.value == picture and live.z.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("number", [-1, 30])
def test_an_image_must_be_one_of_those_given(number):
    with pytest.raises(ValueError, match=f"image: expected a number below 30, got {number}"):
        LatentTraversal(network(), images()).encode_image(number)
    with pytest.raises(ValueError, match="image: expected a number below 0"):
        LatentTraversal(network()).encode_image(0)


# --- in a notebook -------------------------------------------------------------------------------


@EXPLORERS
def test_a_notebook_gets_the_widget_and_then_a_still_picture(kind, monkeypatch):
    shown = []
    monkeypatch.setattr(course_widgets, "display", lambda data, raw: shown.append(data))
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


def test_the_still_picture_moves_each_of_the_eight_most_used_units():
    model, pixels = network(20), images()
    live = LatentTraversal(model, pixels)
    fig, ax = live.figure()
    units = list(live.sliders)[:8]
    names = [f"z{m + 1}: {live.kl[m]:.2f} nats" for m in units]
    assert [label.get_text() for label in ax.get_yticklabels()] == names
    check_table(ax, model, live.z, units)
    plt.close(fig)


# --- the plane -----------------------------------------------------------------------------------


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


@pytest.mark.parametrize(("units", "latent_dim"), [((0, 1), 2), ((4, 2), 6)])
@pytest.mark.parametrize("tile", [(10, 10), (1, 17), (16, 3), (20, 20), (6, 0)])
def test_the_marker_lies_on_the_tile_that_is_decoded(units, latent_dim, tile):
    """Found in the pixels alone: neither the axes nor the widget's own arithmetic is asked."""
    target = [(number + 0.5) / 3 - 3.5 for number in tile]
    blank = LatentPlane(OneTile([99.0, 99.0], units, latent_dim), units=units)
    live = LatentPlane(OneTile(target, units, latent_dim), units=units)
    assert seen(live.map.value).shape == seen(blank.map.value).shape
    where, (width, height) = middle((seen(live.map.value) != seen(blank.map.value)).any(-1))
    assert 8 < width < 25 and 8 < height < 25  # it is one tile of 21 x 21
    at = dict(zip(units, target))
    z = torch.tensor([at.get(m, 0.0) for m in range(latent_dim)])
    elsewhere = torch.tensor([at.get(m, 0.0) + (1.2 if at.get(m, 0.0) < 0 else -1.2) for m in at])
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

    monkeypatch.setattr(course_widgets, "plane_map", counted)
    return drawn


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


# --- the figures behind them ---------------------------------------------------------------------


def page_of(ax):
    """The array that an axes shows, and its tiles' side in pixels of the array."""
    (image,) = ax.get_images()
    return np.asarray(image.get_array()), 30


@torch.no_grad()
def check_table(ax, model, z, units, limit=3, columns=11):
    """Every tile of a traversal table against the decoder, and the ticks against the tiles."""
    page, side = page_of(ax)
    assert page.shape == (side * len(units) - 2, side * columns - 2)
    values = np.linspace(-limit, limit, columns)
    assert [float(label.get_text()) for label in ax.get_xticklabels()] == pytest.approx(
        values, abs=0.0501
    )
    for row, unit in enumerate(units):
        for column, value in enumerate(values):
            code = z.clone()
            code[unit] = value
            tile = page[side * row : side * row + 28, side * column : side * column + 28]
            wanted = model.decode_mean(code[None]).view(28, 28).numpy()
            assert tile == pytest.approx(wanted, abs=1e-5)
    assert ax.get_xticks() == pytest.approx(13.5 + side * np.arange(columns), abs=0.51)
    assert ax.get_yticks() == pytest.approx(13.5 + side * np.arange(len(units)), abs=0.51)


@torch.no_grad()
def check_map(ax, model, z, units, limit, side=21):
    """Every tile of a map against the decoder at the point of the axes where it lies."""
    page, tile = page_of(ax)
    assert page.shape == (tile * side - 2, tile * side - 2)
    left, right, bottom, top = ax.get_images()[0].get_extent()
    assert (left, right, bottom, top) == (-limit, limit, -limit, limit)
    for row in range(0, side, 4):
        for column in range(0, side, 5):
            code = z.clone()
            code[units[0]] = left + (right - left) * (column + 0.5) / side
            code[units[1]] = top - (top - bottom) * (row + 0.5) / side
            shown = page[tile * row : tile * row + 28, tile * column : tile * column + 28]
            wanted = model.decode_mean(code[None]).view(28, 28).numpy()
            assert shown == pytest.approx(0.4 * wanted, abs=1e-5)  # pale, so that dots stand out
    assert (ax.get_xlabel(), ax.get_ylabel()) == tuple(f"$z_{{{m + 1}}}$" for m in units)
    assert ax.get_xlim() == pytest.approx((-limit, limit))
    assert ax.get_ylim() == pytest.approx((-limit, limit))


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
