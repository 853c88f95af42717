"""The networks: shapes, options, sampling, and the linear VAE against exact probabilistic PCA."""

import math

import numpy as np
import pytest
import torch
from helpers.oracles import (
    at_the_ppca_optimum,
    correlated_rows,
    expected_log_lik,
    marginal,
    with_best_encoder,
    z_score,
)
from scipy import stats
from torch.distributions import (
    Bernoulli,
    ContinuousBernoulli,
    Independent,
    Normal,
    kl_divergence,
)

from course_utils.models import (
    LIKELIHOODS,
    MODELS,
    VAE,
    Autoencoder,
    Classifier,
    ConvVAE,
    LinearVAE,
    adversarial,
    fooling_images,
    train_classifier,
)

BUILDERS = {
    "bernoulli": lambda: VAE(2, 5, data_dim=7),
    "continuous_bernoulli": lambda: VAE(2, 5, "continuous_bernoulli", 7),
    "gaussian": lambda: VAE(2, 5, "gaussian", 7),
    "one latent": lambda: VAE(1, 5, data_dim=7),
    "one pixel": lambda: VAE(2, 5, data_dim=1),
    "linear": lambda: LinearVAE(2, 7),
    "convolutional": lambda: ConvVAE(2, 4),
    "convolutional gaussian": lambda: ConvVAE(3, 4, "gaussian"),
}
every_vae = pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def random_linear_vae(latent_dim: int, dim: int = 6) -> LinearVAE:
    model = LinearVAE(latent_dim, dim).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    return model


# --- where training begins ---


def without_weights(model):
    """The model, its decoder's last layer reduced to the bias."""
    with torch.no_grad():
        [m.weight for m in model.decoder.modules() if hasattr(m, "weight")][-1].zero_()
    return model


@every_vae
@pytest.mark.parametrize("kind", ["uint8", "shares", "pictures"])
def test_a_model_that_starts_at_the_mean_decodes_to_it(build, kind):
    model = without_weights(build())
    images = torch.randint(20, 235, (50, model.data_dim), dtype=torch.uint8)
    mean = images.numpy().mean(0) / 255
    if isinstance(model, ConvVAE):
        mean = np.full(784, mean.mean())  # one bias for all pixels
    images = {"uint8": images, "shares": images / 255, "pictures": images[:, None]}[kind]
    model.start_at_mean(images)
    decoded = model.decode_mean(torch.randn(3, model.latent_dim))
    np.testing.assert_allclose(decoded.detach(), np.broadcast_to(mean, decoded.shape), atol=1e-6)


def test_the_mean_is_the_best_start_without_a_code():
    """The negative log-likelihood per image is then the entropy of independent pixels."""
    model = without_weights(VAE(2, 5, data_dim=7))
    images = (torch.rand(400, 7) < torch.linspace(0.1, 0.9, 7)).float()
    model.start_at_mean(images)
    nll = -model.log_prob_of(images, model.decode(torch.zeros(400, 2))).mean().item()
    assert nll == pytest.approx(stats.bernoulli(images.numpy().mean(0)).entropy().sum(), rel=1e-6)


def test_pixels_that_never_change_get_finite_log_odds():
    model = without_weights(VAE(2, 5, data_dim=2))
    model.start_at_mean(torch.tensor([[0.0, 1.0]] * 10))
    decoded = model.decode_mean(torch.zeros(1, 2)).detach()
    np.testing.assert_allclose(decoded, [[0.001, 0.999]], rtol=1e-5)


def test_the_mean_of_images_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"expected images of shape \(\.\.\., 7\), got \(4, 9\)"):
        VAE(2, 5, data_dim=7).start_at_mean(torch.rand(4, 3, 3))


# --- shapes, options, errors ---


@every_vae
@pytest.mark.parametrize("leading", [(5,), (0,), (), (3, 5), (3, 0)], ids=str)
def test_vae_shapes_for_any_leading_axes(build, leading):
    model = build()
    x = torch.rand(*leading, model.data_dim)
    mu, log_var = model.encode(x)
    z = model.reparameterize(mu, log_var)
    assert mu.shape == log_var.shape == z.shape == (*leading, model.latent_dim)
    assert model.decode(z).shape == model.decode_mean(z).shape == x.shape
    assert model.log_prob_of(x, model.decode(z)).shape == leading
    assert [t.shape for t in model.elbo_terms(x)] == [leading, leading]
    assert model.elbo(x, beta=0.5).shape == model.loss(x).shape == leading


