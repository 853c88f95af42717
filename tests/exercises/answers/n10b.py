"""What students might write for the exercises of notebook 10b; `answers` says how it is used."""

import itertools
import math

import numpy as np
import scipy
import torch
from torch.distributions import Normal

RIGHT, WRONG = {}, {}
LOG_2PI = math.log(2 * math.pi)


def log_mean_exp(values):
    return torch.logsumexp(values, 0) - math.log(len(values))


def bound_in_numpy(logit_q, logit_p):
    t_q, t_p = (-t.double().numpy() for t in (logit_q, logit_p))
    return t_q.mean() - scipy.special.logsumexp(t_p, b=1 / len(t_p))


def bound_by_loop(logit_q, logit_p):
    top = max(-float(v) for v in logit_p)
    mean = sum(math.exp(-float(v) - top) for v in logit_p) / len(logit_p)
    return sum(-float(v) for v in logit_q) / len(logit_q) - math.log(mean) - top


RIGHT["kl_bound"] = [
    lambda q, p: -q.mean() - (torch.logsumexp(-p, 0) - math.log(len(p))),
    lambda q, p: -q.mean() - torch.logsumexp(-p - math.log(p.numel()), -1),
    lambda q, p: (-q - log_mean_exp(-p)).mean(),
    bound_in_numpy,
    bound_by_loop,
]

WRONG["kl_bound"] = {
    "T is minus the logit": lambda q, p: q.mean() - log_mean_exp(p),
    "Only in the first average": lambda q, p: q.mean() - log_mean_exp(-p),
    "Only in the second average": lambda q, p: -q.mean() - log_mean_exp(p),
    "The second average is missing": lambda q, p: -q.mean(),
    "log K is missing": lambda q, p: -q.mean() - torch.logsumexp(-p, 0),
    "not the mean of T": lambda q, p: -q.mean() + p.mean(),
    "subtracted, not added": lambda q, p: -q.mean() + log_mean_exp(-p),
    "changed places": lambda q, p: -p.mean() - log_mean_exp(-q),
    "over draws of p, not of q": lambda q, p: -q.mean() - log_mean_exp(-q),
    "not a sum": lambda q, p: -q.sum() - log_mean_exp(-p),
    "number of the draws of p": lambda q, p: -q.mean() - torch.logsumexp(-p, 0) + math.log(len(q)),
    "minus the bound": lambda q, p: q.mean() + log_mean_exp(-p),
}


def variance(a, b):
    return ((a - b) ** 2).mean()


def nats_by_torch(a, b):
    return -Normal(b, variance(a, b).sqrt()).log_prob(a).sum(1).mean()


def nats_in_numpy(a, b):
    a, b = a.double().numpy(), b.double().numpy()
    return -scipy.stats.norm.logpdf(a, b, np.sqrt(((a - b) ** 2).mean())).sum(1).mean()


RIGHT["feature_nats"] = [
    lambda a, b: 0.5 * a.shape[1] * (LOG_2PI + 1 + variance(a, b).log()),
    lambda a, b: 0.5 * a.shape[-1] * torch.log(2 * math.pi * math.e * variance(a, b)),
    lambda a, b: a.shape[1] / 2 * (LOG_2PI + 1 + torch.nn.functional.mse_loss(a, b).log()),
    nats_by_torch,
    nats_in_numpy,
]

WRONG["feature_nats"] = {
    "The constants are missing": lambda a, b: 0.5 * a.shape[1] * variance(a, b).log(),
    "does not vanish": lambda a, b: 0.5 * a.shape[1] * (LOG_2PI + variance(a, b).log()),
    "log 2π is missing": lambda a, b: 0.5 * a.shape[1] * (variance(a, b).log() + 1),
    "is not the best one": lambda a, b: -Normal(b, 1.0).log_prob(a).sum(1).mean(),
    "One σ² for all features": lambda a, b: (
        0.5 * (((a - b) ** 2).mean(0).log() + LOG_2PI + 1).sum()
    ),
    "not one for each image": lambda a, b: (
        0.5 * a.shape[1] * (((a - b) ** 2).mean(1).log() + LOG_2PI + 1).mean()
    ),
    "The sign": lambda a, b: -nats_by_torch(a, b),
    "for one feature": lambda a, b: nats_by_torch(a, b) / a.shape[1],
    "not a sum": lambda a, b: nats_by_torch(a, b) * len(a),
    "not its root": lambda a, b: 0.5 * a.shape[1] * (LOG_2PI + 1 + variance(a, b).log() / 2),
    "The ½ is missing": lambda a, b: 2 * nats_by_torch(a, b),
    "not their sum": lambda a, b: 0.5 * a.shape[1] * (LOG_2PI + 1 + ((a - b) ** 2).sum().log()),
    "square of the mean difference": lambda a, b: (
        0.5 * a.shape[1] * (LOG_2PI + 1 + ((a - b).mean() ** 2).log())
    ),
}


def carried_in_numpy(a, b):
    return scipy.stats.wasserstein_distance(a.double().numpy(), b.double().numpy())


def carried_by_steps(a, b):
    """The area between the two distribution functions."""
    both = torch.cat([a, b]).sort().values
    share = [(s[:, None] <= both[:-1]).double().mean(0) for s in (a, b)]
    return ((share[0] - share[1]).abs() * both.diff()).sum()


def up(a, b):
    return a.sort().values - b.sort().values


RIGHT["carried"] = [
    lambda a, b: (torch.sort(a)[0] - torch.sort(b)[0]).abs().mean(),
    lambda a, b: sum(abs(x - y) for x, y in zip(sorted(a), sorted(b))) / len(a),
    lambda a, b: torch.nn.functional.l1_loss(a.sort().values, b.sort().values),
    carried_in_numpy,
    carried_by_steps,
]

WRONG["carried"] = {
    "Sort both": lambda a, b: (a - b).abs().mean(),
    "the dearest plan": lambda a, b: (
        (a.sort().values - b.sort(descending=True).values).abs().mean()
    ),
    "without its sign": lambda a, b: (a.mean() - b.mean()).abs(),
    "A distance has no sign": lambda a, b: a.mean() - b.mean(),
    "not its square": lambda a, b: (up(a, b) ** 2).mean(),
    "root of the mean square": lambda a, b: (up(a, b) ** 2).mean().sqrt(),
    "not the sum": lambda a, b: up(a, b).abs().sum(),
    "not the largest": lambda a, b: up(a, b).abs().max(),
    "Only a is sorted": lambda a, b: (a.sort().values - b).abs().mean(),
    "Only b is sorted": lambda a, b: (a - b.sort().values).abs().mean(),
    "mean distance of all pairs": lambda a, b: torch.stack(
        [(x - y).abs() for x, y in itertools.product(a, b)]
    ).mean(),
    "next in order": lambda a, b: torch.cdist(a[:, None], b[:, None]).amin(1).mean(),
    "the median": lambda a, b: up(a, b).abs().median(),
}
