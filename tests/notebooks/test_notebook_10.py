"""What stands on the page of notebook 10 does what the package does, and measures what it says."""

import copy
import math

import pytest
import torch
from helpers.shown import assert_twins, shown

from course_utils.models import GAN, train_gan
from course_utils.models.gan import discriminator_loss, generator_loss

DEVICE = torch.device("cpu")


@pytest.fixture(scope="module")
def page():
    names = ["discriminator_loss", "generator_loss", "conv_generator", "conv_discriminator"]
    names += ["descend", "train_gan", "squared_error", "shifted", "blurred", "erased", "ssim"]
    names += ["coarse", "V", "V_best"]
    grid = torch.linspace(-20, 20, 4001, dtype=torch.float64)
    return shown(10, *names, device=DEVICE, row=torch.arange(28.0), t=grid)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


# --- judges of pictures --------------------------------------------------------------------------


def test_each_change_is_none_at_strength_zero_and_known_where_it_is_simple(page):
    x = torch.zeros(3, 28, 28)
    x[:, 5:20, 8:15] = torch.rand(3, 15, 7)
    for change, nothing in ((page.shifted, 0.0), (page.blurred, 1e-3), (page.erased, 0.0)):
        torch.testing.assert_close(change(x, torch.full((3,), nothing)), x, atol=1e-5, rtol=0)
    s = torch.tensor([0.0, 1.0, 2.0])
    moved = torch.stack([image.roll(int(k), 1) for image, k in zip(x, s)])
    torch.testing.assert_close(page.shifted(x, s), moved, atol=1e-5, rtol=0)
    torch.testing.assert_close(page.erased(x, 28 * torch.ones(3)), 0 * x)
    torch.testing.assert_close(page.erased(x, torch.tensor([3.5] * 3))[:, 24], 0.5 * x[:, 24])
    wide = page.blurred(x, torch.full((3,), 1.0))
    torch.testing.assert_close(wide.sum((1, 2)), x.sum((1, 2)), rtol=0.01, atol=0)


def test_ssim_is_one_for_equal_images_and_low_for_unlike_ones(page):
    a, b = torch.rand(2, 4, 28, 28, dtype=torch.float64)
    torch.testing.assert_close(page.ssim(a, a), torch.ones(4).double())
    torch.testing.assert_close(page.ssim(a, b), page.ssim(b, a))
    assert page.ssim(a, 1 - a).max() < 0 < 0.9 < page.ssim(a, 0.9 * a + 0.05).min()


# --- the game ------------------------------------------------------------------------------------


def test_the_best_judge_of_equal_data_is_worth_minus_log_four(page):
    log_p = torch.distributions.Normal(1.0, 2.0).log_prob(torch.linspace(-20, 20, 4001).double())
    torch.testing.assert_close(page.V_best(log_p, log_p).item(), -math.log(4))


@pytest.mark.parametrize("scale", [1.0, 100.0], ids=["usual", "extreme"])
def test_the_losses_are_the_packages(page, scale):
    real, fake = (scale * torch.randn(n, dtype=torch.float64) for n in (5, 7))
    assert_twins(page.discriminator_loss(real, fake), discriminator_loss(real, fake))
    for flag in (True, False):
        assert_twins(page.generator_loss(fake, flag), generator_loss(fake, flag))


def test_the_networks_are_the_packages(page):
    gan, z, x = GAN().eval(), torch.randn(4, 20), torch.rand(4, 784)
    G, D = page.conv_generator().eval(), page.conv_discriminator()
    G.load_state_dict(gan.generator.state_dict())
    D.load_state_dict(gan.discriminator.state_dict())
    assert_twins(G(z), gan.decode(z))
    assert_twins(D(x)[:, 0], gan.judge(x))


def test_training_takes_the_packages_steps(page):
    images = torch.randint(0, 256, (100, 28, 28), dtype=torch.uint8)
    gan, on_page, in_package = GAN(), [], []
    G, D = (copy.deepcopy(network) for network in (gan.generator, gan.discriminator))
    torch.manual_seed(1)
    page.train_gan(G, D, images, lambda *said: on_page.append(said))
    torch.manual_seed(1)
    train_gan(gan, images, progress=False, each_step=lambda gan, *said: in_package.append(said))
    assert len(on_page) == 3  # the last batch is not full
    assert_twins(torch.tensor(on_page), torch.tensor(in_package))
    for a, b in zip(G.parameters(), gan.generator.parameters(), strict=True):
        assert_twins(a, b)


# --- upsampling ----------------------------------------------------------------------------------


def test_a_coarse_pixel_is_the_mean_of_its_sixteen(page):
    x = torch.rand(2, 784)
    found = page.coarse(x)
    assert found.shape == (2, 1, 7, 7)
    torch.testing.assert_close(found[1, 0, 2, 3], x.view(2, 28, 28)[1, 8:12, 12:16].mean())


# --- one z, several decoders ---------------------------------------------------------------------


@pytest.mark.parametrize("names", [["a"], ["a", "b"], ["a", "b", "c"]])
def test_the_widget_shows_any_decoders_by_name(names):
    """Each gets the same z, with the chosen value in the chosen unit."""
    seen, many_z = {}, torch.randn(12, 20)

    def decoder(name, ink):
        def decode(z):
            seen[name] = z.clone()
            return torch.full((len(z), 784), ink)

        return decode

    decoders = {name: decoder(name, 0.25 * k) for k, name in enumerate(names, start=1)}
    page = shown(10, "side_by_side", many_z=many_z, decoders=decoders)
    before = many_z.clone()
    image, text = page.side_by_side(3, 20, 1.5)
    assert image.shape == (28, 30 * len(names) - 2)
    assert [image[0, 30 * k] for k in range(len(names))] == [0.25, 0.5, 0.75][: len(names)]
    assert text.split("   |   ") == names
    expected = before[2:3].clone()
    expected[0, 19] = 1.5
    assert all(torch.equal(z, expected) for z in seen.values()) and len(seen) == len(names)
    assert torch.equal(many_z, before)
