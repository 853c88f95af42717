"""What students might write for the exercises of notebook 07b; `answers` says how it is used."""

import math

import numpy as np
import scipy
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

RIGHT, WRONG = {}, {}
LOG_2PI = math.log(2 * math.pi)


def log_n(eps):
    return Normal(0.0, 1.0).log_prob(eps).sum(1)


def slope(eps, w, c):
    return 1 - torch.tanh(eps @ w + c) ** 2


def planar_by_determinants(eps, u, w, c):
    found = []
    for e in eps:
        t = torch.tanh(e @ w + c)
        J = torch.eye(len(e)).to(e) + (1 - t**2) * torch.outer(u, w)
        found.append(-0.5 * (e @ e + len(e) * LOG_2PI) - torch.det(J).abs().log())
    return torch.stack(found)


def planar_in_numpy(eps, u, w, c):
    e, u, w = (t.double().numpy() for t in (eps, u, w))
    log_p = scipy.stats.norm.logpdf(e).sum(1)
    return log_p - np.log(np.abs(1 + (u @ w) / np.cosh(e @ w + c) ** 2))


RIGHT["planar_log_q"] = [
    lambda e, u, w, c: log_n(e) - (1 + (u @ w) * slope(e, w, c)).abs().log(),
    lambda e, u, w, c: log_n(e) - 0.5 * ((1 + (u * w).sum() * slope(e, w, c)) ** 2).log(),
    lambda e, u, w, c: log_n(e) - torch.log(torch.abs(1 + (slope(e, w, c)[:, None] * w) @ u)),
    planar_by_determinants,
    planar_in_numpy,
]

WRONG["planar_log_q"] = {
    "the density falls": lambda e, u, w, c: log_n(e) + (1 + (u @ w) * slope(e, w, c)).abs().log(),
    "That is the density of ε": lambda e, u, w, c: log_n(e),
    "That is log|det| alone": lambda e, u, w, c: (1 + (u @ w) * slope(e, w, c)).abs().log(),
    "minus log|det| alone": lambda e, u, w, c: -(1 + (u @ w) * slope(e, w, c)).abs().log(),
    "asked for at ε": lambda e, u, w, c: (
        log_n(e + torch.tanh(e @ w + c)[:, None] * u) - (1 + (u @ w) * slope(e, w, c)).abs().log()
    ),
    "The tanh is taken at": lambda e, u, w, c: (
        log_n(e) - (1 + (u @ w) * slope(e + torch.tanh(e @ w + c)[:, None] * u, w, c)).abs().log()
    ),
    "not tanh.": lambda e, u, w, c: log_n(e) - (1 + (u @ w) * torch.tanh(e @ w + c)).abs().log(),
    "the 1 and the sign": lambda e, u, w, c: (
        log_n(e) - (1 + (u @ w) * torch.tanh(e @ w + c) ** 2).abs().log()
    ),
    "derivative of tanh is missing": lambda e, u, w, c: log_n(e) - (1 + u @ w).abs().log(),
    "has lost its c": lambda e, u, w, c: log_n(e) - (1 + (u @ w) * slope(e, w, 0)).abs().log(),
    "The 1 in front": lambda e, u, w, c: log_n(e) - ((u @ w) * slope(e, w, c)).abs().log(),
    "logarithm of the determinant": lambda e, u, w, c: (
        log_n(e) - (1 + (u @ w) * slope(e, w, c)).abs()
    ),
    "absolute value": lambda e, u, w, c: log_n(e) - (1 + (u @ w) * slope(e, w, c)).log(),
    "once for each unit": lambda e, u, w, c: (
        -0.5 * (e**2).sum(1) - (1 + (u @ w) * slope(e, w, c)).abs().log()
    ),
    "not once": lambda e, u, w, c: (
        -0.5 * ((e**2).sum(1) + LOG_2PI) - (1 + (u @ w) * slope(e, w, c)).abs().log()
    ),
    "The ½ in the density": lambda e, u, w, c: (
        2 * log_n(e) - (1 + (u @ w) * slope(e, w, c)).abs().log()
    ),
    "not their mean": lambda e, u, w, c: (
        log_n(e) - (1 + (u @ w) * slope(e, w, c)).abs().log()
    ).mean(),
    "not their sum": lambda e, u, w, c: (
        log_n(e) - (1 + (u @ w) * slope(e, w, c)).abs().log()
    ).sum(),
}


