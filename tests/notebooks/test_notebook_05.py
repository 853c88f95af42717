"""What stands on the page of notebook 05 does what the package does."""

import pytest
import torch
from helpers.shown import alike, assert_same_steps, shown

from course_utils import models
from course_utils.training import as_input

EXTREMES = [1.0, 30.0, -30.0]


@pytest.fixture(scope="module")
def page():
    return shown(5, "VAE", "train_plainly", "resident_batches", device=torch.device("cpu"))


@pytest.fixture
def pair(page):
    torch.manual_seed(0)
    return alike(page.VAE(5, 7, data_dim=11), models.VAE(5, 7, data_dim=11))


@pytest.mark.parametrize("scale", EXTREMES)
def test_vae_and_its_twin_agree_in_value_and_gradient(pair, scale):
    x = (torch.rand(13, 11, dtype=torch.float64) < 0.5).double() * scale
    assert_same_steps(pair, lambda model, x: model.elbo(x), x)


def test_encode_and_decode_agree(pair):
    original, twin = pair
    x, z = torch.randn(3, 11, dtype=torch.float64), torch.randn(4, 5, dtype=torch.float64)
    torch.testing.assert_close(original.encode(x), twin.encode(x))
    torch.testing.assert_close(original.decode(z), twin.decode(z))


@pytest.mark.slow
def test_the_plain_loop_learns(page):
    torch.manual_seed(0)
    model, images = models.VAE(2, 8, data_dim=6), (torch.rand(400, 6) < 0.1).float()
    before = model.elbo(images).mean()
    page.train_plainly(model, images, epochs=20, batch_size=50)
    assert model.elbo(images).mean() > before + 0.5


def test_resident_batches_are_one_permutation_of_the_data(page):
    page.resident_batches.__globals__["resident"] = pixels = torch.arange(250).byte()[:, None]
    batches = list(page.resident_batches(batch_size=100))
    assert [len(batch) for batch in batches] == [100, 100, 50]
    torch.testing.assert_close(torch.cat(batches).sort(0).values, as_input(pixels))
