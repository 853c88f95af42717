"""Exercises of notebook 07b: what is right, and what each likely slip gives."""

import math

import torch
from torch import Tensor

from course_utils.exercises.checking import exercise
from course_utils.exercises.common import uniform

LOG_2PI = math.log(2 * math.pi)


def planar_case(B: int, M: int, size: float) -> tuple[Tensor, Tensor, Tensor, float]:
    """Draws and a planar map that can be inverted: u·w is above -1."""
    u, w = size * torch.randn(M), 0.5 * torch.randn(M)
    u = u * torch.sign(u @ w) if u @ w < -0.9 else u
    return torch.randn(B, M), u, w, uniform(-1, 1)


@exercise(
    "07b",
    "against the determinant of autograd's matrix, draw by draw, also where it is negative",
    lambda: [
        planar_case(6, 2, 1.0),
        planar_case(4, 5, 0.7),
        (torch.randn(8, 3), torch.tensor([2.0, 0.0, -1.0]), torch.tensor([0.5, 1.0, -0.5]), 0.2),
        (torch.randn(9, 2), torch.tensor([-2.5, 1.0]), torch.tensor([1.0, 0.2]), 0.1),
    ],
)
def planar_log_q(eps, u, w, c):
    """log N(ε) minus log|det| of the whole matrix of derivatives, from autograd."""

    def moved(e: Tensor) -> Tensor:
        return e + u * torch.tanh(e @ w + c)

    jacobians = torch.stack([torch.autograd.functional.jacobian(moved, e) for e in eps])
    log_det = torch.linalg.slogdet(jacobians)[1]
    log_p = -0.5 * (eps.square() + LOG_2PI).sum(1)
    right = log_p - log_det
    t = torch.tanh(eps @ w + c)
    along = u @ w

    def with_det(det: Tensor) -> Tensor:
        return log_p - det.abs().log()

    z = eps + t[:, None] * u
    at_z = torch.tanh(z @ w + c)
    return right, {
        "The sign: where the map stretches, the density falls.": log_p + log_det,
        "That is the density of ε. What does the map's stretching change?": log_p,
        "That is log|det| alone. The density of ε is missing.": log_det,
        "That is minus log|det| alone. The density of ε is missing.": -log_det,
        "The density of ε is asked for at ε, not at z.": (
            -0.5 * (z.square() + LOG_2PI).sum(1) - log_det
        ),
        "The tanh is taken at ε, not at z.": with_det(1 + along * (1 - at_z.square())),
        "The derivative of tanh is 1 - tanh², not tanh.": with_det(1 + along * t),
        "The derivative of tanh is 1 - tanh²: the 1 and the sign are missing.": (
            with_det(1 + along * t.square())
        ),
        "The derivative of tanh is missing.": with_det(1 + along * torch.ones_like(t)),
        "The tanh has lost its c.": with_det(1 + along * (1 - torch.tanh(eps @ w).square())),
        "The 1 in front is missing: where u = 0 nothing moves, and det is 1.": (
            with_det(along * (1 - t.square()))
        ),
        "The logarithm of the determinant is missing.": log_p - log_det.exp(),
        "The determinant may be negative: the absolute value is missing.": (
            log_p - torch.log(1 + along * (1 - t.square()))
        ),
        "The constant ½ log 2π is missing, once for each unit.": (
            -0.5 * eps.square().sum(1) - log_det
        ),
        "½ log 2π is subtracted for each of the M units, not once.": (
            -0.5 * (eps.square().sum(1) + LOG_2PI) - log_det
        ),
        "The ½ in the density of ε is missing.": 2 * log_p - log_det,
        "One number for each draw, not their mean.": right.mean(),
        "One number for each draw, not their sum.": right.sum(),
    }


def normals(B: int, C: int, M: int, spread: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """Codes (B, M), and means and log variances of C normals, each (C, M)."""
    return torch.randn(B, M), spread * torch.randn(C, M), torch.randn(C, M) - 1


@exercise(
    "07b",
    "against a sum over the pseudo-inputs one by one, also where every density is tiny",
    lambda: [
        normals(6, 4, 3),
        normals(5, 1, 2),
        normals(3, 7, 20, 2.0),
        (30 + torch.randn(4, 3), *normals(1, 5, 3)[1:]),
    ],
)
def vamp_log_prior(z, mu, log_var):
    """The densities one after the other, added up by logaddexp."""
    C, M = mu.shape
    each = []
    for m, v in zip(mu, log_var):
        by_unit = -0.5 * ((z - m) ** 2 / v.exp() + v + LOG_2PI)  # (B, M)
        each.append(by_unit)
    by_unit = torch.stack(each)  # (C, B, M)
    log_q = by_unit.sum(2)
    total = log_q[0]
    for one in log_q[1:]:
        total = torch.logaddexp(total, one)
    right = total - math.log(C)

    def mixed(squares_over: Tensor, log_det: Tensor, constant: float = LOG_2PI) -> Tensor:
        logs = -0.5 * ((z - mu[:, None]) ** 2 / squares_over[:, None] + log_det[:, None])
        return (logs - 0.5 * constant).sum(2).logsumexp(0) - math.log(C)

    return right, {
        "An average of C densities: divide by C, that is, subtract log C.": total,
        "That is the mean of the logarithms. Asked for is the logarithm of the mean.": (
            log_q.mean(0)
        ),
        "That is the sum of the logarithms: the product of the densities, not their mean.": (
            log_q.sum(0)
        ),
        "Each density is one of all units: add up the units first, then mix.": (
            (by_unit.logsumexp(0) - math.log(C)).sum(1)
        ),
        "The units are added up, not averaged.": (by_unit.mean(2).logsumexp(0) - math.log(C)),
        "log C is added; a mean divides by C.": total + math.log(C),
        "Divide by C inside the logarithm; that is dividing the logarithm.": total / C,
        "`log_var` is a log variance: the variance is its exponential.": (mixed(log_var, log_var)),
        "`log_var` is the log of σ², not of σ.": mixed((2 * log_var).exp(), 2 * log_var),
        "That divides by σ, not by σ².": mixed((0.5 * log_var).exp(), log_var),
        "The normal density has -½ log_var in it, too.": (
            mixed(log_var.exp(), torch.zeros_like(log_var))
        ),
        "The constant ½ log 2π of each unit is missing.": mixed(log_var.exp(), log_var, 0.0),
        "½ log 2π counts once for each unit.": (
            mixed(log_var.exp(), log_var, 0.0) - 0.5 * LOG_2PI
        ),
        "That is the largest of the C densities, not their mean.": log_q.amax(0),
        "The largest of the C densities alone, divided by C: the others count, too.": (
            log_q.amax(0) - math.log(C)
        ),
        "One number for each code, not their mean.": right.mean(),
        "The logsumexp runs over the pseudo-inputs, not over the codes.": (
            log_q.logsumexp(1) - math.log(C)
        ),
        "-½ is missing in front of the exponent.": (-2 * by_unit).sum(2).logsumexp(0)
        - math.log(C),
    }
