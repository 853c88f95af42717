"""Bounds on log p(x) and estimates of it, in nats per image. Introduced in notebooks 03 and 05.

All are built on the importance weight of a draw z from q(z|x):

    log w = log p(x|z) + log p(z) - log q(z|x),        E_q[w] = p(x)

Then objectives climbed in x: the attacks on a classifier of notebook 00. At the end, what codes
tell of known factors: the mutual information gap of notebook 06.
"""

import math

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from course_utils.distributions import LOG_2PI, normal_log_prob
from course_utils.models import VAE

CHUNK_ELEMENTS = 1_000_000  # activations a layer holds, 4 MB: larger ones leave the cache


def _check_batch(model: VAE, x: Tensor, num_samples: int) -> None:
    if x.dim() != 2 or x.shape[1] != model.data_dim:
        raise ValueError(f"x: expected shape (B, {model.data_dim}), got {tuple(x.shape)}")
    if num_samples < 1:
        raise ValueError(f"num_samples: expected 1 or more, got {num_samples}")


def log_weights(model: VAE, x: Tensor, num_samples: int, prior_share: float = 0.0) -> Tensor:
    """Log importance weights (K, B) of `num_samples` = K draws of z for each x in (B, D).

    `prior_share` = a of the draws come from the prior instead of q(z|x), and every weight is taken
    against the mixture (1 - a) q + a p. No weight then exceeds p(x|z) / a, so draws of q that all
    miss a mode of the posterior can no longer hide it.

    Raises:
        ValueError: if x is not (B, D), K < 1, or `prior_share` is outside [0, 1).
    Source: Hesterberg (1995), defensive mixtures.
    """
    _check_batch(model, x, num_samples)
    if not 0 <= prior_share < 1:
        raise ValueError(f"prior_share: expected a number in [0, 1), got {prior_share}")
    mu, log_var = model.encode(x)
    from_prior = min(round(prior_share * num_samples), num_samples - 1)
    from_q = (num_samples - from_prior, *mu.shape)
    z = model.reparameterize(mu.expand(from_q), log_var.expand(from_q))
    if from_prior:
        z = torch.cat([z, z.new_empty(from_prior, *mu.shape).normal_()])
    log_prior = -0.5 * (LOG_2PI + z.square()).sum(-1)
    log_proposal = normal_log_prob(z, mu, log_var)
    if from_prior:
        share = from_prior / num_samples
        log_proposal = torch.logaddexp(
            log_proposal + math.log1p(-share), log_prior + math.log(share)
        )
    return model.log_prob_of(x, model.decode(z)) + log_prior - log_proposal


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
        ValueError: if x is not (B, D) or K < 1.
    Source: Burda, Grosse and Salakhutdinov (2016), section 5.
    """
    _check_batch(model, x, num_samples)
    # The widest layer, not only the output: D may be 2 with hundreds of hidden units.
    width = max(len(p) for p in model.parameters() if p.dim())
    per_draw = min(num_samples, max(1, CHUNK_ELEMENTS // width))
    rows = max(1, CHUNK_ELEMENTS // (per_draw * width))
    # One tensor for the results: many small ones, kept between large ones that come and go, would
    # leave the allocator holes that it cannot use again, a gigabyte of them.
    estimates = x.new_full((len(x),), -math.inf)
    with tqdm(
        total=len(x), desc="log-likelihood", unit="image", disable=not progress, leave=False
    ) as bar:
        for chunk, total in zip(x.split(rows), estimates.split(rows)):
            for done in range(0, num_samples, per_draw):
                log_w = log_weights(model, chunk, min(per_draw, num_samples - done))
                torch.logaddexp(total, torch.logsumexp(log_w, dim=0), out=total)
            bar.update(len(chunk))
    return estimates - math.log(num_samples)


# --- attacks on a classifier: climbing in the space of images (notebook 00) ----------------------


def _log_prob_of_class(classifier: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """log p(y|x), (B,), for images (B, D) and classes int64 (B,)."""
    return torch.log_softmax(classifier(x), dim=-1).gather(-1, y[:, None])[:, 0]


def adversarial(classifier: nn.Module, x: Tensor, y: Tensor, epsilon: float) -> Tensor:
    r"""Images a little off x, pushed away from their class: the fast gradient sign attack.

    $$x_{adv} = \operatorname{clip}_{[0, 1]}\big(x - \epsilon
      \operatorname{sign} \nabla_x \log p(y \mid x)\big)$$

    Args:
        classifier: images (B, D) to logits. x: (B, D) in [0, 1]. y: int64 (B,), true classes.
        epsilon: the most that a pixel changes, 0 or more.
    Returns:
        (B, D), without gradient.
    Raises:
        ValueError: for a negative epsilon.
    Source: Goodfellow, Shlens and Szegedy (2015), section 4.
    """
    if not epsilon >= 0:
        raise ValueError(f"epsilon: expected 0 or more, got {epsilon}")
    x = x.detach().requires_grad_()
    (g,) = torch.autograd.grad(_log_prob_of_class(classifier, x, y).sum(), x)
    return (x - epsilon * g.sign()).clamp(0, 1).detach()


def fooling_images(
    classifier: nn.Module,
    start: Tensor,
    y: Tensor,
    confidence: float = 0.999,
    step: float = 0.05,
    max_steps: int = 1000,
) -> Tensor:
    r"""Images climbed from `start` until the classifier is sure that they show class y.

    $$x \leftarrow \operatorname{clip}_{[0, 1]}\big(x + \eta\, g / \max_d |g_d|\big),
      \qquad g = \nabla_x \log p(y \mid x)$$

    Each image stops by itself once p(y|x) reaches `confidence`.

    Args:
        classifier: images (B, D) to logits. start: (B, D) in [0, 1]. y: int64 (B,).
        confidence: probability to reach. step: eta, the most that a pixel moves in one step.
        max_steps: after which the climb ends in any case.
    Returns:
        (B, D), without gradient.
    Raises:
        ValueError: for a confidence outside (0, 1).
    Source: after Nguyen, Yosinski and Clune (2015), who also climb by gradient ascent.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: expected a number in (0, 1), got {confidence}")
    x = start.detach().clone()
    for _ in range(max_steps):
        x.requires_grad_()
        log_p = _log_prob_of_class(classifier, x, y)
        unsure = log_p.exp() < confidence
        if not unsure.any():
            break
        (g,) = torch.autograd.grad(log_p.sum(), x)
        g = g / g.abs().amax(1, keepdim=True).clamp(min=1e-30)  # a saturated softmax gives 0
        x = torch.where(unsure[:, None], x + step * g, x).clamp(0, 1).detach()
    return x.detach()


