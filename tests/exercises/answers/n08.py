"""What students might write for the exercises of notebook 08; `answers` says how it is used."""

import math

import numpy as np
import scipy
import torch
from torch.nn.functional import one_hot

RIGHT, WRONG = {}, {}


def side_by_loop(x, y, classes):
    return [row + [float(k == label) for k in range(classes)] for row, label in zip(x.tolist(), y)]


RIGHT["side_by_side"] = [
    lambda x, y, classes: torch.cat([x, torch.eye(classes)[y]], dim=1),
    lambda x, y, C: torch.cat([x, one_hot(y, C)], dim=-1),
    lambda x, y, C: torch.hstack([x, (y[:, None] == torch.arange(C)).float()]),
    lambda x, y, C: np.concatenate([x.numpy(), np.eye(C)[y.numpy()]], axis=1),
    side_by_loop,
]

WRONG["side_by_side"] = {
    "The images come first": lambda x, y, C: torch.cat([one_hot(y, C), x], 1),
    "as a size, in every place": lambda x, y, C: torch.cat([x, y[:, None].expand(-1, C)], 1),
    "There belongs a 1": lambda x, y, C: torch.cat([x, one_hot(y, C) * y[:, None]], 1),
    "One place too far": lambda x, y, C: torch.cat([x, torch.eye(C).roll(1, 1)[y]], 1),
    "One place too early": lambda x, y, C: torch.cat([x, torch.eye(C)[y - 1]], 1),
    "The other way round": lambda x, y, C: torch.cat([x, 1 - one_hot(y, C)], 1),
    "The labels are missing": lambda x, y, C: torch.cat([x, x.new_zeros(len(x), C)], 1),
    "is a size: a 9": lambda x, y, C: torch.cat([x, y[:, None]], 1),
    "the one-hot alone": lambda x, y, C: one_hot(y, C).float(),
    "cannot be seen from one batch": lambda x, y, C: torch.cat([x, one_hot(y)], 1),
}


def bounds_by_loop(bounds, logits):
    found = []
    for row, scores in zip(bounds.tolist(), logits.tolist()):
        total = sum(map(math.exp, scores))
        q = [math.exp(v) / total for v in scores]
        found.append(sum(p * (b - math.log(p)) for p, b in zip(q, row)))
    return found


def bounds_by_entropy(bounds, logits):
    q = torch.distributions.Categorical(logits=logits)
    return (q.probs * bounds).sum(1) + q.entropy()


def bounds_by_scipy(bounds, logits):
    q = scipy.special.softmax(logits.double().numpy(), axis=1)
    return (q * bounds.numpy() + scipy.special.entr(q)).sum(1)


RIGHT["unlabelled_bounds"] = [
    lambda b, t: (t.softmax(1) * (b - t.log_softmax(1))).sum(1),
    lambda b, t: torch.einsum("bc,bc->b", t.softmax(-1), b - t.log_softmax(-1)),
    bounds_by_entropy,
    bounds_by_loop,
    bounds_by_scipy,
]

WRONG["unlabelled_bounds"] = {
    "with -log q is missing": lambda b, t: (t.softmax(1) * b).sum(1),
    "The sign of log q": lambda b, t: (t.softmax(1) * (b + t.log_softmax(1))).sum(1),
    "the entropy alone": lambda b, t: -(t.softmax(1) * t.log_softmax(1)).sum(1),
    "no logarithms of probabilities": lambda b, t: (t.exp() * (b - t)).sum(1),
    "in the place of log q": lambda b, t: (t.softmax(1) * (b - t)).sum(1),
    "q is subtracted": lambda b, t: (t.softmax(1) * (b - t.softmax(1))).sum(1),
    "run along axis 1": lambda b, t: (t.softmax(0) * (b - t.log_softmax(0))).sum(1),
    "the value of the best q": lambda b, t: b.logsumexp(1),
    "Only the likeliest": lambda b, t: b[torch.arange(len(b)), t.argmax(1)],
    "contain log p(y)": lambda b, t: (
        (t.softmax(1) * (b - t.log_softmax(1))).sum(1) - math.log(b.shape[1])
    ),
    "no mean on top": lambda b, t: (t.softmax(1) * (b - t.log_softmax(1))).mean(1),
    "not their mean": lambda b, t: (t.softmax(1) * (b - t.log_softmax(1))).sum(1).mean(),
    "weights q(y|x) are missing": lambda b, t: (b - t.log_softmax(1)).sum(1),
    "Multiplied by log q": lambda b, t: (t.log_softmax(1) * (b - t.log_softmax(1))).sum(1),
}


