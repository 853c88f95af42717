"""What students might write for the exercises of notebook 03; `answers` says how it is used."""

import math
from fractions import Fraction

import numpy as np
import torch
from scipy import integrate, stats
from torch.distributions import (
    Categorical,
    Normal,
    kl_divergence,
)

from course_utils.distributions import kl_to_standard_normal

RIGHT, WRONG = {}, {}


def cross_entropy_by_integral(mu_q, std_q, mu_p, std_p):
    q, p = stats.norm(mu_q.item(), std_q.item()), stats.norm(mu_p.item(), std_p.item())
    return integrate.quad(lambda t: -q.pdf(t) * p.logpdf(t), -30, 30, points=[mu_q.item()])[0]


RIGHT["cross_entropy_of_normals"] = [
    lambda m, s, n, t: 0.5 * math.log(2 * math.pi * t**2) + (s**2 + (m - n) ** 2) / (2 * t**2),
    lambda m, s, n, t: np.log(t * np.sqrt(2 * np.pi)) + ((m - n) ** 2 + s**2) / 2 / t**2,
    lambda m, s, n, t: (
        torch.log(s)
        + 0.5 * math.log(2 * math.pi * math.e)
        + kl_divergence(Normal(m, s), Normal(n, t))
    ),
    lambda m, s, n, t: Normal(m, s).entropy().float() + kl_divergence(Normal(m, s), Normal(n, t)),
    cross_entropy_by_integral,
]

WRONG["cross_entropy_of_normals"] = {
    "KL divergence alone": lambda m, s, n, t: (
        torch.log(t / s) + (s**2 + (m - n) ** 2) / (2 * t**2) - 0.5
    ),
    "entropy of q alone": lambda m, s, n, t: 0.5 * math.log(2 * math.pi * math.e * s**2),
    "wrong way round, all": lambda m, s, n, t: (
        0.5 * math.log(2 * math.pi * s**2) + (t**2 + (m - n) ** 2) / (2 * s**2)
    ),
    "has a direction": lambda m, s, n, t: (
        Normal(m, s).entropy() + kl_divergence(Normal(n, t), Normal(m, s))
    ),
    "Whose entropy": lambda m, s, n, t: (
        Normal(n, t).entropy() + kl_divergence(Normal(m, s), Normal(n, t))
    ),
    "solve for the cross-entropy again": lambda m, s, n, t: (
        kl_divergence(Normal(m, s), Normal(n, t)) - Normal(m, s).entropy()
    ),
    "not smaller": lambda m, s, n, t: (
        Normal(m, s).entropy() - kl_divergence(Normal(m, s), Normal(n, t))
    ),
    "The entropy is in bits": lambda m, s, n, t: (
        Normal(m, s).entropy() / math.log(2) + kl_divergence(Normal(m, s), Normal(n, t))
    ),
    "The KL is in bits": lambda m, s, n, t: (
        Normal(m, s).entropy() + kl_divergence(Normal(m, s), Normal(n, t)) / math.log(2)
    ),
    "That is in bits": lambda m, s, n, t: (
        0.5 * math.log2(2 * math.pi * t**2)
        + (s**2 + (m - n) ** 2) / (2 * t**2) * math.log2(math.e)
    ),
    "taken for a variance": lambda m, s, n, t: (
        Normal(m, s**2).entropy() + kl_divergence(Normal(m, s**2), Normal(n, t**2))
    ),
    "A term is missing": lambda m, s, n, t: (  # log 2 pi
        0.5 * math.log(t**2) + (s**2 + (m - n) ** 2) / (2 * t**2)
    ),
    "takes log variances": lambda m, s, n, t: (
        Normal(m, s).entropy()
        + kl_to_standard_normal(((m - n) / (0.5 * t).exp())[None], (s - t)[None])
    ),
    "middle of q only": lambda m, s, n, t: -Normal(n, t).log_prob(m),
    "where σ² belongs": lambda m, s, n, t: (
        0.5 * math.log(2 * math.pi) + t.log() + (s + (m - n) ** 2) / (2 * t)
    ),
    "something else each time": lambda m, s, n, t: (
        -Normal(n, t).log_prob(Normal(m, s).sample((1000,))).mean()
    ),
}

RIGHT["colleagues_beta"] = [
    lambda D, M, sigma: D / (M * sigma * sigma),
    lambda D, M, sigma: np.float64(2 / M) / (2 * np.square(sigma) / D),
    lambda D, M, sigma: torch.tensor([D / M * math.exp(-2 * math.log(sigma))]),
    lambda D, M, sigma: math.exp(math.log(D) - math.log(M)) / sigma**2,
]