def each(z, mu, log_var):
    """log N of each code, pseudo-input and unit: (B, C, M)."""
    return Normal(mu, torch.exp(log_var / 2)).log_prob(z[:, None])


def vamp_by_torch(z, mu, log_var):
    normals = Independent(Normal(mu, torch.exp(log_var / 2)), 1)
    return MixtureSameFamily(Categorical(torch.ones(len(mu)).to(mu)), normals).log_prob(z)


def vamp_in_numpy(z, mu, log_var):
    z, mu, log_var = (t.double().numpy() for t in (z, mu, log_var))
    logs = scipy.stats.norm.logpdf(z[:, None], mu, np.exp(log_var / 2)).sum(-1)
    return scipy.special.logsumexp(logs, axis=1, b=1 / len(mu))


def vamp_by_loop(z, mu, log_var):
    found = []
    for one in z:
        logs = (-0.5 * ((one - mu) ** 2 * torch.exp(-log_var) + log_var + LOG_2PI)).sum(1)
        found.append(logs.max() + (logs - logs.max()).exp().mean().log())
    return torch.stack(found)


RIGHT["vamp_log_prior"] = [
    lambda z, m, v: each(z, m, v).sum(2).logsumexp(1) - math.log(len(m)),
    lambda z, m, v: (each(z, m, v).sum(-1) - math.log(m.shape[0])).logsumexp(-1),
    vamp_by_torch,
    vamp_in_numpy,
    vamp_by_loop,
]

WRONG["vamp_log_prior"] = {
    "An average of C densities": lambda z, m, v: each(z, m, v).sum(2).logsumexp(1),
    "the logarithm of the mean": lambda z, m, v: each(z, m, v).sum(2).mean(1),
    "the product of the densities": lambda z, m, v: each(z, m, v).sum(2).sum(1),
    "one of all units": lambda z, m, v: (each(z, m, v).logsumexp(1) - math.log(len(m))).sum(1),
    "not averaged": lambda z, m, v: each(z, m, v).mean(2).logsumexp(1) - math.log(len(m)),
    "log C is added": lambda z, m, v: each(z, m, v).sum(2).logsumexp(1) + math.log(len(m)),
    "dividing the logarithm": lambda z, m, v: each(z, m, v).sum(2).logsumexp(1) / len(m),
    "the variance is its exponential": lambda z, m, v: (
        (-0.5 * ((z[:, None] - m) ** 2 / v + v + LOG_2PI)).sum(2).logsumexp(1) - math.log(len(m))
    ),
    "not of σ.": lambda z, m, v: (
        Normal(m, v.exp()).log_prob(z[:, None]).sum(2).logsumexp(1) - math.log(len(m))
    ),
    "divides by σ": lambda z, m, v: (
        (-0.5 * ((z[:, None] - m) ** 2 / (v / 2).exp() + v + LOG_2PI)).sum(2).logsumexp(1)
        - math.log(len(m))
    ),
    "-½ log_var in it": lambda z, m, v: (
        (-0.5 * ((z[:, None] - m) ** 2 / v.exp() + LOG_2PI)).sum(2).logsumexp(1) - math.log(len(m))
    ),
    "of each unit is missing": lambda z, m, v: (
        (-0.5 * ((z[:, None] - m) ** 2 / v.exp() + v)).sum(2).logsumexp(1) - math.log(len(m))
    ),
    "counts once for each unit": lambda z, m, v: (
        (-0.5 * ((z[:, None] - m) ** 2 / v.exp() + v)).sum(2).logsumexp(1)
        - math.log(len(m))
        - 0.5 * LOG_2PI
    ),
    "the largest of the C densities, not": lambda z, m, v: each(z, m, v).sum(2).amax(1),
    "the others count": lambda z, m, v: each(z, m, v).sum(2).amax(1) - math.log(len(m)),
    "One number for each code": lambda z, m, v: (
        each(z, m, v).sum(2).logsumexp(1) - math.log(len(m))
    ).mean(),
    "not over the codes": lambda z, m, v: each(z, m, v).sum(2).logsumexp(0) - math.log(len(m)),
    "-½ is missing": lambda z, m, v: (
        ((z[:, None] - m) ** 2 / v.exp() + v + LOG_2PI).sum(2).logsumexp(1) - math.log(len(m))
    ),
}
