"""Answers to the exercises of notebooks 03 to 06 as students might write them.

RIGHT: {exercise: right answers, written differently}. WRONG: {exercise: {a phrase of the hint:
the slip that it is for}}. `tests/test_exercises.py` says how they are used.
"""

import math
from fractions import Fraction

import numpy as np
import torch
from scipy import integrate, optimize, stats
from torch import nn
from torch.distributions import (
    Categorical,
    Exponential,
    Laplace,
    MultivariateNormal,
    Normal,
    kl_divergence,
)

from course_utils.distributions import kl_to_standard_normal

RIGHT, WRONG = {}, {}

# --- 03 ---


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
    "not shorter": lambda m, s, n, t: (
        Normal(m, s).entropy() - kl_divergence(Normal(m, s), Normal(n, t))
    ),
    "in bits": lambda m, s, n, t: (
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
    "explains x best": (1.5, 0.2, 0),
    "A factor ½ is lost": (1, 1 / 3, 0),
    "the derivative is zero where": (6, 0.2, 0.0),
    "that is log p(x)": (1.2, 0.2, stats.norm(0, 5**0.5).logpdf(3)),
    "KL to the prior": (1.2, 0.2, 0.5 * (1.2**2 + 0.2 - 1 - math.log(0.2))),
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

# --- 04 ---


def laplace_by_if(u, mu, scale):
    if u < 0.5:
        return mu + scale * math.log(2 * u)
    return mu - scale * math.log(2 - 2 * u)


RIGHT["laplace_from_uniform"] = [
    lambda u, mu, scale: Laplace(mu, scale).icdf(u),
    lambda u, mu, scale: torch.where(
        u < 0.5, mu + scale * torch.log(2 * u), mu - scale * torch.log(2 * (1 - u))
    ),
    lambda u, mu, scale: stats.laplace(mu, scale).ppf(u.numpy()),
    lambda u, mu, scale: np.where(
        u < 0.5, mu + scale * np.log(2 * u), mu - scale * np.log(2 - 2 * u)
    ),
    lambda u, mu, scale: (
        mu
        + scale
        * (  # the difference of two exponential draws that share u
            torch.log((2 * u).clamp(max=1)) - torch.log((2 - 2 * u).clamp(max=1))
        )
    ),
    laplace_by_if,
]
WRONG["laplace_from_uniform"] = {
    "Mirrored": lambda u, mu, scale: (
        mu + scale * (u - 0.5).sign() * (1 - 2 * (u - 0.5).abs()).log()
    ),
    "√2 times": lambda u, mu, scale: Laplace(mu, scale / 2**0.5).icdf(u),
    "for a rate": lambda u, mu, scale: Laplace(mu, 1 / scale).icdf(u),
    "neither a variance": lambda u, mu, scale: Laplace(mu, scale**2).icdf(u),
    "`scale` has no part": lambda u, mu, scale: Laplace(mu, 1.0).icdf(u),
    "`mu` has no part": lambda u, mu, scale: Laplace(0.0, scale).icdf(u),
    "first stretch, then shift": lambda u, mu, scale: scale * (mu + Laplace(0.0, 1.0).icdf(u)),
    "half the probability": lambda u, mu, scale: (
        mu - scale * (u - 0.5).sign() * torch.log(1 - (u - 0.5).abs())
    ),
    "one side of μ": lambda u, mu, scale: mu - scale * torch.log1p(-2 * (u - 0.5).abs()),
    "Laplace has two sides": lambda u, mu, scale: mu - scale * torch.log(1 - u),
    "logistic": lambda u, mu, scale: mu + scale * (u.log() - (1 - u).log()),
    "the other branch": lambda u, mu, scale: mu - scale * torch.log(1 - 2 * (u - 0.5)),
    "Gaussian draw": lambda u, mu, scale: Normal(mu, scale).icdf(u),
    "stretches with the scale": lambda u, mu, scale: Laplace(mu, 2**0.5 * scale).icdf(u),
    "branches have changed": lambda u, mu, scale: torch.where(
        u > 0.5, mu + scale * torch.log(2 * u), mu - scale * torch.log(2 * (1 - u))
    ),
    "That is the density,": lambda u, mu, scale: Laplace(mu, scale).log_prob(u).exp(),
    "something else each time": lambda u, mu, scale: Laplace(mu, scale).sample(u.shape),
}


def by_autograd(z, rate):
    u = Exponential(rate).cdf(z)
    rate = rate.clone().requires_grad_()
    (slope,) = torch.autograd.grad((-torch.log1p(-u) / rate).sum(), rate)
    return slope


RIGHT["dz_drate_implicit"] = [
    lambda z, rate: -(z * torch.exp(-rate * z)) / (rate * torch.exp(-rate * z)),
    lambda z, rate: -(z.double().numpy() / rate.double().numpy()),
    lambda z, rate: -z * math.exp(-rate * z) / (rate * math.exp(-rate * z)),
    lambda z, rate: torch.log1p(-Exponential(rate).cdf(z)) / rate.square(),
    by_autograd,
]
WRONG["dz_drate_implicit"] = {
    "Which sign": lambda z, rate: (z * torch.exp(-rate * z)) / (rate * torch.exp(-rate * z)),
    "not yet divided": lambda z, rate: -z * torch.exp(-rate * z),
    "Divided by 1 - F": lambda z, rate: -z * torch.exp(-rate * z) / torch.exp(-rate * z),
    "Divided by F itself": lambda z, rate: -z * torch.exp(-rate * z) / (1 - torch.exp(-rate * z)),
    "F is differentiated by λ above": lambda z, rate: (
        -(rate * torch.exp(-rate * z)) / (z * torch.exp(-rate * z))
    ),
    "Multiplied by the density": lambda z, rate: (
        -z * torch.exp(-rate * z) * rate * torch.exp(-rate * z)
    ),
    "with all its factors": lambda z, rate: -z * rate,
    "derivative of the mean": lambda z, rate: -1 / rate.square(),
    "λ once more": lambda z, rate: -z / rate**2,
    "exponential is lost": lambda z, rate: -z * torch.exp(-rate * z) / rate,
    "by λ, not by z": lambda z, rate: -rate * torch.exp(-rate * z) / (rate * torch.exp(-rate * z)),
    "F itself is divided": lambda z, rate: (
        -(1 - torch.exp(-rate * z)) / (rate * torch.exp(-rate * z))
    ),
}


def others_by_loop(f):
    return [
        sum(v for j, v in enumerate(f.tolist()) if j != i) / (len(f) - 1) for i in range(len(f))
    ]


RIGHT["leave_one_out_mean"] = [
    others_by_loop,
    lambda f: (f.numel() * f.mean() - f) / (f.numel() - 1),
    lambda f: (1 - torch.eye(len(f))) @ f / (len(f) - 1),
    lambda f: (np.sum(f.numpy()) - f.numpy()) / (f.shape[0] - 1),
    lambda f: f.mean() + (f.mean() - f) / (len(f) - 1),
]
WRONG["leave_one_out_mean"] = {
    "own baseline": lambda f: f.mean() * torch.ones_like(f),
    "One mean over all draws": lambda f: f.mean(),
    "by what do you divide": lambda f: (f.sum() - f) / len(f),
    "not yet their mean": lambda f: f.sum() - f,
    "still in the sum": lambda f: f.sum() / (len(f) - 1) * torch.ones_like(f),
    "f minus the baseline": lambda f: f - (f.sum() - f) / (len(f) - 1),
    "f minus the mean over all": lambda f: f - f.mean(),
    "you took it off the mean": lambda f: f.mean() - f,
    "and divided then": lambda f: (f.mean() - f) / (len(f) - 1),
    "only the draw is divided": lambda f: f.sum() - f / (len(f) - 1),
    "the 1 is taken off": lambda f: (f.sum() - f) / len(f) - 1,
    "right for `f` of shape (4,)": lambda f: (f.sum() - f) / 3,
}


def variance_by_quad(mu, std):
    def mean(f):
        return integrate.quad(lambda e: stats.norm.pdf(e) * f(2 * (mu + std * e) * e), -12, 12)[0]

    return mean(lambda g: g**2) - mean(lambda g: g) ** 2


RIGHT["variance_of_dstd"] = [
    lambda mu, std: 4 * (mu**2 + 2 * std**2),
    lambda mu, std: np.square(2 * float(mu)) + 2 * np.square(2 * float(std)),
    lambda mu, std: (4 * mu**2 + 12 * std**2) - (2 * std) ** 2,
    lambda mu, std: math.pow(2 * mu, 2) + 8 * math.pow(std, 2),
    lambda mu, std: variance_by_quad(mu.item(), std.item()),
]
WRONG["variance_of_dstd"] = {
    "mean square": lambda mu, std: 4 * mu**2 + 12 * std**2,
    "other gradient": lambda mu, std: 4 * std**2,
    "ε² is not ε": lambda mu, std: 4 * (mu**2 + std**2),
    "factor 2 of 2zε": lambda mu, std: 2 * (mu**2 + 2 * std**2),
    "σ is squared in a variance": lambda mu, std: 4 * mu**2 + 8 * std,
    "Where is that of μ": lambda mu, std: 8 * std**2,
    "part of σε²": lambda mu, std: 4 * mu**2,
    "That is the mean, 2σ": lambda mu, std: 2 * std,
    "the root of the variance": lambda mu, std: (4 * mu**2 + 8 * std**2) ** 0.5,
    "μ is squared": lambda mu, std: 4 * mu + 8 * std**2,
    "uncorrelated": lambda mu, std: 4 * mu**2 + 8 * mu * std + 8 * std**2,
    "before it is subtracted": lambda mu, std: 4 * mu**2 + 12 * std**2 - 2 * std,
    "swapped": lambda mu, std: 8 * mu**2 + 4 * std**2,
    "from section 6": lambda mu, std: mu**4 / std**2 + 14 * mu**2 + 15 * std**2,
    "something else each time": lambda mu, std: (
        2 * (mu + std * (eps := torch.randn(10_000))) * eps
    ).var(),
}


def sine_variance(k):
    return k**2 / 2 + k**2 * np.exp(-2 * k**2) / 2 - k**2 * np.exp(-(k**2))


def score_variance(k):
    return (1 - (1 - 4 * k**2) * np.exp(-2 * k**2)) / 2 - k**2 * np.exp(-(k**2))


def sine_in_torch(k):
    k = torch.as_tensor(k)
    return 0.5 * k**2 * (1 - torch.exp(-(k**2))) ** 2


CROSSING = optimize.brentq(lambda k: sine_variance(k) - score_variance(k), 0.5, 2)

RIGHT["pathwise_variance_of_sine"] = [
    (sine_variance, CROSSING),
    (sine_in_torch, 1.1),
    (lambda k: math.pow(k, 2) * (0.5 + 0.5 * math.exp(-2 * k * k) - math.exp(-k * k)), 1.11),
    [lambda k: float(sine_in_torch(k)), torch.tensor([1.109])],
]


def of_sine(f):
    return f, 1.11


WRONG["pathwise_variance_of_sine"] = {
    "That is the mean square": of_sine(lambda k: k**2 * 0.5 * (1 + math.exp(-2 * k**2))),
    "in front of the cosine": of_sine(
        lambda k: 0.5 * (1 + math.exp(-2 * k**2)) - math.exp(-(k**2))
    ),
    "the factor k is squared": of_sine(
        lambda k: k * (0.5 * (1 + math.exp(-2 * k**2)) - math.exp(-(k**2)))
    ),
    "put 2k": of_sine(lambda k: k**2 * (0.5 * (1 + math.exp(-(k**2))) - math.exp(-(k**2)))),
    "more than twice k²": of_sine(
        lambda k: k**2 * (0.5 * (1 + math.exp(-(k**2) / 2)) - math.exp(-(k**2)))
    ),
    "squared before it": of_sine(
        lambda k: k**2 * (0.5 * (1 + math.exp(-2 * k**2)) - math.exp(-(k**2) / 2))
    ),
    "The ½ of cos²": of_sine(lambda k: k**2 * (1 + math.exp(-2 * k**2) - math.exp(-(k**2)))),
    "That is the score function's": of_sine(score_variance),
    "crossing: that is k²": (sine_variance, CROSSING**2),
    "they meet once more": (sine_variance, 0),
    "leaves out the exponentials": (sine_variance, 1),
    "the ½ is lost": of_sine(lambda k: k**2 * (0.5 * (1 + np.exp(-4 * k**2)) - np.exp(-(k**2)))),
    "squared mean, too": of_sine(
        lambda k: k**2 * (0.5 * (1 + np.exp(-2 * k**2))) - np.exp(-(k**2))
    ),
    "variance of f,": of_sine(lambda k: 0.5 * (1 - np.exp(-2 * k**2))),
    "pathwise_variance_of_sine: It returns nothing": of_sine(lambda k: None),
    "crossing: Another number": (sine_variance, 1.3),
    "Expected 2 results": (sine_variance,),
}

# --- 05 ---


def kl_by_loop(mu, log_var):
    total = [0.0] * mu.shape[1]
    for m_row, v_row in zip(mu.tolist(), log_var.tolist()):
        for j, (m, v) in enumerate(zip(m_row, v_row)):
            total[j] += 0.5 * (m**2 + math.exp(v) - 1 - v)
    return [t / len(mu) for t in total]


def kl_in_numpy(mu, log_var):
    mu, log_var = mu.double().numpy(), log_var.double().numpy()
    return 0.5 * np.mean(mu**2 + np.expm1(log_var) - log_var, axis=0)


RIGHT["kl_per_dimension"] = [
    lambda mu, v: kl_divergence(Normal(mu, (0.5 * v).exp()), Normal(0.0, 1.0)).mean(0),
    lambda mu, v: -0.5 * (1 + v - mu.pow(2) - v.exp()).sum(0) / len(mu),
    lambda mu, v: torch.stack(
        [kl_to_standard_normal(mu[:, [m]], v[:, [m]]).mean() for m in range(mu.shape[1])]
    ),
    kl_by_loop,
    kl_in_numpy,
]
WRONG["kl_per_dimension"] = {
    "Summed over the images": lambda mu, v: -0.5 * (1 + v - mu**2 - v.exp()).sum(0),
    "One number per image": lambda mu, v: 0.5 * (mu**2 + v.exp() - 1 - v).mean(1),
    "One number in all": lambda mu, v: kl_to_standard_normal(mu, v).mean(0),
    "Summed over the latents": lambda mu, v: kl_to_standard_normal(mu, v),
    "taken for the variance": lambda mu, v: 0.5 * (mu**2 + (0.5 * v).exp() - 1 - v).mean(0),
    "sign of the logarithm": lambda mu, v: 0.5 * (mu**2 + v.exp() - 1 + v).mean(0),
    "other direction": lambda mu, v: kl_divergence(
        Normal(0.0, 1.0), Normal(mu, (0.5 * v).exp())
    ).mean(0),
    "the KL of averages": lambda mu, v: 0.5 * (mu.mean(0) ** 2 + v.mean(0).exp() - 1 - v.mean(0)),
    "The factor ½": lambda mu, v: (mu**2 + v.exp() - 1 - v).mean(0),
    "taken for the standard deviation": lambda mu, v: kl_divergence(
        Normal(mu, v.exp()), Normal(0.0, 1.0)
    ).mean(0),
    "the sign is not": lambda mu, v: 0.5 * (1 + v - mu**2 - v.exp()).mean(0),
}

RIGHT["colleague_loss"] = [
    lambda log_lik, kl: 39.2 * kl - log_lik,
    lambda log_lik, kl: [-a + 784 * b / 20 for a, b in zip(log_lik.tolist(), kl.tolist())],
    lambda log_lik, kl: 784 * (torch.div(kl, 20) - log_lik / 784),
    lambda log_lik, kl: torch.add(-log_lik.double(), kl.double(), alpha=784 / 20).numpy(),
]
WRONG["colleague_loss"] = {
    "colleague's own loss": lambda log_lik, kl: -log_lik / 784 + kl / 20,
    "One number per image": lambda log_lik, kl: -log_lik.mean() + 39.2 * kl.mean(),
    "Upside down": lambda log_lik, kl: -log_lik + 20 / 784 * kl,
    "KL was averaged, too": lambda log_lik, kl: -log_lik + 784 * kl,
    "cross-entropy was averaged, too": lambda log_lik, kl: -log_lik + kl / 20,
    "smaller, not larger": lambda log_lik, kl: -log_lik + 784 * 20 * kl,
    "β = 1": lambda log_lik, kl: kl - log_lik,
    "when log_lik rises": lambda log_lik, kl: log_lik + 39.2 * kl,
    "rise with the KL": lambda log_lik, kl: -log_lik - 39.2 * kl,
    "something to maximise": lambda log_lik, kl: log_lik - 39.2 * kl,
    "after the point": lambda log_lik, kl: -log_lik + 784 // 20 * kl,
    "That is β alone": lambda log_lik, kl: 784 / 20,
    "counts the images": lambda log_lik, kl: -log_lik + len(log_lik) / 20 * kl,
    "does not multiply": lambda log_lik, kl: -784 * log_lik + 20 * kl,
}

RIGHT["floor_of_half_grey"] = [0.69, np.log(2), torch.tensor(2.0).log(), Fraction(693, 1000)]
WRONG["floor_of_half_grey"] = {
    "in bits": 1,
    "That is the best π": 0.5,
    "The sign": -math.log(2),
    "grey has a floor": 0.0,
    "Only one of the two terms": -0.5 * math.log(0.5),
    "Each term has its factor": -2 * math.log(0.5),
    "not all 784": 784 * math.log(2),
    "section 5's floor": 45.53,
    "base 10": math.log10(2),
}


def price_by_divergence(A):
    zero = torch.zeros(len(A), dtype=A.dtype)
    q = MultivariateNormal(zero, torch.diag(1 / A.diagonal()))
    return kl_divergence(q, MultivariateNormal(zero, torch.linalg.inv(A)))


def price_in_doubles(A):
    root = torch.linalg.cholesky(torch.eye(len(A)).double() @ A)
    return -(root.diag().log() - 0.5 * (root @ root.T).diag().log()).sum()


def price_of_the_correlations(A):
    root = A.diagonal().sqrt()
    return -0.5 * torch.linalg.det(A / torch.outer(root, root)).log()


RIGHT["price_of_a_diagonal_q"] = [
    price_by_divergence,
    price_in_doubles,
    price_of_the_correlations,
    lambda A: 0.5 * (A.diag().log().sum() - torch.linalg.eigvalsh(A).log().sum()),
    lambda A: (A.diag().log() / 2 - torch.linalg.cholesky(A).diag().log()).sum(),
    lambda A: 0.5 * (np.log(np.diag(A)).sum() - np.linalg.slogdet(A.numpy())[1]),
]
WRONG["price_of_a_diagonal_q"] = {
    "The factor ½ is missing": lambda A: A.diag().log().sum() - A.logdet(),
    "never negative": lambda A: 0.5 * (A.logdet() - A.diag().log().sum()),
    "in front of both terms": lambda A: 0.5 * A.diag().log().sum() - A.logdet(),
    "(the trace)": lambda A: 0.5 * (A.diag().sum().log() - A.logdet()),
    "A mean over the diagonal": lambda A: 0.5 * (A.diag().log().mean() - A.logdet()),
    "not the determinant": lambda A: 0.5 * (A.diag().log().sum() - A.det()),
    "inverse of A": lambda A: 0.5 * (A.inverse().diag().log().sum() - A.inverse().logdet()),
    "not its eigenvalues": lambda A: 0.5 * (torch.linalg.eigvalsh(A).log().sum() - A.logdet()),
    "only the diagonal": lambda A: 0.5 * (A.abs().log().sum() - A.logdet()),
    "All of A is in": lambda A: 0.5 * (A.log().sum() - A.logdet()),
    "Only log |A|": lambda A: 0.5 * A.logdet(),
    "Where are the logarithms": lambda A: 0.5 * (A.diagonal().prod() - A.det()),
    "is q's variance": lambda A: 0.5 * ((1 / A.diagonal()).log().sum() - A.logdet()),
}

# --- 06 ---

RIGHT["active_units"] = [
    lambda mu: mu.std(dim=0) > 0.1,
    lambda mu: (mu**2).mean(0) - mu.mean(0) ** 2 > 0.01,
    lambda mu: [np.var(column) > 0.01 for column in mu.numpy().T],
    lambda mu: (mu - mu.mean(0)).pow(2).mean(0).gt(0.01),
    lambda mu: torch.cov(mu.T.double()).reshape(mu.shape[1], -1).diagonal() > 0.01,
    lambda mu: [bool(v > 0.01) for v in mu.T.var(1, unbiased=False)],
]
WRONG["active_units"] = {
    "Those are the variances": lambda mu: mu.var(0, unbiased=False),
    "asked for is which": lambda mu: int((mu.var(0) > 0.01).sum()),
    "the other axis": lambda mu: mu.var(-1) > 0.01,
    "keep the units apart": lambda mu: mu.var() > 0.01,
    "units that sleep": lambda mu: mu.var(0) < 0.01,
    "compared the standard deviation": lambda mu: mu.std(0) > 0.01,
    "mean square": lambda mu: (mu**2).mean(0) > 0.01,
    "mean of a unit": lambda mu: mu.mean(0).abs() > 0.01,
    "mean of |μ|": lambda mu: mu.abs().mean(0) > 0.01,
    "One image far from 0": lambda mu: (mu.abs() > 0.01).any(0),
    "compared the range": lambda mu: mu.max(0).values - mu.min(0).values > 0.01,
    "Another limit": lambda mu: mu.var(0) > 0.1,
    "yes or no": lambda mu: (mu.var(0) > 0.01).nonzero().squeeze(),
}


def two_means(codes, has):
    with_it = [code for code, h in zip(codes.tolist(), has.tolist()) if h]
    without_it = [code for code, h in zip(codes.tolist(), has.tolist()) if not h]
    return np.mean(with_it, axis=0) - np.mean(without_it, axis=0)


def centred_codes(codes, has):
    h = has.to(codes) - has.to(codes).mean()
    return (h @ codes) / (h @ h)


RIGHT["direction"] = [
    two_means,
    centred_codes,
    lambda codes, has: has.to(codes) @ codes / has.sum() - (~has).to(codes) @ codes / (~has).sum(),
    lambda codes, has: codes[has == 1].mean(0) - codes[has == 0].mean(0),
    lambda codes, has: codes[has.nonzero()[:, 0]].mean(0) - codes[torch.where(~has)[0]].mean(0),
    lambda codes, has: torch.stack(
        [torch.where(has, c, torch.nan).nanmean() - c[~has].mean() for c in codes.T]
    ),
]
WRONG["direction"] = {
    "the other way": lambda codes, has: codes[~has].mean(0) - codes[has].mean(0),
    "Sums of codes": lambda codes, has: codes[has].sum(0) - codes[~has].sum(0),
    "number of all images": lambda codes, has: (
        (codes * has[:, None]).mean(0) - (codes * ~has[:, None]).mean(0)
    ),
    "not left out of the second mean": lambda codes, has: codes[has].mean(0) - codes.mean(0),
    "share with the others": lambda codes, has: codes[has].mean(0),
    "One number for all units": lambda codes, has: codes[has].mean() - codes[~has].mean(),
    "does not ask for length 1": lambda codes, has: nn.functional.normalize(
        codes[has].mean(0) - codes[~has].mean(0), dim=0
    ),
    "Medians": lambda codes, has: codes[has].median(0)[0] - codes[~has].median(0)[0],
    "Boolean value": lambda codes, has: codes[has].mean(0) - codes[not has].mean(0),
    "were added": lambda codes, has: codes[has].mean(0) + codes[~has].mean(0),
    "the rows 0 and 1": lambda codes, has: (
        codes[has.long()].mean(0) - codes[(~has).long()].mean(0)
    ),
}

RIGHT["expected_square"] = [
    lambda t, M: M * (1 - 2 * t + 2 * t**2),
    lambda t, M: torch.tensor([1 - t, t]).square().sum() * M,
    lambda t, M: np.sum([(1 - t) ** 2 + t**2 for _ in range(M)]),
    lambda t, M: M * (2 * (t - 0.5) ** 2 + 0.5),
]
WRONG["expected_square"] = {
    "the same draw": lambda t, M: M * ((1 - t) + t) ** 2,
    "z_1 were -z_0": lambda t, M: M * ((1 - t) - t) ** 2,
    "there are M": lambda t, M: (1 - t) ** 2 + t**2,
    "not only one of them": lambda t, M: M * (1 - t) ** 2 + t**2,
    "whatever the signs": lambda t, M: M * (1 - t) ** 2 - M * t**2,
    "Only z_0's part": lambda t, M: M * (1 - t) ** 2,
    "That is a length": lambda t, M: (M * ((1 - t) ** 2 + t**2)) ** 0.5,
    "once, not squared": lambda t, M: (M * (1 - t)) ** 2 + (M * t) ** 2,
    "That is the least value": lambda t, M: M / 2,
    "no cross term": lambda t, M: ((1 - t) ** 2 + t**2 + t * (1 - t)) * M,
    "multiplies both squares": lambda t, M: (1 - t) ** 2 + t**2 * M,
    "something else each time": lambda t, M: (
        ((1 - t) * torch.randn(1000, M) + t * torch.randn(1000, M)).square().sum(1).mean()
    ),
}


def without_by_gram_schmidt(u, w):
    Q, _ = torch.linalg.qr(torch.stack([w, u], dim=1))
    return Q[:, 1] * (Q[:, 1] @ u)


RIGHT["without"] = [
    without_by_gram_schmidt,
    lambda u, w: u - nn.functional.normalize(w, dim=0) * (u @ nn.functional.normalize(w, dim=0)),
    lambda u, w: (torch.eye(len(w)) - torch.outer(w, w) / w.square().sum()) @ u,
    lambda u, w: u.numpy() - np.dot(u, w) / np.dot(w, w) * w.numpy(),
    lambda u, w: u - (u * w).sum() / w.norm() ** 2 * w,
]
WRONG["without"] = {
    "the one to take off": lambda u, w: (u @ w) / (w @ w) * w,
    "added once more": lambda u, w: u + (u @ w) / (w @ w) * w,
    "As if w had length 1": lambda u, w: u - (u @ w) * w,
    "comes in twice": lambda u, w: u - (u @ w) * nn.functional.normalize(w, dim=0),
    "changed places": lambda u, w: w - (u @ w) / (u @ u) * u,
    "Whose length": lambda u, w: u - (u @ w) / (u @ u) * w,
    "no need to make it 1": lambda u, w: nn.functional.normalize(u - (u @ w) / (w @ w) * w, dim=0),
    "All of w": lambda u, w: u - w,
    "u · w is one number": lambda u, w: u - u * w,
    "Entry by entry nothing": lambda u, w: u - u * w / (w * w) * w,
    "from the left": lambda u, w: u - (u @ w) / w @ w * w,
    "and then multiplies": lambda u, w: u - w * (u @ w) / w @ w,
    "taken off every entry": lambda u, w: u - (u @ w) / (w @ w),
    "The cosine does not know": lambda u, w: u - torch.cosine_similarity(u, w, dim=0) * w,
    "stretch it again": lambda u, w: (
        (right := u - (u @ w) / (w @ w) * w) * u.norm() / right.norm()
    ),
}


def gaps_by_loop(information, entropy):
    result = []
    for f in range(information.shape[1]):
        second, best = sorted(information[:, f].tolist())[-2:]
        result.append((best - second) / entropy[f].item())
    return result


def gaps_by_mask(information, entropy):
    best = information.argmax(0)
    rest = information.scatter(0, best[None], -torch.inf)
    return (information.max(0).values - rest.max(0).values) / entropy


RIGHT["gaps"] = [
    gaps_by_loop,
    gaps_by_mask,
    lambda information, entropy: (
        np.diff(np.sort(information, axis=0), axis=0)[-1] / entropy.numpy()
    ),
    lambda information, entropy: (
        (information.T / entropy[:, None]).topk(2).values @ torch.tensor([1.0, -1.0])
    ),
]


def best_two(information, dim=0):
    return information.topk(2, dim=dim).values.unbind(dim)


WRONG["gaps"] = {
    "Not yet divided": lambda i, h: best_two(i)[0] - best_two(i)[1],
    "Divided by the best": lambda i, h: (best_two(i)[0] - best_two(i)[1]) / best_two(i)[0],
    "two best factors of each unit": lambda i, h: (best_two(i, 1)[0] - best_two(i, 1)[1]) / h,
    "minus the worst": lambda i, h: (i.max(0).values - i.min(0).values) / h,
    "minus the mean": lambda i, h: (i.max(0).values - i.mean(0)) / h,
    "best unit's share": lambda i, h: i.max(0).values / h,
    "the other way round": lambda i, h: (best_two(i)[1] - best_two(i)[0]) / h,
    "first two rows": lambda i, h: (i[0] - i[1]) / h,
    "were added": lambda i, h: (best_two(i)[0] + best_two(i)[1]) / h,
    "One number for all": lambda i, h: ((best_two(i)[0] - best_two(i)[1]) / h).mean(),
    "two worst units": lambda i, h: (i.sort(0).values[0] - i.sort(0).values[1]) / h,
    "kthvalue": lambda i, h: (i.max(0).values - i.kthvalue(2, dim=0).values) / h,
    "Sorted along the last axis": lambda i, h: -i.sort(descending=True).values.diff(dim=0)[0] / h,
    "both were struck out": lambda i, h: (
        (i.amax(0) - torch.where(i == i.amax(0), 0.0, i).amax(0)) / h
    ),
    "minus all the others": lambda i, h: (i.amax(0) - (i.sum(0) - i.amax(0))) / h,
    "divided by their sum": lambda i, h: (best_two(i)[0] - best_two(i)[1]) / h.sum(),
}