@every_vae
def test_rows_do_not_influence_each_other(build):
    model, x = build(), torch.rand(3, 4, build().data_dim)
    together, alone = model.encode(x), model.encode(x[1, 2])
    torch.testing.assert_close((together[0][1, 2], together[1][1, 2]), alone)
    torch.testing.assert_close(model.decode(together[0])[1, 2], model.decode(alone[0]))


@every_vae
def test_sample_is_decoded_means_without_gradient(build):
    model = build()
    images = model.sample(6)
    assert images.shape == (6, model.data_dim) and not images.requires_grad
    if model.likelihood != "gaussian":
        assert images.min() >= 0 and images.max() <= 1


def test_sample_has_the_model_dtype():
    assert VAE(2, 5, data_dim=7).double().sample(3).dtype == torch.float64


@pytest.mark.parametrize("leading", [(5,), (0,), (), (3, 5)], ids=str)
def test_autoencoder_shapes(leading):
    model = Autoencoder(2, 5, 7)
    x = torch.rand(*leading, 7)
    z = model.encode(x)
    assert z.shape == (*leading, 2)
    assert model.decode(z).shape == model.decode_mean(z).shape == x.shape
    assert model.loss(x).shape == leading


def test_autoencoder_loss_is_the_summed_squared_error():
    model, x = Autoencoder(2, 5, 7), torch.rand(4, 7)
    x_hat = model.decode_mean(model.encode(x))
    expected = [np.sum((x[i] - x_hat[i]).detach().numpy() ** 2) for i in range(4)]
    np.testing.assert_allclose(model.loss(x).detach(), expected, rtol=1e-5)


@pytest.mark.parametrize("cls", MODELS.values(), ids=MODELS)
def test_options_rebuild_the_same_network(cls):
    model = cls(3)  # the first argument: latents, of the lower layer where there are two
    rebuilt = cls(**model.options)
    assert type(model).__name__ in MODELS
    rebuilt.load_state_dict(model.state_dict())
    assert rebuilt.options == model.options


@every_vae
def test_wrong_width_says_what_was_expected_and_what_came(build):
    model = build()
    dim, latent_dim = model.data_dim, model.latent_dim
    with pytest.raises(ValueError, match=rf"x of shape \(\.\.\., {dim}\), got \(2, {dim + 1}\)"):
        model.encode(torch.zeros(2, dim + 1))
    with pytest.raises(ValueError, match=rf"z of shape \(\.\.\., {latent_dim}\), got \(9,\)"):
        model.decode(torch.zeros(9))
    with pytest.raises(ValueError, match=r"got \(\)"):
        model.encode(torch.zeros(()))


def test_images_as_squares_are_refused():
    with pytest.raises(ValueError, match=r"expected x .*784.*got \(2, 28, 28\)"):
        Autoencoder().encode(torch.zeros(2, 28, 28))


@pytest.mark.parametrize("cls", [VAE, Autoencoder])
@pytest.mark.parametrize("name", ["latent_dim", "hidden_dim", "data_dim"])
def test_size_below_one_is_named(cls, name):
    with pytest.raises(ValueError, match=f"{name}: expected 1 or more, got 0"):
        cls(**{name: 0})


def test_unknown_likelihood_is_named():
    with pytest.raises(ValueError, match="likelihood: expected one of .*bernoulli.*got 'poisson'"):
        VAE(likelihood="poisson")


def test_only_the_gaussian_has_a_noise_parameter():
    owners = [name for name in LIKELIHOODS if hasattr(VAE(2, 5, name, 7), "log_noise_var")]
    assert owners == ["gaussian"]


# --- reparameterization ---


