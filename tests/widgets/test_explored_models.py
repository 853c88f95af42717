"""What explorers ask of a model, what they say of it, and what they refuse."""

import math
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from helpers.explorers import (
    EXPLORERS,
    DecoderOnly,
    Stranger,
    assert_shows,
    images,
    ink,
    labels,
    network,
    seen,
)
from scipy import stats

from course_utils.data import as_float
from course_utils.models import Autoencoder, ConvVAE
from course_utils.widgets import LatentPlane, LatentTraversal
from course_utils.widgets.subject import Subject

# --- what is said of z ---------------------------------------------------------------------------


RADII = [0.0, 0.2, 0.7, 1.0, 1.4, 1.85, 3.0]  # in units of the root of M


@pytest.mark.parametrize("latent_dim", [2, 20, 64])
def test_density_and_distance_are_those_of_the_prior(latent_dim):
    live = LatentTraversal(network(latent_dim))
    direction = torch.randn(latent_dim, generator=torch.Generator().manual_seed(1))
    for radius in RADII:
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


# --- models that the course has not met yet ------------------------------------------------------


@EXPLORERS
def test_without_a_prior_nothing_is_said_of_one(kind):
    for model in (Stranger(), network(3, Autoencoder), DecoderOnly()):
        live = kind(model)
        live.move(torch.tensor([3.0, -4.0, 0.0]))
        assert live.text.value == "|z| = 5.00"
        assert list(live.buttons) == ["z = 0", "random z", "undo"]
        live.buttons["z = 0"].click()
        assert not live.z.any() and live.text.value == "|z| = 0.00"


@EXPLORERS
def test_a_deterministic_encoder_may_have_a_prior(kind):
    """As in an adversarial autoencoder."""
    live = kind(Stranger(has_prior=True), images())
    assert live.kl is None and "prior mean" in live.buttons
    assert re.match(r"log p\(z\) = .* % of the prior", live.text.value.replace("\n", " "))


@EXPLORERS
def test_a_model_says_how_much_it_uses_each_unit(kind):
    told = []

    def unit_kl(x):
        told.append(x)
        return torch.tensor([0.5, 0.0, 2.0])

    live = kind(Stranger(unit_kl=unit_kl), images())
    assert [live.sliders[m].description for m in (2, 0)] == ["z3: 2.00 nats", "z1: 0.50 nats"]
    assert list(live.sliders)[:2] == ([0, 2] if kind is LatentPlane else [2, 0])
    (x,) = told
    assert torch.equal(x, as_float(images()))
    assert live.text.value.startswith("|z| = ")  # using units is no prior


def test_logits_are_made_into_pixels_where_the_model_gives_no_mean():
    model, z = Stranger(outputs_logits=True), torch.tensor([[1.0, -2.0, 0.5]])
    logits = model.decode(z).detach()
    assert torch.equal(Subject(model, 1).decode(z), torch.sigmoid(logits))
    model.outputs_logits = False
    assert torch.equal(Subject(model, 1).decode(z), logits)
    model.decode_mean = lambda z: z.sum(-1, keepdim=True).expand(-1, 784)  # it knows best
    model.outputs_logits = True
    assert (Subject(model, 1).decode(z) == -0.5).all()


@pytest.mark.parametrize(
    ("encode_mean", "got"),
    [
        (lambda x: (x[:, :3], x[:, :3]), "tuple"),
        (lambda x: x[:, :4], r"\(30, 4\)"),
        (lambda x: x[:1, :3], r"\(1, 3\)"),
    ],
)
def test_codes_of_another_shape_are_refused(encode_mean, got):
    message = rf"^model: expected encode_mean\(x\) of shape \(30, 3\), got {got}$"
    with pytest.raises(ValueError, match=message):
        LatentTraversal(Stranger(encode_mean=encode_mean), images())


# --- errors --------------------------------------------------------------------------------------


class Fragile(DecoderOnly):
    has_prior = True

    def decode(self, z):
        if len(z) == 1 and (z > 2).any():  # the map of the plane is decoded in one piece
            raise RuntimeError("too far out\nand more")
        return super().decode(z)


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
        (
            (Nothing(),),
            r"model: expected decode_mean\(z\) or decode\(z\), got Nothing, which has neither",
        ),
        ((NoSize(),), "model: expected .* NoSize with latent_dim None"),
        ((network(1),), "model: expected .*latent_dim of 2 or more, got VAE with latent_dim 1"),
        ((network(), images(5), labels(4)), "labels: expected 5, one per image, got 4"),
        ((network(), images(0)), r"images: expected at least one, got \(0, 28, 28\)"),
        (
            (DecoderOnly(), images()),
            r"^images: expected a model with encode_mean\(x\), .* got DecoderOnly without it$",
        ),
        ((network(), images().long()), "expected uint8 or floating-point images"),
    ],
)
def test_bad_arguments_are_named(kind, arguments, message):
    with pytest.raises(ValueError, match=message):
        kind(*arguments)


