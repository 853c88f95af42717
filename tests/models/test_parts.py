"""Deeper networks, flows and learned priors against quadrature, autograd and torch's own."""

import math

import numpy as np
import pytest
import torch
from helpers.kinds import PARTS, PIXELS, grid, lively, on_the_grid, some_images
from helpers.oracles import z_score
from scipy import stats
from torch import nn
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from course_utils.models import (
    VAE,
    DeepVAE,
    FlowPriorVAE,
    FlowVAE,
    MixturePriorVAE,
    VampPriorVAE,
)
from course_utils.models.parts import AutoregressiveStep, one_draw_terms
from course_utils.models.priors import STEEPEST, CouplingStep


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


# --- shapes and gradients ---


@pytest.mark.parametrize("likelihood", ["continuous_bernoulli", "gaussian"])
@pytest.mark.parametrize("cls", [DeepVAE, FlowVAE, MixturePriorVAE, VampPriorVAE, FlowPriorVAE])
def test_every_likelihood_is_known(cls, likelihood):
    model = cls(2, 6, likelihood=likelihood, data_dim=PIXELS)
    assert model.options["likelihood"] == likelihood
    assert model.loss(torch.rand(3, PIXELS)).isfinite().all()


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (DeepVAE, "encoder_layers"),
        (DeepVAE, "decoder_layers"),
        (FlowVAE, "steps"),
        (FlowVAE, "flow_dim"),
        (MixturePriorVAE, "components"),
        (VampPriorVAE, "components"),
        (FlowPriorVAE, "prior_steps"),
        (FlowPriorVAE, "prior_dim"),
    ],
)
def test_size_below_one_is_named(cls, name):
    with pytest.raises(ValueError, match=f"{name}: expected 1 or more, got 0"):
        cls(**{name: 0})


# --- bounds ---


def test_one_draw_terms_agree_on_average_with_the_formula():
    model, x = lively(PARTS["deep"]), some_images()
    log_lik, kl = one_draw_terms(model, x.repeat(20_000, 1))
    exact_kl = model.elbo_terms(x)[1]
    assert z_score(kl.view(-1, len(x)), exact_kl).abs().max() < 4.5
    same = model.elbo_terms(x.repeat(20_000, 1))[0]
    assert z_score((log_lik - same).view(-1, len(x)), 0.0).abs().max() < 4.5


# --- deeper networks ---


@pytest.mark.parametrize("skips", [False, True])
def test_one_layer_on_either_side_is_the_plain_vae(skips):
    torch.manual_seed(3)
    plain = VAE(3, 6, data_dim=PIXELS).state_dict()
    torch.manual_seed(3)
    deep = DeepVAE(3, 6, 1, 1, data_dim=PIXELS, skips=skips).state_dict()
    assert plain.keys() == deep.keys()
    assert all(torch.equal(plain[name], deep[name]) for name in plain)


@pytest.mark.parametrize(("activation", "kind"), [("relu", nn.ReLU), ("tanh", nn.Tanh)])
def test_deep_networks_have_the_layers_asked_for(activation, kind):
    model = DeepVAE(3, 6, 2, 4, data_dim=PIXELS, activation=activation)
    for network, sizes in (
        (model.encoder, [PIXELS, 6, 6, 6]),
        (model.decoder, [3, 6, 6, 6, 6, PIXELS]),
    ):
        linear, between = list(network)[::2], list(network)[1::2]
        assert [linear[0].in_features, *(layer.out_features for layer in linear)] == sizes
        assert len(between) == len(linear) - 1 and {type(layer) for layer in between} == {kind}


def test_skips_add_each_layer_to_the_one_before():
    model, x = DeepVAE(2, 6, 3, 2, data_dim=PIXELS, skips=True), torch.rand(4, PIXELS)
    first, _, second, third, last = model.encoder
    h = torch.relu(first(x))
    for layer in (second, third):
        h = h + torch.relu(h @ layer[0].weight.T + layer[0].bias)
    torch.testing.assert_close(torch.cat(model.encode(x), -1), last(h))
    assert len(model.decoder) == 4
    plain = DeepVAE(2, 6, 3, 2, data_dim=PIXELS)
    sizes = [sum(p.numel() for p in m.parameters()) for m in (model, plain)]
    assert sizes[0] == sizes[1]


