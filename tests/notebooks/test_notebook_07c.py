"""Decoder, second look and ladder on the page of notebook 07c do what the package does."""

import math

import pytest
import torch
from helpers.shown import alike, assert_same_steps, assert_twins, shown
from torch.distributions import Normal

from course_utils import models
from course_utils.distributions import kl_between_normals
from course_utils.models import layered


@pytest.fixture(scope="module")
def page():
    names = ["PixelBias", "ConvDecoderVAE", "elbo_of", "look_again", "combined", "SmallLadder"]
    return shown("07c_stronger_networks", *names)


def test_the_convolutional_vae_is_the_packages(page):
    torch.manual_seed(0)
    pair = alike(page.ConvDecoderVAE(2, 6, 4), models.ConvDecoderVAE(2, 6, 4))
    x = (torch.rand(3, 784) < 0.3).double()
    assert_same_steps(pair, lambda model, x: model.elbo(x), x)


def test_the_ladder_is_the_packages(page):
    torch.manual_seed(0)
    package = models.LadderVAE(3, 2, 6, data_dim=5)
    on_page = page.SmallLadder(3, 2, 6, 5).double()
    weights = {k: v for k, v in package.state_dict().items() if k != "kl_weight"}
    on_page.load_state_dict(weights)
    x, found = (torch.rand(4, 5) < 0.5).double(), []
    for model in (on_page, package.double()):
        torch.manual_seed(1)
        log_lik, kl = model.elbo_terms(x)
        (log_lik - kl).mean().backward()
        found.append([log_lik, kl, *(p.grad for _, p in sorted(model.named_parameters()))])
    assert_twins(*found)


@pytest.mark.parametrize("size", [0.1, 1.0, 20.0])
def test_combined_is_the_packages(page, size):
    torch.manual_seed(0)
    a, b = ((torch.randn(4, 3).double(), size * torch.randn(4, 3).double()) for _ in range(2))
    assert_twins(page.combined(a, b), layered.combined(a, b))


class KnownPosterior:
    """A model whose ELBO is minus KL(q || N(m, v)), up to a number; without the luck of a draw."""

    m, log_v = torch.tensor([2.0, -1.0]), torch.tensor([0.25, 0.04]).log()


def test_steps_lead_to_the_known_best_q(page, monkeypatch):
    """The distance of the mean falls by (1 - η) a step where q has the right width."""
    known = KnownPosterior()

    def elbo(vae, x, mu, log_var, draws):
        return -kl_between_normals(mu, log_var, vae.m.expand_as(mu), vae.log_v.expand_as(mu))

    monkeypatch.setitem(page.look_again.__globals__, "elbo_of", elbo)
    start = torch.tensor([[1.0, 3.0]]), known.log_v[None].clone()
    for steps in (1, 3):
        mu, log_var = page.look_again(known, None, *start, steps, eta=0.5)
        expected = known.m + 0.5**steps * (start[0] - known.m)
        torch.testing.assert_close(mu, expected)
        torch.testing.assert_close(log_var, start[1])
    wide = start[0], start[1] + 1
    mu, log_var = page.look_again(known, None, *wide, 60, eta=0.2)
    torch.testing.assert_close(mu, known.m[None], atol=1e-3, rtol=0)
    torch.testing.assert_close(log_var, known.log_v[None], atol=1e-3, rtol=0)


def test_the_elbo_of_a_given_q_is_the_models_own_on_average(page):
    torch.manual_seed(0)
    model = models.VAE(2, 6, data_dim=5).double().requires_grad_(False)
    x = (torch.rand(3, 5) < 0.5).double()
    found = page.elbo_of(model, x, *model.encode(x), draws=20_000)
    own = model.elbo(x.repeat(20_000, 1)).view(-1, 3)
    error = math.sqrt(2) * own.std(0) / math.sqrt(20_000)
    assert ((found - own.mean(0)).abs() < 4.5 * error).all()


def test_two_thermometers(page):
    readings = [
        (torch.tensor([20.0]), torch.zeros(1)),
        (torch.tensor([23.0]), torch.tensor([2.0]).log()),
    ]
    mu, log_var = page.combined(*readings)
    z = torch.linspace(10, 33, 4001, dtype=torch.float64)
    product = sum(
        Normal(m.double(), (v / 2).exp().double()).log_prob(z) for m, v in readings
    ).exp()
    product = product / torch.trapezoid(product, z)
    mean = torch.trapezoid(z * product, z)
    variance = torch.trapezoid((z - mean).square() * product, z)
    assert mu.item() == pytest.approx(mean.item(), abs=1e-5) == 21
    assert log_var.exp().item() == pytest.approx(variance.item(), abs=1e-5)
