"""What students might write for the exercises of notebook 09; `answers` says how it is used."""

import itertools
import math

import numpy as np
import scipy
import torch
from torch import sigmoid
from torch.nn.functional import softplus

RIGHT, WRONG = {}, {}


def free_energy_by_loops(x, W, b, c):
    found = []
    for row in x.double():
        terms = []
        for h in itertools.product([0.0, 1.0], repeat=len(c)):
            h = torch.tensor(h, dtype=torch.float64)
            terms.append(float(row @ b.double() + h @ c.double() + row @ W.double() @ h))
        found.append(-scipy.special.logsumexp(terms))
    return found


RIGHT["free_energy_of"] = [
    lambda x, W, b, c: -(x @ b) - softplus(c + x @ W).sum(-1),
    lambda x, W, b, c: -(x @ b) - torch.logaddexp(torch.zeros(()).to(x), c + x @ W).sum(dim=1),
    lambda x, W, b, c: -((x * b).sum(1) - torch.nn.functional.logsigmoid(-(x @ W + c)).sum(1)),
    lambda x, W, b, c: -x.numpy() @ b.numpy() - np.logaddexp(0, (c + x @ W).numpy()).sum(1),
    free_energy_by_loops,
]

WRONG["free_energy_of"] = {
    "check the sign": lambda x, W, b, c: x @ b + softplus(c + x @ W).sum(-1),
    "visible biases are missing": lambda x, W, b, c: -softplus(c + x @ W).sum(-1),
    "hidden biases are missing": lambda x, W, b, c: -(x @ b) - softplus(x @ W).sum(-1),
    "they lower the energy": lambda x, W, b, c: x @ b - softplus(c + x @ W).sum(-1),
    "lowest energy": lambda x, W, b, c: -(x @ b) - (c + x @ W).relu().sum(-1),
    "puts probabilities": lambda x, W, b, c: -(x @ b) - (sigmoid(c + x @ W) * (c + x @ W)).sum(-1),
    "h = 0 counts": lambda x, W, b, c: -(x @ b) - (c + x @ W).sum(-1),
    "a factor of its own": lambda x, W, b, c: -(x @ b) - softplus((c + x @ W).sum(-1)),
    "not for each hidden": lambda x, W, b, c: -(x @ b)[:, None] - softplus(c + x @ W),
    "not for all rows": lambda x, W, b, c: (-(x @ b) - softplus(c + x @ W).sum(-1)).sum(),
    "added up, not averaged": lambda x, W, b, c: -(x @ b) - softplus(c + x @ W).mean(-1),
    "In bits": lambda x, W, b, c: (-(x @ b) - softplus(c + x @ W).sum(-1)) / math.log(2),
    "p(h = 1 | x) in place": lambda x, W, b, c: -(x @ b) - sigmoid(c + x @ W).sum(-1),
    "NaN or infinity": lambda x, W, b, c: -(x @ b) - (1 + (c + x @ W).exp()).log().sum(-1),
}


def update_by_loops(x, dream, W, b, c):
    D, M = W.shape
    out = np.zeros((D, M))
    for images, sign in ((x, 1), (dream, -1)):
        for row in images.double().numpy():
            for i, j in itertools.product(range(D), range(M)):
                p = scipy.special.expit(c[j].item() + row @ W[:, j].double().numpy())
                out[i, j] += sign * row[i] * p / len(images)
    return out


RIGHT["weight_update"] = [
    lambda x, d, W, b, c: x.T @ sigmoid(c + x @ W) / len(x) - d.T @ sigmoid(c + d @ W) / len(d),
    lambda x, d, W, b, c: (
        torch.einsum("bi,bj->bij", x, sigmoid(x @ W + c)).mean(0)
        - torch.einsum("bi,bj->bij", d, sigmoid(d @ W + c)).mean(0)
    ),
    lambda x, d, W, b, c: (
        (sigmoid(c + x @ W).T @ x).T / x.shape[0] - (sigmoid(c + d @ W).T @ d).T / d.shape[0]
    ),
    update_by_loops,
]

WRONG["weight_update"] = {
    "not the other way round": lambda x, d, W, b, c: (
        d.T @ sigmoid(c + d @ W) / len(d) - x.T @ sigmoid(c + x @ W) / len(x)
    ),
    "not sums": lambda x, d, W, b, c: x.T @ sigmoid(c + x @ W) - d.T @ sigmoid(c + d @ W),
    "The dreams are averaged": lambda x, d, W, b, c: (
        (x.T @ sigmoid(c + x @ W) - d.T @ sigmoid(c + d @ W)) / len(x)
    ),
    "The data are averaged": lambda x, d, W, b, c: (
        (x.T @ sigmoid(c + x @ W) - d.T @ sigmoid(c + d @ W)) / len(d)
    ),
    "Where is the dream": lambda x, d, W, b, c: x.T @ sigmoid(c + x @ W) / len(x),
    "Where are the data": lambda x, d, W, b, c: d.T @ sigmoid(c + d @ W) / len(d),
    "Minus, not plus": lambda x, d, W, b, c: (
        x.T @ sigmoid(c + x @ W) / len(x) + d.T @ sigmoid(c + d @ W) / len(d)
    ),
    "biases are missing": lambda x, d, W, b, c: (
        x.T @ sigmoid(x @ W) / len(x) - d.T @ sigmoid(d @ W) / len(d)
    ),
    "sigmoid is missing": lambda x, d, W, b, c: (
        x.T @ (c + x @ W) / len(x) - d.T @ (c + d @ W) / len(d)
    ),
    "pixels first": lambda x, d, W, b, c: (
        sigmoid(c + x @ W).T @ x / len(x) - sigmoid(c + d @ W).T @ d / len(d)
    ),
    "First the product": lambda x, d, W, b, c: (
        torch.outer(x.mean(0), sigmoid(c + x @ W).mean(0))
        - torch.outer(d.mean(0), sigmoid(c + d @ W).mean(0))
    ),
    "of the visible biases": lambda x, d, W, b, c: x.mean(0) - d.mean(0),
    "of the hidden biases": lambda x, d, W, b, c: (
        sigmoid(c + x @ W).mean(0) - sigmoid(c + d @ W).mean(0)
    ),
}