def test_unknown_activation_is_named():
    with pytest.raises(ValueError, match=r"activation: expected one of \['relu', 'tanh'\], got "):
        DeepVAE(activation="swish")


# --- flows ---


def random_step(latent_dim: int, hidden_dim: int = 8) -> AutoregressiveStep:
    step = AutoregressiveStep(latent_dim, hidden_dim, 3).double()
    for parameter in step.parameters():
        nn.init.normal_(parameter)
    return step.requires_grad_(False)


@pytest.mark.parametrize(("latent_dim", "hidden_dim"), [(1, 8), (2, 8), (5, 8), (5, 3)])
def test_a_step_s_jacobian_is_triangular_and_its_log_determinant_that_of_autograd(
    latent_dim, hidden_dim
):
    step, context = random_step(latent_dim, hidden_dim), torch.randn(3).double()
    y = torch.randn(latent_dim).double()
    jacobian = torch.autograd.functional.jacobian(lambda v: step(v, context)[0], y)
    assert not jacobian.triu(1).any()
    if hidden_dim > latent_dim > 1:
        assert (jacobian.tril(-1) != 0).sum() == latent_dim * (latent_dim - 1) / 2  # all of them
    log_det = np.linalg.slogdet(jacobian.numpy())[1]
    assert step(y, context)[1].item() == pytest.approx(log_det, abs=1e-8)


