"""Conditional VAE and M2: bounds against quadrature, the sum over labels, gradients, training."""

import copy
import itertools
import math

import numpy as np
import pytest
import torch
from helpers.oracles import z_score
from scipy.integrate import quad
from scipy.stats import norm
from torch import nn

from course_utils.models import M2, VAE, ConditionalVAE
from course_utils.models.labelled import TwoInputs, train_m2

PIXELS, CLASSES = 2, 3


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def tiny(cls=M2, likelihood: str = "bernoulli", pixels: int = PIXELS) -> ConditionalVAE:
    """Two pixels, one latent, three classes; weights so large that every part matters."""
    model = cls(1, 4, likelihood, pixels, CLASSES).double()
    for weights in model.parameters():
        nn.init.normal_(weights, std=0.8)
    for weights in model.encoder.out.parameters():  # q stays within the grid
        weights.data[1] *= 0.1
    return model.requires_grad_(False)


def images() -> torch.Tensor:
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=PIXELS))).double()


def grid(n: int = 6_001, end: float = 15.0) -> tuple[torch.Tensor, float]:
    """Codes (G, 1, 1) along the line, and the logarithm of the length of each."""
    z = torch.linspace(-end, end, n, dtype=torch.float64)
    return z[:, None, None], math.log(z[1] - z[0])


def on_the_grid(model, x, y):
    """log p(x, z, y), log q(z|x, y), both (G, B), and the log length of a step."""
    z, log_step = grid()
    z = z.expand(-1, len(x), -1)
    log_joint = model.log_prior(z) + model.log_prob_of(x, model.decode(z, y))
    mu, log_var = model.encode(x, y)
    log_q = torch.distributions.Normal(mu, torch.exp(log_var / 2)).log_prob(z).sum(-1)
    return log_joint - math.log(CLASSES), log_q, log_step


def log_p(model, x, y):
    """log p(x, y), (B,), by quadrature."""
    log_joint, _, log_step = on_the_grid(model, x, y)
    return log_joint.logsumexp(0) + log_step


def exact_bound(model, x, y):
    """E_q[log p(x, z, y) - log q], (B,), as a sum over the grid."""
    log_joint, log_q, log_step = on_the_grid(model, x, y)
    return (torch.exp(log_q + log_step) * (log_joint - log_q)).sum(0)


def every(values_of, model, x) -> torch.Tensor:
    """A function of (model, x, y) for each label: (C, B)."""
    return torch.stack([values_of(model, x, torch.full((len(x),), c)) for c in range(CLASSES)])


# --- shapes ---


@pytest.mark.parametrize("cls", [ConditionalVAE, M2])
@pytest.mark.parametrize("leading", [(5,), (0,), (), (3, 5)], ids=str)
def test_shapes_for_any_leading_axes(cls, leading):
    model = cls(2, 6, data_dim=7, classes=4)
    x, y = torch.rand(*leading, 7), torch.randint(0, 4, leading)
    mu, log_var = model.encode(x, y)
    assert mu.shape == log_var.shape == (*leading, 2)
    assert model.decode(mu, y).shape == model.decode_mean(mu, y).shape == (*leading, 7)
    assert model.labelled_bound(x, y).shape == model.elbo(x, y).shape == leading
    assert model.every_label(x).shape == (4, *leading)
    if cls is M2:
        assert model.log_q_label(x).shape == (*leading, 4)
        assert model.unlabelled_bound(x).shape == leading


def test_labels_of_another_axis_broadcast_as_one_by_one():
    model, x = tiny(), images()
    together = model.encode(x, torch.arange(CLASSES)[:, None])
    for c in range(CLASSES):
        alone = model.encode(x, torch.full((len(x),), c))
        for one, all_labels in zip(alone, together):
            torch.testing.assert_close(all_labels[c], one)


