"""What stands on the page of notebook 07b: maps that can be inverted, with their determinants."""

import math

import pytest
import torch
from helpers.shown import shown
from torch import nn

from course_utils.models.priors import STEEPEST, CouplingStep

NAMES = ["move", "Step", "straight", "Flow", "Coupling"]


@pytest.fixture(scope="module")
def page():
    return shown("07b_*", *NAMES)


def lively(module: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for weights in module.parameters():
        nn.init.normal_(weights, std=0.6)
    return module.double().requires_grad_(False)


def test_the_coupling_is_that_of_the_package_where_its_stretching_is_small(page):
    """The package keeps r within a bound; far inside it both are the same map."""
    shown_one, package = page.Coupling(2, 6), CouplingStep(4, 6)
    lively(shown_one).network[-1].weight.mul_(1e-3)
    shown_one.network[-1].bias.mul_(1e-3)
    package.double().load_state_dict(shown_one.state_dict())
    eps = torch.randn(7, 4).double()
    for one, other in ((shown_one(eps), package(eps)),):
        for found, expected in zip(one, other, strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-7)
    back, log_det = package.inverse(shown_one(eps)[0])
    torch.testing.assert_close(back, eps, rtol=0, atol=1e-7)
    assert STEEPEST > 1 and log_det.abs().max() < 0.1


def test_both_begin_as_no_move_at_all(page):
    eps = torch.randn(5, 4)
    for step in (page.Coupling(2, 6), CouplingStep(4, 6)):
        z, log_det = step(eps)
        assert torch.equal(z, eps) and not log_det.any()


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_flow_of_steps_has_autograd_s_determinant_and_a_way_back(page, count):
    flow, eps = lively(page.Flow(count)), torch.randn(2).double()
    jacobian = torch.autograd.functional.jacobian(lambda e: flow(e[None])[0][0], eps)
    z, log_det = flow(eps[None])
    assert abs(torch.linalg.slogdet(jacobian)[1] - log_det.item()) < 1e-9
    back, log_det_back = flow.inverse(z)
    torch.testing.assert_close(back[0], eps, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(log_det, log_det_back)


@pytest.mark.parametrize(("lean", "learned"), [(False, 0), (True, 1)])
def test_a_straight_step_learns_its_slope_only_where_it_may_lean(page, lean, learned):
    step = page.Step(page.straight(lean))
    z, log_det = step(torch.randn(50, 2))
    (z.square().sum() + z[:, 0] @ z[:, 1] + log_det.sum()).backward()
    slopes = step.network.weight.grad[:, 0]
    assert int(slopes[0] != 0) == learned and slopes[1] == 0


def test_a_straight_step_is_a_normal_distribution(page):
    step = lively(page.Step(page.straight(True)))
    step.network.weight[1] = 0  # log s_2 is a constant
    t_1, log_s_1 = step.first
    (slope, _), (t_2, log_s_2) = step.network.weight[:, 0], step.network.bias
    J = torch.stack([torch.stack([log_s_1.exp(), t_1 * 0]), torch.stack([slope, log_s_2.exp()])])
    eps = torch.randn(6, 2).double()
    z, log_det = step(eps)
    torch.testing.assert_close(z, torch.stack([t_1, t_2]) + eps @ J.T)
    normal = torch.distributions.MultivariateNormal(torch.stack([t_1, t_2]), scale_tril=J)
    log_n = -0.5 * eps.square().sum(1) - math.log(2 * math.pi)
    torch.testing.assert_close(normal.log_prob(z), log_n - log_det)


def test_the_curve_of_one_number_has_the_slope_that_it_says(page):
    eps = torch.linspace(-2, 2, 9, dtype=torch.float64, requires_grad=True)
    z, slope = page.move(eps)
    torch.testing.assert_close(torch.autograd.grad(z.sum(), eps)[0], slope.detach())
