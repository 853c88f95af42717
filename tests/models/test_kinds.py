"""What holds for every VAE whose q or prior is of another form: shapes, gradients, bounds."""

import itertools

import pytest
import torch
from helpers.kinds import LAYERED, PARTS, PIXELS, lively, on_the_grid, some_images
from helpers.oracles import z_score

from course_utils.objectives import iwae_bound, log_likelihood, log_weights

KINDS = PARTS | LAYERED
PLANAR = {name: build for name, build in KINDS.items() if build().latent_dim == 2}
every_kind = pytest.mark.parametrize("build", KINDS.values(), ids=KINDS)
on_the_plane = pytest.mark.parametrize("build", PLANAR.values(), ids=PLANAR)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


# --- shapes and gradients ---


@every_kind
@pytest.mark.parametrize("leading", [(5,), (0,), (), (3, 5)], ids=str)
def test_shapes_for_any_leading_axes(build, leading):
    model = build()
    x, M = torch.rand(*leading, PIXELS), model.latent_dim
    mu, log_var = model.encode(x)
    z, log_q = model.posterior_draws(x, 4)
    assert mu.shape == log_var.shape == model.encode_mean(x).shape == (*leading, M)
    assert z.shape == (4, *leading, M) and model.decode(z).shape == (4, *leading, PIXELS)
    assert log_q.shape == model.log_prior(z).shape == model.log_posterior(z, x).shape
    assert log_q.shape == (4, *leading)
    assert [t.shape for t in model.elbo_terms(x)] == [leading, leading]
    assert model.loss(x).shape == leading


@every_kind
def test_rows_do_not_influence_each_other(build):
    model, x = lively(build), torch.rand(4, PIXELS).double()
    z = torch.randn(4, model.latent_dim).double()
    torch.testing.assert_close(model.encode_mean(x)[2], model.encode_mean(x[2]))
    torch.testing.assert_close(model.log_posterior(z, x)[2], model.log_posterior(z[2], x[2]))
    torch.testing.assert_close(model.log_prior(z)[2], model.log_prior(z[2]))


@every_kind
def test_loss_has_a_gradient_for_every_parameter(build):
    model = lively(build).requires_grad_(True)
    model.loss(some_images(20)).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name


@every_kind
@pytest.mark.parametrize("n", [0, 7])
def test_samples_are_decoded_draws_of_the_prior(build, n):
    images = build().sample(n)
    assert images.shape == (n, PIXELS) and not images.requires_grad
    assert ((images > 0) & (images < 1)).all()


# --- bounds ---


@on_the_plane
def test_elbo_and_its_one_sample_bound_are_those_of_quadrature(build):
    """E_q[log p(x, z) - log q(z|x)] as a sum over a grid."""
    model, x = lively(build), some_images()
    log_joint, log_q, log_area = on_the_grid(model, x)
    exact = (torch.exp(log_q + log_area) * (log_joint - log_q)).sum(0)
    many = x.repeat(20_000, 1)
    for draws in (model.elbo(many), iwae_bound(model, many, 1)):
        assert z_score(draws.view(-1, len(x)), exact).abs().max() < 4.5


@on_the_plane
@pytest.mark.parametrize("share", [0.0, 0.3])
def test_weights_average_to_the_probability_on_the_grid(build, share):
    model, x = lively(build), some_images()
    log_joint, _, log_area = on_the_grid(model, x)
    log_p = log_joint.logsumexp(0) + log_area
    weights = log_weights(model, x.repeat(5_000, 1), 8, share).exp().mean(0)
    assert z_score(weights.view(-1, len(x)), log_p.exp()).abs().max() < 4.5


@on_the_plane
def test_bounds_rise_with_the_samples_and_stay_below_log_p(build):
    model, x = lively(build), some_images(1)
    log_joint, _, log_area = on_the_grid(model, x)
    log_p = log_joint.logsumexp(0) + log_area
    bounds = [iwae_bound(model, x.repeat(4_000, 1), k)[:, None] for k in (1, 5, 50)]
    for looser, tighter in itertools.pairwise(bounds):
        assert z_score(tighter - looser, 0.0) > 4.5
    assert all(z_score(bound, log_p) < 4.5 for bound in bounds)
    relative = (log_weights(model, x, 20_000) - log_p).exp()  # its mean is 1
    error = relative.std() / 20_000**0.5
    assert error < 0.05
    assert (log_likelihood(model, x, 20_000, progress=False) - log_p).abs() < 4.5 * error
