"""Bounds and likelihood estimators against exact log p(x), by quadrature over the latent space."""

import itertools
import math

import numpy as np
import pytest
import torch
from helpers.oracles import (
    at_the_ppca_optimum,
    correlated_rows,
    expected_log_lik,
    marginal,
    z_score,
)
from scipy import stats
from torch.distributions import Normal

from course_utils import objectives
from course_utils.models import VAE, Autoencoder, ConvVAE, LinearVAE, TwoLayerVAE
from course_utils.objectives import (
    iwae_bound,
    log_likelihood,
    log_weights,
    resampled_bound,
)

both_estimators = pytest.mark.parametrize("estimator", [iwae_bound, log_likelihood])


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def tiny_vae(latent_dim: int = 1) -> VAE:
    """A Bernoulli VAE of five pixels whose posterior is far from q; q is wide, weights behave."""
    model = VAE(latent_dim, 8, data_dim=5).double().requires_grad_(False)
    for parameter in model.decoder.parameters():
        parameter.normal_()
    model.encoder[-1].bias[latent_dim:] = 0.6
    return model


def all_images() -> torch.Tensor:
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=5)), dtype=torch.float64)


def exact_log_prob(model: VAE, x: torch.Tensor) -> torch.Tensor:
    """log p(x) by the trapezoidal rule on a fine grid over the latent space."""
    ticks = torch.linspace(-9, 9, 4001 if model.latent_dim == 1 else 181, dtype=torch.float64)
    z = torch.cartesian_prod(*[ticks] * model.latent_dim).reshape(-1, 1, model.latent_dim)
    log_prior = torch.from_numpy(stats.norm.logpdf(z.numpy()).sum(-1))
    log_joint = log_prior + model.log_prob_of(x, model.decode(z).expand(-1, len(x), 5))
    return torch.logsumexp(log_joint, 0) + model.latent_dim * math.log(ticks[1] - ticks[0])


@pytest.mark.parametrize("latent_dim", [1, 2])
def test_the_oracle_is_a_distribution_over_images(latent_dim):
    total = exact_log_prob(tiny_vae(latent_dim), all_images()).exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-9)


# --- importance weights ---


def test_log_weight_is_log_joint_minus_log_q_with_its_gradient():
    model, x = tiny_vae(2).requires_grad_(True), all_images()
    drawn = []
    model.reparameterize = lambda *args: drawn.append(VAE.reparameterize(model, *args)) or drawn[0]
    found = log_weights(model, x, 3)
    (z,) = drawn
    mu, log_var = model.encode(x)
    log_joint = Normal(0, 1).log_prob(z).sum(-1) + model.log_prob_of(x, model.decode(z))
    expected = log_joint - Normal(mu, torch.exp(log_var / 2)).log_prob(z).sum(-1)
    assert found.shape == (3, 32)
    torch.testing.assert_close(found, expected)
    parameters, cotangent = list(model.parameters()), torch.randn(3, 32).double()
    gradients = [
        torch.autograd.grad((log_w * cotangent).sum(), parameters, retain_graph=True)
        for log_w in (found, expected)
    ]
    torch.testing.assert_close(*gradients)


class WithoutOwnDraws:
    """The least that an estimator asks for: q is then normal, and the prior N(0, I)."""

    def __init__(self, model: VAE):
        for name in objectives.NEEDED:
            setattr(self, name, getattr(model, name))


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_a_model_without_draws_of_its_own_has_a_normal_q_and_prior(share):
    model, x, found = tiny_vae(2), all_images(), []
    for asked in (model, WithoutOwnDraws(model)):
        torch.manual_seed(1)
        found.append(log_weights(asked, x, 5, share))
    assert torch.equal(*found)


def test_weights_ask_the_model_for_its_draws_and_its_prior():
    model, x = tiny_vae(2), all_images()
    z, log_q = torch.randn(3, 32, 2).double(), torch.randn(3, 32).double()
    log_p = torch.randn(3, 32).double()
    model.posterior_draws, model.log_prior = lambda x, k: (z, log_q), lambda z: log_p
    expected = model.log_prob_of(x, model.decode(z)) + log_p - log_q
    torch.testing.assert_close(log_weights(model, x, 3), expected)


