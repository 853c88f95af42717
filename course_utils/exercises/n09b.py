"""Exercises of notebook 09b: what is right, and what each likely slip gives."""

import math

import torch
from torch import Tensor

from course_utils.exercises.checking import exercise


def shares(*shape: int) -> Tensor:
    """Probabilities between 0.05 and 0.95."""
    return 0.05 + 0.9 * torch.rand(*shape)


@exercise(
    "09b",
    "against a table of the two states",
    lambda: [
        (shares(5), shares(5)),
        (shares(3, 4), shares(3, 4)),
        (torch.full((2,), 0.9), torch.full((2,), 0.9)),
        (shares(1), torch.full((1,), 0.5)),
    ],
)
def product_of_two(p, q):
    """The product of both distributions over the states 0 and 1, divided by its sum."""
    table = torch.stack([1 - p, p]) * torch.stack([1 - q, q])
    right, both = (table / table.sum(0))[1], p * q
    return right, {
        "Divide by the sum over both states: a product alone is no distribution.": both,
        "That is an average: a mixture of the two experts, not their product.": (p + q) / 2,
        "That is the probability of 0.": 1 - right,
        "Those are odds, p / (1 - p). Divide by the sum over both states.": right / (1 - right),
        "Those are log odds. The sigmoid makes a probability of them.": torch.logit(right),
        "Z is the sum of two products. A sum of p and q is something else.": both / (p + q),
        "That is the probability that at least one of two pixels is 1.": p + q - both,
        "A geometric mean is not yet a distribution, and no root is asked for.": both.sqrt(),
        "No roots: the product itself, not its geometric mean.": torch.sigmoid(
            0.5 * (torch.logit(p) + torch.logit(q))
        ),
        "One number for each entry: Z is a sum over the two states, not over the pixels.": (
            both / (both + (1 - p) * (1 - q)).sum()
        ),
        "The other state's product has 1 - q, too.": both / (both + (1 - p) * q),
    }


def codes(B: int, K: int, certain: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """log p_top(h), log p(x|h) and q(h|x); where `certain`, some of q are 0."""
    q = torch.rand(B, K)
    if certain:
        q[:, ::2] = 0
    return torch.randn(K).log_softmax(0), -3 * torch.rand(B, K), q / q.sum(1, keepdim=True)


@exercise(
    "09b",
    "code by code, also where q is 0",
    lambda: [codes(4, 6), codes(3, 5, certain=True), codes(1, 2), codes(7, 4)],
)
def bound_of_stack(log_top, log_x, q):
    """A sum over the codes that q allows, in a loop."""
    rows = []
    for i in range(len(q)):
        terms = [
            q[i, k] * (log_top[k] + log_x[i, k] - q[i, k].log())
            for k in range(q.shape[1])
            if q[i, k] > 0
        ]
        rows.append(torch.stack(terms).sum())
    right, entropy = torch.stack(rows), -torch.xlogy(q, q).sum(1)
    average, joint = (q * (log_top + log_x)).sum(1), log_top + log_x
    return right, {
        "Where is the entropy of q?": average,
        "Check the sign of log q: the entropy is added.": average - entropy,
        "Where is the top machine, log p_top(h)?": (q * log_x).sum(1) + entropy,
        "Where is the decoder, log p(x|h)?": (q * log_top).sum(1) + entropy,
        "That is log p(x) itself. The bound is an average under q.": joint.logsumexp(1),
        "One bound for each image, not their mean.": right.mean(),
        "One bound for each image, not their sum.": right.sum(),
        "Each code counts by its q, not all codes alike.": joint.mean(1) + entropy,
        "Sum over the codes: q is the weight already, so do not divide by K.": (
            right / q.shape[1]
        ),
        "In bits; the course measures in nats.": right / math.log(2),
        "A bound, so no minus sign in front of all of it.": -right,
        "Where q is 0, q log q is NaN if it is computed so. Use torch.xlogy.": (
            (q * (joint - q.log())).sum(1)
        ),
        "Average the logarithms, not the probabilities.": (q * joint.exp()).sum(1).log(),
    }


def energies(B: int, scale: float) -> tuple[Tensor, ...]:
    """Four free energies of B pairs."""
    return tuple(scale * torch.randn(B) for _ in range(4))


@exercise(
    "09b",
    "from the probabilities of both orders, for gains that are small and that are large",
    lambda: [energies(6, 0.7), energies(5, 2.0), energies(4, 10.0), energies(1, 0.5)],
)
def swap_chance(cold_x, cold_y, hot_x, hot_y):
    """The probability after the swap over that before, at most 1."""
    before, after = -cold_x - hot_y, -cold_y - hot_x
    gain = after - before
    right = torch.exp(torch.minimum(gain, torch.zeros_like(gain)))
    return right, {
        "A probability is at most 1: what if the ratio is larger?": gain.exp(),
        "That is the chance of the swap back: the new order stands above in the ratio.": (
            (-gain).clamp(max=0).exp()
        ),
        "Both machines have a say: where is the hot one?": ((cold_x - cold_y).clamp(max=0).exp()),
        "Both machines have a say: where is the cold one?": (hot_y - hot_x).clamp(max=0).exp(),
        "Before the swap, the cold machine has x and the hot one has y.": (
            (cold_x + hot_x - cold_y - hot_y).clamp(max=0).exp()
        ),
        "A low free energy means likely: check the sign.": (
            (cold_x + cold_y - hot_x - hot_y).clamp(max=0).exp()
        ),
        "min(1, ratio), as the page derives it. A sigmoid also balances, but swaps less often.": (
            torch.sigmoid(gain)
        ),
        "A probability, not its logarithm.": gain.clamp(max=0),
        "A probability, not yes or no.": (gain >= 0).to(gain),
        "One probability for each pair.": right.mean(),
        "At most 1, so the smaller of both: min, not max.": gain.exp().clamp(min=1),
    }
