"""Layers and checks that several families of models share."""

from itertools import pairwise

from torch import Tensor, nn


def check_width(x: Tensor, width: int, what: str) -> None:
    """Raise a ValueError that names `what` unless the last axis of x has the given width."""
    if x.dim() == 0 or x.shape[-1] != width:
        raise ValueError(f"expected {what} of shape (..., {width}), got {tuple(x.shape)}")


def mlp(*sizes: int, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Linear layers with ReLU between them, none after the last: `mlp(784, 300, 40)`."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), activation()]
    return nn.Sequential(*layers[:-1])
