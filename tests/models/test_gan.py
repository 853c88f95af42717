"""GANs: losses against a classifier's cross-entropy, gradients, shapes, and what training does."""

import copy
import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from course_utils.models import GAN, train_gan
from course_utils.models.gan import conv_generator, discriminator_loss, generator_loss


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def images(n: int = 64) -> torch.Tensor:
    return torch.randint(0, 256, (n, 28, 28), dtype=torch.uint8)


# --- the losses ----------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 100.0], ids=["usual", "extreme"])
def test_the_discriminators_loss_is_a_classifiers_cross_entropy(scale):
    real, fake = (scale * torch.randn(n, dtype=torch.float64) for n in (5, 7))
    by_torch = cross_entropy(real, torch.ones(5).double())
    by_torch += cross_entropy(fake, torch.zeros(7).double())
    torch.testing.assert_close(discriminator_loss(real, fake), by_torch)


def test_the_generators_losses_are_the_logs_of_d():
    fake = torch.linspace(-3, 3, 7, dtype=torch.float64)
    D = torch.sigmoid(fake)
    torch.testing.assert_close(generator_loss(fake), -D.log().mean())
    torch.testing.assert_close(generator_loss(fake, saturating=True), (1 - D).log().mean())


@pytest.mark.parametrize("saturating", [True, False])
def test_where_the_discriminator_is_sure_only_one_loss_has_a_gradient(saturating):
    fake = torch.tensor([-30.0], requires_grad=True, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(generator_loss(fake, saturating), fake)
    D = torch.sigmoid(fake.detach())
    torch.testing.assert_close(gradient, -D if saturating else D - 1)
    assert (gradient.abs() < 1e-12) == saturating


# --- the model -----------------------------------------------------------------------------------


def test_codes_become_images_and_images_logits_whatever_the_leading_axes():
    gan = GAN(3, 4).eval()
    z = torch.randn(2, 5, 3)
    x = gan.decode_mean(z)
    assert x.shape == (2, 5, 784) and x.min() >= 0 and x.max() <= 1
    torch.testing.assert_close(x[1, 2], gan.decode_mean(z[1, 2]))
    torch.testing.assert_close(torch.sigmoid(gan.decode(z)), x)
    assert gan.judge(x).shape == (2, 5)
    torch.testing.assert_close(gan.judge(x)[1, 2], gan.judge(x[1, 2]))
    assert gan.sample(4).shape == (4, 784) and gan.sample(0).shape == (0, 784)


def test_a_new_generator_draws_what_the_seed_says():
    gan = GAN(3, 4).eval()
    found = []
    for _ in range(2):
        torch.manual_seed(1)
        found.append(gan.sample(3))
    assert torch.equal(*found)


def test_what_does_not_fit_is_named():
    gan = GAN(3, 4).eval()
    with pytest.raises(ValueError, match="expected z of shape"):
        gan.decode(torch.zeros(2, 4))
    with pytest.raises(ValueError, match="expected x of shape"):
        gan.judge(torch.zeros(2, 28))
    with pytest.raises(ValueError, match="latent_dim"):
        GAN(0)
    for wrong, named in (
        ({"binarize": "twice"}, "binarize"),
        ({"epochs": 0}, "epochs"),
        ({"learning_rate": math.nan}, "learning_rate"),
        ({"batch_size": 65}, "65 images or more"),
    ):
        with pytest.raises(ValueError, match=named):
            train_gan(gan, images(), progress=False, **wrong)


# --- training ------------------------------------------------------------------------------------


def test_a_step_moves_each_network_down_its_own_loss():
    gan, seen, pixels = GAN(3, 4), [], images(8)
    before = copy.deepcopy(gan)
    torch.manual_seed(2)
    train_gan(gan, pixels, 1, 8, progress=False, each_step=lambda *said: seen.extend(said[1:]))
    torch.manual_seed(2)  # the same order, and the same z
    x = pixels.flatten(1)[torch.randperm(8)].float() / 255
    fake = before.decode_mean(torch.randn(8, 3))
    loss_d = discriminator_loss(before.judge(x), before.judge(fake.detach()))
    loss_g = generator_loss(gan.judge(fake))  # by the discriminator that has already moved
    assert seen == pytest.approx([1, loss_d.item(), loss_g.item()], rel=1e-5)
    for name, loss in (("discriminator", loss_d), ("generator", loss_g)):
        old, new = (list(getattr(model, name).parameters()) for model in (before, gan))
        for a, b, grad in zip(old, new, torch.autograd.grad(loss, old)):
            clear = grad.abs() > 1e-5  # Adam's first step: the rate times the gradient's sign
            moved = -3e-3 * grad.sign()[clear]
            torch.testing.assert_close((b - a)[clear], moved, rtol=0.01, atol=1e-6)
    assert not gan.training


@pytest.mark.parametrize("binarize", ["none", "dynamic"])
def test_the_discriminator_sees_grey_or_binary_pixels(binarize, monkeypatch):
    gan, seen = GAN(3, 4), []
    judge = gan.judge
    monkeypatch.setattr(gan, "judge", lambda x: (seen.append(x), judge(x))[1])
    train_gan(gan, images(8), 1, 8, binarize=binarize, progress=False)
    assert set(seen[0].unique().tolist()) <= {0.0, 1.0} or binarize == "none"
    assert len(seen[0].unique()) > 2 or binarize == "dynamic"


@pytest.mark.slow
def test_a_gan_learns_where_the_ink_is():
    left = (torch.arange(784) % 28 < 14).to(torch.uint8) * 255
    gan = GAN(2, 4)
    train_gan(gan, left.repeat(640, 1), epochs=8, progress=False)
    ink = gan.sample(50).mean(0)
    assert ink[left > 0].mean() > 0.8 > 0.2 > ink[left == 0].mean()


def test_the_generators_output_has_one_logit_a_pixel():
    assert conv_generator(5, 3)(torch.zeros(2, 5)).shape == (2, 784)
