"""The constant Z of a Boltzmann machine that is too large to sum, estimated by annealing.

Introduced in notebook 09. Both estimates go along machines between independent pixels and the
machine itself, `RBM.tempered`, one Gibbs step at each, with all chains in one product. The log Z
of AIS tends to be too low, so log p(x) too high; RAISE bounds log p(x) from below, for the model
that annealing draws. So they err in opposite directions where annealing reaches every region of
the machine. Where it misses one, both are too high for images outside that region.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import softplus
from tqdm.auto import tqdm

from course_utils.arguments import count
from course_utils.models.boltzmann import RBM, draw


def temperatures(n: int = 1000) -> Tensor:
    """n + 1 inverse temperatures from 0 to 1, float64, denser towards 1.

    Source: Salakhutdinov and Murray (2008): of 14,500, 500 up to 0.5 and 4,000 up to 0.9.
    """
    n = count("n", n, least=3)
    places = torch.tensor([0.0, 500 / 14_500, 4_500 / 14_500, 1.0], dtype=torch.float64)
    betas = torch.tensor([0.0, 0.5, 0.9, 1.0], dtype=torch.float64)
    at = torch.linspace(0, 1, n + 1, dtype=torch.float64)
    left = torch.searchsorted(places, at, right=True).clamp(max=3) - 1
    share = (at - places[left]) / (places[left + 1] - places[left])
    return torch.lerp(betas[left], betas[left + 1], share)


def _log_f(model: RBM, x: Tensor, up: Tensor, base: Tensor, beta: float) -> Tensor:
    """-F(x) of the tempered machine, less M log 2; up is c + Wᵀx."""
    bias = torch.lerp(base, model.visible_bias, beta)
    return (x @ bias + softplus(beta * up).sum(-1)).double() - up.shape[-1] * math.log(2)


def _step(model: RBM, up: Tensor, base: Tensor, beta: float) -> Tensor:
    """One Gibbs step of the tempered machine; up is c + Wᵀx."""
    return draw(torch.lerp(base, model.visible_logits(draw(beta * up)), beta))


@torch.no_grad()
def annealed_log_partition(
    model: RBM,
    betas: Tensor,
    chains: int = 100,
    base_logits: Tensor | None = None,
    progress: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Estimate log Z by annealed importance sampling (AIS): (log Z, its error, log weights).

    Chains begin as independent pixels, whose Z is known, and take one Gibbs step at each
    temperature. With f for exp(-F) of the tempered machines, a chain has the weight

    $$w = \prod_{k=1}^{K} \frac{f_k(x_{k-1})}{f_{k-1}(x_{k-1})}, \qquad
      \mathbb E[w] = \frac{Z_K}{Z_0}$$

    so the mean weight is right on average, and its logarithm tends to be too low.

    Args:
        betas: increasing, from 0 to 1, as `temperatures` gives them.
        base_logits: of the independent pixels at the start (D,); else the visible biases.
    Returns:
        log Z; its standard error, nats; and log Z_0 + log w of each chain (chains,).
    Source: Neal (2001); Salakhutdinov and Murray (2008).
    """
    base = model.visible_bias if base_logits is None else base_logits
    x = draw(base.expand(count("chains", chains, least=2), -1))
    log_w = x.new_zeros(len(x), dtype=torch.float64)
    bar = tqdm(pairwise(betas.tolist()), "annealing", len(betas) - 1, disable=not progress)
    for old, new in bar:
        up = model.hidden_logits(x)
        log_w += _log_f(model, x, up, base, new) - _log_f(model, x, up, base, old)
        x = _step(model, up, base, new)
    log_w += softplus(base).sum() + len(model.hidden_bias) * math.log(2)  # log Z of the start
    relative = (log_w - log_w.logsumexp(0)).exp() * len(log_w)  # weights whose mean is 1
    log_z = log_w.logsumexp(0) - math.log(len(log_w))
    return log_z, relative.std() / math.sqrt(len(log_w)), log_w


@torch.no_grad()
def annealed_log_prob(
    model: RBM,
    x: Tensor,
    betas: Tensor,
    chains: int = 1,
    base_logits: Tensor | None = None,
    progress: bool = True,
) -> Tensor:
    """A log-probability (B,) of x (B, D) that is too low on average (RAISE).

    The model is taken to be what annealing draws. From x its chain is run backwards, `chains`
    times. exp of the result is right on average, so the result is a lower bound (Jensen).
    Source: Burda, Grosse and Salakhutdinov (2015).
    """
    base = model.visible_bias if base_logits is None else base_logits
    x = x.repeat(count("chains", chains), 1)
    log_w, up = x.new_zeros(len(x), dtype=torch.float64), model.hidden_logits(x)
    steps = betas.flip(0).tolist()[:-1]
    for beta in tqdm(steps, "annealing backwards", disable=not progress):
        log_w += _log_f(model, x, up, base, beta)
        x = _step(model, up, base, beta)
        up = model.hidden_logits(x)
        log_w -= _log_f(model, x, up, base, beta)
    log_w += x @ base - softplus(base).sum()
    return log_w.view(chains, -1).logsumexp(0) - math.log(chains)
