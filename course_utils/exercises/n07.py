"""Exercises of notebook 07: what is right, and what each likely slip gives."""

import math

import torch
from torch import Tensor

from course_utils.exercises.checking import exercise
from course_utils.exercises.common import normal_average, uniform


@exercise(
    7,
    "against the moments of each unit's posterior, for dead units and living ones",
    lambda: [
        (torch.tensor([4.0, 1.0, 0.25]), 1.0),
        (torch.tensor([9.0, 2.0, 1.5, 0.3, 0.05]), 0.2),
        (torch.tensor([0.5, 0.1]), uniform(2, 4)),
        (3 * torch.rand(7) + 0.01, uniform(0.5, 2)),
    ],
)
def kl_of_linear_units(eigenvalues, noise):
    """Half of mean square plus variance minus 1 minus log variance, at the best w."""
    w_squared = (eigenvalues - noise).clamp(min=0)
    c = w_squared + noise  # the model's variance of x
    variance, mean_square = noise / c, w_squared * eigenvalues / c**2
    right = 0.5 * (mean_square + variance - 1 - variance.log())
    ratio = eigenvalues / noise
    return right, {
        "A KL is never negative. What is w where λ is below σ²?": 0.5 * ratio.log(),
        "The factor ½ is missing.": 2 * right,
        "Upside down: a unit lives where λ is the larger one.": (
            (0.5 * (1 / ratio).log()).clamp(min=0)
        ),
        "That is w². Asked for is the KL.": w_squared,
        "That is the posterior's variance. Asked for is the KL.": variance,
        "`noise` is the variance σ² already: no need to square it.": (
            0.5 * (ratio / noise).log().clamp(min=0)
        ),
        "`noise` is a variance, as λ is: no root.": (
            0.5 * (eigenvalues / math.sqrt(noise)).log().clamp(min=0)
        ),
        "At the best w the model's variance w² + σ² is λ, not λ + σ².": 0.5 * ratio.log1p(),
        "One number for each unit, not their sum.": right.sum(),
        "In bits; the course measures in nats.": right / math.log(2),
        "That says which units live. How many nats has each?": (eigenvalues > noise).double(),
        "The logarithm is missing: only the difference counts here.": 0.5 * w_squared,
        "The mean square alone; the posterior's variance is in the KL, too.": 0.5 * mean_square,
    }


def terms_of(B: int, M: int, top: float) -> tuple[Tensor, Tensor]:
    """Reconstructions (B,), and the KL of each unit (B, M), small in the first units."""
    return -100 * torch.rand(B), top * torch.rand(B, M) * torch.linspace(0, 1, M)


@exercise(
    7,
    "unit by unit, for batches whose units lie below the free nats and above",
    lambda: [
        (*terms_of(5, 4, 2.0), 0.5),
        (*terms_of(40, 6, 1.0), 0.2),
        (*terms_of(3, 2, 0.5), 1.0),
        (*terms_of(7, 3, 3.0), uniform(0.3, 0.9)),
    ],
)
def free_bits_loss(log_lik, kl, free):
    """A loop over the units, each average or the free nats, whichever is larger."""
    B, M = kl.shape
    averages = [sum(kl[i, m] for i in range(B)) / B for m in range(M)]
    paid = sum(max(average, torch.as_tensor(free).double()) for average in averages)
    error = -sum(log_lik) / B
    right = error + paid
    living = kl.mean(0) > free
    return right, {
        "Average over the images first; then take the larger one, unit by unit.": (
            error + kl.clamp(min=free).mean(0).sum()
        ),
        "Each unit has free nats of its own; you gave them to the sum of all.": (
            error + kl.sum(1).mean().clamp(min=free)
        ),
        "The larger of the two, not the smaller: otherwise only dead units count.": (
            error + kl.mean(0).clamp(max=free).sum()
        ),
        "The gradient is the same, but each unit's free nats are missing in the value.": (
            error + (kl.mean(0) - free).clamp(min=0).sum()
        ),
        "A unit below the free nats counts as `free`, not as 0.": (
            error + torch.where(living, kl.mean(0), 0.0).sum()
        ),
        "Where is the reconstruction?": paid,
        "A loss falls when log_lik rises: check its sign.": paid - error,
        "A loss rises with the KL: check its sign.": error - paid,
        "That is something to maximise; a loss is minimised.": -right,
        "That is minus the ELBO: no unit has free nats.": error + kl.sum(1).mean(),
        "log_lik is averaged over the images, as the KL is.": B * error + paid,
        "Axis 0 counts the images, axis 1 the units: average over the images.": (
            error + kl.mean(1).clamp(min=free).sum()
        ),
        "The KL of the units is added up, not averaged.": error + paid / M,
        "The KL is averaged over the images, not added up.": (
            error + kl.sum(0).clamp(min=free).sum()
        ),
        "One number is asked for: average log_lik over the images, too.": paid - log_lik,
        "The free nats are no extra: the larger of the two, not their sum.": (
            error + kl.sum(1).mean() + M * free
        ),
    }


