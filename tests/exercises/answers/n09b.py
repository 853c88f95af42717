"""What students might write for the exercises of notebook 09b; `answers` says how it is used."""

import math

import numpy as np
import torch

RIGHT, WRONG = {}, {}


def by_table(p, q):
    table = np.stack([(1 - p.numpy()) * (1 - q.numpy()), p.numpy() * q.numpy()])
    return table[1] / table.sum(0)


RIGHT["product_of_two"] = [
    lambda p, q: p * q / (p * q + (1 - p) * (1 - q)),
    lambda p, q: torch.sigmoid(torch.logit(p) + torch.logit(q)),
    lambda p, q: 1 / (1 + (1 / p - 1) * (1 / q - 1)),
    by_table,
]

WRONG["product_of_two"] = {
    "a product alone": lambda p, q: p * q,
    "an average": lambda p, q: 0.5 * p + 0.5 * q,
    "probability of 0": lambda p, q: (1 - p) * (1 - q) / (p * q + (1 - p) * (1 - q)),
    "Those are log odds": lambda p, q: torch.logit(p) + torch.logit(q),
    "Those are odds": lambda p, q: p * q / (1 - p) / (1 - q),
    "something else": lambda p, q: p * q / (p + q),
    "at least one": lambda p, q: 1 - (1 - p) * (1 - q),
    "geometric mean is not yet": lambda p, q: (p * q) ** 0.5,
    "No roots": lambda p, q: (p * q).sqrt() / ((p * q).sqrt() + ((1 - p) * (1 - q)).sqrt()),
    "not over the pixels": lambda p, q: p * q / (p * q + (1 - p) * (1 - q)).sum(),
    "has 1 - q, too": lambda p, q: p * q / (p * q + (1 - p) * q),
}


def by_codes(log_top, log_x, q):
    found = []
    for image, share in zip(log_x.double().numpy(), q.double().numpy()):
        on = share > 0
        terms = share[on] * (log_top.double().numpy()[on] + image[on] - np.log(share[on]))
        found.append(terms.sum())
    return found


RIGHT["bound_of_stack"] = [
    lambda log_top, log_x, q: (q * (log_top + log_x) - torch.xlogy(q, q)).sum(1),
    lambda log_top, log_x, q: q @ log_top + (q * log_x).sum(1) + torch.special.entr(q).sum(1),
    lambda log_top, log_x, q: (
        torch.distributions.Categorical(q.double()).entropy()
        + torch.einsum("bk,bk->b", q, log_x + log_top)
    ),
    by_codes,
]

WRONG["bound_of_stack"] = {
    "the entropy of q?": lambda t, x, q: (q * (t + x)).sum(1),
    "the entropy is added": lambda t, x, q: (q * (t + x)).sum(1) + torch.xlogy(q, q).sum(1),
    "the top machine": lambda t, x, q: (q * x - torch.xlogy(q, q)).sum(1),
    "the decoder": lambda t, x, q: (q * t - torch.xlogy(q, q)).sum(1),
    "log p(x) itself": lambda t, x, q: torch.logsumexp(t + x, dim=1),
    "not their mean": lambda t, x, q: (q * (t + x) - torch.xlogy(q, q)).sum(1).mean(),
    "not their sum": lambda t, x, q: (q * (t + x) - torch.xlogy(q, q)).sum(),
    "not all codes alike": lambda t, x, q: (t + x).mean(1) - torch.xlogy(q, q).sum(1),
    "do not divide by K": lambda t, x, q: (q * (t + x) - torch.xlogy(q, q)).mean(1),
    "In bits": lambda t, x, q: (q * (t + x) - torch.xlogy(q, q)).sum(1) / math.log(2),
    "no minus sign": lambda t, x, q: -(q * (t + x) - torch.xlogy(q, q)).sum(1),
    "NaN": lambda t, x, q: (q * (t + x - q.log())).sum(1),
    "not the probabilities": lambda t, x, q: (q * (t + x).exp()).sum(1).log(),
}


def by_both_orders(cold_x, cold_y, hot_x, hot_y):
    before, after = (-cold_x - hot_y).double(), (-cold_y - hot_x).double()
    return torch.where(after >= before, torch.ones(()).double(), (after - before).exp())


RIGHT["swap_chance"] = [
    lambda cx, cy, hx, hy: torch.exp(cx + hy - cy - hx).clamp(max=1),
    lambda cx, cy, hx, hy: torch.minimum(torch.ones_like(cx), torch.exp((cx - cy) + (hy - hx))),
    lambda cx, cy, hx, hy: np.exp(np.minimum(0, (cx + hy - cy - hx).double().numpy())),
    by_both_orders,
]

WRONG["swap_chance"] = {
    "larger?": lambda cx, cy, hx, hy: torch.exp(cx + hy - cy - hx),
    "swap back": lambda cx, cy, hx, hy: torch.exp(cy + hx - cx - hy).clamp(max=1),
    "the hot one?": lambda cx, cy, hx, hy: torch.exp(cx - cy).clamp(max=1),
    "the cold one?": lambda cx, cy, hx, hy: torch.exp(hy - hx).clamp(max=1),
    "the hot one has y": lambda cx, cy, hx, hy: torch.exp(cx + hx - cy - hy).clamp(max=1),
    "A low free energy": lambda cx, cy, hx, hy: torch.exp(cx + cy - hx - hy).clamp(max=1),
    "A sigmoid also balances": lambda cx, cy, hx, hy: torch.sigmoid(cx + hy - cy - hx),
    "not its logarithm": lambda cx, cy, hx, hy: (cx + hy - cy - hx).clamp(max=0),
    "not yes or no": lambda cx, cy, hx, hy: (cx + hy >= cy + hx).float(),
    "for each pair": lambda cx, cy, hx, hy: torch.exp(cx + hy - cy - hx).clamp(max=1).mean(),
    "min, not max": lambda cx, cy, hx, hy: torch.exp(cx + hy - cy - hx).clamp(min=1),
}
