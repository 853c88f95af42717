"""Exercises of notebook 10: what is right, and what each likely slip gives."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from course_utils.exercises.checking import exercise
from course_utils.exercises.common import uniform


def logs(n: int, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    """log p and log q at n places; far from every bump they are very negative."""
    return scale * torch.randn(n) - scale, scale * torch.randn(n) - scale


@exercise(
    10,
    "against p / (p + q), where densities are usual and where both are too small for a float",
    lambda: [
        logs(6),
        logs(3, 4.0),
        (torch.tensor([-900.0, -905.0]), torch.tensor([-903.0, -904.0])),
    ],
)
def best_judge(log_p, log_q):
    """The share of real ones at each place."""
    right = torch.softmax(torch.stack([log_p, log_q]), 0)[0]
    ratio = log_p - log_q
    return right, {
        "That is the share of generated ones: D says how likely x is real.": 1 - right,
        "That is the log of p / q. The sigmoid makes a share of it.": ratio,
        "That is p / q. D is a share: p / (p + q).": ratio.exp(),
        "That is the log of D.": right.log(),
        "Those are logs of densities: first the densities, then the share.": (
            log_p / (log_p + log_q)
        ),
        "D is p / (p + q), not the density p itself.": log_p.exp(),
        "A half belongs to JSD's mixture, not to D: p / (p + q).": (
            torch.sigmoid(ratio + math.log(2))
        ),
        "A share lies between 0 and 1, a half where p = q: use the sigmoid, not tanh.": (
            torch.tanh(ratio / 2)
        ),
        "Half of the log ratio is not enough: sigmoid of log p - log q.": torch.sigmoid(ratio / 2),
    }


def judged(B: int, N: int, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    """Logits of real and of generated images."""
    return scale * torch.randn(B), scale * torch.randn(N)


@exercise(
    10,
    "against a classifier's cross-entropy, for batches of different sizes, and logits of hundreds",
    lambda: [judged(5, 5), judged(3, 8, 3.0), judged(7, 2, 200.0), judged(1, 1)],
)
def judge_loss(real, fake):
    """Minus the mean log D of real images, minus the mean log(1 - D) of generated ones."""
    cross_entropy = nn.functional.binary_cross_entropy_with_logits
    right = cross_entropy(real, torch.ones_like(real)) + cross_entropy(
        fake, torch.zeros_like(fake)
    )
    both = torch.cat([softplus(-real), softplus(fake)])
    return right, {
        "D wants this large; a loss is minimised: check the sign.": -right,
        "Real images should have a large D, generated ones a small one: they changed places.": (
            softplus(real).mean() + softplus(-fake).mean()
        ),
        "Where are the generated images?": softplus(-real).mean(),
        "Where are the real images?": softplus(fake).mean(),
        "Means over the batches, not sums.": both.sum(),
        "One mean for each batch, then the sum: not one mean over all images.": both.mean(),
        "The two means are added up, without a half.": right / 2,
        "That is the generator's part: D wants a small D(G(z)).": (
            softplus(-real).mean() + softplus(-fake).mean()
        ),
        "The real part has the other sign: -log D is softplus(-d).": (
            softplus(real).mean() + softplus(fake).mean()
        ),
        "real and fake are logits; D is their sigmoid, and its log is wanted.": (
            fake.mean() - real.mean()
        ),
        "The logs are missing: -log D, not 1 - D.": (
            (1 - torch.sigmoid(real)).mean() + torch.sigmoid(fake).mean()
        ),
        "First the log of each image's D, then the mean.": (
            -torch.sigmoid(real).mean().log() - (1 - torch.sigmoid(fake)).mean().log()
        ),
        "In bits; the course measures in nats.": right / math.log(2),
    }


def points(C: int, N: int, spread: float) -> tuple[Tensor, Tensor, float]:
    """Points around some of the centres, and some far away; no distance near the radius."""
    angle = 2 * math.pi * torch.arange(C) / C
    centres = 2 * torch.stack([angle.cos(), angle.sin()], 1)
    few = torch.randint(1, C, ()).item()
    chosen = torch.randint(few, (N,))
    direction = torch.randn(N, 2)
    direction = direction / direction.norm(dim=1, keepdim=True)
    length = torch.where(torch.rand(N) < 0.6, 0.05 + 0.1 * torch.rand(N), 0.35 + torch.rand(N))
    return centres[chosen] + spread * length[:, None] * direction, centres, 0.25 * spread


@exercise(
    10,
    "against a count by loops, for clouds that miss some modes and for points between them",
    lambda: [
        points(8, 40, 1.0),
        points(5, 12, 1.0),
        points(3, 25, 0.5),
        (
            torch.tensor([[0.5, 0.0], [0.4, 0.0], [9.0, 0.0]]),
            torch.tensor([[0.0, 0.0], [1.0, 0.0]]),
            0.7,
        ),
        (torch.tensor([[5.0, 5.0]]), torch.zeros(2, 2) + torch.tensor([[0.0], [1.0]]), 0.5),
        (torch.tensor([[0.0, 0.1], [2.0, 0.0], [0.1, 0.0], [0.0, 1.6]]), torch.eye(3, 2) * 2, 0.3),
    ],
)
def modes_caught(points, centres, radius):
    """How many centres have a point within the radius."""
    distance = (points[:, None] - centres).norm(dim=-1)  # (N, C)
    near = distance < radius
    places = points.tolist()
    caught = [any(math.dist(p, c) < radius for p in places) for c in centres.tolist()]
    right = torch.tensor(sum(caught))
    squared = (distance.square() < radius).any(0).sum()
    return right.double(), {
        "That counts points. Count centres that have at least one point near.": near.sum(),
        "That counts points near some centre. Count centres.": near.any(1).sum(),
        "A share; wanted is a number of centres.": right / len(centres),
        "Those are the centres without a point near.": len(centres) - right,
        "The radius is a distance; the square root is missing.": squared,
        "Near means: closer than the radius.": (distance > radius).any(0).sum(),
        "One point near is enough; not all points need be.": near.all(0).sum(),
    }


@exercise(
    10,
    "piece by piece of the line, for generators on either side and far away",
    lambda: [(uniform(-0.9, 0.9),), (uniform(1.1, 3.0),), (0.0,), (uniform(-3.0, -1.1),), (0.25,)],
)
def value_at(m):
    """E_p[log D*] + E_q[log(1 - D*)]: p lives on [0, 1], q on [m, m + 1]; piece by piece."""
    m = torch.as_tensor(m, dtype=torch.float64)
    ends = torch.stack([torch.zeros_like(m), torch.ones_like(m), m, m + 1]).sort().values
    middle, length = (ends[1:] + ends[:-1]) / 2, ends.diff()
    p = ((middle > 0) & (middle < 1)).double()
    q = ((middle > m) & (middle < m + 1)).double()
    D = p / (p + q).clamp(min=1e-300)
    right = (length * (torch.xlogy(p, D) + torch.xlogy(q, 1 - D))).sum()
    overlap, half = (length * p * q).sum(), math.log(2)
    return right, {
        "The logs of a half are negative: check the sign.": -right,
        "That is the divergence JSD. The value is 2 JSD - log 4.": (right + math.log(4)) / 2,
        "That is 2 JSD; log 4 is still to be subtracted.": right + math.log(4),
        "That is the Jensen-Shannon divergence minus log 4: JSD counts twice.": (
            (right + math.log(4)) / 2 - math.log(4)
        ),
        "Both averages have a part on the overlap: log ½ twice.": -overlap * half,
        "That is the length of the overlap.": overlap,
        "Beyond m = 1 nothing overlaps, and the value stays 0.": -(1 - m.abs()) * math.log(4),
        "The generator may stand on the other side, too: m can be negative.": (
            -((1 - m).clamp(0, 1)) * math.log(4)
        ),
        "In bits; the course measures in nats.": right / half,
        "The value at m = 0 is the least: it must rise as the overlap shrinks.": (
            -(1 - overlap) * math.log(4)
        ),
    }
