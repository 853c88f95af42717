"""Exercises of notebook 07d: what is right, and what each likely slip gives."""

import torch
from torch import Tensor

from course_utils.exercises.checking import exercise, within
from course_utils.exercises.common import uniform


@exercise(
    "07d",
    "against the rows that make ½‖new − old‖² + amount·‖new‖ smallest; some of them are 0",
    lambda: [
        (torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, -2.0]]), 1.0),
        (torch.randn(6, 5), 2.0),
        (3 * torch.randn(4, 3), uniform(0.5, 2.0)),
        (torch.cat([torch.zeros(1, 4), torch.randn(3, 4)]), 0.3),
        (0.3 * torch.randn(5, 3), 0.1),  # norms below 1
    ],
)
def shrink_groups(groups, amount):
    """Row by row, the point on the ray of v that makes ½|u − v|² + amount |u| smallest."""
    norms = [sum(value**2 for value in row) ** 0.5 for row in groups]
    right = torch.stack(
        [
            row * (norm - amount) / norm if norm > amount else torch.zeros_like(row)
            for row, norm in zip(groups, norms)
        ]
    )
    norm = groups.norm(dim=1, keepdim=True).clamp(min=1e-12)
    whole = groups.norm().clamp(min=1e-12)
    across = groups.norm(dim=0, keepdim=True).clamp(min=1e-12)
    squares = groups.square().sum(1, keepdim=True).clamp(min=1e-12)
    lasso = groups.sign() * (groups.abs() - amount).clamp(min=0)
    return right, {
        "A group below the amount becomes 0; yours has turned around.": (
            groups * (1 - amount / norm)
        ),
        "That shrinks each weight by itself. The norm of its whole group counts.": lasso,
        "All groups share one norm; each row has its own.": (
            groups * (1 - amount / whole).clamp(min=0)
        ),
        "A group is a row: its norm is over the axis 1.": (
            groups * (1 - amount / across).clamp(min=0)
        ),
        "Living groups must shrink, too: their norm falls by the amount.": (
            torch.where(norm > amount, groups, 0.0)
        ),
        "The norm falls *by* the amount, not *to* the amount.": (
            groups * (amount / norm).clamp(max=1)
        ),
        "The norm, not its square: is a root missing?": (
            groups * (1 - amount / squares).clamp(min=0)
        ),
        "The factor 1 - amount takes the same share of all groups; none becomes 0 by itself.": (
            groups * max(1 - amount, 0)
        ),
        "That is the new norm of each group. Asked for are the weights.": (
            (groups.norm(dim=1) - amount).clamp(min=0)
        ),
        "That is the factor of each group. Asked for are the weights.": (
            (1 - amount / norm).clamp(min=0)
        ),
        "The largest weight of the group is not its norm.": (
            groups * (1 - amount / groups.abs().amax(1, keepdim=True).clamp(min=1e-12)).clamp(0)
        ),
        "The sum of the absolute weights is not the norm meant here.": (
            groups * (1 - amount / groups.abs().sum(1, keepdim=True).clamp(min=1e-12)).clamp(0)
        ),
        "The sign: the norm must fall, not rise.": groups * (1 + amount / norm),
    }


def stable(D: int, radius: float) -> Tensor:
    """A matrix (D, D) whose largest eigenvalue has this absolute value."""
    A = torch.randn(D, D)
    return radius * A / torch.linalg.eigvals(A).abs().max()


def spread(D: int) -> Tensor:
    """A covariance matrix (D, D)."""
    root = torch.randn(D, D)
    return root @ root.T / D + 0.5 * torch.eye(D)


@exercise(
    "07d",
    "against the sum over all noises of the past, for two, three and five channels",
    lambda: [
        (torch.tensor([[0.0, 0.0], [0.8, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 0.36]])),
        (stable(3, 0.5), spread(3)),
        (stable(5, 0.7), spread(5)),
        (stable(2, uniform(0.3, 0.7)), spread(2)),
    ],
    close=within(1e-3, 1e-4),
)
def lag_one(A, Q):
    """A P with P the sum of A^n Q A^nT over the steps n since the noise."""
    P, term, transposed, other = Q.clone(), Q.clone(), Q.clone(), Q.clone()
    for _ in range(200):
        term, other = A @ term @ A.T, A.T @ other @ A
        P, transposed = P + term, transposed + other
    right = A @ P
    deviation = P.diagonal().sqrt()
    return right, {
        "That is the covariance at lag 0. What is it one step later?": P,
        "Rows say which channel is later. Yours are transposed.": right.T,
        "The noise alone is not the covariance of x_{t-1}: the past adds to it.": A @ Q,
        "One step of the sum is not enough: repeat it, or solve P = A P Aᵀ + Q.": (
            A @ (A @ Q @ A.T + Q)
        ),
        "That is lag 2.": A @ right,
        "The noise ε_t has nothing to do with x_{t-1}: Q is not added again.": right + Q,
        "That is A P Aᵀ, the part of lag 0 that the past explains.": A @ P @ A.T,
        "The equation was solved for Aᵀ in place of A.": A @ transposed,
        "That is a correlation. Asked for is the covariance.": (
            right / torch.outer(deviation, deviation)
        ),
        "A stands on the left: x_t is later, and x_t = A x_{t-1} + ε_t.": P @ A,
    }