@exercise(
    7,
    "against a loop over the weights, for even ones, for one that rules, and for tiny ones",
    lambda: [
        (torch.randn(12, 5),),
        (torch.tensor([[0.0, 2.0], [0.0, -1.0], [0.0, -9.0]]),),
        (3 * torch.randn(20, 7) - 800,),
        (torch.randn(6, 2) + 200,),
    ],
)
def effective_draws(log_w):
    """The squared sum of the weights over the sum of their squares, image by image."""
    K = len(log_w)
    w = (log_w - log_w.amax(0)).exp()  # relative to the largest one of each image
    right = w.sum(0) ** 2 / (w**2).sum(0)
    share = w / w.sum(0)
    across = torch.softmax(log_w, dim=1)
    return right, {
        "That is the share of the K draws. How many of them are that?": right / K,
        "Upside down: with even weights the number is K.": 1 / right,
        "K runs along axis 0: each image has its own weights.": 1 / across.square().sum(1),
        "Those are log weights, not weights.": log_w.sum(0) ** 2 / (log_w**2).sum(0),
        "That is the inverse of the largest share.": 1 / share.amax(0),
        "That is the exponential of the entropy, another count of the same kind.": (
            (-torch.xlogy(share, share).sum(0)).exp()
        ),
        "One number for each image, not their mean.": right.mean(),
        "The sum is squared, too.": w.sum(0) / (w**2).sum(0),
        "All images share one sum; each image has its own.": (
            1 / torch.softmax(log_w.flatten(), 0).view_as(log_w).square().sum(0)
        ),
        "The shares are squared, then added; added alone they give 1.": torch.ones_like(right),
        "That is its logarithm.": right.log(),
        "The root is one too many.": right.sqrt(),
    }


@exercise(
    7,
    "against quadrature, for q narrower and wider than the posterior",
    lambda: [
        (torch.tensor([0.6, 1.0, 2.0, 4.0]),),
        (0.6 + torch.rand(5),),
        (1 + 3 * torch.rand(6),),
        (torch.tensor([0.75]),),
    ],
)
def variance_of_weights(r):
    """E_p[p/q] - 1 by quadrature, for p = N(0, 1) and q = N(0, r)."""
    second = torch.stack(
        [
            normal_average(lambda z, r=r: r.sqrt() * torch.exp(-0.5 * z**2 * (1 - 1 / r)))
            for r in r.flatten()
        ]
    ).view_as(r)
    return second - 1, {
        "That is the mean square. The mean is 1; what is the variance?": second,
        "That is the standard deviation, the root of the variance.": (second - 1).clamp(0).sqrt(),
        "Upside down: r is q's variance over the posterior's.": (
            (1 / r) / (2 / r - 1).clamp(min=0).sqrt() - 1
        ),
        "The factor r in front is missing, or only its root is there.": second / r.sqrt() - 1,
        "The factor r in front is missing.": second / r - 1,
        "The integral of a Gaussian has a root: √(2π / precision).": r / (2 * r - 1) - 1,
        "Squared: one root too few, in front or below.": second**2 - 1,
        "The sign: 1/q has a positive exponent, so the precision gets smaller.": (
            r / (2 * r + 1).sqrt() - 1
        ),
        "p is squared, so its precision counts twice: 2r - 1, not r - 1.": (
            r / (r - 1).abs().sqrt() - 1
        ),
        "That is KL(q ‖ posterior). It is small at r = 1, too, but another number.": (
            0.5 * (r - 1 - r.log())
        ),
        "A variance is never negative: the mean square comes first.": 1 - second,
        "The mean is 1, so 1 is subtracted once.": second - 2,
    }