WRONG["colleagues_beta"] = {
    "Half of it": lambda D, M, sigma: (1 / M) / (2 * sigma**2 / D),
    "Twice as much": lambda D, M, sigma: (2 / M) / (sigma**2 / D),
    "Upside down": lambda D, M, sigma: (2 * sigma**2 / D) / (2 / M),
    "σ has no part": lambda D, M, sigma: (2 / M) / (2 / D),
    "squared, not by σ": lambda D, M, sigma: (2 / M) / (2 * sigma / D),
    "acts the wrong way": lambda D, M, sigma: (2 / M) * (D * sigma**2 / 2),
    "a mean over the D pixels": lambda D, M, sigma: (2 / M) / (2 * sigma**2),
    "averaged over the M latents": lambda D, M, sigma: 2 / (2 * sigma**2 / D),
    "smaller, not larger": lambda D, M, sigma: D * M / sigma**2,
    "the squared error, without": lambda D, M, sigma: (2 / M) / (1 / D),
    "costs her": lambda D, M, sigma: 2 / M,
    "after the point": lambda D, M, sigma: D // (M * sigma**2),
    "is a whole number": lambda D, M, sigma: (D // M) / sigma**2,
}

RIGHT["linear_decoder"] = [
    (Fraction(6, 5), Fraction(1, 5), 0),
    [1.2, 0.2, 0.0],
    (torch.tensor(2 * 3 / (2**2 + 1**2)), np.float32(0.2), -1e-12),
    np.array([1.2, 0.2, 1e-9]),
]

WRONG["linear_decoder"] = {
    "best_var: that is the standard deviation": (1.2, math.sqrt(0.2), 0.0),
    "best_var: that is the precision": (1.2, 5, 0),
    "best_var: that is the prior's": (1.2, 1, 0),
    "x alone gives that": (1.2, 0.25, 0),
    "explains x best": (1.5, 0.2, 0),
    "A factor ½ is lost": (1, 1 / 3, 0),
    "the chain rule brings a factor w": (1.0, 0.2, 0.0),
    "the derivative is zero where": (6, 0.2, 0.0),
    "that is log p(x)": (1.2, 0.2, stats.norm(0, 5**0.5).logpdf(3)),
    "KL to the prior": (1.2, 0.2, 0.5 * (1.2**2 + 0.2 - 1 - math.log(0.2))),
    "that is -log σ": (1.2, 0.2, 0.5 * math.log(5)),
    "leaves a factor w": (3 / 5, 0.2, 0),
    "best_mu and best_var": (0.2, 1.2, 0),
    "w is squared": (1.2, 1 / 3, 0),
    "that is x - wμ": (1.2, 0.2, 3 - 2 * 1.2),
    "gap_there: Another number": (1.2, 0.2, 0.5),
    "Expected 3 results": (1.2, 0.2),
}


def excess_by_loop(q, prior, lik, posterior):
    upper = excess = 0.0
    for a, b, c, d in zip(q.tolist(), prior.tolist(), lik.tolist(), posterior.tolist()):
        upper += d * (math.log(b) + math.log(c) - math.log(a))
        excess += d * math.log(d / a)
    return upper, excess


def excess_by_difference(q, prior, lik, posterior):
    upper = posterior @ (prior.log() + lik.log() - q.log())
    return [upper, upper - torch.log(prior @ lik)]


def excess_in_numpy(q, prior, lik, posterior):
    q, joint, posterior = q.numpy(), (prior * lik).numpy(), posterior.numpy()
    return np.sum(posterior * np.log(joint / q)), stats.entropy(posterior, q)


RIGHT["upper_bound_and_excess"] = [
    excess_by_loop,
    excess_by_difference,
    excess_in_numpy,
    lambda q, prior, lik, posterior: torch.stack(
        [
            posterior @ (prior * lik / q).log(),
            kl_divergence(Categorical(posterior), Categorical(q)),
        ]
    ),
]


def averaged(under, log_joint, q, target=None):
    target = under if target is None else target
    return (under * (log_joint - q.log())).sum(), (under * (target / q).log()).sum()


WRONG["upper_bound_and_excess"] = {
    "changed places": lambda *model: excess_by_loop(*model)[::-1],
    "a lower bound": lambda q, prior, lik, posterior: averaged(
        q, (prior * lik).log(), q, posterior
    ),
    "the prior is missing": lambda q, prior, lik, posterior: averaged(posterior, lik.log(), q),
    "no q in it": lambda q, prior, lik, posterior: (
        (posterior * (prior * lik / posterior).log()).sum(),
        (posterior * (posterior / q).log()).sum(),
    ),
    "log q(z) is missing": lambda q, prior, lik, posterior: (
        (posterior * (prior * lik).log()).sum(),
        (posterior * (posterior / q).log()).sum(),
    ),
    "but which way": lambda q, prior, lik, posterior: (
        averaged(posterior, (prior * lik).log(), q)[0],
        (q * (q / posterior).log()).sum(),
    ),
    "not with the prior": lambda q, prior, lik, posterior: (
        averaged(posterior, (prior * lik).log(), q)[0],
        (posterior * (posterior / prior).log()).sum(),
    ),
    "lies above log p(x)": lambda q, prior, lik, posterior: (
        averaged(posterior, (prior * lik).log(), q)[0],
        (posterior * (q / posterior).log()).sum(),
    ),
    "bits": lambda q, prior, lik, posterior: (
        (posterior * (prior * lik / q).log2()).sum(),
        (posterior * (posterior / q).log2()).sum(),
    ),
    "beyond log p(x)": lambda q, prior, lik, posterior: (
        averaged(posterior, (prior * lik).log(), q)[0],
        (prior * lik).sum().log(),
    ),
    "added it once more": lambda q, prior, lik, posterior: (
        (posterior * (prior * lik / q).log()).sum() + (posterior * (posterior / q).log()).sum(),
        (posterior * (posterior / q).log()).sum(),
    ),
    "logarithm of an average": lambda q, prior, lik, posterior: (
        math.log((posterior * prior * lik / q).sum()),
        0.0,
    ),
    "not q(z)": lambda q, prior, lik, posterior: (
        (posterior * ((prior * lik).log() - q)).sum(),
        (posterior * (posterior / q).log()).sum(),
    ),
    "the upper bound: Expected one number": lambda q, prior, lik, posterior: (
        posterior * (prior * lik / q).log(),
        posterior * (posterior / q).log(),
    ),
}
