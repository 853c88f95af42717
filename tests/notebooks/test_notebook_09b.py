"""What stands on the page of notebook 09b does what the package does."""

import pytest
import torch
from helpers.shown import assert_twins, shown

from course_utils import models
from course_utils.models import DBM, DBN, RBM, all_states

STATES = all_states(9).double()


@pytest.fixture(scope="module")
def page():
    names = ["log_mixture", "ais", "stack_log_prob", "stack_bound", "improve"]
    names += ["deep_gradient", "swap_accept"]
    return shown("09b_*", *names)


def machine(D, M, scale=1.0, seed=0):
    torch.manual_seed(seed)
    return RBM(*(scale * torch.randn(*s, dtype=torch.float64) for s in ((D, M), (D,), (M,))))


def test_a_mixture_is_that_of_independent_pixels(page):
    torch.manual_seed(0)
    logits, log_share = torch.randn(3, 9).double(), torch.randn(3).double().log_softmax(0)
    parts = torch.distributions.Independent(torch.distributions.Bernoulli(logits=logits), 1)
    shares = torch.distributions.Categorical(logits=log_share)
    right = torch.distributions.MixtureSameFamily(shares, parts).log_prob(STATES)
    torch.testing.assert_close(page.log_mixture(STATES, logits, log_share), right)


def test_annealing_is_the_packages_draw_for_draw(page):
    rbm, found = machine(9, 4), []
    base, betas = torch.randn(9).double(), models.temperatures(20)
    for estimate in (
        lambda: page.ais(rbm, betas, 30, base),
        lambda: models.annealed_log_partition(rbm, betas, 30, base, False)[2],
    ):
        torch.manual_seed(1)
        found.append(estimate())
    assert_twins(*found)


@pytest.mark.parametrize("scale", [1.0, 10.0], ids=["usual", "extreme"])
def test_the_stack_and_its_bound_are_the_packages(page, scale):
    dbn = DBN(machine(6, 4, scale), machine(4, 3, scale, seed=1))
    x = all_states(6).double()
    assert_twins(page.stack_log_prob(x, dbn.first, dbn.top), dbn.log_prob(x))
    assert_twins(page.stack_bound(x, dbn.first, dbn.top), dbn.bound(x))


def test_each_improvement_is_a_step_of_the_exact_gradient(page):
    rbm, rows = machine(3, 2), all_states(3).double()
    share = torch.rand(8).double().softmax(0)
    leaves = [p.clone().requires_grad_() for p in rbm.parameters()]
    slope = torch.autograd.grad(share @ RBM(*leaves).log_prob(rows), leaves)
    expected = [p.detach() + 0.3 * g for p, g in zip(leaves, slope, strict=True)]
    assert len(list(page.improve(rbm, rows, share, 1, rate=0.3))) == 1
    for found, right in zip(rbm.parameters(), expected, strict=True):
        torch.testing.assert_close(found.detach(), right)


def test_the_deep_gradient_is_the_packages(page):
    second = machine(4, 3, seed=1)
    dbm = DBM(machine(5, 4), second.weight, second.hidden_bias)
    x, dream_x, dream_h = (torch.rand(n, m).double().round() for n, m in ((6, 5), (7, 5), (7, 3)))
    of_W_1, of_W_2 = page.deep_gradient(dbm, x, dream_x, dream_h)
    package = dbm.data_minus_dream(x, torch.cat([dream_x, dream_h], 1))
    assert_twins(of_W_1, package[0])
    assert_twins(of_W_2, package[3])


def test_pairs_swap_as_in_the_package(page):
    rbm, base = machine(9, 3), torch.zeros(9).double()
    torch.manual_seed(1)
    x, y = torch.rand(2, 40, 9).double().round()
    warm = [rbm.tempered(beta, base) for beta in (1.0, 0.4)]
    betas = torch.tensor([1.0]).double(), torch.tensor([0.4]).double()
    package = models.swap_probability(rbm, x[None], y[None], *betas, base)[0]
    assert_twins(page.swap_accept(x, y, *warm), package)
    assert 0 < package.min() < 0.5 and package.max() == 1