def test_weights_average_to_the_exact_probability():
    model, x = tiny_vae(), all_images()[:4]
    weights = log_weights(model, x, 100_000).exp()
    assert z_score(weights, exact_log_prob(model, x).exp()).abs().max() < 4.5


@pytest.mark.parametrize(("samples", "share"), [(2, 0.9), (3, 0.9), (10, 0.3)])
def test_defensive_weights_average_to_the_exact_probability(samples, share):
    model, x = tiny_vae(), all_images()[:4]
    weights = log_weights(model, x.repeat(20_000, 1), samples, share).exp().mean(0)
    assert z_score(weights.view(-1, 4), exact_log_prob(model, x).exp()).abs().max() < 4.5


def test_defensive_weights_find_what_q_misses_and_have_a_limit():
    """Of a Bernoulli model no weight exceeds 1 / share."""
    model, x = tiny_vae(), all_images()
    model.encode = lambda x: (torch.full((len(x), 1), 4.0).double(), torch.full((1, 1), -8.0))
    log_w = log_weights(model, x, 20_000, prior_share=0.25)
    assert log_w.max() <= -math.log(0.25) + 1e-9
    relative = (log_w - exact_log_prob(model, x)).exp()
    assert z_score(relative, 1.0).abs().max() < 4.5  # fixed shares make the error smaller yet


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_share_of_the_prior_is_checked(share):
    with pytest.raises(ValueError, match=rf"prior_share: expected .*\[0, 1\), got {share}"):
        log_weights(tiny_vae(), all_images(), 4, share)


# --- bounds ---


def draws_of_bound(model: VAE, x: torch.Tensor, num_samples: int, draws: int = 4000):
    """Independent draws of the bound for each row of x: (draws, B)."""
    return iwae_bound(model, x.repeat(draws, 1), num_samples).view(draws, len(x))


def test_one_sample_bound_is_the_elbo_on_average():
    model, x = tiny_vae(), all_images()[:6]
    _, kl = model.elbo_terms(x)
    elbo = expected_log_lik(model, x) - kl
    assert z_score(draws_of_bound(model, x, 1), elbo).abs().max() < 4.5


@pytest.mark.parametrize("latent_dim", [1, 2])
def test_bounds_rise_with_the_samples_and_stay_below_log_p(latent_dim):
    model, x = tiny_vae(latent_dim), all_images()[9:10]
    bounds = [draws_of_bound(model, x, k) for k in (1, 5, 50)]
    for looser, tighter in itertools.pairwise(bounds):
        assert z_score(tighter - looser, 0.0) > 4.5
    assert all(z_score(bound, exact_log_prob(model, x)) < 4.5 for bound in bounds)


@both_estimators
def test_one_sample_is_exact_where_q_is_the_posterior(estimator):
    """All importance weights are p(x), so nothing is left to chance."""
    x = correlated_rows(20)
    model = at_the_ppca_optimum(x, 2)
    exact = marginal(model).logpdf(x.numpy())
    np.testing.assert_allclose(estimator(model, x, 1).detach(), exact, atol=1e-8, rtol=0)


def test_bound_has_the_gradient_of_its_weights():
    """The gradient is the average of grad log w_k under the normalised weights."""
    model, x = tiny_vae(2).requires_grad_(True), all_images()[3:9]
    parameters = list(model.parameters())
    torch.manual_seed(1)
    found = torch.autograd.grad(iwae_bound(model, x, 7).sum(), parameters)
    torch.manual_seed(1)
    log_w = log_weights(model, x, 7)
    shares = log_w.detach().softmax(0)
    torch.testing.assert_close(found, torch.autograd.grad((shares * log_w).sum(), parameters))


# --- log_likelihood ---


