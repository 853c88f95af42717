"""Parallel tempering: chains of one machine at several temperatures, which exchange their states.

Introduced in notebook 09b. At beta = 1 stands the machine itself, at beta = 0 independent units,
which forget where they were in one step; in between, `RBM.tempered`. All chains of all temperatures
move in one product.
"""

import torch
from torch import Tensor
from torch.nn.functional import softplus

from course_utils.models.boltzmann import RBM, draw


def log_weights(model: RBM, x: Tensor, betas: Tensor, base_logits: Tensor) -> Tensor:
    """-F(x), (T, ...), of the machine at each of T temperatures, for rows x (T, ..., D)."""
    beta = betas.view(-1, *[1] * (x.dim() - 1)).to(x)
    bias = torch.lerp(base_logits, model.visible_bias, beta)
    return (x * bias).sum(-1) + softplus(beta * model.hidden_logits(x)).sum(-1)


def swap_probability(
    model: RBM, x: Tensor, y: Tensor, beta_x: Tensor, beta_y: Tensor, base_logits: Tensor
) -> Tensor:
    r"""With what probability x (T, ..., D), at beta_x (T,), and y, at beta_y, change places.

    $$\min\Big(1, \frac{f_x(y)\, f_y(x)}{f_x(x)\, f_y(y)}\Big), \qquad f = e^{-F}$$

    Z is in none of it, because each machine stands once above and once below.
    Source: Metropolis et al. (1953); Swendsen and Wang (1986).
    """
    gain = sum(
        sign * log_weights(model, rows, betas, base_logits)
        for sign, rows, betas in ((1, y, beta_x), (1, x, beta_y), (-1, x, beta_x), (-1, y, beta_y))
    )
    return gain.clamp(max=0).exp()


@torch.no_grad()
def tempered_gibbs(
    model: RBM, x: Tensor, betas: Tensor, base_logits: Tensor, odd: bool = False
) -> tuple[Tensor, Tensor]:
    """One Gibbs step at each temperature, then swaps of neighbours: (x (T, B, D), taken (T-1, B)).

    Args:
        x: the states (T, B, D), of B sets of chains. betas: (T,), any order of neighbours.
        odd: which neighbours may swap: (0, 1), (2, 3), ..., or (1, 2), (3, 4), ...
    Returns:
        the states; and where neighbours changed places, with NaN where they were not asked.
    """
    beta = betas.view(-1, 1, 1).to(x)
    up = draw(beta * model.hidden_logits(x))
    x = draw(torch.lerp(base_logits, model.visible_logits(up), beta))
    taken = x.new_full((len(x) - 1, x.shape[1]), torch.nan)
    first = slice(int(odd), len(x) - 1, 2)
    low = torch.arange(len(x), device=x.device)[first]
    if len(low):
        pair = betas[low], betas[low + 1]
        p = swap_probability(model, x[low], x[low + 1], *pair, base_logits)
        swap = torch.rand_like(p) < p
        taken[low] = swap.to(x)
        swap = swap[..., None]
        x[low], x[low + 1] = (
            torch.where(swap, x[low + 1], x[low]),
            torch.where(swap, x[low], x[low + 1]),
        )
    return x, taken