def guess_by_loop(bounds):
    found = []
    for row in bounds.tolist():
        e = [math.exp(v - max(row)) for v in row]
        found.append([v / sum(e) for v in e])
    return found


RIGHT["best_guess"] = [
    lambda b: torch.softmax(b, 1),
    lambda b: (b - b.logsumexp(1, keepdim=True)).exp(),
    lambda b: scipy.special.softmax(b.double().numpy(), axis=1),
    guess_by_loop,
]

WRONG["best_guess"] = {
    "That is its logarithm": lambda b: b.log_softmax(1),
    "the value of the bound there": lambda b: b.logsumexp(1),
    "All on the likeliest": lambda b: one_hot(b.argmax(1), b.shape[1]).float(),
    "The sign: a label": lambda b: torch.softmax(-b, 1),
    "run along axis 1": lambda b: torch.softmax(b, 0),
    "The bounds are logarithms": lambda b: b / b.sum(1, keepdim=True),
    "add up to 1": lambda b: (b - b.amax(1, keepdim=True)).exp(),
    "All labels alike": lambda b: torch.ones_like(b) / b.shape[1],
    "factor ½ in the exponent": lambda b: torch.softmax(b / 2, 1),
    "factor 2 in the exponent": lambda b: torch.softmax(2 * b, 1),
    "NaN or infinity": lambda b: b.exp() / b.exp().sum(1, keepdim=True),
}


def gain_by_loop(a, b):
    d = [v - u for u, v in zip(a.tolist(), b.tolist())]
    mean = sum(d) / len(d)
    variance = sum((v - mean) ** 2 for v in d) / (len(d) - 1)
    return mean, math.sqrt(variance / len(d))


RIGHT["paired_gain"] = [
    lambda a, b: ((b - a).mean(), (b - a).std() / len(a) ** 0.5),
    lambda a, b: (b.mean() - a.mean(), ((b - a).var() / len(a)).sqrt()),
    lambda a, b: (float((b - a).mean()), scipy.stats.sem((b - a).numpy())),
    gain_by_loop,
]


def with_error(error):
    return lambda a, b: ((b - a).mean(), error(a, b))


def with_gain(gain):
    return lambda a, b: (gain(a, b), (b - a).std() / len(a) ** 0.5)


WRONG["paired_gain"] = {
    "The sign: the gain": with_gain(lambda a, b: (a - b).mean()),
    "That counts digits": with_gain(lambda a, b: (b - a).sum()),
    "That is the error of a.": with_gain(lambda a, b: a.mean()),
    "That is the error of b.": with_gain(lambda a, b: b.mean()),
    "the share on which they differ": with_gain(lambda a, b: (b - a).abs().mean()),
    "without pairing": with_error(lambda a, b: ((a.var() + b.var()) / len(a)).sqrt()),
    "the spread of one difference": with_error(lambda a, b: (b - a).std()),
    "That is its square": with_error(lambda a, b: (b - a).var() / len(a)),
    "where the root of n": with_error(lambda a, b: (b - a).std() / len(a)),
    "divided by n - 1": with_error(lambda a, b: (b - a).std(correction=0) / len(a) ** 0.5),
    "of a's own error": with_error(lambda a, b: a.std() / len(a) ** 0.5),
    "of b's own error": with_error(lambda a, b: b.std() / len(b) ** 0.5),
    "two standard errors": with_error(lambda a, b: 2 * (b - a).std() / len(a) ** 0.5),
}
