"""Autoencoders with a discriminator: what it learns, what each network is pulled by."""

import copy
import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from torch.distributions import Normal

from course_utils.models import (
    VAEGAN,
    AdversarialAutoencoder,
    ConvDecoderVAE,
    mlp,
    train_adversarial_autoencoder,
    train_vae_gan,
)
from course_utils.models.adversarial_codes import batches, descend
from course_utils.models.gan import discriminator_loss

PIXELS = 6


def small() -> AdversarialAutoencoder:
    torch.manual_seed(0)
    return AdversarialAutoencoder(2, 8, data_dim=PIXELS, judge_dim=10)


def small_vae_gan() -> VAEGAN:
    torch.manual_seed(0)
    return VAEGAN(2, 8, 2)


def pictures(n: int = 20, side: int = 28) -> torch.Tensor:
    return torch.rand(n, side * side, generator=torch.Generator().manual_seed(1))


def changed(before: dict, model: torch.nn.Module) -> set[str]:
    """Which networks (encoder, decoder, ...) have moved."""
    now = model.state_dict()
    return {name.split(".")[0] for name in now if not torch.equal(before[name], now[name])}


# --- what a discriminator learns -----------------------------------------------------------------


def test_the_log_ratio_is_best_and_misses_log_2_by_the_jensen_shannon_divergence():
    """Both kinds on a few places, so that draws with these shares give the exact averages."""
    p, q = np.array([0.5, 0.2, 0.2, 0.1]), np.array([0.1, 0.1, 0.3, 0.5])
    place_p, place_q = (torch.from_numpy(np.repeat(range(4), (10 * s).round().astype(int)))
                        for s in (p, q))  # fmt: skip
    best = torch.from_numpy(np.log(p / q)).requires_grad_()
    loss = discriminator_loss(best[place_p], best[place_q])
    assert math.log(2) - loss.item() / 2 == pytest.approx(jensenshannon(p, q) ** 2)
    loss.backward()
    assert best.grad.abs().max() < 1e-12


def test_a_judge_learns_a_divergence_from_draws_alone():
    """KL(N(1, 1) || N(0, 1)) is one half; a straight line is the exact log ratio."""
    torch.manual_seed(0)
    p, q = torch.randn(20_000, 1), 1 + torch.randn(20_000, 1)
    line = torch.nn.Linear(1, 1)
    optimizer = torch.optim.LBFGS(line.parameters(), line_search_fn="strong_wolfe", max_iter=50)

    def loss():
        optimizer.zero_grad()
        value = discriminator_loss(line(p), line(q))
        value.backward()
        return value

    optimizer.step(loss)
    terms = -line(1 + torch.randn(20_000, 1)).detach()  # log q - log p is z - ½
    assert abs(terms.mean() - 0.5) < 4.5 * (terms.std() / math.sqrt(20_000) + 0.01)
    assert line.weight.item() == pytest.approx(-1, abs=0.1)


# --- the adversarial autoencoder -----------------------------------------------------------------


def test_its_loss_is_a_reconstruction_and_the_judges_logit():
    model, x = small(), torch.rand(5, PIXELS).round()
    z = model.encode(x)
    bernoulli = torch.distributions.Bernoulli(logits=model.decoder(z))
    expected = -bernoulli.log_prob(x).sum(1) - 3 * model.judge(z)[:, 0]
    torch.testing.assert_close(model.loss(x, weight=3.0), expected)


def test_the_judge_does_not_pull_the_encoder_while_it_learns():
    model = small()
    model.judge_loss(model.encode(torch.rand(5, PIXELS))).backward()
    assert all(p.grad is None for p in model.encoder.parameters())
    assert all(p.grad is not None for p in model.judge.parameters())


def test_a_judge_pulls_a_wide_cloud_of_codes_to_the_prior():
    """Images of two numbers, drawn from a triangle: a shape that the prior does not have."""
    torch.manual_seed(0)
    u = torch.rand(3000, 2)
    u[u.sum(1) > 1] = 1 - u[u.sum(1) > 1]
    x = torch.sigmoid(4 * (u - 1 / 3) @ torch.randn(2, PIXELS))
    square = {}  # the mean of |z|^2, 2 under the prior
    for weight in (0.0, 2.0):
        torch.manual_seed(1)
        model = AdversarialAutoencoder(2, 50, data_dim=PIXELS, judge_dim=50)
        with torch.no_grad():
            model.encoder[-1].weight.mul_(40)
        train_adversarial_autoencoder(model, x, 8, batch_size=50, weight=weight, progress=False)
        square[weight] = model.encode(x).square().sum(1).mean().item()
    assert 0.5 < square[2.0] < 4 < square[0.0]


def test_without_weight_it_trains_as_an_autoencoder_does():
    images = torch.rand(30, PIXELS)
    model, other = small(), small()
    torch.manual_seed(5)
    train_adversarial_autoencoder(
        model, images, 1, batch_size=30, learning_rate=1e-2, weight=0.0, progress=False
    )
    torch.manual_seed(5)
    x = images[torch.randperm(30)]
    networks = [*other.encoder.parameters(), *other.decoder.parameters()]
    optimizer = torch.optim.Adam(networks, lr=1e-2, betas=(0.9, 0.99))
    (-other.log_prob_of(x, other.decode(other.encode(x))).mean()).backward()
    optimizer.step()
    for name in ("encoder", "decoder"):
        for a, b in zip(getattr(model, name).parameters(), getattr(other, name).parameters()):
            torch.testing.assert_close(a, b)


def test_dreams_are_decoded_draws_of_the_prior():
    model = small()
    torch.manual_seed(3)
    dreams = model.sample(4)
    torch.manual_seed(3)
    torch.testing.assert_close(dreams, torch.sigmoid(model.decoder(torch.randn(4, 2))))


