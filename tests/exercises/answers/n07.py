"""What students might write for the exercises of notebook 07; `answers` says how it is used."""

import math

import numpy as np
import scipy
import torch

RIGHT, WRONG = {}, {}


def units_by_loop(eigenvalues, noise):
    return [0.5 * math.log(v / noise) if v > noise else 0.0 for v in eigenvalues.tolist()]


RIGHT["kl_of_linear_units"] = [
    lambda lam, noise: 0.5 * (lam / noise).log().clamp(min=0),
    lambda lam, noise: torch.relu(0.5 * (lam.log() - math.log(noise))),
    lambda lam, noise: -0.5 * (noise / torch.clamp(lam, min=noise)).log(),
    lambda lam, noise: 0.5 * np.log(np.maximum(lam.double().numpy(), noise) / noise),
    units_by_loop,
]

WRONG["kl_of_linear_units"] = {
    "A KL is never negative": lambda lam, noise: 0.5 * (lam / noise).log(),
    "The factor ½": lambda lam, noise: (lam / noise).log().clamp(min=0),
    "Upside down": lambda lam, noise: 0.5 * (noise / lam).log().clamp(min=0),
    "That is w²": lambda lam, noise: (lam - noise).clamp(min=0),
    "posterior's variance. Asked": lambda lam, noise: noise / lam.clamp(min=noise),
    "no need to square": lambda lam, noise: 0.5 * (lam / noise**2).log().clamp(min=0),
    "no root": lambda lam, noise: 0.5 * (lam / noise**0.5).log().clamp(min=0),
    "not λ + σ²": lambda lam, noise: 0.5 * (1 + lam / noise).log(),
    "not their sum": lambda lam, noise: 0.5 * (lam / noise).log().clamp(min=0).sum(),
    "In bits": lambda lam, noise: 0.5 * (lam / noise).log2().clamp(min=0),
    "which units live": lambda lam, noise: (lam > noise).float(),
    "logarithm is missing": lambda lam, noise: 0.5 * (lam - noise).clamp(min=0),
    "mean square alone": lambda lam, noise: 0.5 * (1 - noise / lam).clamp(min=0),
}


def free_bits_by_loop(log_lik, kl, free):
    total = -float(log_lik.mean())
    for column in kl.T.tolist():
        total += max(free, sum(column) / len(column))
    return total


RIGHT["free_bits_loss"] = [
    lambda log_lik, kl, free: kl.mean(0).clamp(min=free).sum() - log_lik.mean(),
    lambda log_lik, kl, free: (
        torch.maximum(kl.mean(dim=0), torch.full_like(kl[0], free)).sum() - log_lik.mean()
    ),
    lambda log_lik, kl, free: (
        np.maximum(kl.double().numpy().mean(0), free).sum() - log_lik.double().numpy().mean()
    ),
    lambda log_lik, kl, free: (
        (kl.mean(0) - free).relu().sum() + kl.shape[1] * free - log_lik.mean()
    ),
    free_bits_by_loop,
]

WRONG["free_bits_loss"] = {
    "Average over the images first": lambda a, kl, f: kl.clamp(min=f).mean(0).sum() - a.mean(),
    "to the sum of all": lambda a, kl, f: kl.sum(1).mean().clamp(min=f) - a.mean(),
    "not the smaller": lambda a, kl, f: kl.mean(0).clamp(max=f).sum() - a.mean(),
    "The gradient is the same": lambda a, kl, f: (kl.mean(0) - f).relu().sum() - a.mean(),
    "not as 0": lambda a, kl, f: (kl.mean(0) * (kl.mean(0) > f)).sum() - a.mean(),
    "Where is the reconstruction": lambda a, kl, f: kl.mean(0).clamp(min=f).sum(),
    "when log_lik rises": lambda a, kl, f: kl.mean(0).clamp(min=f).sum() + a.mean(),
    "rises with the KL": lambda a, kl, f: -kl.mean(0).clamp(min=f).sum() - a.mean(),
    "something to maximise": lambda a, kl, f: a.mean() - kl.mean(0).clamp(min=f).sum(),
    "minus the ELBO": lambda a, kl, f: (kl.sum(1) - a).mean(),
    "log_lik is averaged": lambda a, kl, f: kl.mean(0).clamp(min=f).sum() - a.sum(),
    "Axis 0 counts": lambda a, kl, f: kl.mean(1).clamp(min=f).sum() - a.mean(),
    "added up, not averaged": lambda a, kl, f: kl.mean(0).clamp(min=f).mean() - a.mean(),
    "averaged over the images, not": lambda a, kl, f: kl.sum(0).clamp(min=f).sum() - a.mean(),
    "One number is asked": lambda a, kl, f: kl.mean(0).clamp(min=f).sum() - a,
    "are no extra": lambda a, kl, f: (kl.mean(0) + f).sum() - a.mean(),
}