def test_a_network_of_two_inputs_is_one_layer_on_both_side_by_side():
    network = TwoInputs(3, 4, 5, 2).double()
    x, y = torch.randn(6, 3).double(), torch.randint(0, 4, (6,))
    weight = torch.cat([network.from_row.weight, network.from_label.weight], 1)
    both = torch.cat([x, nn.functional.one_hot(y, 4)], 1)
    hidden = torch.relu(both @ weight.T + network.from_row.bias)
    torch.testing.assert_close(network(x, y), hidden @ network.out.weight.T + network.out.bias)


def test_without_a_label_s_weights_it_is_the_plain_vae():
    model, plain, x = tiny(ConditionalVAE), VAE(1, 4, data_dim=PIXELS).double(), images()
    for two, one in ((model.encoder, plain.encoder), (model.decoder, plain.decoder)):
        nn.init.zeros_(two.from_label.weight)
        one[0].load_state_dict(two.from_row.state_dict())
        one[2].load_state_dict(two.out.state_dict())
    results = []
    for bound in (lambda: model.elbo(x, torch.tensor([0, 1, 2, 1])), lambda: plain.elbo(x)):
        torch.manual_seed(1)
        results.append(bound())
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("cls", [ConditionalVAE, M2])
@pytest.mark.parametrize("name", ["latent_dim", "hidden_dim", "data_dim", "classes"])
def test_size_below_one_is_named(cls, name):
    with pytest.raises(ValueError, match=f"{name}: expected 1 or more, got 0"):
        cls(**{name: 0})


def test_unknown_likelihood_and_wrong_width_are_named():
    with pytest.raises(ValueError, match="likelihood: expected one of"):
        M2(likelihood="poisson")
    with pytest.raises(ValueError, match="expected x of shape"):
        M2(data_dim=5).log_q_label(torch.rand(3, 4))
    with pytest.raises(ValueError, match="expected x of shape"):
        ConditionalVAE(data_dim=5).encode(torch.rand(3, 4), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ValueError, match="expected z of shape"):
        ConditionalVAE(3).decode(torch.rand(3, 4), torch.zeros(3, dtype=torch.int64))


# --- bounds against quadrature ---


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_labelled_bound_is_that_of_quadrature_and_below_log_p(likelihood):
    model, x = tiny(likelihood=likelihood), images()
    y = torch.tensor([0, 1, 2, 1])
    exact = exact_bound(model, x, y)
    assert (log_p(model, x, y) - exact > 1e-3).all()
    draws = model.labelled_bound(x.repeat(20_000, 1), y.repeat(20_000)).view(-1, len(x))
    assert z_score(draws, exact).abs().max() < 4.5


def test_unlabelled_bound_is_that_of_quadrature_and_below_log_p():
    model, x = tiny(), images()
    q = model.log_q_label(x).exp().T  # (C, B)
    exact = (q * (every(exact_bound, model, x) - q.log())).sum(0)
    log_px = every(log_p, model, x).logsumexp(0)
    assert (log_px - exact > 1e-3).all()
    draws = model.unlabelled_bound(x.repeat(20_000, 1)).view(-1, len(x))
    assert z_score(draws, exact).abs().max() < 4.5


def test_the_four_images_of_two_pixels_have_probability_one():
    """The quadrature itself: over all images and labels log p(x, y) adds up to 1."""
    total = every(log_p, tiny(), images()).exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-9)


class Solvable(M2):
    """x = w_y z + m_y + noise: linear and Gaussian, so that p(z|x, y) and p(y|x) are known."""

    def __init__(self):
        super().__init__(1, 4, "gaussian", 1, CLASSES)
        self.double()
        self.w = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
        self.m = torch.tensor([-1.0, 0.0, 2.0], dtype=torch.float64)
        nn.init.constant_(self.log_noise_var, math.log(0.3))
        self.wrong = 0.0

    def decode(self, z, y):
        return self.w[y][..., None] * z + self.m[y][..., None]

    def encode(self, x, y):
        w, m = self.w[y][..., None], self.m[y][..., None]
        variance = w**2 + 0.3
        mu = w * (x - m) / variance + self.wrong
        return mu, torch.log(0.3 / variance).expand_as(mu)

    def log_marginal(self, x):
        """log p(x, y) of each label: (B, C)."""
        std = torch.sqrt(self.w**2 + 0.3).numpy()
        return torch.from_numpy(norm(self.m.numpy(), std).logpdf(x.numpy())) - math.log(CLASSES)

    def log_q_label(self, x):
        return self.log_marginal(x).log_softmax(-1)


