"""What stands on the page of notebook 10b: judges of codes, features in place of pixels."""

import math
import types

import pytest
import torch
from helpers.shown import assert_twins, shown
from torch.distributions import Normal

from course_utils.models import VAEGAN, AdversarialAutoencoder

NAMES = ["JudgedAutoencoder", "two_sample_test", "similarity_loss", "distance_between"]
NAMES += ["contrast", "smile_vector", "smile_edits", "smile_test", "critic_distance"]


@pytest.fixture(scope="module")
def page():
    return shown("10b_*", *NAMES)


def test_the_judged_autoencoder_is_that_of_the_package(page):
    torch.manual_seed(0)
    package, on_page = AdversarialAutoencoder(2).double(), page.JudgedAutoencoder().double()
    on_page.load_state_dict(package.state_dict())
    x = torch.rand(5, 784).double()
    for weight in (0.0, 10.0):
        results = []
        for model in (on_page, package):
            model.zero_grad()
            loss = model.loss(x, weight)
            loss.mean().backward()
            results.append([loss, *(p.grad for p in model.encoder.parameters())])
        assert_twins(*results)
    z, results = torch.randn(6, 2).double(), []
    for model in (on_page, package):
        model.zero_grad()
        torch.manual_seed(1)
        loss = model.judge_loss(z)
        loss.backward()
        results.append([loss, *(p.grad for p in model.judge.parameters())])
    assert_twins(*results)


def test_the_similarity_loss_is_that_of_the_package(page):
    torch.manual_seed(0)
    model, x = VAEGAN(2, 5, 2).double(), torch.rand(3, 784).double()
    results = []
    for loss in (lambda a, b: page.similarity_loss(model.features, a, b), model.similarity_loss):
        x_hat = (0.9 * x + 0.02).requires_grad_()
        value = loss(x, x_hat)
        value.backward()
        results.append([value.detach(), x_hat.grad])
    assert_twins(*results)


def test_a_judge_is_right_as_often_as_the_best_one_and_no_oftener(page):
    """Two normals, a distance d apart: the best judge is right with probability Phi(d / 2)."""
    torch.manual_seed(0)
    for d in (0.0, 1.0, 3.0):
        codes, draws = torch.randn(4000, 2), torch.randn(4000, 2)
        codes[:, 0] += d
        right, error, kl = page.two_sample_test(codes, draws)
        best = Normal(0.0, 1.0).cdf(torch.tensor(d / 2)).item()
        assert best - 4.5 * error - 0.02 < right < best + 4.5 * error
        assert error == pytest.approx(math.sqrt(right * (1 - right) / 4000))
        assert kl == pytest.approx(d**2 / 2, abs=0.1 + 0.2 * d**2)


def test_distance_and_contrast_are_shares_of_what_real_images_have(page):
    x = torch.rand(6, 784)
    another = x.roll(1, 0)
    assert page.distance_between(x, another, torch.clone) == pytest.approx(1)
    half_way = (x + another) / 2
    assert page.distance_between(x, half_way, torch.clone) == pytest.approx(0.25)
    stripes = torch.arange(784).view(1, -1) % 2.0
    assert page.contrast(stripes) == 1 and page.contrast(torch.ones(2, 784)) == 0


def test_edits_go_along_the_difference_of_the_groups_codes(page):
    """A model whose codes are the images themselves."""
    model = types.SimpleNamespace(encode_mean=lambda x: x, decode_mean=lambda z: z)
    x = torch.tensor([[0.0, 0.0], [2.0, 4.0], [4.0, 0.0]])
    smiles, face = torch.tensor([False, True, True]), torch.tensor([[1.0, 1.0]])
    v = page.smile_vector(model, x, smiles)
    edits = page.smile_edits(model, v, face, torch.tensor([-1.0, 0.0, 2.0]))
    torch.testing.assert_close(edits[:, 0], torch.tensor([[-2.0, -1.0], [1, 1], [7, 5]]))


def test_what_a_smile_moves_is_measured_from_the_middle(page):
    alpha = torch.tensor([-1, -0.5, 0, 0.5, 1])
    edited = torch.zeros(5, 3, 6) + 0.5
    edited[..., 0] += 1.6 * alpha[:, None]  # all smiles rise by 0.8 a step
    edited[3, 0, 0] = edited[2, 0, 0]  # but one, at one step
    edited[4, :, 2] += 0.3
    truth = torch.full((3, 6), 0.5)
    truth[:, 4] += 0.2
    found = page.smile_test(edited, lambda x: x, truth, groups=1.6)
    assert found["smile_moves"] == pytest.approx(1.6)
    assert found["others_at_most"] == pytest.approx(0.15)
    assert found["rises"] == pytest.approx(2 / 3) and found["error"] == pytest.approx(0.2)


def test_a_critic_finds_how_far_the_mass_is_carried(page):
    torch.manual_seed(0)
    assert page.critic_distance(1.0) == pytest.approx(1 + 1 / 20, abs=0.1)