def draws_by_loop(log_w):
    found = []
    for column in log_w.T.tolist():
        w = [math.exp(v - max(column)) for v in column]
        found.append(sum(w) ** 2 / sum(v * v for v in w))
    return found


def draws_in_numpy(log_w):
    table = log_w.double().numpy()
    lse = scipy.special.logsumexp
    return np.exp(2 * lse(table, axis=0) - lse(2 * table, axis=0))


RIGHT["effective_draws"] = [
    lambda w: 1 / torch.softmax(w, dim=0).square().sum(0),
    lambda w: (2 * (w - w.amax(0)).logsumexp(0) - (2 * (w - w.amax(0))).logsumexp(0)).exp(),
    lambda w: (w.log_softmax(0) * 2).exp().sum(0).reciprocal(),
    draws_by_loop,
    draws_in_numpy,
]

WRONG["effective_draws"] = {
    "That is the share": lambda w: 1 / torch.softmax(w, 0).square().mean(0) / len(w) ** 2,
    "Upside down: with even": lambda w: torch.softmax(w, 0).square().sum(0),
    "runs along axis 0": lambda w: 1 / torch.softmax(w, 1).square().sum(1),
    "log weights, not weights": lambda w: w.sum(0) ** 2 / w.square().sum(0),
    "inverse of the largest": lambda w: 1 / torch.softmax(w, 0).amax(0),
    "exponential of the entropy": lambda w: (
        torch.distributions.Categorical(logits=w.T).entropy().exp()
    ),
    "not their mean": lambda w: (1 / torch.softmax(w, 0).square().sum(0)).mean(),
    "The sum is squared": lambda w: (
        (w - w.amax(0)).exp().sum(0) / (w - w.amax(0)).exp().square().sum(0)
    ),
    "All images share": lambda w: (
        1 / torch.softmax(w.flatten(), 0).reshape(w.shape).square().sum(0)
    ),
    "added alone": lambda w: torch.softmax(w, 0).sum(0),
    "That is its logarithm": lambda w: -torch.softmax(w, 0).square().sum(0).log(),
    "The root is one": lambda w: 1 / torch.softmax(w, 0).norm(dim=0),
    "NaN or infinity": lambda w: w.exp().sum(0) ** 2 / w.exp().square().sum(0),
}


def variance_by_quad(r):
    def second(r):
        p, q = scipy.stats.norm(), scipy.stats.norm(scale=math.sqrt(r))
        return scipy.integrate.quad(lambda z: p.pdf(z) ** 2 / q.pdf(z), -15, 15)[0]

    return [second(v) - 1 for v in r.tolist()]


RIGHT["variance_of_weights"] = [
    lambda r: r / (2 * r - 1).sqrt() - 1,
    lambda r: (r**2 / (2 * r - 1)) ** 0.5 - 1,
    lambda r: np.array(r) / np.sqrt(2 * np.array(r) - 1) - 1,
    lambda r: [v / math.sqrt(2 * v - 1) - 1 for v in r.tolist()],
    variance_by_quad,
]

WRONG["variance_of_weights"] = {
    "That is the mean square": lambda r: r / (2 * r - 1).sqrt(),
    "the root of the variance": lambda r: (r / (2 * r - 1).sqrt() - 1).clamp(min=0).sqrt(),
    "r is q's variance over": lambda r: 1 / (r * (2 / r - 1).clamp(min=0).sqrt()) - 1,
    "or only its root": lambda r: r.sqrt() / (2 * r - 1).sqrt() - 1,
    "in front is missing.": lambda r: 1 / (2 * r - 1).sqrt() - 1,
    "The integral of a Gaussian": lambda r: r / (2 * r - 1) - 1,
    "one root too few": lambda r: r**2 / (2 * r - 1) - 1,
    "The sign: 1/q": lambda r: r / (2 * r + 1).sqrt() - 1,
    "counts twice": lambda r: r / (r - 1).abs().sqrt() - 1,
    "KL(q ‖ posterior)": lambda r: 0.5 * (r - 1 - r.log()),
    "the mean square comes first": lambda r: 1 - r / (2 * r - 1).sqrt(),
    "subtracted once": lambda r: r / (2 * r - 1).sqrt() - 2,
}