@pytest.mark.parametrize("latent_dim", [1, 2, 6])
def test_a_step_s_inverse_gives_back_what_went_in(latent_dim):
    step, context = random_step(latent_dim), torch.randn(4, 3).double()
    y = torch.randn(7, 4, latent_dim).double()
    z, _ = step(y, context)
    torch.testing.assert_close(step.inverse(z, context), y, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_flow_s_log_determinant_is_that_of_autograd(steps):
    model = lively(lambda: FlowVAE(4, 6, steps, 9, data_dim=PIXELS))
    y, context = torch.randn(4).double(), torch.randn(9).double()
    jacobian = torch.autograd.functional.jacobian(lambda v: model.bend(v, context)[0], y)
    log_det = np.linalg.slogdet(jacobian.numpy())[1]
    z, found = model.bend(y, context)
    assert found.item() == pytest.approx(log_det, abs=1e-8)
    torch.testing.assert_close(model.unbend(z, context), y, rtol=1e-9, atol=1e-9)


def test_a_flow_knows_the_density_of_its_draws():
    model, x = lively(PARTS["flow"]), some_images()
    z, log_q = model.posterior_draws(x, 50)
    torch.testing.assert_close(log_q, model.log_posterior(z, x), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", ["flow", "flow of one step"])
def test_a_flow_s_q_is_a_density(name):
    model, x = lively(PARTS[name]), some_images()
    _, log_q, log_area = on_the_grid(model, x)
    q = torch.exp(log_q + log_area)
    np.testing.assert_allclose(q.sum(0), 1, atol=1e-3)  # its kinks cost the grid some digits
    z = grid()[0]
    mean = (q[..., None] * z).sum(0)
    draws = model.posterior_draws(x, 20_000)[0]
    assert z_score(draws, mean).abs().max() < 4.5


def test_a_flow_s_q_need_not_be_normal():
    model = lively(PARTS["flow"])
    for step in model.flow:
        step.out.weight.mul_(4)
    draws = model.posterior_draws(some_images(), 20_000)[0]
    assert stats.normaltest(draws.numpy(), axis=0).pvalue.min() < 1e-9


def test_the_flow_of_one_image_is_not_that_of_another():
    model, x = lively(PARTS["flow"]), some_images(2)
    _, _, contexts = model.encode_all(x)
    y = torch.randn(9, 1, 2).double()
    moved = model.bend(y, contexts)[0]
    assert (moved[:, 0] - moved[:, 1]).abs().max() > 1e-3


def test_a_flow_that_moves_nothing_leaves_the_plain_vae():
    model, x = lively(PARTS["flow"]), some_images()
    for step in model.flow:
        step.out.weight.zero_()
        step.out.bias.copy_(torch.tensor([0.0, 0.0, 60.0, 60.0]))  # t = 0, s = 1
    z = torch.randn(3, 2).double()
    torch.testing.assert_close(model.log_posterior(z, x), VAE.log_posterior(model, z, x))
    torch.testing.assert_close(model.encode_mean(x), model.encode(x)[0])


# --- priors ---


def by_torch(model) -> MixtureSameFamily:
    log_w, mu, log_var = model.components()
    normals = Independent(Normal(mu, torch.exp(log_var / 2)), 1)
    return MixtureSameFamily(Categorical(logits=log_w), normals)


learned_priors = pytest.mark.parametrize("name", ["mixture prior", "VampPrior"])


@learned_priors
def test_a_learned_prior_is_torch_s_mixture(name):
    model, z = lively(PARTS[name]), 2 * torch.randn(4, 5, 2).double()
    torch.testing.assert_close(model.log_prior(z), by_torch(model).log_prob(z))


@learned_priors
def test_a_learned_prior_is_a_density(name):
    model = lively(PARTS[name])
    z, log_area = grid(601, 18.0)
    total = torch.exp(model.log_prior(z[:, 0]) + log_area).sum()
    assert total.item() == pytest.approx(1, abs=1e-6)


def test_a_mixture_is_scipy_s_sum_of_densities():
    model, z = lively(PARTS["mixture prior"]), torch.randn(6, 2).double()
    w = np.exp(model.prior_logits.numpy())
    parts = [
        stats.multivariate_normal(mu, np.diag(np.exp(log_var))).pdf(z.numpy())
        for mu, log_var in zip(model.prior_mu.numpy(), model.prior_log_var.numpy())
    ]
    expected = np.log(w / w.sum() @ np.array(parts))
    np.testing.assert_allclose(model.log_prior(z), expected, atol=1e-10)


@learned_priors
def test_draws_of_a_learned_prior_have_its_mean_and_variance(name):
    model = lively(PARTS[name])
    z = model.prior_draws(torch.empty(200, 300, 2).double()).view(-1, 2)
    prior = by_torch(model)
    assert z_score(z, prior.mean).abs().max() < 4.5
    assert z_score((z - prior.mean).square(), prior.variance).abs().max() < 4.5


def test_one_standard_component_is_the_plain_prior():
    model = MixturePriorVAE(3, 6, 1, data_dim=PIXELS)
    with torch.no_grad():
        model.prior_mu.zero_()
        model.prior_log_var.zero_()
    z = torch.randn(9, 3)
    torch.testing.assert_close(model.log_prior(z), VAE.log_prior(model, z))
    assert VAE.has_prior and not MixturePriorVAE.has_prior


def test_a_mixture_begins_as_wide_as_the_standard_normal():
    prior = by_torch(MixturePriorVAE(2, 6, 4_000, data_dim=PIXELS))
    torch.testing.assert_close(prior.mean, torch.zeros(2), atol=0.05, rtol=0)
    torch.testing.assert_close(prior.variance, torch.ones(2), atol=0.05, rtol=0)


def test_vampprior_is_the_mean_of_its_pseudo_inputs_posteriors():
    model, z = lively(PARTS["VampPrior"]), torch.randn(6, 2).double()
    u = torch.sigmoid(model.pseudo_logits)
    log_q = torch.stack([model.log_posterior(z, one) for one in u])
    torch.testing.assert_close(model.log_prior(z), log_q.logsumexp(0) - math.log(len(u)))


@pytest.mark.parametrize("images", [3, 9])
def test_pseudo_inputs_begin_as_training_images(images):
    model = PARTS["VampPrior"]()
    before = model.pseudo_logits.detach().clone()
    x = torch.randint(0, 256, (images, PIXELS), dtype=torch.uint8)
    model.start_at_mean(x)
    used = min(images, 4)
    u = torch.sigmoid(model.pseudo_logits.detach())
    torch.testing.assert_close(u[:used], (x / 255).clamp(0.05, 0.95)[:used])
    assert torch.equal(model.pseudo_logits[used:], before[used:])
    mean = torch.sigmoid(model.decoder[-1].bias.detach())
    torch.testing.assert_close(mean, (x / 255).mean(0).clamp(0.001, 0.999))


# --- a flow as the prior ---


def random_coupling(latent_dim: int) -> CouplingStep:
    step = CouplingStep(latent_dim, 8).double()
    for parameter in step.parameters():
        nn.init.normal_(parameter, std=0.6)
    return step.requires_grad_(False)


@pytest.mark.parametrize("latent_dim", [2, 3, 6])
def test_a_coupling_s_log_determinant_is_that_of_autograd(latent_dim):
    step, eps = random_coupling(latent_dim), torch.randn(latent_dim).double()
    jacobian = torch.autograd.functional.jacobian(lambda e: step(e)[0], eps)
    assert not jacobian.triu(1).any()
    z, log_det = step(eps)
    assert log_det.item() == pytest.approx(np.linalg.slogdet(jacobian.numpy())[1], abs=1e-8)
    back, log_det_back = step.inverse(z)
    torch.testing.assert_close(back, eps, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(log_det_back, log_det)


def test_a_coupling_leaves_its_first_half_and_bounds_the_stretching():
    step = random_coupling(5)
    step.network[-1].weight.mul_(1_000)
    eps = torch.randn(50, 5).double()
    z, log_det = step(eps)
    assert torch.equal(z[:, :2], eps[:, :2]) and not torch.allclose(z[:, 2:], eps[:, 2:])
    assert log_det.abs().max() <= 3 * STEEPEST


@pytest.mark.parametrize("latent_dim", [2, 5])
def test_a_flow_prior_begins_as_the_standard_normal(latent_dim):
    model, z = FlowPriorVAE(latent_dim, 6, data_dim=PIXELS), torch.randn(9, latent_dim)
    torch.testing.assert_close(model.log_prior(z), VAE.log_prior(model, z))
    assert not FlowPriorVAE.has_prior


@pytest.mark.parametrize(("latent_dim", "steps"), [(2, 1), (2, 3), (5, 4)])
def test_a_flow_prior_goes_both_ways_with_autograd_s_determinant(latent_dim, steps):
    model = FlowPriorVAE(latent_dim, 6, steps, 8, data_dim=PIXELS).double().requires_grad_(False)
    for parameter in model.prior_flow.parameters():
        nn.init.normal_(parameter, std=0.6)
    eps = torch.randn(latent_dim).double()
    jacobian = torch.autograd.functional.jacobian(lambda e: model.from_noise(e)[0], eps)
    z, log_det = model.from_noise(eps)
    assert log_det.item() == pytest.approx(np.linalg.slogdet(jacobian.numpy())[1], abs=1e-8)
    back, log_det_back = model.to_noise(z)
    torch.testing.assert_close(back, eps, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(log_det_back, log_det)
    log_n = Normal(0.0, 1.0).log_prob(eps).sum()
    torch.testing.assert_close(model.log_prior(z), log_n - log_det)


def gentle_flow_prior() -> FlowPriorVAE:
    """One that stays on the grid, and is still far from normal."""
    model = PARTS["flow prior"]().double().requires_grad_(False)
    for parameter in model.prior_flow.parameters():
        nn.init.normal_(parameter, std=0.35)
    return model


def test_a_flow_prior_is_a_density_and_its_draws_have_its_moments():
    model = gentle_flow_prior()
    z, log_area = grid(1601, 48.0)
    p = torch.exp(model.log_prior(z[:, 0]) + log_area)
    assert p.sum().item() == pytest.approx(1, abs=1e-4)
    draws = model.prior_draws(torch.empty(100, 300, 2).double()).view(-1, 2)
    mean = (p[:, None] * z[:, 0]).sum(0)
    variance = (p[:, None] * (z[:, 0] - mean).square()).sum(0)
    assert z_score(draws, mean).abs().max() < 4.5
    assert z_score((draws - mean).square(), variance).abs().max() < 4.5
    assert stats.normaltest(draws.numpy(), axis=0).pvalue.min() < 1e-9


def test_a_flow_prior_needs_two_latents():
    with pytest.raises(ValueError, match="latent_dim: expected 2 or more, got 1"):
        FlowPriorVAE(1, 6)


def test_a_flow_prior_and_a_flow_posterior_go_together():
    class Both(FlowPriorVAE, FlowVAE):
        pass

    model = Both(2, 6, prior_steps=2, steps=1, data_dim=PIXELS)
    twin = Both(**model.options)
    twin.load_state_dict(model.state_dict())
    x = torch.rand(3, PIXELS)
    z, log_q = model.posterior_draws(x, 4)
    torch.testing.assert_close(log_q, twin.log_posterior(z, x), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(model.log_prior(z), twin.log_prior(z))
    assert model.loss(x).isfinite().all()
