"""What students might write for the exercises of notebook 05; `answers` says how it is used."""

import math
from fractions import Fraction

import numpy as np
import torch
from torch.distributions import (
    MultivariateNormal,
    Normal,
    kl_divergence,
)

from course_utils.distributions import kl_to_standard_normal

RIGHT, WRONG = {}, {}


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
    "comes in squared": lambda mu, v: 0.5 * (mu + v.exp() - 1 - v).mean(0),
    "The constant": lambda mu, v: 0.5 * (mu**2 + v.exp() - v).mean(0),
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


def information_by_loop(log_q):
    total = 0.0
    for i, row in enumerate(log_q.tolist()):
        top = max(row)
        mean = sum(math.exp(entry - top) for entry in row) / len(row)
        total += row[i] - top - math.log(mean)
    return total / len(log_q)


RIGHT["information_from_draws"] = [
    information_by_loop,
    lambda t: (t.diag() - t.logsumexp(1)).mean() + math.log(len(t)),
    lambda t: (t.log_softmax(dim=1).diagonal() + math.log(t.shape[0])).mean(),
    lambda t: np.mean(
        np.diag(t.numpy()) - np.logaddexp.reduce(t.numpy(), axis=1) + np.log(len(t))
    ),
]

WRONG["information_from_draws"] = {
    "where is log N": lambda t: (t.diag() - t.logsumexp(1)).mean(),
    "wrong sign: a mean": lambda t: (t.diag() - t.logsumexp(1)).mean() - math.log(len(t)),
    "other direction": lambda t: (t.logsumexp(1) - math.log(len(t)) - t.diag()).mean(),
    "sum over the images": lambda t: (t.diag() - t.logsumexp(1) + math.log(len(t))).sum(),
    "which dim is that": lambda t: (t.diag() - t.logsumexp(0) + math.log(len(t))).mean(),
    "mean of logarithms is not": lambda t: t.diag().mean() - t.mean(),
    "Only the diagonal": lambda t: t.mean() - t.logsumexp(1).mean() + math.log(len(t)),
    "log q(z) alone": lambda t: (t.logsumexp(1) - math.log(len(t))).mean(),
    "still to be subtracted": lambda t: t.diag().mean(),
    "own q belongs": lambda t: (
        (t.diag() - (t - 1e9 * torch.eye(len(t))).logsumexp(1)).mean() + math.log(len(t))
    ),
    "divided by N - 1": lambda t: (
        (t.diag() - (t - 1e9 * torch.eye(len(t))).logsumexp(1)).mean() + math.log(len(t) - 1)
    ),
    "One number is asked": lambda t: t.diag() - t.logsumexp(1) + math.log(len(t)),
    "log N is in bits": lambda t: (t.diag() - t.logsumexp(1)).mean() + math.log2(len(t)),
    "In bits": lambda t: ((t.diag() - t.logsumexp(1)).mean() + math.log(len(t))) / math.log(2),
    "One logsumexp over all": lambda t: (
        t.diag().mean() - t.flatten().logsumexp(0) + 2 * math.log(len(t))
    ),
    "NaN or infinity": lambda t: (t.diag() - t.exp().mean(1).log()).mean(),
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
    "floor of a whole image": 45.53,
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