RIGHT["middle_layer"] = [
    lambda q_1, q_3, W_2, W_3, c_2: sigmoid(c_2 + q_1 @ W_2 + q_3 @ W_3.T),
    lambda q_1, q_3, W_2, W_3, c_2: 1 / (1 + torch.exp(-(q_1 @ W_2 + (W_3 @ q_3.T).T + c_2))),
    lambda q_1, q_3, W_2, W_3, c_2: sigmoid(
        torch.cat([q_1, q_3], 1) @ torch.cat([W_2, W_3.T]) + c_2
    ),
    lambda q_1, q_3, W_2, W_3, c_2: scipy.special.expit(
        c_2.numpy() + q_1.numpy() @ W_2.numpy() + q_3.numpy() @ W_3.numpy().T
    ),
]

WRONG["middle_layer"] = {
    "the sigmoid is missing": lambda q_1, q_3, W_2, W_3, c: c + q_1 @ W_2 + q_3 @ W_3.T,
    "where is q_3": lambda q_1, q_3, W_2, W_3, c: sigmoid(c + q_1 @ W_2),
    "where is q_1": lambda q_1, q_3, W_2, W_3, c: sigmoid(c + q_3 @ W_3.T),
    "The biases are missing": lambda q_1, q_3, W_2, W_3, c: sigmoid(q_1 @ W_2 + q_3 @ W_3.T),
    "the probability of 0": lambda q_1, q_3, W_2, W_3, c: sigmoid(-c - q_1 @ W_2 - q_3 @ W_3.T),
    "Its transpose leads": lambda q_1, q_3, W_2, W_3, c: sigmoid(c + q_1 @ W_2 + q_3 @ W_3),
    "add both layers": lambda q_1, q_3, W_2, W_3, c: sigmoid(c + q_1 @ W_2 - q_3 @ W_3.T),
    "not averaged": lambda q_1, q_3, W_2, W_3, c: sigmoid(c + (q_1 @ W_2 + q_3 @ W_3.T) / 2),
    "not rounded": lambda q_1, q_3, W_2, W_3, c: sigmoid(
        c + (q_1 > 0.5).to(c) @ W_2 + (q_3 > 0.5).to(c) @ W_3.T
    ),
    "a softmax": lambda q_1, q_3, W_2, W_3, c: torch.softmax(c + q_1 @ W_2 + q_3 @ W_3.T, 1),
    "then one sigmoid": lambda q_1, q_3, W_2, W_3, c: (
        sigmoid(c + q_1 @ W_2) * sigmoid(c + q_3 @ W_3.T)
    ),
    "not their mean": lambda q_1, q_3, W_2, W_3, c: sigmoid(c + q_1 @ W_2 + q_3 @ W_3.T).mean(0),
}


def share_by_loops(w, b, c):
    sums = [0.0, 0.0]
    for x in itertools.product([0, 1], repeat=len(w)):
        pixels = sum(v * t for v, t in zip(x, b.tolist(), strict=True))
        pull = sum(v * t for v, t in zip(x, w.tolist(), strict=True))
        sums[0] += math.exp(pixels)
        sums[1] += math.exp(pixels + pull + c)
    return sums[1] / sum(sums)


RIGHT["share_of_second"] = [
    lambda w, b, c: sigmoid(c + (softplus(b + w) - softplus(b)).sum()),
    lambda w, b, c: 1 / (1 + torch.exp(-c - torch.log((1 + (b + w).exp()) / (1 + b.exp())).sum())),
    lambda w, b, c: (
        math.exp(c)
        * (1 + (b + w).exp()).prod()
        / ((1 + b.exp()).prod() + math.exp(c) * (1 + (b + w).exp()).prod())
    ),
    share_by_loops,
]

WRONG["share_of_second"] = {
    "That is p(h = 0)": lambda w, b, c: sigmoid(-c - (softplus(b + w) - softplus(b)).sum()),
    "Those are log odds": lambda w, b, c: c + (softplus(b + w) - softplus(b)).sum(),
    "Those are odds": lambda w, b, c: (c + (softplus(b + w) - softplus(b)).sum()).exp(),
    "hidden unit is missing": lambda w, b, c: sigmoid((softplus(b + w) - softplus(b)).sum()),
    "without any pixels": lambda w, b, c: sigmoid(torch.tensor(c)),
    "subtract its softplus": lambda w, b, c: sigmoid(c + softplus(b + w).sum()),
    "not w alone": lambda w, b, c: sigmoid(c + (softplus(w) - softplus(b)).sum()),
    "the image of all ones": lambda w, b, c: sigmoid(c + w.sum()),
    "Sum over all images": lambda w, b, c: sigmoid(c + sigmoid(b) @ w),
    "added up, not averaged": lambda w, b, c: sigmoid(c + (softplus(b + w) - softplus(b)).mean()),
    "runs over all pixels": lambda w, b, c: sigmoid(c + softplus(b + w) - softplus(b)),
    "The sign of the pixels": lambda w, b, c: sigmoid(c - (softplus(b + w) - softplus(b)).sum()),
    "not the sum of exponentials": lambda w, b, c: sigmoid(c + ((b + w).exp() - b.exp()).sum()),
}
