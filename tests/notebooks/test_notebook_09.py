"""What stands on the page of notebook 09 does what the package does, and measures what it says."""

import math

import pytest
import torch
from helpers.shown import assert_twins, shown

from course_utils.models import DBM, RBM, all_states

DEVICE = torch.device("cpu")
STATES = all_states(9)


@pytest.fixture(scope="module")
def page():
    names = ["energy", "up", "down", "free_energy", "log_prob", "averages", "even", "step"]
    names += ["deep_energy", "bound", "log_bernoulli", "elbo_draws", "wake_sleep"]
    return shown(9, *names, device=DEVICE, states=STATES)


@pytest.fixture(params=[1.0, 40.0], ids=["usual", "extreme"])
def rbm(request):
    torch.manual_seed(0)
    sizes = (9, 4), (9,), (4,)
    return RBM(*(request.param * torch.randn(*size, dtype=torch.float64) for size in sizes))


def with_gradients(score, rbm):
    """A score's values, and the gradients of its mean by W, b and c."""
    leaves = [t.clone().requires_grad_() for t in rbm.parameters()]
    values = score(RBM(*leaves))
    gradients = torch.autograd.grad(values.mean(), leaves, materialize_grads=True)
    return [values.detach(), *gradients]


# --- the restricted machine ----------------------------------------------------------------------


def test_energies_are_the_packages(page, rbm):
    x, h = torch.rand(7, 9).double().round(), torch.rand(7, 4).double().round()
    pairs = [
        (lambda r: page.energy(x, h, *r.parameters()), lambda r: r.energy(x, h)),
        (lambda r: page.free_energy(x, *r.parameters()), lambda r: r.free_energy(x)),
        (lambda r: page.log_prob(x, *r.parameters()), lambda r: r.log_prob(x)),
        (lambda r: page.up(x, *r.parameters()), lambda r: torch.sigmoid(r.hidden_logits(x))),
        (lambda r: page.down(h, *r.parameters()), lambda r: torch.sigmoid(r.visible_logits(h))),
    ]
    for on_page, in_package in pairs:
        for a, b in zip(with_gradients(on_page, rbm), with_gradients(in_package, rbm)):
            assert_twins(a, b)


def test_a_step_draws_as_the_package_does(page, rbm):
    x, found = torch.rand(50, 9).double().round(), []
    for move in (lambda: page.step(x, *rbm.parameters()), lambda: rbm.gibbs(x)):
        torch.manual_seed(1)
        found.append(move())
    assert torch.equal(*found)


def test_averages_are_data_minus_dream(page, rbm):
    x, dream = (torch.rand(n, 9).double().round() for n in (7, 5))
    terms = (page.averages(rows, page.even(rows), *rbm.parameters()) for rows in (x, dream))
    for d, m, package in zip(*terms, rbm.data_minus_dream(x, dream), strict=True):
        assert_twins(d - m, package)


# --- two hidden layers ---------------------------------------------------------------------------


def test_the_deep_machine_and_its_bound_are_the_packages(page):
    torch.manual_seed(0)
    sizes = (5,), (4,), (3,), (5, 4), (4, 3)
    b, c_1, c_2, W_1, W_2 = parameters = [torch.randn(*s, dtype=torch.float64) for s in sizes]
    dbm = DBM(RBM(W_1, b, c_1), W_2, c_2)
    x, h_1, h_2 = (torch.rand(6, n).double().round() for n in (5, 4, 3))
    assert_twins(page.deep_energy(x, h_1, h_2, *parameters), dbm.energy(x, h_1, h_2))
    q, log_z = dbm.mean_field(x, 2), dbm.folded().log_partition()
    assert_twins(page.bound(x, *q, log_z, *parameters), dbm.bound(x, *q, log_z))
    certain = [q.round() for q in q]  # q of 0 and 1: no NaN in the entropy
    assert page.bound(x, *certain, log_z, *parameters).isfinite().all()


# --- the Helmholtz machine -----------------------------------------------------------------------


def test_the_elbo_is_exact_where_the_recogniser_is(page):
    """With no link, the posterior is the prior: each draw then gives log p(x) itself."""
    torch.manual_seed(0)
    a, b = torch.randn(3, dtype=torch.float64), torch.randn(9, dtype=torch.float64)
    links = torch.zeros(3, 9).double(), torch.zeros(9, 3).double()
    x = STATES[::50].double()
    found = page.elbo_draws(x, a, links[0], b, links[1], a)
    right = torch.distributions.Bernoulli(logits=b).log_prob(x).sum(-1)
    torch.testing.assert_close(found, right)


@pytest.mark.slow
def test_wake_sleep_learns_to_generate_and_to_recognise(page):
    """Two kinds of image, all ink on the left or on the right: log p(x) is then near log ½."""
    torch.manual_seed(0)
    left = (torch.arange(784) % 28 < 14).float()
    images = torch.stack([left, 1 - left]).repeat(200, 1)
    machine = page.wake_sleep(images, hidden=3, epochs=60, rate=0.5, batch=20)
    elbo = torch.stack([page.elbo_draws(images[:2], *machine) for _ in range(100)]).mean(0)
    assert elbo.min() > -0.1 * 784 * math.log(2)
    a, W, b, R, r = machine
    q = torch.sigmoid(r + images[:2] @ R)
    assert (q[0] - q[1]).abs().max() > 0.9  # a hidden unit tells them apart
