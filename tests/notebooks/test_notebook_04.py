"""What stands on the page of notebook 04 does what it says, and what the package does."""

import math

import numpy as np
import pytest
import torch
from helpers.shown import assert_twins, shown
from matplotlib.figure import Figure
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from course_utils import models
from course_utils.session import own_seed
from course_utils.widgets import knobs

EPS = torch.special.ndtri((torch.arange(9, dtype=torch.float64) + 0.5) / 9)


pytestmark = pytest.mark.usefixtures("float64")  # as on the page


@pytest.fixture
def laboratory():
    return shown(4, "pathwise", "score_function", "exact_gradient", "square", "step")


# --- definitions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 30.0, 200.0])
def test_reparameterize_is_the_one_of_the_package(scale):
    results = []
    for function in (shown(4, "reparameterize").reparameterize, models.VAE(3).reparameterize):
        with own_seed(2):
            mu, log_var = (scale * torch.randn(2, 7, 3)).requires_grad_().unbind()
            z = function(mu, log_var)
            gradients = torch.autograd.grad(z.sum(), (mu, log_var))
        results.append([z, *gradients])
    assert_twins(*results)


def test_pathwise_gradients_of_single_draws(laboratory):
    eps = torch.randn(50, 3)
    dmu, dstd = laboratory.pathwise(laboratory.square, 1.5, 0.8, eps)
    torch.testing.assert_close(dmu, 2 * (1.5 + 0.8 * eps))
    torch.testing.assert_close(dstd, 2 * (1.5 + 0.8 * eps) * eps)


@pytest.mark.parametrize("baseline", [0.0, 2.5])
def test_score_function_gradients_of_single_draws(laboratory, baseline):
    eps = torch.randn(50, 3)
    dmu, dstd = laboratory.score_function(lambda z: laboratory.square(z) - baseline, 1.5, 0.8, eps)
    weight = ((1.5 + 0.8 * eps).square().sum(-1) - baseline)[:, None]
    torch.testing.assert_close(dmu, weight * eps / 0.8)
    torch.testing.assert_close(dstd, weight * (eps**2 - 1) / 0.8)


def test_exact_gradient_against_the_formula_of_the_cosine(laboratory):
    mu, std = 0.7, 1.3  # E[cos z] = exp(-std²/2) cos mu
    expected = -math.exp(-(std**2) / 2) * torch.tensor([math.sin(mu), std * math.cos(mu)])
    exact = laboratory.exact_gradient(lambda z: z.cos().sum(-1), mu, std)
    torch.testing.assert_close(exact, expected)


def test_variance_by_moments():
    moments = np.array([1, 0, 1, 0, 3, 0, 15])
    variance = shown(4, "variance", moments=moments).variance
    g = np.polynomial.Polynomial([2.0, -1.0, 0.5, 0.25])
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    weights = weights / weights.sum()
    mean = weights @ g(nodes)
    assert variance(g) == pytest.approx(weights @ g(nodes) ** 2 - mean**2)


@pytest.mark.parametrize(("mu", "std"), [(1.5, 0.8), (0.0, 1.0), (-0.4, 2.0)])
@pytest.mark.parametrize("baseline", [0.0, 2.5, "best"])
def test_score_variance_in_two_and_three_dimensions(mu, std, baseline):
    page = shown(4, "score_variance", "best_baseline", "variance_with")
    nodes, weights = np.polynomial.hermite_e.hermegauss(8)
    weights = weights / weights.sum()
    for M in (2, 3):
        b = page.best_baseline(M, mu, std) if baseline == "best" else baseline
        eps = np.meshgrid(*[nodes] * M, indexing="ij")
        chance = math.prod(np.meshgrid(*[weights] * M, indexing="ij"))
        g = (sum((mu + std * e) ** 2 for e in eps) - b) * eps[0] / std
        expected = (chance * g**2).sum() - (chance * g).sum() ** 2
        assert page.variance_with(b, M, mu, std) == pytest.approx(expected)
        if b == 0:
            assert page.score_variance(M, mu, std) == pytest.approx(expected)