@pytest.mark.parametrize(
    "units",
    [(0, 0), (0, 4), (-1, 0), (0,), (0, 1, 2), (0, 1, 1), (), 5, "01", (0.5, 1), ((0, 1), 2)],
)
def test_a_plane_needs_two_units_that_there_are(units):
    with pytest.raises(ValueError, match="units: expected two different ones below 4"):
        LatentPlane(network(), units=units)


@pytest.mark.parametrize(
    "z",
    [
        torch.zeros(3),
        torch.zeros(1, 4),
        torch.tensor([0, 0, 0, torch.nan]),
        torch.zeros(1000),
        None,
        "0000",
        [0, 0, 0, "a"],
        [[0], [0, 0]],
        [10**400] * 4,
    ],
)
def test_a_code_must_be_finite_and_of_the_right_length(z):
    live = LatentTraversal(network())
    picture = live.image.value
    with pytest.raises(ValueError, match="^z: expected 4 finite numbers, got .*$") as refused:
        live.move(z)
    assert len(str(refused.value)) <= 300
    assert live.image.value == picture and live.z.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("number", [-1, 30, 2.5, None, "3", True, float("nan")])
def test_an_image_must_be_one_of_those_given(number):
    with pytest.raises(ValueError, match=f"^image: expected .* below 30, got {number!r}$"):
        LatentTraversal(network(), images()).encode_image(number)
    with pytest.raises(ValueError, match="image: expected a number below 0"):
        LatentTraversal(network()).encode_image(0)


@pytest.mark.slow
def test_codes_numbers_and_units_may_be_of_any_library():
    live = LatentPlane(network(), images(), units=np.array([3, 1]))
    assert list(live.sliders) == [3, 1]
    assert list(LatentPlane(network(), units=[torch.tensor(2), np.int64(0)]).sliders) == [2, 0]
    for z in ([1, 2, 3, 4], np.arange(1.0, 5), (np.float32(1), torch.tensor(2), 3, 4)):
        live.move(z)
        assert live.z.tolist() == [1, 2, 3, 4]
        live.undo()
    for number in (np.int64(4), torch.tensor(4), 4.0):
        live.encode_image(number)
        # Encoded alone and among others: on some machines the last bit differs.
        assert torch.allclose(live.z, live.codes[4], atol=1e-6) and live.number.value == 4
        live.undo()


@EXPLORERS
@pytest.mark.parametrize(
    ("says", "message"),
    [
        ({"latent_dim": 2.5}, "latent_dim of 2 or more, got Stranger with latent_dim 2.5"),
        ({"decode": lambda z: z[0]}, r"decode\(z\) of shape \(1, D\), got \(3,\)"),
        ({"decode": lambda z: (z, z)}, r"decode\(z\) of shape \(1, D\), got tuple"),
        ({"decode": lambda z: z.numpy()}, r"decode\(z\) of shape \(1, D\), got ndarray"),
        ({"decode": lambda z: z}, "square images, got 3 pixels"),
        ({"decode_mean": lambda z: z / 0}, r"finite numbers from decode_mean\(z\), got NaN"),
        (
            {"encode_mean": lambda x: x[:, :3] / 0},
            r"finite numbers from encode_mean\(x\), got NaN",
        ),
        ({"unit_kl": lambda x: [1, 2, 3]}, r"unit_kl\(x\) of shape \(3,\), got list"),
        ({"unit_kl": lambda x: x[:, :3]}, r"unit_kl\(x\) of shape \(3,\), got \(30, 3\)"),
        ({"unit_kl": lambda x: x[0, :3] / 0}, r"finite numbers from unit_kl\(x\), got NaN"),
    ],
)
def test_what_a_model_cannot_say_is_named(kind, says, message):
    with pytest.raises(ValueError, match=f"^model: expected {message}") as refused:
        kind(Stranger(**says), images())
    assert len(str(refused.value)) <= 300 and "\n" not in str(refused.value)


@EXPLORERS
def test_images_may_come_with_a_channel(kind):
    model = Stranger()
    flat = kind(model)
    model.decode = lambda z: model.decoder(z).view(-1, 1, 28, 28)
    assert kind(model).image.value == flat.image.value
