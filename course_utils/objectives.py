"""Bounds on log p(x) and estimates of it, in nats per image. Introduced in notebooks 03 and 05.

All are built on the importance weight of a draw z from q(z|x):

    log w = log p(x|z) + log p(z) - log q(z|x),        E_q[w] = p(x)
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from course_utils.arguments import count, described, number
from course_utils.models import VAE
from course_utils.session import pick_threads, torch_threads

CHUNK_ELEMENTS = 1_000_000  # activations a layer holds, 4 MB: larger ones leave the cache


NEEDED = ("data_dim", "encode", "reparameterize", "decode", "log_prob_of")  # of a model


def _check_batch(model: VAE, x: Tensor, num_samples: int) -> int:
    """The number of samples; a ValueError unless there is one, and x is (B, D) of floats."""
    missing = [name for name in NEEDED if not hasattr(model, name)]
    if missing or isinstance(model, type):
        lacks = f" without {', '.join(missing)}" if missing else ", a class"
        raise ValueError(
            f"model: expected a VAE, as in course_utils.models, got {described(model)}{lacks}"
        )
    if not isinstance(x, Tensor):
        raise ValueError(f"x: expected a tensor (B, {model.data_dim}), got {described(x)}")
    if x.dim() != 2 or x.shape[1] != model.data_dim:
        raise ValueError(f"x: expected shape (B, {model.data_dim}), got {tuple(x.shape)}")
    if not x.is_floating_point():
        raise ValueError(
            f"x: expected floating-point rows, as data.as_float or binarize gives, got {x.dtype}"
        )
    weights = next(model.parameters(), x) if isinstance(model, nn.Module) else x
    if x.dtype != weights.dtype:
        raise ValueError(f"x: expected {weights.dtype}, as the model's weights, got {x.dtype}")
    return count("num_samples", num_samples)


def log_weights(model: VAE, x: Tensor, num_samples: int, prior_share: float = 0.0) -> Tensor:
    """Log importance weights (K, B) of `num_samples` = K draws of z for each x in (B, D).

    `prior_share` = a of the draws come from the prior instead of q(z|x), and every weight is taken
    against the mixture (1 - a) q + a p. No weight then exceeds p(x|z) / a, so draws of q that all
    miss a mode of the posterior can no longer hide it.

    Raises:
        ValueError: if x is not (B, D), K < 1, or `prior_share` is outside [0, 1); of one draw
            alone nothing can come from the prior.
    Source: Hesterberg (1995), defensive mixtures.
    """
    num_samples = _check_batch(model, x, num_samples)
    prior_share = number("prior_share", prior_share, "a number in [0, 1)", lambda a: 0 <= a < 1)
    from_prior = round(prior_share * num_samples)
    if prior_share and num_samples == 1:
        raise ValueError("num_samples: expected 2 or more with a prior_share, got 1")
    if prior_share:  # one draw at least, and not all
        from_prior = min(max(from_prior, 1), num_samples - 1)
    z, log_proposal = _of(model, "posterior_draws")(x, num_samples - from_prior)
    if from_prior:
        more = _of(model, "prior_draws")(z.new_empty(from_prior, *z.shape[1:]))
        log_proposal = torch.cat([log_proposal, _of(model, "log_posterior")(more, x)])
        z = torch.cat([z, more])
    log_prior = _of(model, "log_prior")(z)
    if from_prior:
        share = from_prior / num_samples
        log_proposal = torch.logaddexp(
            log_proposal + math.log1p(-share), log_prior + math.log(share)
        )
    return model.log_prob_of(x, model.decode(z)) + log_prior - log_proposal


def _of(model: VAE, name: str) -> Callable:
    """A model's method, or that of `VAE`, which asks for nothing else than `NEEDED`."""
    return getattr(model, name, None) or partial(getattr(VAE, name), model)


def iwae_bound(model: VAE, x: Tensor, num_samples: int) -> Tensor:
    r"""Importance-weighted bound, one draw of K samples for each x; differentiable.

    $$\mathcal L_K = \mathbb E_{z_1..z_K \sim q}\Big[\log \frac1K \sum_k w_k\Big] \le \log p(x)$$

    Args:
        x: (B, D). num_samples: K; K = 1 is a one-sample ELBO (with a sampled, not analytic, KL).
    Returns:
        (B,), nats.
    Raises:
        ValueError: if x is not (B, D) or K < 1.
    Source: Burda, Grosse and Salakhutdinov (2016), eq. 8.
    """
    return torch.logsumexp(log_weights(model, x, num_samples), dim=0) - math.log(num_samples)