def test_reparameterized_draws_have_the_mean_and_variance_asked_for():
    mu, log_var = torch.tensor([0.0, 3.0, -1.0]).double(), torch.tensor([0.0, 2.0, -6.0]).double()
    n, variance = 100_000, log_var.exp()
    z = VAE(3, 5, data_dim=7).reparameterize(mu.expand(n, 3), log_var.expand(n, 3))
    assert z_score(z, mu).abs().max() < 4.5
    variance_error = variance * (2 / n) ** 0.5  # of a normal sample's variance
    assert ((z.var(0) - variance) / variance_error).abs().max() < 4.5
    assert stats.kstest(((z - mu) / variance.sqrt()).flatten().numpy(), "norm").pvalue > 1e-5


def test_reparameterized_draws_are_differentiable():
    """dz/dmu = 1 and dz/dlog_var = (z - mu) / 2."""
    mu = torch.randn(50, 2).double().requires_grad_()
    log_var = torch.randn(50, 2).double().requires_grad_()
    z = VAE(2, 5, data_dim=7).reparameterize(mu, log_var)
    z.sum().backward()
    torch.testing.assert_close(mu.grad, torch.ones(50, 2).double())
    torch.testing.assert_close(log_var.grad, (z - mu).detach() / 2)


# --- likelihoods and the ELBO ---


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_log_prob_of_is_that_of_torch(likelihood):
    model, output = VAE(2, 5, likelihood, 7).double(), torch.randn(4, 7).double()
    x = (
        torch.rand(4, 7).double().round()
        if likelihood == "bernoulli"
        else torch.rand(4, 7).double()
    )
    if likelihood == "gaussian":
        torch.nn.init.constant_(model.log_noise_var, -1.3)
    p = {
        "bernoulli": lambda: Bernoulli(logits=output),
        "continuous_bernoulli": lambda: ContinuousBernoulli(logits=output),
        "gaussian": lambda: Normal(output, math.exp(-1.3 / 2)),
    }[likelihood]()
    expected = Independent(p, 1).log_prob(x)
    torch.testing.assert_close(model.log_prob_of(x, output), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_decode_mean_is_the_parameter_of_the_likelihood(likelihood):
    model, z = VAE(2, 5, likelihood, 7), torch.randn(4, 2)
    output = model.decode(z)
    expected = output if likelihood == "gaussian" else Bernoulli(logits=output).probs
    torch.testing.assert_close(model.decode_mean(z), expected)


def test_the_noise_variance_is_learned():
    model = VAE(2, 5, "gaussian", 7)
    model.loss(torch.rand(4, 7)).sum().backward()
    assert model.log_noise_var.grad.abs() > 0


@every_vae
def test_elbo_is_log_likelihood_minus_kl_and_loss_its_negative(build):
    model = build().double()
    x = torch.rand(4, model.data_dim).double()

    def same_draw(method, *args):
        torch.manual_seed(1)
        return method(x, *args)

    log_lik, kl = same_draw(model.elbo_terms)
    torch.testing.assert_close(same_draw(model.elbo), log_lik - kl)
    torch.testing.assert_close(same_draw(model.elbo, 4.0), log_lik - 4 * kl)
    torch.testing.assert_close(same_draw(model.loss), kl - log_lik)


@every_vae
def test_kl_term_is_that_of_torch(build):
    model = build().double()
    x = torch.rand(4, model.data_dim).double()
    mu, log_var = model.encode(x)
    q, prior = Normal(mu, torch.exp(log_var / 2)), Normal(torch.zeros_like(mu), 1.0)
    torch.testing.assert_close(model.elbo_terms(x)[1], kl_divergence(q, prior).sum(-1))


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_sampled_log_likelihood_term_is_right_on_average(likelihood):
    model = VAE(1, 5, likelihood, 7).double()
    x = torch.rand(3, 7).double()
    draws = model.elbo_terms(x.expand(20_000, 3, 7))[0].detach()
    assert z_score(draws, expected_log_lik(model, x)).abs().max() < 4.5


# --- the linear VAE ---


def test_linear_elbo_terms_are_exact_by_quadrature():
    model, x = random_linear_vae(1), correlated_rows(5)
    torch.testing.assert_close(
        model.elbo_terms(x)[0], expected_log_lik(model, x), rtol=1e-10, atol=0
    )


def test_linear_elbo_terms_are_the_mean_of_sampled_ones():
    model, x = random_linear_vae(3), correlated_rows(4)
    log_lik, kl = model.elbo_terms(x)
    sampled, same_kl = VAE.elbo_terms(model, x.expand(20_000, 4, 6))
    assert z_score(sampled.detach(), log_lik.detach()).abs().max() < 4.5
    torch.testing.assert_close(same_kl[0], kl)


@pytest.mark.parametrize("latent_dim", [1, 2, 5])
def test_linear_elbo_never_exceeds_the_exact_log_likelihood(latent_dim):
    x = correlated_rows(50)
    for _ in range(20):
        model = random_linear_vae(latent_dim)
        assert (model.elbo(x).detach().numpy() <= marginal(model).logpdf(x.numpy()) + 1e-9).all()


@pytest.mark.parametrize("latent_dim", [1, 2, 5])
def test_linear_elbo_meets_the_log_likelihood_at_the_ppca_optimum(latent_dim):
    x = correlated_rows()
    model = at_the_ppca_optimum(x, latent_dim)
    exact = marginal(model).logpdf(x.numpy())
    np.testing.assert_allclose(model.elbo(x).detach(), exact, atol=1e-8, rtol=0)


def test_the_ppca_optimum_is_stationary_for_the_elbo():
    x = correlated_rows()
    model = at_the_ppca_optimum(x, 2)
    model.elbo(x).mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.abs().max() < 1e-10, name


def test_a_rotated_decoder_costs_exactly_what_a_diagonal_q_cannot_follow():
    """The gap is half of (sum of log A_mm - log |A|), for every x."""
    x = correlated_rows()
    model = at_the_ppca_optimum(x, 3)
    rotation = torch.linalg.qr(torch.randn(3, 3).double()).Q
    model.decoder.weight.data = model.decoder.weight.data @ rotation
    with_best_encoder(model)
    weight, noise = model.decoder.weight.detach().numpy(), model.log_noise_var.exp().item()
    a = weight.T @ weight + noise * np.eye(3)
    gap = (np.log(a.diagonal()).sum() - np.linalg.slogdet(a)[1]) / 2
    assert gap > 1e-3
    found = marginal(model).logpdf(x.numpy()) - model.elbo(x).detach().numpy()
    np.testing.assert_allclose(found, gap, atol=1e-8)


# --- numbers of any library ---


@pytest.mark.parametrize("kind", [int, np.int64, torch.tensor, float])
def test_a_number_of_samples_may_be_of_any_library(kind):
    assert VAE(2, 4, data_dim=9).sample(kind(3)).shape == (3, 9)


@pytest.mark.parametrize("n", [2.5, -1, "3", None, True])
def test_what_is_no_number_of_samples_is_named(n):
    with pytest.raises(ValueError, match="^n: expected "):
        VAE(2, 4, data_dim=9).sample(n)


def test_classifiers_take_numbers_of_any_library():
    x, y, ends = torch.rand(20, 9), torch.arange(20) % 3, []
    for kind in (lambda v: v, np.float64, torch.tensor):
        torch.manual_seed(0)
        model = Classifier(4, 9, 3)
        train_classifier(model, x, y, kind(2), kind(5), kind(1e-3))
        attacked = adversarial(model, x, y, kind(0.1))
        climbed = fooling_images(model, x, y, kind(0.9), kind(0.05), kind(3))
        ends.append(torch.cat([attacked, climbed]))
    torch.testing.assert_close(ends[1], ends[0])
    torch.testing.assert_close(ends[2], ends[0])


@pytest.mark.parametrize(
    ("work", "name", "value"),
    [
        (train_classifier, "epochs", 1.5),
        (train_classifier, "batch_size", 0),
        (train_classifier, "learning_rate", -1.0),
        (train_classifier, "learning_rate", "fast"),
        (fooling_images, "max_steps", 2.5),
        (fooling_images, "step", None),
        (fooling_images, "confidence", 1.0),
    ],
)
def test_what_is_no_such_number_is_named(work, name, value):
    x, y = torch.rand(2, 9), torch.zeros(2).long()
    with pytest.raises(ValueError, match=f"^{name}: expected .*, got "):
        work(Classifier(4, 9, 3), x, y, **{name: value})
