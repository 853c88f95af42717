"""What stands on the page of notebook 07 does what the package does, and measures what it says."""

import itertools
import math

import pytest
import torch
from helpers.shown import shown
from scipy.special import logsumexp

from course_utils import models, objectives
from course_utils.distributions import bernoulli_log_prob, continuous_bernoulli_log_prob
from course_utils.ppca import PPCA

DEVICE = torch.device("cpu")


@pytest.fixture(scope="module")
def page():
    names = ["linear_unit", "half_size", "LooksBack", "plain", "warm_up", "free_bits", "draw"]
    names += ["log_weights", "bound", "log_normaliser", "continuous_bernoulli"]
    names += ["discretised_logistic"]
    return shown(7, *names, device=DEVICE)


# --- units that die ------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0.2, 1.5])
def test_a_linear_unit_is_ppca_with_one_latent(page, noise):
    """PPCA's posterior and W, for the variance of data whose best noise is the given one."""
    torch.manual_seed(0)
    columns = torch.cat([torch.ones(200, 1), torch.randn(200, 3)], dim=1).double()
    axes = torch.linalg.qr(columns)[0][:, 1:] * math.sqrt(200)  # uncorrelated, mean 0, variance 1
    lam = 4.0
    x = axes * torch.tensor([lam, noise, noise], dtype=torch.float64).sqrt()
    ppca = PPCA(1).fit(x)
    w_squared, variance, kl = page.linear_unit(lam, float(ppca.noise_variance))
    assert abs(float(ppca.weight.square().sum()) - w_squared) < 1e-8
    mean, cov = ppca.posterior(x)
    assert abs(float(cov) - variance) < 1e-8
    found = 0.5 * (mean.square() + cov - 1 - cov.log()).mean()
    assert abs(float(found) - kl) < 1e-8


@pytest.mark.parametrize("noise", [4.0, 4.001, 100.0])
def test_a_unit_is_dead_from_its_eigenvalue_on(page, noise):
    assert page.linear_unit(4.0, noise) == (0.0, 1.0, 0.0)


# --- a decoder that sees the pixels before -------------------------------------------------------


def test_half_size_averages_four_pixels(page):
    images = torch.randint(0, 256, (3, 28, 28)).to(torch.uint8)
    small = page.half_size(images).view(3, 14, 14)
    four = images[:, 6:8, 10:12].double().mean((1, 2)) / 255
    torch.testing.assert_close(small[:, 3, 5].double(), four, rtol=0, atol=1e-6)


@pytest.fixture
def looks_back(page):
    torch.manual_seed(0)
    model = page.LooksBack(2, 5, data_dim=6, look_dim=30).double()
    model.second.weight.data.normal_()
    return model


def test_without_a_look_back_it_is_the_usual_vae(looks_back):
    torch.manual_seed(0)
    looks_back.second.weight.data.zero_()
    x, twin = (torch.rand(4, 6) < 0.5).double(), models.VAE(2, 5, data_dim=6).double()
    own = ("first.", "second.", "sees", "speaks_to")
    state = {k: v for k, v in looks_back.state_dict().items() if not k.startswith(own)}
    twin.load_state_dict(state)
    results = []
    for model in (looks_back, twin):
        torch.manual_seed(1)
        results.append(model.elbo(x).detach())
    torch.testing.assert_close(*results)


def test_a_pixel_hears_of_all_pixels_before_it_and_of_no_other(looks_back):
    x = torch.rand(6, dtype=torch.float64)
    slopes = torch.autograd.functional.jacobian(looks_back.look_back, x)  # (to, from)
    assert not slopes.triu().any() and slopes[5, :5].all()
    ways = looks_back.speaks_to.int() @ looks_back.sees.int()  # through how many hidden units
    assert torch.equal(ways > 0, torch.ones(6, 6).tril(-1).bool())


def test_its_probabilities_add_up_to_one(looks_back):
    images = torch.tensor(list(itertools.product([0.0, 1.0], repeat=6)), dtype=torch.float64)
    total = looks_back.log_prob_of(images, torch.randn(6, dtype=torch.float64)).exp().sum()
    torch.testing.assert_close(total, torch.ones_like(total))


def test_draws_have_the_frequencies_of_the_product(page, looks_back):
    """All 64 images: counts against probabilities, as one chi-squared sum of 63 degrees."""
    torch.manual_seed(1)
    z = torch.randn(1, 2, dtype=torch.float64)
    drawn = page.draw(looks_back, z.expand(20_000, 2))
    images = torch.tensor(list(itertools.product([0.0, 1.0], repeat=6)), dtype=torch.float64)
    p = looks_back.log_prob_of(images, looks_back.decode(z).expand(64, 6)).exp().detach()
    code = (drawn @ torch.tensor([32.0, 16, 8, 4, 2, 1], dtype=torch.float64)).long()
    counts = torch.bincount(code, minlength=64)
    often = p > 5 / 20_000
    chi = ((counts - 20_000 * p).square() / (20_000 * p))[often].sum()
    degrees = int(often.sum()) - 1
    assert abs(chi - degrees) < 4.5 * math.sqrt(2 * degrees) + 5