def resampled_bound(model: VAE, x: Tensor, num_samples: int) -> Tensor:
    r"""As `iwae_bound`, with a gradient through one of the K draws: for training with a large K.

    With normalised weights $\tilde w_k$ the gradient of the bound is an average over the draws,
    for the decoder and the prior (θ), and by DReG for the encoder (φ), whose way into log q
    itself is left out:

    $$\nabla_\theta = \sum_k \tilde w_k\, \nabla_\theta \log p(x, z_k), \qquad
      \nabla_\varphi = \sum_k \tilde w_k^2\,
      \frac{\partial \log w_k}{\partial z_k} \frac{\partial z_k}{\partial \varphi}$$

    So draw k with probability $\tilde w_k$, and take its term alone, for φ times $\tilde w_k$: the
    average stays the same. All K draws are decoded once, without a gradient; a prior that shares
    weights with the encoder (VampPrior) would need both ways, and is not for this.

    Args:
        x: (B, D). num_samples: K.
    Returns:
        (B,), nats: the value of `iwae_bound`, and that gradient.
    Raises:
        ValueError: if x is not (B, D) or K < 1.
    Source: Tucker et al. (2019), eq. 8, for the encoder; Burda et al. (2016), section 3, resample.
    """
    num_samples = _check_batch(model, x, num_samples)
    z, log_q = model.posterior_draws(x, num_samples)
    with torch.no_grad():
        few = max(1, CHUNK_ELEMENTS // max(1, len(x) * _widest(model)))
        log_lik = torch.cat([model.log_prob_of(x, model.decode(part)) for part in z.split(few)])
        log_w = log_lik + model.log_prior(z) - log_q
        share = torch.softmax(log_w, dim=0)  # (K, B)
        k = torch.multinomial(share.T, 1)[None, :, 0]  # (1, B)
        share = share.gather(0, k)[0, :, None]  # (B, 1)
    z = z.gather(0, k[..., None].expand(-1, -1, z.shape[-1]))[0]  # (B, M), of the draw kept
    if z.requires_grad:
        z.register_hook(lambda gradient: gradient * share)
    log_joint = model.log_prob_of(x, model.decode(z)) + model.log_prior(z)
    with _frozen(model):  # no gradient but the one that comes through z
        kept = log_joint - model.log_posterior(z, x)
    return torch.logsumexp(log_w, dim=0) - math.log(num_samples) + kept - kept.detach()


def _widest(model: nn.Module) -> int:
    """Units of the widest layer, not only of the output: D may be 2, and hundreds hidden."""
    return max(len(p) for p in model.parameters() if p.dim())


@contextmanager
def _frozen(model: nn.Module) -> Iterator[None]:
    """Within a block the model's weights get no gradient."""
    weights = [p for p in model.parameters() if p.requires_grad]
    for p in weights:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in weights:
            p.requires_grad_(True)


@torch.no_grad()
def log_likelihood(model: VAE, x: Tensor, num_samples: int = 500, progress: bool = True) -> Tensor:
    r"""Importance-sampled estimate of log p(x), from below on average.

    The estimate is `iwae_bound` with many samples: its expectation is a lower bound that tightens
    as K grows. Works in chunks, so memory does not grow with B or K.

    Args:
        x: (B, D). num_samples: K. progress: show a bar.
    Returns:
        (B,), nats. The standard error of the mean over images is `.std() / sqrt(B)`.
    Raises:
        ValueError: if x is not (B, D), not finite, or no shares of ink where pixels are Bernoulli
            variables; if K < 1; and where weights are not finite.
    Source: Burda, Grosse and Salakhutdinov (2016), section 5.
    """
    num_samples = _check_batch(model, x, num_samples)
    if not x.isfinite().all():
        raise ValueError("x: expected finite pixels, got NaN or infinity")
    if x.numel() and "bernoulli" in str(getattr(model, "likelihood", "")):
        low, high = x.min().item(), x.max().item()
        if low < 0 or high > 1:
            raise ValueError(
                f"x: expected pixels from 0 to 1 for Bernoulli variables, got {low:g} to {high:g}"
            )
    width = _widest(model)
    per_draw = min(num_samples, max(1, CHUNK_ELEMENTS // width))
    rows = max(1, CHUNK_ELEMENTS // (per_draw * width))
    # One tensor for the results: many small ones, kept between large ones that come and go, would
    # leave the allocator holes that it cannot use again, a gigabyte of them.
    estimates = x.new_full((len(x),), -math.inf)
    hidden = {"disable": not progress, "leave": False}
    bar = tqdm(total=len(x), desc="log-likelihood", unit="image", **hidden)
    with torch_threads(pick_threads()), bar:
        for chunk, total in zip(x.split(rows), estimates.split(rows)):
            for done in range(0, num_samples, per_draw):
                log_w = log_weights(model, chunk, min(per_draw, num_samples - done))
                torch.logaddexp(total, torch.logsumexp(log_w, dim=0), out=total)
            bar.update(len(chunk))
    if not estimates.isfinite().all():
        lost = int((~estimates.isfinite()).sum())
        raise ValueError(
            f"model: expected finite weights, got NaN or infinity for {lost} of {len(x)} rows: "
            "are there log variances beyond 80 or -80, or NaN among the weights?"
        )
    return estimates - math.log(num_samples)