# --- codes against known factors (notebook 06) ---------------------------------------------------


def _classes(values: Tensor, bins: int) -> Tensor:
    """Whole numbers from 0 for (N,) values: integers as they are, floats by quantile bin."""
    if not values.is_floating_point():
        return values.unique(return_inverse=True)[1]
    inner = torch.linspace(0, 1, bins + 1, dtype=values.dtype, device=values.device)[1:-1]
    return torch.bucketize(values.contiguous(), values.quantile(inner))


def _entropy(counts: Tensor) -> Tensor:
    """Entropy in nats of each row of counts, (..., n) -> (...)."""
    p = counts.double() / counts.sum(-1, keepdim=True)
    return -torch.special.xlogy(p, p).sum(-1)


def mutual_information(codes: Tensor, factor: Tensor, bins: int = 20) -> Tensor:
    r"""What each latent unit tells of a factor, from a table of counts. Introduced in notebook 06.

    $$I(z_m; v) = H(z_m) + H(v) - H(z_m, v)$$

    Numbers with a fraction are first put into `bins` bins of equally many rows. Binning hides
    some information, and never adds any; the finite number of rows N adds about
    (bins - 1)^2 / (2 N) nats even where there is none (Miller 1955).

    Args:
        codes: (N, M), draws from q(z|x): the means alone would let a dead unit speak, whose
            faint trace of x is drowned by its noise. factor: (N,), a class where it is integer.
        bins: of each unit, and of a factor that is no class.
    Returns:
        (M,), nats, float64, never negative but for rounding.
    Raises:
        ValueError: if the shapes are not those above, or for fewer than 2 bins.
    """
    if codes.dim() != 2 or factor.shape != codes.shape[:1]:
        raise ValueError(
            f"expected codes (N, M) and factor (N,), "
            f"got {tuple(codes.shape)} and {tuple(factor.shape)}"
        )
    if bins < 2:
        raise ValueError(f"bins: expected 2 or more, got {bins}")
    v = _classes(factor, bins)
    n = int(v.max()) + 1
    tables = torch.stack(
        [
            torch.bincount(_classes(z, bins) * n + v, minlength=bins * n).view(bins, n)
            for z in codes.unbind(1)
        ]
    )  # (M, bins, n)
    return _entropy(tables.sum(2)) + _entropy(tables.sum(1)) - _entropy(tables.flatten(1))


def mutual_information_gap(codes: Tensor, factor: Tensor, bins: int = 20) -> float:
    r"""By how much the best unit for a factor beats the second best. Introduced in notebook 06.

    $$\mathrm{MIG}(v) = \frac{I(z_{(1)}; v) - I(z_{(2)}; v)}{H(v)}, \qquad
      I(z_{(1)}; v) \ge I(z_{(2)}; v) \ge \dots$$

    1: one unit follows the factor, and no other unit knows of it. 0: two units know equally much.

    Args:
        codes: (N, M) with M >= 2. factor: (N,). bins: all as in `mutual_information`.
    Raises:
        ValueError: as `mutual_information`; for M < 2; for a factor that is constant.
    Source: Chen, Li, Grosse and Duvenaud (2018), section 4, for one factor; theirs is the mean.
    """
    if codes.dim() == 2 and codes.shape[1] < 2:
        raise ValueError(f"codes: expected two units or more, got {codes.shape[1]}")
    best, second = mutual_information(codes, factor, bins).topk(2).values
    entropy = _entropy(_classes(factor, bins).bincount())
    if entropy == 0:
        raise ValueError("factor: expected values that vary, got a constant")
    return ((best - second) / entropy).item()
