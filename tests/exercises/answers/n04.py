"""What students might write for the exercises of notebook 04; `answers` says how it is used."""

import math

import numpy as np
import torch
from scipy import integrate, optimize, stats
from torch.distributions import (
    Exponential,
    Laplace,
    Normal,
    Poisson,
)

RIGHT, WRONG = {}, {}


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
]

WRONG["laplace_from_uniform"] = {
    "Mirrored": lambda u, mu, scale: (
        mu + scale * (u - 0.5).sign() * (1 - 2 * (u - 0.5).abs()).log()
    ),
    "for larger u": lambda u, mu, scale: mu + scale * torch.log(2 * u),
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
    "lost its `1 −`": lambda u, mu, scale: torch.where(
        u < 0.5, mu + scale * torch.log(2 * u), mu - scale * torch.log(2 * u)
    ),
    "the sign is lost": lambda u, mu, scale: (
        mu + scale * torch.log(torch.where(u < 0.5, 2 * u, 2 - 2 * u))
    ),
    "for tensors: ~, &": laplace_by_if,
    "at `u` = 0.0001, 0.01, 0.3 and more; finite at `u` = 0.6, 0.999": lambda u, mu, scale: (
        mu - scale * torch.log(4 * (u - 0.5) * (1 - u))
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


def poisson_by_autograd(z, f_z, rate):
    rates = torch.full_like(z, rate).requires_grad_()
    (score,) = torch.autograd.grad(Poisson(rates).log_prob(z).sum(), rates)
    return f_z * score


RIGHT["poisson_gradients"] = [
    poisson_by_autograd,
    lambda z, f_z, rate: f_z * (z - rate) / rate,
    lambda z, f_z, rate: f_z.numpy() * z.numpy() / rate - f_z.numpy(),
    lambda z, f_z, rate: [f * (n / rate - 1) for n, f in zip(z.tolist(), f_z.tolist())],
]


def log_poisson(z, rate):
    return Poisson(torch.as_tensor(rate, dtype=z.dtype)).log_prob(z)


WRONG["poisson_gradients"] = {
    "−λ is missing": lambda z, f_z, rate: f_z * z / rate,
    "where is f?": lambda z, f_z, rate: z / rate - 1,
    "turned round": lambda z, f_z, rate: f_z * (1 - z / rate),
    "log q itself": lambda z, f_z, rate: f_z * log_poisson(z, rate),
    "derivative by log λ": lambda z, f_z, rate: f_z * (z - rate),
    "z stands above": lambda z, f_z, rate: f_z * (rate / z - 1),
    "z is divided by λ,": lambda z, f_z, rate: f_z * (z * rate - 1),
    "Under z stands": lambda z, f_z, rate: f_z * (z - 1),
    "not log λ": lambda z, f_z, rate: f_z * (z * math.log(rate) - 1),
    "factor z": lambda z, f_z, rate: f_z * (1 / rate - 1),
    "λ is not squared": lambda z, f_z, rate: f_z * (z / rate**2 - 1),
    "not −λ.": lambda z, f_z, rate: f_z * (z / rate - rate),
    "the sign minus": lambda z, f_z, rate: f_z * (z / rate + 1),
    "That is ∇q": lambda z, f_z, rate: f_z * (z / rate - 1) * log_poisson(z, rate).exp(),
    "not their mean": lambda z, f_z, rate: (f_z * (z / rate - 1)).mean(),
    "not their sum": lambda z, f_z, rate: (f_z * (z / rate - 1)).sum(),
    "not added to it": lambda z, f_z, rate: f_z + z / rate - 1,
    "in the place of f": lambda z, f_z, rate: z * (z / rate - 1),
    "both terms": lambda z, f_z, rate: f_z * z / rate - 1,
    "The average of f": lambda z, f_z, rate: (f_z - f_z.mean()) * (z / rate - 1),
    "off λ, below": lambda z, f_z, rate: f_z * (z / (rate - 1)),
    "for `z` of shape (12,)": lambda z, f_z, rate: f_z * (z / rate - 1) * (1 + (rate < 1)),
}


def std_of(log_var):
    return torch.exp(0.5 * log_var)


def through_autograd(slope, log_var, eps):
    mu, log_var = torch.zeros_like(log_var).requires_grad_(), log_var.clone().requires_grad_()
    z = mu + (0.5 * log_var).exp() * eps
    return torch.autograd.grad(z, (mu, log_var), grad_outputs=slope)


RIGHT["backward_by_hand"] = [
    through_autograd,
    lambda slope, log_var, eps: (slope, slope * eps * log_var.exp().sqrt() / 2),
    lambda slope, log_var, eps: [slope.clone(), 0.5 * slope * std_of(log_var) * eps],
    lambda slope, log_var, eps: (
        slope.numpy(),
        slope.numpy() * eps.numpy() * np.exp(log_var.numpy() / 2) / 2,
    ),
]


def by_log_var(of):
    return lambda slope, log_var, eps: (slope, of(slope, log_var, eps))


def by_mu(of):
    return lambda slope, log_var, eps: (
        of(slope, log_var, eps),
        0.5 * slope * std_of(log_var) * eps,
    )


WRONG["backward_by_hand"] = {
    "exponent comes down": by_log_var(lambda s, v, e: s * std_of(v) * e),
    "derivative by σ;": by_log_var(lambda s, v, e: s * e),
    "derivative by the variance": by_log_var(lambda s, v, e: 0.5 * s * e / std_of(v)),
    "and the ½ comes down": by_log_var(lambda s, v, e: s * v.exp() * e),
    "its square": by_log_var(lambda s, v, e: 0.5 * s * v.exp() * e),
    "σ stays": by_log_var(lambda s, v, e: 0.5 * s * e),
    "ε stands behind": by_log_var(lambda s, v, e: 0.5 * s * std_of(v)),
    "slope of f is missing": by_log_var(lambda s, v, e: 0.5 * std_of(v) * e),
    "ε is not squared": by_log_var(lambda s, v, e: 0.5 * s * std_of(v) * e**2),
    "multiplies it by the slope": by_mu(lambda s, v, e: torch.ones_like(s)),
    "ε has no part in it": by_mu(lambda s, v, e: s * e),
    "σ has no part in it": by_mu(lambda s, v, e: s * std_of(v)),
    "The order": lambda slope, log_var, eps: (0.5 * slope * std_of(log_var) * eps, slope),
    "not their sum": by_mu(lambda s, v, e: s.sum()),
    "not their mean": by_mu(lambda s, v, e: s.mean()),
    "Expected 2 results": lambda slope, log_var, eps: slope,
    "by log_var: The size is right, the sign is not": by_log_var(
        lambda s, v, e: -0.5 * s * std_of(v) * e
    ),
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
    "from section 5": lambda mu, std: mu**4 / std**2 + 14 * mu**2 + 15 * std**2,
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
    "so the crossing lies below": (sine_variance, 1.3),
    "so the crossing lies above": [sine_in_torch, torch.tensor(0.71)],
    "Expected 2 results": (sine_variance,),
}
