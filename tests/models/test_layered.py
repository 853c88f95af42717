"""Convolutional decoders and two layers of latents against quadrature and torch's own."""

import itertools
import math

import pytest
import torch
from helpers.kinds import LAYERED, PIXELS, grid, lively, on_the_grid, some_images
from helpers.oracles import z_score
from torch import nn
from torch.distributions import Independent, Normal, kl_divergence
from torch.nn.functional import pad

from course_utils.models import VAE, ConvDecoderVAE, LadderVAE, TwoLayerVAE
from course_utils.models.layered import combined
from course_utils.objectives import log_likelihood

SMALL = ["two layers", "ladder"]
every_model = pytest.mark.parametrize("build", LAYERED.values(), ids=LAYERED)
on_the_plane = pytest.mark.parametrize("name", SMALL)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def normal(mu, log_var) -> Independent:
    return Independent(Normal(mu, torch.exp(log_var / 2)), 1)


# --- shapes and gradients ---


@pytest.mark.parametrize("likelihood", ["continuous_bernoulli", "gaussian"])
@pytest.mark.parametrize("cls", [TwoLayerVAE, LadderVAE])
def test_every_likelihood_is_known(cls, likelihood):
    model = cls(2, 2, 6, likelihood=likelihood, data_dim=PIXELS)
    assert model.options["likelihood"] == likelihood
    assert model.loss(torch.rand(3, PIXELS)).isfinite().all()


@pytest.mark.parametrize("cls", [TwoLayerVAE, LadderVAE])
@pytest.mark.parametrize("name", ["lower_dim", "upper_dim", "hidden_dim", "data_dim"])
def test_size_below_one_is_named(cls, name):
    with pytest.raises(ValueError, match=f"{name}: expected 1 or more, got 0"):
        cls(**{name: 0})


@every_model
def test_code_or_image_of_another_width_is_refused(build):
    model = build()
    with pytest.raises(ValueError, match="expected z of shape"):
        model.decode(torch.zeros(2, model.latent_dim + 1))
    with pytest.raises(ValueError, match="expected x of shape"):
        model.encode(torch.zeros(2, PIXELS + 1))


# --- two layers: densities ---


@every_model
def test_the_prior_is_torch_s_chain_of_normals(build):
    model = lively(build)
    z = torch.randn(4, 5, model.latent_dim).double()
    z_1, z_2 = model.layers(z)
    upper = normal(torch.zeros_like(z_2), torch.zeros_like(z_2)).log_prob(z_2)
    lower = normal(*model.lower_prior(z_2)).log_prob(z_1)
    torch.testing.assert_close(model.log_prior(z), upper + lower)


@on_the_plane
def test_prior_and_q_are_densities(name):
    model, x = lively(LAYERED[name]), some_images()
    z, log_area = grid()
    total = torch.exp(model.log_prior(z) + log_area).sum()
    assert total.item() == pytest.approx(1, abs=1e-3)
    totals = torch.exp(model.log_posterior(z.expand(-1, 3, -1), x) + log_area).sum(0)
    torch.testing.assert_close(totals, torch.ones_like(totals), atol=1e-3, rtol=0)


@on_the_plane
def test_draws_have_the_moments_of_their_density(name):
    model, x = lively(LAYERED[name]), some_images(2)
    z, log_area = grid()
    p = torch.exp(model.log_prior(z) + log_area)
    q = torch.exp(model.log_posterior(z.expand(-1, 2, -1), x) + log_area)
    prior_draws = model.prior_draws(torch.empty(40_000, 1, 2).double())
    for draws, density in ((prior_draws, p), (model.posterior_draws(x, 40_000)[0], q)):
        products = [lambda v: v, lambda v: v.square(), lambda v: v[..., :1] * v[..., 1:]]
        for f in products:
            expected = (density[..., None] * f(z)).sum(0)
            assert z_score(f(draws), expected).abs().max() < 4.5


@every_model
def test_a_chain_knows_the_density_of_its_draws(build):
    model, x = lively(build), some_images()
    z, log_q = model.posterior_draws(x, 50)
    torch.testing.assert_close(log_q, model.log_posterior(z, x))