@pytest.mark.slow
@pytest.mark.parametrize("latent_dim", [1, 2])
@pytest.mark.parametrize("chunk", [objectives.CHUNK_ELEMENTS, 8 * 999])
def test_log_likelihood_is_exact_within_its_error(monkeypatch, latent_dim, chunk):
    """The error of log(mean w) is std(w) / mean(w) / sqrt(K), the delta method."""
    monkeypatch.setattr(objectives, "CHUNK_ELEMENTS", chunk)
    model, x, samples = tiny_vae(latent_dim), all_images(), 20_000
    exact = exact_log_prob(model, x)
    relative = (log_weights(model, x, samples) - exact).exp()
    error = relative.std(0) / samples**0.5
    estimate = log_likelihood(model, x, samples, progress=False)
    assert error.max() < 0.1
    assert ((estimate - exact) / error).abs().max() < 4.5


@pytest.mark.parametrize("chunk", [1, 40, 100, 101, 4_000_000])
@pytest.mark.parametrize("samples", [1, 7, 10, 23])
def test_chunks_leave_no_trace_in_the_answer(monkeypatch, chunk, samples):
    """With equal weights any slip in counting samples would show, whatever was drawn."""
    monkeypatch.setattr(objectives, "CHUNK_ELEMENTS", chunk)
    x = correlated_rows(11)
    model = at_the_ppca_optimum(x, 2)
    exact = marginal(model).logpdf(x.numpy())
    estimate = log_likelihood(model, x, samples, progress=False)
    np.testing.assert_allclose(estimate, exact, atol=1e-8, rtol=0)


@pytest.mark.parametrize(
    ("model", "widest"),
    [(VAE(2, 300, data_dim=4), 300), (VAE(2, 8, data_dim=60), 60), (ConvVAE(2, 4), 392)],
    ids=["wide hidden layer", "wide output", "convolutional"],
)
def test_no_layer_is_wider_than_a_chunk(monkeypatch, model, widest):
    limit = 20 * widest
    monkeypatch.setattr(objectives, "CHUNK_ELEMENTS", limit)
    decoded = []
    model.decoder.register_forward_hook(
        lambda _, inputs, output: decoded.append(output.shape[:-1].numel())
    )
    log_likelihood(model, torch.rand(13, model.data_dim), 50, progress=False)
    assert sum(decoded) == 13 * 50
    assert max(decoded) * widest <= limit


@both_estimators
@pytest.mark.parametrize("model", [VAE(2, 5, data_dim=5), LinearVAE(2, 5), ConvVAE(2, 4)])
def test_no_images_give_no_numbers(estimator, model):
    assert estimator(model, torch.zeros(0, model.data_dim), 3).shape == (0,)


def test_log_likelihood_takes_no_gradient_and_the_bound_does():
    model, x = tiny_vae().requires_grad_(True), all_images()
    assert not log_likelihood(model, x, 3).requires_grad
    assert iwae_bound(model, x, 3).requires_grad


def test_dtype_is_kept():
    x = torch.rand(3, 5)
    assert log_likelihood(VAE(2, 5, data_dim=5), x, 3).dtype == torch.float32
    assert log_likelihood(tiny_vae(), x.double(), 3).dtype == torch.float64


def test_progress_bar_can_be_switched_off(capsys):
    log_likelihood(tiny_vae(), all_images(), 3, progress=False)
    assert capsys.readouterr() == ("", "")
    log_likelihood(tiny_vae(), all_images(), 3)
    assert "log-likelihood" in capsys.readouterr().err


@both_estimators
@pytest.mark.parametrize("shape", [(5,), (2, 4), (3, 2, 5)])
def test_wrong_shape_is_named(estimator, shape):
    with pytest.raises(ValueError, match=r"x: expected shape \(B, 5\), got ") as error:
        estimator(tiny_vae(), torch.zeros(shape).double(), 3)
    assert str(shape) in str(error.value)


@both_estimators
@pytest.mark.parametrize("samples", [0, -1])
def test_fewer_than_one_sample_is_refused(estimator, samples):
    with pytest.raises(ValueError, match=f"num_samples: expected 1 or more, got {samples}"):
        estimator(tiny_vae(), all_images(), samples)


