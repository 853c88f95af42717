"""What the rules of more than one notebook compute with."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

NODES, WEIGHTS = map(torch.from_numpy, np.polynomial.hermite_e.hermegauss(100))


def normal_average(f: Callable[[Tensor], Tensor], mu: float = 0.0, std: float = 1.0) -> Tensor:
    """E[f(z)] for z ~ N(mu, std²) and a smooth f, by Gauss-Hermite quadrature."""
    return (WEIGHTS * f(mu + std * NODES)).sum() / math.sqrt(2 * math.pi)


def normal_variance(f: Callable[[Tensor], Tensor]) -> Tensor:
    """Var[f(ε)] for ε ~ N(0, 1)."""
    return normal_average(lambda eps: f(eps) ** 2) - normal_average(f) ** 2


def uniform(low: float, high: float) -> float:
    """A random Python number."""
    return low + (high - low) * torch.rand(()).item()


def eye(n: int) -> Tensor:
    """The identity in float64, as the rules compute."""
    return torch.eye(n, dtype=torch.float64)