# --- losses --------------------------------------------------------------------------------------


def test_the_losses_end_in_minus_the_elbo(page):
    log_lik, kl = -100 * torch.rand(5), torch.rand(5, 3)
    torch.testing.assert_close(page.plain(log_lik, kl, 0.1), kl.sum(1) - log_lik)
    torch.testing.assert_close(page.warm_up(log_lik, kl, 0.0), -log_lik)
    torch.testing.assert_close(page.warm_up(log_lik, kl, 0.25), 0.25 * kl.sum(1) - log_lik)
    torch.testing.assert_close(page.warm_up(log_lik, kl, 1.0), page.plain(log_lik, kl, 1.0))


def test_free_bits_cost_nothing_below_and_everything_above(page):
    kl = torch.tensor([[0.02, 0.6, 1.5], [0.02, 0.6, 1.5]], requires_grad=True)
    loss = page.free_bits(torch.zeros(2), kl, 1.0)
    torch.testing.assert_close(loss, torch.full((2,), 2.6))
    (slope,) = torch.autograd.grad(loss.mean(), kl)
    torch.testing.assert_close(slope, torch.tensor([[0.0, 0.5, 0.5]] * 2))


# --- bounds --------------------------------------------------------------------------------------


def test_log_weights_are_the_packages(page):
    torch.manual_seed(0)
    model, x = models.VAE(3, 8, data_dim=6), (torch.rand(4, 6) < 0.5).float()
    results = []
    for log_weights in (page.log_weights, objectives.log_weights):
        torch.manual_seed(1)
        results.append(log_weights(model, x, 7).detach())
    torch.testing.assert_close(*results, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("K", [1, 4, 6])
def test_a_bound_is_the_mean_of_its_blocks(page, K):
    torch.manual_seed(0)
    log_w = 3 * torch.randn(12, 5, dtype=torch.float64) - 500
    value, spread = page.bound(log_w, K)
    blocks = torch.stack(
        [torch.from_numpy(logsumexp(log_w[i : i + K], 0)) for i in range(0, 12, K)]
    )
    torch.testing.assert_close(value, blocks.mean(0) - math.log(K))
    torch.testing.assert_close(spread, blocks.var(0) / len(blocks))


# --- grey pixels ---------------------------------------------------------------------------------


def test_the_continuous_bernoulli_is_the_packages(page):
    torch.manual_seed(0)
    t = torch.cat([10 * torch.randn(50), torch.tensor([0.0, 0.009, -0.011, 60.0, -60.0])]).double()
    x = torch.rand(7, 55, dtype=torch.float64)
    grads = []
    for log_prob in (page.continuous_bernoulli, continuous_bernoulli_log_prob):
        leaf = t.clone().requires_grad_()
        value = log_prob(x, leaf)
        grads.append((value.detach(), torch.autograd.grad(value.sum(), leaf)[0]))
    torch.testing.assert_close(*grads, rtol=1e-6, atol=1e-6)
    plain = page.continuous_bernoulli(x, t) - page.log_normaliser(t).sum()
    torch.testing.assert_close(plain, bernoulli_log_prob(x, t))


@pytest.mark.parametrize("mu", [-3.0, 0.0, 0.37, 1.0, 8.0])
@pytest.mark.parametrize("s", [1e-4, 0.05, 2.0])
def test_the_probabilities_of_all_bytes_add_up_to_one(page, mu, s):
    b = torch.arange(256.0, dtype=torch.float64)[:, None]
    log_p = page.discretised_logistic(b, torch.tensor(mu), torch.tensor(s).log())
    assert float(log_p.logsumexp(0)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("mu", [-50.0, 0.5, 50.0])
@pytest.mark.parametrize("log_s", [-9.0, -2.0, 3.0])
def test_a_byte_s_log_probability_and_its_slopes_stay_finite(page, mu, log_s):
    b = torch.tensor([[0.0], [100.0], [255.0]])
    leaves = torch.full((3, 1), mu, requires_grad=True), torch.tensor(log_s, requires_grad=True)
    log_p = page.discretised_logistic(b, *leaves)
    assert log_p.isfinite().all() and (log_p <= 0).all()
    assert all(slope.isfinite().all() for slope in torch.autograd.grad(log_p.sum(), leaves))