@both_estimators
@pytest.mark.parametrize(
    ("model", "x", "said"),
    [
        (None, torch.rand(2, 5), "model: expected a VAE, .* got None without data_dim, "),
        (VAE, torch.rand(2, 5), "model: expected a VAE, .* got <class .*VAE"),
        (Autoencoder(2, 4, 5), torch.rand(2, 5), "model: .* got Autoencoder.* without reparam"),
        (
            VAE(2, 4, data_dim=5),
            torch.rand(2, 5).double(),
            "x: expected torch.float32, as the mod",
        ),
        (tiny_vae(), torch.rand(2, 5), "x: expected torch.float64, as the model's weights, got "),
        (tiny_vae(), torch.rand(2, 5).numpy(), r"x: expected a tensor \(B, 5\), got ndarray of"),
    ],
)
def test_what_is_no_model_or_suits_it_not_is_named(estimator, model, x, said):
    with pytest.raises(ValueError, match=f"^{said}") as error:
        estimator(model, x, 3)
    assert len(str(error.value)) <= 300 and "\n" not in str(error.value)


@pytest.mark.parametrize("likelihood", ["bernoulli", "continuous_bernoulli"])
def test_a_likelihood_of_what_is_no_ink_is_refused(likelihood):
    model, x = VAE(2, 4, likelihood, 5), torch.rand(2, 5)
    for wrong, came in ((x + 300, "to 30"), (x - 2, "got -")):
        with pytest.raises(ValueError, match=f"^x: expected pixels from 0 to 1 .*{came}"):
            log_likelihood(model, wrong, 3, progress=False)
    with pytest.raises(ValueError, match="^x: expected finite pixels, got NaN or infinity"):
        log_likelihood(model, x * float("nan"), 3, progress=False)
    gaussian = VAE(2, 4, "gaussian", 5)
    assert log_likelihood(gaussian, 255 * x, 3, progress=False).isfinite().all()


def test_one_draw_can_not_come_from_both():
    with pytest.raises(ValueError, match="num_samples: expected 2 or more with a prior_share, "):
        log_weights(tiny_vae(), all_images(), 1, prior_share=0.1)
    assert log_weights(tiny_vae(), all_images(), 1).shape == (1, 32)


# --- the gradient through one draw ---------------------------------------------------------------


def gradients(estimator, model: VAE, x: torch.Tensor, repeats: int = 60) -> torch.Tensor:
    """Gradients of the mean over the rows of x, (repeats, number of weights)."""
    weights = list(model.parameters())
    found = (torch.autograd.grad(estimator(model, x, 8).mean(), weights) for _ in range(repeats))
    return torch.stack([torch.cat([g.flatten() for g in gradient]) for gradient in found])


@pytest.mark.parametrize("kind", [VAE, TwoLayerVAE])
def test_the_gradient_through_one_draw_is_that_of_the_bound_on_average(kind):
    """z-scores against the gradient through all draws, by autograd of the bound itself."""
    sizes = (2, 6) if kind is VAE else (2, 2, 6)
    model = kind(*sizes, data_dim=5).double()
    for parameter in model.parameters():
        parameter.data.normal_(0, 0.7)
    x = all_images()[[11]].expand(300, 5)  # one image, many times
    whole, kept = (gradients(f, model, x) for f in (iwae_bound, resampled_bound))
    error = ((whole.var(0) + kept.var(0)) / len(whole)).sqrt()
    scores = ((whole.mean(0) - kept.mean(0)) / error)[error > 0]
    assert len(scores) > 60 and scores.abs().max() < 4.5
    assert scores.square().mean() < 1.6  # all of them together
    assert all(p.requires_grad for p in model.parameters())


def test_the_value_with_a_gradient_through_one_draw_is_the_bound():
    x = all_images()[[3]].expand(20_000, 5)
    model = tiny_vae()
    values = [f(model, x, 5) for f in (iwae_bound, resampled_bound)]
    error = math.sqrt(sum(v.var().item() for v in values) / len(x))
    assert abs(values[0].mean() - values[1].mean()) < 4.5 * error
