"""Muon, an optimiser whose steps turn and stretch all directions of a matrix alike.

torch has one, which multiplies in bfloat16: right for a GPU, and on a CPU without instructions for
it sixteen times as slow as this one in float32.
"""

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the polynomial that lifts small singular values


def orthogonalised(matrix: Tensor, steps: int = 5) -> Tensor:
    """About U Vᵀ, for matrix = U S Vᵀ: by products alone, singular values end within 0.7 .. 1.2.

    Source: Jordan et al. (2024), Muon; the iteration is Newton and Schulz's.
    """
    a, b, c = COEFFICIENTS
    x = matrix / (matrix.norm() + 1e-7)
    x = x.T if (tall := x.shape[0] > x.shape[1]) else x
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Steps of size `lr` along the orthogonalised average of the last gradients.

    Args:
        params: matrices. lr: step size. momentum: of the average, Nesterov's.
    """

    def __init__(self, params, lr: float = 0.02, momentum: float = 0.95):
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                average = state.setdefault("average", torch.zeros_like(p))
                average.lerp_(p.grad, 1 - group["momentum"])
                ahead = p.grad.lerp(average, group["momentum"])
                size = group["lr"] * max(1.0, p.shape[0] / p.shape[1]) ** 0.5
                p.add_(orthogonalised(ahead), alpha=-size)