@pytest.mark.parametrize("changes", [{"latent_dim": 0}, {"likelihood": "poisson"}])
def test_sizes_and_likelihoods_that_do_not_exist(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        AdversarialAutoencoder(**changes)


# --- VAE/GAN -------------------------------------------------------------------------------------


def test_the_learned_similarity_is_a_normal_density_of_features_at_its_best_variance():
    model, x, x_hat = small_vae_gan(), pictures(4), pictures(5)[1:]
    of_x, of_hat = (model.features(t).detach() for t in (x, x_hat))
    std = (of_x - of_hat).square().mean().sqrt()
    F = of_x.shape[1]
    exact = -Normal(of_hat, std).log_prob(of_x).sum(1).mean()
    constant = F / 2 * math.log(2 * math.pi * math.e)
    torch.testing.assert_close(model.similarity_loss(x, x_hat) + constant, exact)
    for other in (0.9 * std, 1.1 * std):
        assert -Normal(of_hat, other).log_prob(of_x).sum(1).mean() > exact


def test_fakes_pull_the_decoder_alone():
    model = small_vae_gan()
    kl, similarity, fakes = model.decoder_terms(pictures(4))
    assert fakes.shape == (8, 784) and kl > 0
    fakes.sum().backward()
    assert all(p.grad is None for p in model.encoder.parameters())
    assert all(p.grad is not None for p in model.decoder.parameters())
    model.zero_grad()
    similarity.backward()
    assert all(p.grad.abs().sum() > 0 for p in model.encoder.parameters())


def test_reconstructions_come_before_dreams():
    model, x = small_vae_gan(), pictures(3)
    torch.manual_seed(2)
    _, _, fakes = model.decoder_terms(x)
    torch.manual_seed(2)
    z = model.reparameterize(*model.encode(x))
    torch.testing.assert_close(fakes[:3], model.decode_mean(z))
    torch.testing.assert_close(fakes[3:], model.decode_mean(torch.randn(3, 2)))


def test_a_decoder_of_convolutions_is_that_of_page_07c():
    torch.manual_seed(0)
    model, other = VAEGAN(2, 8, 2, conv=True), ConvDecoderVAE(2, 8, 4)
    other.decoder.load_state_dict(model.decoder.state_dict())
    z = torch.randn(3, 2, 2)
    torch.testing.assert_close(model.decode(z), other.decode(z))
    assert VAEGAN(2, 8, 2).decode(z).shape == (3, 2, 784)


def test_training_moves_all_three_networks_and_leaves_them_free():
    model = small_vae_gan()
    before = copy.deepcopy(model.state_dict())
    trained = train_vae_gan(model, pictures().view(-1, 28, 28), 1, batch_size=10, progress=False)
    assert trained is model
    assert changed(before, model) == {"encoder", "decoder", "discriminator"}
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.slow
def test_a_vae_gan_learns_to_tell_two_pictures_apart():
    x = torch.zeros(400, 28, 28)
    x[::2, 4:14, 4:14], x[1::2, 14:24, 14:24] = 1.0, 1.0
    model, rows = small_vae_gan(), x[:2].flatten(1)
    train_vae_gan(model, x, 20, batch_size=20, learning_rate=3e-3, progress=False)
    errors = torch.cdist(rows, model.decode_mean(model.encode_mean(rows)).detach())
    assert (errors.diagonal() < errors.flip(0).diagonal()).all()


# --- what both share -----------------------------------------------------------------------------


def test_each_epoch_sees_every_image_once_and_the_rate_falls_in_the_second_half():
    model, images = small(), torch.arange(10)[:, None].repeat(1, PIXELS).to(torch.uint8)
    given = list(batches(model, images, 2, 4, "none", False))
    assert [len(x) for x, _ in given] == [4, 4, 2] * 2
    for epoch in (given[:3], given[3:]):
        seen = torch.cat([x[:, 0] for x, _ in epoch]) * 255
        assert seen.round().long().sort().values.tolist() == list(range(10))
    assert [share for _, share in given] == pytest.approx([1, 1, 1, 1, 2 / 3, 1 / 3])


def test_pixels_are_drawn_black_and_white_only_when_asked():
    images = torch.full((8, PIXELS), 0.5)
    for binarize, values in (("none", {0.5}), ("dynamic", {0.0, 1.0})):
        torch.manual_seed(0)
        ((x, _),) = batches(small(), images, 1, 8, binarize, False)
        assert set(x.unique().tolist()) == values


def test_a_step_has_the_rate_that_it_is_given():
    network = mlp(1, 1)
    before = copy.deepcopy(network.state_dict())
    descend(torch.optim.SGD(network.parameters(), lr=1.0), network(torch.ones(1, 1)).sum(), 0.25)
    assert (before["0.weight"] - network[0].weight).item() == pytest.approx(0.25)


@pytest.mark.parametrize(
    "changes", [{"epochs": 0}, {"learning_rate": 0}, {"weight": -1.0}, {"binarize": "yes"}]
)
@pytest.mark.parametrize("train", [train_adversarial_autoencoder, train_vae_gan])
def test_numbers_out_of_range_are_named(train, changes):
    model = small() if train is train_adversarial_autoencoder else small_vae_gan()
    images = torch.rand(4, model.data_dim)
    with pytest.raises(ValueError, match=next(iter(changes))):
        train(model, images, **{"epochs": 1, "progress": False} | changes)


def test_images_of_another_size_are_named():
    with pytest.raises(ValueError, match="images"):
        train_vae_gan(small_vae_gan(), torch.rand(4, 9), 1, progress=False)