def test_the_image_depends_on_the_lower_code_alone():
    model = lively(LAYERED["ladder, wider"])
    z = torch.randn(4, 5).double()
    other = z.clone()
    other[:, 3:] += 1
    torch.testing.assert_close(model.decode(z), model.decode(other))
    assert (model.log_prior(z) - model.log_prior(other)).abs().min() > 1e-3


def test_the_lower_q_of_a_ladder_hears_from_above():
    def moved(model):
        x, z = some_images(4), torch.randn(4, 5).double()
        chains = [
            model.chain(x, lambda mu, _: mu, lambda mu, _, z=z: z[..., 3:]) for z in (z, z + 1)
        ]
        return (chains[0][1] - chains[1][1]).abs().max()

    assert moved(lively(LAYERED["ladder, wider"])) > 1e-3
    assert moved(lively(LAYERED["two layers, wider"])) == 0


# --- two layers: bounds ---


@on_the_plane
def test_likelihood_is_that_of_the_grid(name):
    model, x = lively(LAYERED[name]), some_images()
    log_joint, _, log_area = on_the_grid(model, x)
    found = log_likelihood(model, x, 20_000, progress=False)
    torch.testing.assert_close(found, log_joint.logsumexp(0) + log_area, atol=0.1, rtol=0)


@every_model
def test_unit_kls_add_up_to_the_kl_of_torch(build):
    """Layer by layer, each averaged over draws of the other."""
    model, x = lively(build), some_images(1)
    z, _ = model.posterior_draws(x, 20_000)
    z_1, z_2 = model.layers(z)
    chain = model.chain(x, lambda *_: z_1, lambda *_: z_2)
    p_1, q_1, q_2 = (normal(*n) for n in (model.lower_prior(z_2), chain[1:3], chain[4:6]))
    upper = kl_divergence(q_2, normal(*(torch.zeros_like(t) for t in chain[4:6])))
    lower = q_1.log_prob(z_1) - p_1.log_prob(z_1)
    exact = (upper + lower).flatten()
    units = model.unit_kl(x.repeat(20_000, 1))
    kl = model.elbo_terms(x.repeat(20_000, 1))[1]
    assert units.shape == (model.latent_dim,)
    error = math.sqrt((kl.var() + exact.var()) / 20_000)
    assert abs(kl.mean() - exact.mean()) < 4.5 * error
    assert abs(units.sum() - exact.mean()) < 4.5 * error
    upper_units = units[model.sizes[0] :].sum()
    error = math.sqrt(2 * upper.var(correction=0) / 20_000) + 1e-9
    assert abs(upper_units - upper.mean()) < 4.5 * error


def test_a_ladder_s_lower_kl_is_torch_s():
    model, x = lively(LAYERED["ladder, wider"]), some_images()
    z = torch.randn(3, 5).double()
    z_1, z_2 = model.layers(z)
    chain = model.chain(x, lambda *_: z_1, lambda *_: z_2)
    p_1 = model.lower_prior(z_2)
    kl = model.lower_kl(z_1, chain[1:3], p_1)
    torch.testing.assert_close(kl.sum(-1), kl_divergence(normal(*chain[1:3]), normal(*p_1)))


@pytest.mark.parametrize("cls", [TwoLayerVAE, LadderVAE])
def test_warm_up_weighs_the_kl_step_by_step_and_scores_in_full(cls):
    model, x = cls(2, 2, 6, data_dim=PIXELS, warm_up=4).double(), some_images()

    def found(weight, loss):
        torch.manual_seed(2)
        value = loss(x)
        torch.manual_seed(2)
        log_lik, kl = model.elbo_terms(x)
        torch.testing.assert_close(value, weight * kl - log_lik)

    for weight in (0.0, 0.25, 0.5, 0.75, 1.0, 1.0):
        with torch.no_grad():
            found(1.0, model.loss)
        found(weight, model.loss)
    again = cls(**model.options).double()
    assert again.kl_weight == 0
    again.load_state_dict(model.state_dict())
    assert again.kl_weight == 1


def test_a_negative_warm_up_is_named():
    with pytest.raises(ValueError, match="warm_up: expected 0 or more, got -1"):
        LadderVAE(warm_up=-1)


# --- two normals combined ---