def test_both_bounds_meet_log_p_at_the_exact_posterior():
    """There one draw has no noise either: log p(x, z, y) - log q is log p(x, y) for every z."""
    model, x = Solvable(), torch.linspace(-3, 4, 9, dtype=torch.float64)[:, None]
    log_xy = model.log_marginal(x)
    by_scipy = quad(lambda v: math.exp(model.log_marginal(torch.tensor([[v]]))[0, 1]), -30, 30)[0]
    assert by_scipy == pytest.approx(1 / CLASSES, abs=1e-8)
    many = x.repeat(20_000, 1)
    for c in range(CLASSES):
        draws = model.labelled_bound(many, torch.full((len(many),), c)).view(-1, len(x))
        assert z_score(draws, log_xy[:, c]).abs().max() < 4.5
    draws = model.unlabelled_bound(many).view(-1, len(x))
    assert z_score(draws, log_xy.logsumexp(1)).abs().max() < 4.5
    model.wrong = 0.7  # a worse q: the gap is the KL between two normals of one variance
    variance = 0.3 / (model.w**2 + 0.3)
    for c in range(CLASSES):
        draws = model.labelled_bound(many, torch.full((len(many),), c)).view(-1, len(x))
        gap = 0.5 * 0.7**2 / variance[c]
        assert z_score(draws, log_xy[:, c] - gap).abs().max() < 4.5


# --- the sum over y, and gradients ---


def test_the_sum_over_labels_is_brute_force():
    """Label by label and image by image, with the same noise."""
    model, x = tiny(), images()
    torch.manual_seed(3)
    found = model.unlabelled_bound(x)
    torch.manual_seed(3)
    eps = torch.randn(CLASSES, len(x), 1, dtype=torch.float64)
    q = torch.softmax(model.classifier(x), 1).numpy()
    for i, row in enumerate(x):
        total = 0.0
        for c in range(CLASSES):
            mu, log_var = model.encode(row, torch.tensor(c))
            z = mu + torch.exp(log_var / 2) * eps[c, i]
            p = torch.sigmoid(model.decode(z, torch.tensor(c))).numpy()
            log_lik = np.log(np.where(row.numpy() == 1, p, 1 - p)).sum()
            kl = 0.5 * float((mu**2 + log_var.exp() - 1 - log_var).sum())
            total += q[i, c] * (log_lik - kl + math.log(1 / CLASSES) - math.log(q[i, c]))
        assert found[i].item() == pytest.approx(total, abs=1e-10)


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_gradients_agree_with_finite_differences(likelihood):
    model = tiny(likelihood=likelihood).requires_grad_(True)
    x, y, unseen = images()[:2], torch.tensor([2, 0]), images()[1:]

    def loss():
        torch.manual_seed(5)
        return model.semi_supervised_loss(x, y, unseen, share=0.3, alpha=0.7)

    slopes = torch.autograd.grad(loss(), list(model.parameters()))
    with torch.no_grad():
        for parameter, slope in zip(model.parameters(), slopes, strict=True):
            flat, step = parameter.view(-1), 1e-6
            for k in range(flat.numel()):
                before = flat[k].item()
                ends = []
                for at in (before - step, before + step):
                    flat[k] = at
                    ends.append(loss().item())
                flat[k] = before
                measured = (ends[1] - ends[0]) / (2 * step)
                assert slope.view(-1)[k].item() == pytest.approx(measured, abs=1e-6)


def test_every_parameter_has_a_gradient():
    model = tiny().requires_grad_(True)
    model.semi_supervised_loss(images(), torch.tensor([0, 1, 2, 0]), images(), 0.5, 1.0).backward()
    assert all(p.grad.any() for p in model.parameters())


