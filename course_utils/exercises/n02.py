"""Exercises of notebook 02: what is right, and what each likely slip gives."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from course_utils.exercises.answers import CheckFailed, call, itself, numbers
from course_utils.exercises.checking import exercise, within
from course_utils.exercises.common import eye
from course_utils.exercises.hints import hint_on_form


@exercise(
    2,
    "the diagonal of the full covariance, for three sizes",
    lambda: [(torch.randn(D, M), var) for D, M, var in [(7, 3, 0.4), (4, 1, 2.5), (5, 5, 0.01)]],
)
def pixel_std(W, var):
    """Roots of the diagonal of C = WWᵀ + σ²I."""
    right = (W @ W.T + var * eye(len(W))).diagonal().sqrt()
    return right, {
        "Those are variances; standard deviations are asked for.": right**2,
        "The noise has a share in x, too.": (W**2).sum(1).sqrt(),
        "Variances add, standard deviations do not.": (W**2).sum(1).sqrt() + var**0.5,
        "`var` is sigma squared already.": ((W**2).sum(1) + var**2).sqrt(),
        "One number for each *latent*: sum along the other axis.": ((W**2).sum(0) + var).sqrt(),
        "Entries of W spread x whatever their sign.": (W.sum(1) ** 2 + var).sqrt(),
        "Each latent adds its share: no mean.": ((W**2).mean(1) + var).sqrt(),
        "The noise comes once, not once for each latent.": (W**2 + var).sum(1).sqrt(),
        "The latents spread x, too, not only the noise.": torch.full((len(W),), var).sqrt(),
        "That is how the numbers in W scatter, not how x does.": (
            W.std(1) if W.shape[1] > 1 else None
        ),
    }


@exercise(
    2,
    "all four numbers, against a second way: the joint covariance of z and x",
    lambda: [()],
    ask=itself,
    parts=("A_11", "posterior_mean", "posterior_variance", "determinant_of_C"),
    close=within(0, 0.005),
)
def two_pixels():
    """The four numbers from the joint covariance of (z, x)."""
    joint = torch.tensor([[1.0, 1.0, 1.0], [1.0, 3.0, 1.0], [1.0, 1.0, 3.0]])  # of z, x_1, x_2
    gain = joint[0, 1:] @ joint[1:, 1:].inverse()
    mean, variance = gain @ torch.tensor([3.0, 0.0]), joint[0, 0] - gain @ joint[1:, 0]
    A = 2 * joint.inverse()[0, 0]  # sigma^2 times the precision of z given x
    return (A, mean, variance, torch.linalg.eigvalsh(joint[1:, 1:]).prod()), {
        "A_11: W^T W is there; what does the noise add?": (2, None, None, None),
        "A_11: is the noise's variance 1? Or is that an entry of C? A has WᵀW, 1 + 1.": (
            (3, None, None, None)
        ),
        "A_11: 2 is σ² already: it is not squared again.": (6, None, None, None),
        "A_11: there stands σ, where σ² belongs.": (2 + 2**0.5, None, None, None),
        "posterior_mean: W^T x is there; A is still missing.": (None, 3, None, None),
        "posterior_mean: least squares; the prior pulls it towards 0.": (None, 1.5, None, None),
        "posterior_variance: seeing x makes *surer*. A, or its inverse?": (None, None, 2, None),
        "posterior_variance: that is its root.": (None, None, 0.5**0.5, None),
        "posterior_variance: σ² stands before the inverse of A.": (None, None, 0.25, None),
        "posterior_variance: as large as before x was seen.": (None, None, 1, None),
        "determinant_of_C: W W^T alone is singular; C has the noise, too.": (None, None, None, 0),
        "determinant_of_C: the diagonal alone; C has other entries, too.": (None, None, None, 9),
        "determinant_of_C: on the diagonal stands 1 + σ², and σ² is 2 already.": (
            (None, None, None, 24)
        ),
        "determinant_of_C: a sign between the two diagonals.": (None, None, None, 10),
    }


DRAWS = 20_000  # as many as a loop over draws can do in time


def posterior_of(x: Tensor, W: Tensor, mu: Tensor, var: float) -> tuple[Tensor, Tensor]:
    """Mean and covariance of z given x, by conditioning their joint Gaussian (PRML 2.81, 2.82)."""
    gain = W.T @ torch.linalg.inv(W @ W.T + var * eye(len(W)))
    return gain @ (x - mu), eye(W.shape[1]) - gain @ W


def moments_of_draws(draw_codes: Callable, *inputs: Any) -> tuple[Tensor, ...] | None:
    """Mean, covariance and mean size, in coordinates in which the posterior has 0 and I."""
    draws = call(draw_codes, *inputs, DRAWS)
    if draws is None:
        return None
    draws, M = numbers(draws).double(), inputs[1].shape[1]
    if draws.shape != (DRAWS, M):
        raise CheckFailed(hint_on_form(draws, torch.empty(DRAWS, M)))
    if draws.isnan().any():
        raise CheckFailed(
            "NaN among the draws: the root of each entry is not the root of a matrix."
        )
    if (draws != draws[0]).any():
        few, again = (numbers(call(draw_codes, *inputs, 5)) for _ in range(2))
        if torch.equal(few, again):
            raise CheckFailed("Each call gives the same draws: is there a seed inside?")
    mean, cov = posterior_of(*(x.double() if torch.is_tensor(x) else x for x in inputs))
    draws = (draws - mean) @ torch.linalg.cholesky(cov).inverse().T
    return draws.mean(0), draws.T.cov(), draws.abs().mean(0)


def within_noise(measured: Tensor, right: Tensor) -> bool:
    """Within 4.5 standard errors; a variance v is measured with an error of v sqrt(2 / DRAWS)."""
    error = math.sqrt(2 / DRAWS) * max(1.0, right.abs().max().item())
    return bool((measured - right).abs().max() < 4.5 * error)


@exercise(
    2,
    f"mean and covariance of {DRAWS:,} draws for each of two models, to 4.5 standard errors",
    lambda: [
        (
            torch.tensor([3.0, 1.0, 0.0]),
            torch.tensor([[2.0, 1.0], [0.0, 1.0], [0.0, 1.0]]),  # oblique: z_1 and z_2 correlate
            torch.zeros(3),
            0.5,
        ),
        (torch.randn(4), torch.randn(4, 3), torch.randn(4), 2.0),
    ],
    ask=moments_of_draws,
    parts=("mean of the draws", "covariance of the draws", "size of the draws"),
    close=within_noise,
)
def draw_codes(x, W, mu, var):
    """Moments of the draws where the posterior has mean 0 and covariance I."""
    mean, cov = posterior_of(x, W, mu, var)
    F = torch.linalg.cholesky(cov)
    root, I = F.inverse(), eye(len(cov))
    squared, turned, alone, precise = (
        root @ C @ root.T for C in (cov @ cov, F.T @ F, cov.diagonal().diag(), cov.inverse())
    )
    shift, size = root @ (posterior_of(x, W, 0 * mu, var)[0] - mean), 0 * mean + 1
    uniform = 0.75**0.5 * size  # of variance 1
    return (0 * mean, I, math.sqrt(2 / math.pi) * size), {
        "The noise is missing, or all draws share one.": (None, 0 * I, None),
        "Noise times the covariance; its root F belongs there.": (None, squared, None),
        "F or its transpose? Here each *row* of noise is multiplied.": (None, turned, None),
        "The entries of z must vary together, as cov says.": (None, alone, None),
        "The noise is right, but the mean of the posterior is missing.": (-root @ mean, I, None),
        "Those are draws from the prior: x has told nothing.": (-root @ mean, root @ root.T, None),
        "The noise is right; the mean has the wrong sign.": (-2 * root @ mean, I, None),
        "The noise is right; the mean lacks `mu`.": (shift, I, None),
        "That is the root of the precision; F is one of the covariance.": (None, precise, None),
        "The noise is uniform on [0, 1], not standard normal.": (size / 2, I / 12, None),
        "Mean and covariance are right, but the noise is not normal.": (0 * mean, I, uniform),
    }


@exercise(
    2,
    "H(z) - H(z|x) from two covariance matrices, for five pairs of W and sigma^2",
    lambda: [
        (torch.randn(D, M), var)
        for D, M, var in [(7, 3, 0.1), (7, 3, 1.0), (7, 3, 10.0), (5, 1, 0.5), (4, 4, 2.0)]
    ],
)
def information(W, var):
    """H(z) − H(z|x), from the covariance of z given x."""
    M, half_log = W.shape[1], math.log(var) / 2
    _, cov = posterior_of(W[:, 0], W, W[:, 0], var)
    right = -torch.logdet(cov) / 2  # H(z) - H(z|x): log|I| is 0
    A = W.T @ W + var * eye(M)
    return right, {
        "The factor ½ is missing.": 2 * right,
        "log sigma^2 is missing: with much noise x tells little about z.": right + M * half_log,
        "M or D? A has M eigenvalues.": right + (M - len(W)) * half_log,
        "One log sigma^2 for each of the M latents.": right + (M - 1) * half_log,
        "log sigma^2 counts twice: `var` is sigma squared already, and ½ is for both terms.": (
            right - M * half_log
        ),
        "C is D x D; the formula has A, which is M x M.": right + (len(W) - M) * half_log,
        "A consists of two terms; the noise is missing.": torch.logdet(W.T @ W) / 2 - M * half_log,
        "`slogdet` gives two results: first the sign, then the logarithm.": 0.5 - M * half_log,
        "|A| without its logarithm.": torch.det(A) / 2 - M * half_log,
        "That is H(x) alone; H(x|z) is still to be taken away.": (
            right + len(W) * (half_log + math.log(2 * math.pi * math.e) / 2)
        ),
        "A sign: more noise must mean less information.": right + 2 * M * half_log,
        "log2 for |A| and log for σ²: bits and nats in one sum.": (
            torch.logdet(A) / (2 * math.log(2)) - M * half_log
        ),
        "log for |A| and log2 for σ²: nats and bits in one sum.": (
            torch.logdet(A) / 2 - M * half_log / math.log(2)
        ),
        "In bits; the text asks for nats.": right / math.log(2),
    }


@exercise(
    2,
    "against conditioning of the full covariance, for three ways to hide entries",
    lambda: [
        (torch.randn(H, M), torch.randn(S, M), var)
        for H, S, M, var in [(4, 6, 3, 0.5), (2, 1, 3, 2.0), (5, 5, 1, 0.1)]
    ],
)
def hidden_covariance(W_h, W_s, var):
    """C_hh less what x_s explains of it."""
    C_hh, noise = W_h @ W_h.T + var * eye(len(W_h)), var * eye(len(W_h))
    known = W_h @ W_s.T @ torch.linalg.solve(W_s @ W_s.T + var * eye(len(W_s)), W_s @ W_h.T)
    A, A_h = (W.T @ W + var * eye(W.shape[1]) for W in (W_s, W_h))
    inflated, own = var * W_h @ A @ W_h.T + noise, var * W_h @ A_h.inverse() @ W_h.T + noise
    return C_hh - known, {  # PRML 2.82
        "Two things are uncertain: z, and the noise of x_h itself.": C_hh - known - noise,
        "The covariance of z given x_s is not A^-1 alone.": W_h @ A.inverse() @ W_h.T + noise,
        "The inverse of A belongs there: who has seen x_s must be surer.": inflated,
        "That is the covariance of x_h before anything is seen.": C_hh,
        "A belongs to what is *seen*: build it from W_s.": own,
        "`var` is sigma squared already.": C_hh - known + (var - 1) * noise,
        "A is built from all rows, as if x_h had been seen.": (
            var * W_h @ (A + W_h.T @ W_h).inverse() @ W_h.T + noise
        ),
        "`+ var` changes every entry; the noise of two pixels has no covariance.": (
            C_hh - known - noise + var
        ),
        "1 / A and A ** -1 work entry by entry, not on the matrix.": (
            W_h @ (var / A) @ W_h.T + noise
        ),
        "That is what x_s explains; the rest is asked for.": known,
        "A sign: who has seen x_s cannot be less sure.": C_hh + known,
    }