@pytest.mark.parametrize("case", [(0.0, 0.0, 2.0, 0.0), (20.0, 0.0, 23.0, math.log(2.0))], ids=str)
def test_combined_by_hand(case):
    mu, log_var = combined(*(tuple(torch.tensor([v]) for v in case[i : i + 2]) for i in (0, 2)))
    expected = {2.0: (1.0, 0.5), 23.0: (21.0, 2 / 3)}[case[2]]
    assert mu.item() == pytest.approx(expected[0]) and log_var.exp().item() == pytest.approx(
        expected[1]
    )


def test_combined_is_the_product_of_the_densities_up_to_one_number():
    """The difference of the logarithms is the same at every z."""
    a, b = ((torch.randn(3, 1).double(), 2 * torch.randn(3, 1).double()) for _ in range(2))
    z = torch.linspace(-4, 4, 50).double()[:, None, None].expand(-1, 3, 1)
    product = normal(*a).log_prob(z) + normal(*b).log_prob(z)
    rest = product - normal(*combined(a, b)).log_prob(z)  # (50, 3)
    torch.testing.assert_close(rest, rest[:1].expand_as(rest), rtol=1e-8, atol=1e-8)


def test_combined_lets_the_far_surer_one_decide():
    sure, vague = (torch.tensor([3.0]), torch.tensor([-90.0])), (torch.zeros(1), torch.zeros(1))
    for pair in ((sure, vague), (vague, sure)):
        mu, log_var = combined(*pair)
        assert mu.item() == 3 and log_var.item() == -90


# --- a decoder of convolutions ---


@pytest.fixture
def conv() -> ConvDecoderVAE:
    return ConvDecoderVAE(2, 5, 4)


@pytest.mark.parametrize("leading", [(5,), (0,), (), (3, 5)], ids=str)
def test_convolutions_take_any_leading_axes(conv, leading):
    x = torch.rand(*leading, 784)
    z = conv.posterior_draws(x, 2)[0]
    assert conv.decode(z).shape == (2, *leading, 784)
    assert conv.loss(x).shape == leading


def test_a_convolution_s_rows_do_not_influence_each_other(conv):
    z = torch.randn(3, 4, 2)
    torch.testing.assert_close(conv.decode(z)[1, 2], conv.decode(z[1, 2]))


def test_only_the_decoder_is_changed(conv):
    torch.manual_seed(1)
    plain = VAE(2, 5).encoder.state_dict()
    torch.manual_seed(1)
    found = ConvDecoderVAE(2, 5, 4).encoder.state_dict()
    assert all(torch.equal(plain[name], found[name]) for name in plain)
    assert found.keys() == plain.keys()


def test_every_place_paints_its_patch_with_the_same_weights(conv):
    """The last transposed convolution as a loop: each number adds a patch of 4 x 4."""
    layer, h = conv.decoder[7], torch.randn(1, 2, 14, 14)
    page = torch.zeros(30, 30)  # a margin of one pixel, cut off below
    for c, i, j in itertools.product(range(2), range(14), range(14)):
        page[2 * i : 2 * i + 4, 2 * j : 2 * j + 4] += h[0, c, i, j] * layer.weight[c, 0]
    torch.testing.assert_close(layer(h)[0, 0], page[1:29, 1:29] + layer.bias, rtol=1e-4, atol=1e-5)


def test_a_moved_picture_gives_a_moved_image(conv):
    """One step in the picture of 7 x 7 is four pixels of the image, up to the margins."""
    h = torch.zeros(1, 4, 7, 7)
    h[0, :, 2:4, 2:4] = torch.rand(4, 2, 2)
    paint = nn.Sequential(*conv.decoder[5:8])
    here, there = paint(h), paint(pad(h, (1, -1)))
    torch.testing.assert_close(here[..., 2:-6, 2:-6], there[..., 2:-6, 6:-2])


def test_a_convolutional_decoder_starts_at_the_mean_of_every_pixel(conv):
    images = torch.randint(0, 256, (50, 28, 28), dtype=torch.uint8)
    conv.start_at_mean(images)
    mean = torch.sigmoid(conv.decoder[-1].bias.detach())
    torch.testing.assert_close(mean, (images / 255).mean(0).flatten(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("channels", [0, 1])
def test_too_few_channels_are_named(channels):
    with pytest.raises(ValueError, match="channels: expected"):
        ConvDecoderVAE(2, 5, channels)