def test_the_loss_weighs_its_three_parts():
    model, x, y, unseen = tiny(), images()[:2], torch.tensor([2, 0]), images()[1:]
    torch.manual_seed(1)
    seen = model.labelled_bound(x, y).mean()
    whole = model.unlabelled_bound(unseen).mean()
    log_q = model.log_q_label(x)[[0, 1], y].mean()
    torch.manual_seed(1)
    found = model.semi_supervised_loss(x, y, unseen, share=0.25, alpha=2.0)
    torch.testing.assert_close(found, -(0.25 * seen + 0.75 * whole + 2.0 * log_q))


def test_with_the_label_known_for_sure_nothing_is_lost():
    """q(y|x) = 1 for one label: the unlabelled bound is the labelled one."""
    model, x = tiny(), images()
    nn.init.zeros_(model.classifier[-1].weight)
    model.classifier[-1].bias.copy_(torch.tensor([0.0, 500.0, 0.0]))
    torch.manual_seed(2)
    seen = model.every_label(x)[1]
    torch.manual_seed(2)
    torch.testing.assert_close(model.unlabelled_bound(x), seen)


# --- training ---


def two_heaps(n: int = 400) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of six pixels: the left three are ink in class 0, the right three in class 1."""
    y = torch.randint(0, 2, (n,))
    left = torch.tensor([0.9] * 3 + [0.1] * 3)
    return torch.where(y[:, None] == 0, left, 1 - left), y


def test_one_label_a_class_is_enough_for_two_heaps():
    grey, y = two_heaps()
    model, seen = M2(1, 8, data_dim=6, classes=2), []
    few = torch.stack([(y == c).nonzero()[0, 0] for c in range(2)])
    epochs = 12
    train_m2(
        model,
        grey[few],
        y[few],
        grey,
        epochs,
        batch_size=20,
        learning_rate=1e-2,
        after_epoch=lambda m, epoch: seen.append(epoch),
    )
    assert seen == list(range(1, epochs + 1))
    assert (model.log_q_label(torch.bernoulli(grey)).argmax(1) == y).float().mean() > 0.95


def test_training_draws_anew_and_takes_a_small_labelled_set_whole():
    grey, y = two_heaps(30)
    sizes = []

    def draw(rows):
        sizes.append(len(rows))
        return torch.bernoulli(rows)

    train_m2(M2(1, 4, data_dim=6, classes=2), grey[:7], y[:7], grey, 2, 12, draw=draw)
    assert sizes == [7, 12, 7, 12, 7, 6] * 2


def test_a_run_that_was_stopped_goes_on_bit_for_bit():
    grey, y = two_heaps(40)

    def stop(model, epoch):
        if epoch == 2:
            raise KeyboardInterrupt

    ends = []
    for stopped in (False, True):
        torch.manual_seed(6)
        model, state = M2(1, 4, data_dim=6, classes=2), {}
        how = (grey[:9], y[:9], grey, 5, 16)
        if stopped:
            with pytest.raises(KeyboardInterrupt):
                train_m2(model, *how, after_epoch=stop, state=state)
            kept = copy.deepcopy((model.state_dict(), state))
            torch.manual_seed(99)
            model = M2(1, 4, data_dim=6, classes=2)
            model.load_state_dict(kept[0])
            train_m2(model, *how, state=kept[1])
        else:
            train_m2(model, *how)
        ends.append(model.state_dict())
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_no_learning_rate_changes_nothing():
    grey, y = two_heaps(30)
    model = M2(1, 4, data_dim=6, classes=2)
    before = [p.clone() for p in model.parameters()]
    train_m2(model, grey[:5], y[:5], grey, 1, learning_rate=0.0)
    assert all(torch.equal(p, b) for p, b in zip(model.parameters(), before))


@pytest.mark.parametrize(
    ("name", "value"),
    [("epochs", 0), ("batch_size", 0), ("learning_rate", -1.0), ("alpha", -1.0)],
)
def test_plans_out_of_range_are_named(name, value):
    grey, y = two_heaps(10)
    with pytest.raises(ValueError, match=f"{name}: expected"):
        train_m2(M2(1, 4, data_dim=6), grey, y, grey, **{"epochs": 1, name: value})
