"""What stands on the page of notebook 08 does what the package does, and measures what it says."""

import math
from types import SimpleNamespace

import pytest
import torch
from helpers.shown import alike, assert_same_steps, assert_twins, shown
from sklearn.metrics import roc_auc_score
from torch import nn

from course_utils import models

DEVICE = torch.device("cpu")
NAMES = ["TwoInputs", "ConditionalVAE", "labelled_bound", "M2", "loss_of", "train_m2"]
NAMES += ["GaussianM2", "half_size", "ten_of_each", "draw_code", "area", "climb"]
NAMES += ["train_supervised", "classifier_net"]


@pytest.fixture(scope="module")
def page():
    return shown(8, *NAMES, device=DEVICE)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def some(B: int = 6, D: int = 7, C: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    return (torch.rand(B, D) < 0.5).double(), torch.randint(0, C, (B,))


# --- page and package ----------------------------------------------------------------------------


def test_the_conditional_vae_is_the_packages(page):
    x, y = some()
    pair = alike(
        page.ConditionalVAE(2, 5, 7, 4), models.ConditionalVAE(2, 5, data_dim=7, classes=4)
    )
    for of in (lambda m, x: m.encode(x, y)[0].sum(1), lambda m, x: m.elbo(x, y)):
        assert_same_steps(pair, of, x)
    assert_twins(page.labelled_bound(pair[0], x, y[:, None]).shape, torch.Size([6, 6]))
    torch.manual_seed(2)
    on_page = page.labelled_bound(pair[0], x, y)
    torch.manual_seed(2)
    assert_twins(on_page, pair[1].labelled_bound(x, y))


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_m2_is_the_packages(page, likelihood):
    x, y = some(C=10)
    shown_class = page.M2 if likelihood == "bernoulli" else page.GaussianM2
    pair = alike(shown_class(2, 5, 7), models.M2(2, 5, likelihood, 7))
    assert_same_steps(pair, lambda m, x: m.unlabelled_bound(x), x)
    results = []
    for model, loss in zip(pair, (page.loss_of, models.M2.semi_supervised_loss), strict=True):
        model.zero_grad()
        torch.manual_seed(3)
        value = loss(model, x, y, x[:4], 0.3, 0.7)
        value.backward()
        results.append([value, *(p.grad for p in model.parameters())])
    assert_twins(*results)


def test_training_is_the_packages(page):
    x, y = some(30, 7, 10)
    pair = alike(page.M2(2, 5, 7), models.M2(2, 5, data_dim=7))
    for model, train in zip(pair, (page.train_m2, models.train_m2), strict=True):
        torch.manual_seed(4)
        how = {"draw": torch.bernoulli, "alpha": 0.5}
        if train is page.train_m2:  # the few labelled rows come whole, in one order or another
            train(model, x[:1], y[:1], x, 2, batch=8, rate=1e-2, **how)
        else:
            train(model, x[:1], y[:1], x, 2, batch_size=8, learning_rate=1e-2, **how)
    assert_twins(*(list(m.state_dict().values()) for m in pair))


# --- labels, draws, baselines --------------------------------------------------------------------


def test_half_size_averages_four_pixels(page):
    images = torch.randint(0, 256, (3, 28, 28)).to(torch.uint8)
    small = page.half_size(images).view(3, 14, 14)
    four = images[:, 6:8, 10:12].double().mean((1, 2)) / 255
    torch.testing.assert_close(small[:, 3, 5].double(), four, rtol=0, atol=1e-6)


def test_ten_of_each_class_and_none_twice(page):
    labels = torch.randint(0, 10, (500,))
    few = page.ten_of_each(labels, seed=0)
    assert len(set(few.tolist())) == 100 and (labels[few].bincount() == 10).all()
    assert torch.equal(few, page.ten_of_each(labels, seed=0))
    assert not torch.equal(few, page.ten_of_each(labels, seed=1))


def test_draws_of_a_code_have_its_mean_and_variance(page):
    code = torch.tensor([[[1.0, -2.0], [math.log(0.25), math.log(9.0)]]]).expand(20_000, 2, 2)
    z = page.draw_code(code)
    error = torch.tensor([0.5, 3.0]) / 20_000**0.5
    assert ((z.mean(0) - code[0, 0]).abs() < 4.5 * error).all()
    torch.testing.assert_close(z.std(0), torch.tensor([0.5, 3.0]), rtol=0.03, atol=0)


def test_supervised_training_ends_without_dropout(page):
    x, y = some(20, 7, 10)
    network = page.classifier_net(7, dropout=0.5)
    before = nn.functional.cross_entropy(network.eval()(x.float()), y)
    page.train_supervised(network, x.float(), y, 100)
    assert not network.training
    assert nn.functional.cross_entropy(network(x.float()), y) < before


# --- being fooled --------------------------------------------------------------------------------


def test_an_area_is_scikit_learns_with_ties_too(page):
    score, odd = torch.randint(0, 6, (40,)).double(), torch.randint(-2, 4, (30,)).double()
    truth = [1] * 40 + [0] * 30
    found, error = page.area(score, odd)
    assert found == pytest.approx(roc_auc_score(truth, torch.cat([score, odd])))
    assert 0 < error < 0.2


def test_a_climb_stops_where_it_is_enough(page):
    def reward(x):
        return x.sum(1)

    start = torch.full((3, 4), 0.2)
    x = page.climb(reward, start, torch.tensor([0.5, 2.0, 9.0]))
    assert torch.equal(x[0], start[0])
    assert 2.0 <= x[1].sum() < 2.0 + 4 * 0.05 + 1e-6
    assert torch.equal(x[2], torch.ones(4))


def test_the_widget_s_weights_fit_the_page_s_class(page):
    from course_utils.training import load_checkpoint

    loaded = load_checkpoint("mnist-conditional")
    assert isinstance(loaded, models.ConditionalVAE)
    mine = page.ConditionalVAE()
    assert mine.load_state_dict(loaded.state_dict()) is not None
    assert SimpleNamespace(**loaded.options).latent_dim == 10
