"""What students might write for the exercises of notebook 10; `answers` says how it is used."""

import math

import numpy as np
import torch
from scipy.special import expit
from torch import sigmoid
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from torch.nn.functional import softplus

RIGHT, WRONG = {}, {}

RIGHT["best_judge"] = [
    lambda log_p, log_q: sigmoid(log_p - log_q),
    lambda log_p, log_q: 1 / (1 + torch.exp(log_q - log_p)),
    lambda log_p, log_q: torch.exp(log_p - torch.logaddexp(log_p, log_q)),
    lambda log_p, log_q: torch.softmax(torch.stack([log_p, log_q], -1), -1)[..., 0],
    lambda log_p, log_q: expit((log_p - log_q).numpy()),
    lambda log_p, log_q: [
        1 / (1 + math.exp(b - a)) for a, b in zip(log_p.tolist(), log_q.tolist())
    ],
]

WRONG["best_judge"] = {
    "the share of generated ones": lambda log_p, log_q: sigmoid(log_q - log_p),
    "the log of p / q": lambda log_p, log_q: log_p - log_q,
    "That is p / q": lambda log_p, log_q: (log_p - log_q).exp(),
    "That is the log of D": lambda log_p, log_q: -softplus(log_q - log_p),
    "first the densities": lambda log_p, log_q: log_p / (log_p + log_q),
    "not the density p itself": lambda log_p, log_q: log_p.exp(),
    "belongs to JSD's mixture": lambda log_p, log_q: sigmoid(log_p - log_q + math.log(2)),
    "not tanh": lambda log_p, log_q: torch.tanh((log_p - log_q) / 2),
    "Half of the log ratio": lambda log_p, log_q: sigmoid((log_p - log_q) / 2),
    "NaN or infinity": lambda log_p, log_q: log_p.exp() / (log_p.exp() + log_q.exp()),
}

RIGHT["judge_loss"] = [
    lambda real, fake: softplus(-real).mean() + softplus(fake).mean(),
    lambda real, fake: (
        cross_entropy(real, torch.ones_like(real)) + cross_entropy(fake, torch.zeros_like(fake))
    ),
    lambda real, fake: (
        -torch.nn.functional.logsigmoid(real).mean() - torch.nn.functional.logsigmoid(-fake).mean()
    ),
    lambda real, fake: (
        np.logaddexp(0, -real.numpy()).mean() + np.logaddexp(0, fake.numpy()).mean()
    ),
]

WRONG["judge_loss"] = {
    "check the sign": lambda real, fake: -softplus(-real).mean() - softplus(fake).mean(),
    "they changed places": lambda real, fake: softplus(real).mean() + softplus(-fake).mean(),
    "Where are the generated": lambda real, fake: softplus(-real).mean(),
    "Where are the real": lambda real, fake: softplus(fake).mean(),
    "not sums": lambda real, fake: softplus(-real).sum() + softplus(fake).sum(),
    "not one mean over all": lambda real, fake: torch.cat(
        [softplus(-real), softplus(fake)]
    ).mean(),
    "without a half": lambda real, fake: (softplus(-real).mean() + softplus(fake).mean()) / 2,
    "the generator's part": lambda real, fake: softplus(-real).mean() + softplus(-fake).mean(),
    "has the other sign": lambda real, fake: softplus(real).mean() + softplus(fake).mean(),
    "and its log is wanted": lambda real, fake: fake.mean() - real.mean(),
    "The logs are missing": lambda real, fake: (1 - sigmoid(real)).mean() + sigmoid(fake).mean(),
    "First the log of each": lambda real, fake: (
        -sigmoid(real).mean().log() - sigmoid(-fake).mean().log()
    ),
    "In bits": lambda real, fake: (softplus(-real).mean() + softplus(fake).mean()) / math.log(2),
    "NaN or infinity": lambda real, fake: (
        -sigmoid(real).log().mean() - (1 - sigmoid(fake)).log().mean()
    ),
}


def modes_by_loops(points, centres, radius):
    caught = 0
    for centre in centres.tolist():
        caught += any(math.dist(point, centre) < radius for point in points.tolist())
    return caught


RIGHT["modes_caught"] = [
    lambda points, centres, radius: (torch.cdist(points, centres) < radius).any(0).sum(),
    lambda points, centres, radius: (torch.cdist(centres, points).amin(1) < radius).sum().item(),
    lambda points, centres, radius: (
        (points[None] - centres[:, None]).square().sum(-1).min(1).values <= radius**2
    ).sum(),
    modes_by_loops,
]

WRONG["modes_caught"] = {
    "That counts points. Count": lambda p, c, r: (torch.cdist(p, c) < r).sum(),
    "points near some centre": lambda p, c, r: (torch.cdist(p, c) < r).any(1).sum(),
    "A share; wanted": lambda p, c, r: (torch.cdist(p, c) < r).any(0).double().mean(),
    "without a point near": lambda p, c, r: (torch.cdist(p, c) >= r).all(0).sum(),
    "the square root is missing": lambda p, c, r: (torch.cdist(p, c).square() < r).any(0).sum(),
    "closer than the radius": lambda p, c, r: (torch.cdist(p, c) > r).any(0).sum(),
    "One point near is enough": lambda p, c, r: (torch.cdist(p, c) < r).all(0).sum(),
}


RIGHT["value_at"] = [
    lambda m: -max(0.0, 1 - abs(m)) * math.log(4),
    lambda m: 2 * (1 - max(0.0, 1 - abs(m))) * math.log(2) - math.log(4),
    lambda m: torch.tensor(-2 * max(0.0, 1 - abs(m))) * math.log(2),
    lambda m: -math.log(4) * (1 - abs(m)) if abs(m) < 1 else 0.0,
]

WRONG["value_at"] = {
    "check the sign": lambda m: max(0.0, 1 - abs(m)) * math.log(4),
    "That is the divergence JSD": lambda m: (1 - max(0.0, 1 - abs(m))) * math.log(2),
    "still to be subtracted": lambda m: 2 * (1 - max(0.0, 1 - abs(m))) * math.log(2),
    "JSD counts twice": lambda m: (1 - max(0.0, 1 - abs(m))) * math.log(2) - math.log(4),
    "log ½ twice": lambda m: -max(0.0, 1 - abs(m)) * math.log(2),
    "the length of the overlap": lambda m: max(0.0, 1 - abs(m)),
    "nothing overlaps": lambda m: -(1 - abs(m)) * math.log(4),
    "m can be negative": lambda m: -min(1.0, max(0.0, 1 - m)) * math.log(4),
    "In bits": lambda m: -2 * max(0.0, 1 - abs(m)),
    "it must rise": lambda m: -(1 - max(0.0, 1 - abs(m))) * math.log(4),
}
