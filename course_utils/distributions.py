"""Log densities and Kullback-Leibler divergences, in nats.

Every function sums over the last axis, so that a batch of shape (B, D) gives (B,). Leading axes
broadcast (K importance samples of a batch have shape (K, B, D)); the last axis never does, because
a silent (B, 1) against (B, D) is the commonest wrong answer in variational autoencoder code.
Introduced in notebook 03; `continuous_bernoulli_log_prob` in notebook 07.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

LOG_2PI = math.log(2 * math.pi)


def _check_shapes(**tensors: Tensor) -> None:
    """Raise a ValueError unless the last axes agree and the leading axes broadcast."""
    shapes = {name: tuple(t.shape) for name, t in tensors.items()}
    came = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    if any(len(shape) == 0 for shape in shapes.values()):
        raise ValueError(f"expected tensors of shape (..., D), got {came}")
    if len({shape[-1] for shape in shapes.values()}) > 1:
        raise ValueError(f"expected one length D of the last axis in all arguments, got {came}")
    try:
        torch.broadcast_shapes(*shapes.values())
    except RuntimeError:
        raise ValueError(f"expected leading axes that broadcast, got {came}") from None


def normal_log_prob(x: Tensor, mu: Tensor, log_var: Tensor) -> Tensor:
    r"""Log density of a normal distribution with diagonal covariance.

    $$\log \mathcal N(x \mid \mu, \sigma^2) =
      -\tfrac12 \sum_d \big[\log 2\pi + \log\sigma_d^2 + (x_d - \mu_d)^2 / \sigma_d^2\big]$$

    Args:
        x, mu, log_var: (..., D); `log_var` is $\log \sigma^2$, neither the log standard
            deviation nor the variance.
    Returns:
        (...), nats. A density: it can be positive.
    Raises:
        ValueError: if the last axes differ or the leading axes do not broadcast.
    Source: PRML (2.43) with a diagonal covariance.

    K = 50 samples of a batch of 8 images, under one distribution for each image:

    >>> z, mu, log_var = torch.randn(50, 8, 2), torch.zeros(8, 2), torch.zeros(8, 2)
    >>> normal_log_prob(z, mu, log_var).shape
    torch.Size([50, 8])
    """
    _check_shapes(x=x, mu=mu, log_var=log_var)
    # Divide before squaring: (x - mu)^2 alone overflows where the ratio is harmless.
    standardised = (x - mu) * torch.exp(-0.5 * log_var)
    return -0.5 * (LOG_2PI + log_var + standardised.square()).sum(-1)


def bernoulli_log_prob(x: Tensor, logits: Tensor) -> Tensor:
    r"""Log probability of independent Bernoulli variables, from logits.

    $$\log p(x) = \sum_d \big[x_d \log \pi_d + (1 - x_d) \log(1 - \pi_d)\big],
      \qquad \pi_d = \operatorname{sigmoid}(\text{logits}_d)$$

    Args:
        x: (..., D), 0 or 1; values between (grey pixels) give the negative cross-entropy, which
            is no log probability (see notebook 05).
        logits: (..., D), log-odds. Probabilities would lose all precision near 0 and 1.
    Returns:
        (...), nats, never positive for x in [0, 1].
    Raises:
        ValueError: if the last axes differ or the leading axes do not broadcast.
    Source: Kingma and Welling (2014), appendix C.1.
    """
    _check_shapes(x=x, logits=logits)
    x, logits = torch.broadcast_tensors(x.to(torch.promote_types(x.dtype, logits.dtype)), logits)
    # One pass forwards and one back, in a form that neither overflows nor cancels.
    return -binary_cross_entropy_with_logits(logits, target=x, reduction="none").sum(-1)


def continuous_bernoulli_log_prob(x: Tensor, logits: Tensor) -> Tensor:
    r"""Log density of independent continuous Bernoulli variables on [0, 1], from logits.

    The Bernoulli formula for x between 0 and 1, made a density by its normaliser C:

    $$\log p(x) = \sum_d \big[x_d \log \pi_d + (1 - x_d) \log(1 - \pi_d) + \log C(t_d)\big],
      \qquad \log C(t) = \log\frac{t}{\tanh(t/2)}$$

    with t the logit; near 0 the series log 2 + t²/12 - 7t⁴/1440 takes over, value and gradient.

    Args:
        x: (..., D) in [0, 1]. logits: (..., D).
    Returns:
        (...), nats. A density: it can be positive.
    Raises:
        ValueError: if the last axes differ or the leading axes do not broadcast.
    Source: Loaiza-Ganem and Cunningham (2019), eq. 7 and 8.
    """
    _check_shapes(x=x, logits=logits)
    small = logits.abs() < 0.05  # the series' next term, 31 t^6 / 90720, is then below 6e-12
    t = torch.where(small, torch.ones_like(logits), logits).abs()  # no 0/0 in the unused branch
    series = math.log(2) + logits.square() / 12 - 7 * logits.square().square() / 1440
    log_c = torch.where(small, series, torch.log(t) - torch.log(torch.tanh(t / 2)))
    return bernoulli_log_prob(x, logits) + log_c.sum(-1)


def kl_to_standard_normal(mu: Tensor, log_var: Tensor) -> Tensor:
    r"""KL divergence from a diagonal normal distribution to the standard normal one.

    $$\mathrm{KL}\big(\mathcal N(\mu, \sigma^2) \,\|\, \mathcal N(0, I)\big) =
      \tfrac12 \sum_m \big(\sigma_m^2 + \mu_m^2 - 1 - \log \sigma_m^2\big)$$

    Args:
        mu, log_var: (..., M); `log_var` is $\log \sigma^2$.
    Returns:
        (...), nats, never negative, in float32 too.
    Raises:
        ValueError: if the last axes differ or the leading axes do not broadcast.
    Source: Kingma and Welling (2014), appendix B.

    >>> kl_to_standard_normal(torch.tensor([[0.0, 0.0], [2.0, 0.0]]), torch.zeros(2, 2))
    tensor([0., 2.])
    """
    _check_shapes(mu=mu, log_var=log_var)
    # exp(v) - 1 - v cancels near v = 0 and can come out negative; expm1(v) - v cannot.
    return 0.5 * (mu.square() + (torch.expm1(log_var) - log_var)).sum(-1)


def kl_between_normals(mu_q: Tensor, log_var_q: Tensor, mu_p: Tensor, log_var_p: Tensor) -> Tensor:
    r"""KL divergence between two normal distributions with diagonal covariance.

    $$\mathrm{KL}(q \,\|\, p) = \tfrac12 \sum_m \Big(\frac{\sigma_q^2}{\sigma_p^2} - 1
      - \log\frac{\sigma_q^2}{\sigma_p^2} + \frac{(\mu_q - \mu_p)^2}{\sigma_p^2}\Big)$$

    Args:
        mu_q, log_var_q, mu_p, log_var_p: (..., M).
    Returns:
        (...), nats, never negative, in float32 too.
    Raises:
        ValueError: if the last axes differ or the leading axes do not broadcast.
    """
    _check_shapes(mu_q=mu_q, log_var_q=log_var_q, mu_p=mu_p, log_var_p=log_var_p)
    # Measured in units of p's standard deviation, p is the standard normal distribution.
    return kl_to_standard_normal(
        (mu_q - mu_p) * torch.exp(-0.5 * log_var_p), log_var_q - log_var_p
    )