def test_gradient_of_the_smooth_coin_is_that_of_autograd():
    coin_gradient = shown(4, "coin_gradient").coin_gradient
    noise = torch.randn(20)
    for tau in (0.2, 1.0, 3.0):
        t = torch.full((20,), -1.0, requires_grad=True)
        loss = (torch.sigmoid((t + noise) / tau) - 0.45).square().sum()
        (expected,) = torch.autograd.grad(loss, t)
        torch.testing.assert_close(coin_gradient(-1.0, noise, tau), expected)


def test_loss_against_best_is_a_difference_of_divergences():
    loss = shown(4, "loss_against_best").loss_against_best
    root = torch.randn(4, 4)
    precision, m = root @ root.T + torch.eye(4), torch.randn(4)
    full = MultivariateNormal(m, precision_matrix=precision)
    best = MultivariateNormal(m, (1 / precision.diagonal()).diag())
    for _ in range(5):
        mu, log_var = torch.randn(2, 4)
        q = MultivariateNormal(mu, log_var.exp().diag())
        expected = kl_divergence(q, full) - kl_divergence(best, full)
        torch.testing.assert_close(loss(mu, log_var, m, precision), expected)


@pytest.mark.parametrize("runner", ["by_path", "by_path_only", "by_score_leave_one_out"])
def test_runners_of_the_race_have_the_right_gradient_on_average(runner):
    names = ["log_q_of", "reparameterize", "by_score", runner]
    page = shown(4, *dict.fromkeys(names))
    torch.manual_seed(0)
    mu, log_var = torch.tensor([0.5]), torch.tensor([-0.4])
    target = Normal(1.0, 0.7)

    def log_joint(z):
        return target.log_prob(z).sum(-1) - 10.0

    groups = 2000  # of 20 draws each
    copies = [p.expand(20, groups, 1).clone().requires_grad_() for p in (mu, log_var)]
    gradients = torch.autograd.grad(getattr(page, runner)(log_joint, *copies).sum(), copies)
    leaves = [p.clone().requires_grad_() for p in (mu, log_var)]
    kl = kl_divergence(Normal(leaves[0], torch.exp(0.5 * leaves[1])), target).sum()
    exact = torch.autograd.grad(-kl, leaves)
    for estimates, value in zip(gradients, exact, strict=True):
        each = estimates.mean(0)[:, 0]  # one estimate for each group
        assert (each.mean() - value).abs() < 4.5 * each.std() / groups**0.5


# --- the widget ----------------------------------------------------------------------------------


@pytest.fixture
def frozen():
    canvas = Figure(figsize=(5.5, 3.6)).subplots()
    page = shown(4, "frozen_picture", frozen_eps=EPS, canvas=canvas)
    live = knobs(page.frozen_picture, mu=(-3.0, 3.0, 0.1, 0.0), std=(0.1, 2.0, 0.1, 1.0))
    return live, canvas


@pytest.mark.slow
@pytest.mark.parametrize(("knob", "value"), [("mu", 1.7), ("mu", -3.0), ("std", 0.1), ("std", 2)])
def test_each_knob_changes_the_picture_and_the_points_obey_the_identity(frozen, knob, value):
    live, canvas = frozen
    before = live.image.value
    live.sliders[knob].value = value
    assert live.image.value != before
    mu, std = live.sliders["mu"].value, live.sliders["std"].value
    points, feet = (collection.get_offsets() for collection in canvas.collections[:2])
    np.testing.assert_array_equal(points[:, 0], (mu + std * EPS).numpy())
    np.testing.assert_array_equal(feet[:, 0], points[:, 0])
    np.testing.assert_array_equal(points[:, 1], EPS.numpy())  # never rolled again
