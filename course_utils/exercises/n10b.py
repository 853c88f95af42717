"""Exercises of notebook 10b: what is right, and what each likely slip gives."""

import math

import torch
from torch import Tensor

from course_utils.exercises.checking import exercise
from course_utils.exercises.common import uniform


def logits_of(means: tuple[float, float], counts: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Exact logits of N(a, 1) against N(b, 1) at draws of q and of p."""
    a, b = means
    z_q, z_p = b + torch.randn(counts[0]), a + torch.randn(counts[1])
    return tuple((a - b) * z - (a**2 - b**2) / 2 for z in (z_q, z_p))


@exercise(
    "10b",
    "against the sums as they stand, for many draws and few, for large logits too",
    lambda: [
        logits_of((0.0, 1.0), (400, 600)),
        logits_of((0.5, -1.5), (7, 5)),
        (torch.randn(6), torch.randn(9) + uniform(0.5, 1.5)),
        (torch.tensor([-200.0, -150.0]), torch.tensor([-120.0, -90.0, 3.0])),
    ],
)
def kl_bound(logit_q, logit_p):
    """Mean of T over q minus the log of the mean of exp(T) over p, in float64."""
    t_q, t_p = -logit_q, -logit_p
    top = t_p.max()
    log_sum = top + (t_p - top).exp().sum().log()
    log_mean = log_sum - math.log(len(t_p))
    right = t_q.mean() - log_mean

    def log_mean_exp(values: Tensor) -> Tensor:
        return torch.logsumexp(values, 0) - math.log(len(values))

    return right, {
        "T is minus the logit: a logit above 0 means that z comes from p.": (
            logit_q.mean() - log_mean_exp(logit_p)
        ),
        "Only in the first average T has the wrong sign.": logit_q.mean() - log_mean,
        "Only in the second average T has the wrong sign.": t_q.mean() - log_mean_exp(logit_p),
        "That is the mean of T over q. The second average is missing.": t_q.mean(),
        "The logarithm of a mean, not of a sum: log K is missing.": t_q.mean() - log_sum,
        "The logarithm of the mean of e^T, not the mean of T.": t_q.mean() - t_p.mean(),
        "The second average is subtracted, not added.": t_q.mean() + log_mean,
        "The averages have changed places: the first is over q, the second over p.": (
            t_p.mean() - log_mean_exp(t_q)
        ),
        "The second average is over draws of p, not of q.": t_q.mean() - log_mean_exp(t_q),
        "An average over q, not a sum.": t_q.sum() - log_mean,
        "log K has the number of the draws of p, not of q.": (
            t_q.mean() - log_sum + math.log(len(t_q))
        ),
        "That is minus the bound.": -right,
    }


@exercise(
    "10b",
    "against torch's normal density at many variances, of which the best is taken",
    lambda: [
        (torch.randn(4, 6), torch.randn(4, 6)),
        (torch.randn(3, 10), 0.2 * torch.randn(3, 10) + 1.0),
        (5 * torch.randn(8, 2), torch.randn(8, 2)),
        (torch.rand(1, 7), torch.rand(1, 7)),
    ],
)
def feature_nats(f_x, f_hat):
    """F/2 times log(2 pi e times the mean square)."""
    F, square = f_x.shape[1], (f_x - f_hat).square()
    variance = square.mean()
    right = 0.5 * F * (torch.log(2 * math.pi * variance) + 1)
    each = square.mean(0)
    by_image = square.mean(1)
    return right, {
        "The constants are missing: log 2π, and the 1 of the squared error itself.": (
            0.5 * F * variance.log()
        ),
        "With the best σ² the squared error does not vanish: it gives ½ for each feature.": (
            0.5 * F * torch.log(2 * math.pi * variance)
        ),
        "log 2π is missing.": 0.5 * F * (variance.log() + 1),
        "σ² = 1 is not the best one.": 0.5 * F * math.log(2 * math.pi) + 0.5 * F * variance,
        "One σ² for all features, not one for each.": (
            0.5 * (torch.log(2 * math.pi * each) + 1).sum()
        ),
        "One σ² for the whole batch, not one for each image.": (
            0.5 * F * (torch.log(2 * math.pi * by_image) + 1).mean()
        ),
        "The sign: asked for is minus the log-likelihood.": -right,
        "That is for one feature. An image has F of them.": right / F,
        "Per image, so an average over the batch, not a sum.": right * len(f_x),
        "The variance is the mean square, not its root.": (
            0.5 * F * (torch.log(2 * math.pi * variance.sqrt()) + 1)
        ),
        "The ½ is missing.": 2 * right,
        "σ² is the mean of the squares, not their sum.": (
            0.5 * F * (torch.log(2 * math.pi * square.sum()) + 1)
        ),
        "The mean of the squared differences, not the square of the mean difference.": (
            0.5 * F * (torch.log(2 * math.pi * (f_x - f_hat).mean().square()) + 1)
        ),
    }


def best_plan(a: Tensor, b: Tensor) -> Tensor:
    """The cheapest way to give each draw of a one draw of b, as a linear program's solution."""
    from scipy.optimize import linear_sum_assignment

    cost = (a[:, None] - b).abs()
    rows, columns = linear_sum_assignment(cost.numpy())
    return cost[rows, columns].mean()


@exercise(
    "10b",
    "against the cheapest of all assignments of one sample's draws to the other's",
    lambda: [
        (torch.randn(50), 2 + torch.randn(50)),
        (torch.randn(7), 3 * torch.randn(7)),
        (torch.tensor([0.0, 10.0]), torch.tensor([11.0, 1.0])),
        (torch.rand(20), torch.rand(20) - uniform(1, 2)),
    ],
)
def carried(a, b):
    """The mean distance under the cheapest assignment."""
    right = best_plan(a, b)
    up = a.sort().values - b.sort().values
    return right, {
        "Sort both: the smallest draw of a goes to the smallest of b.": (a - b).abs().mean(),
        "That carries the smallest to the largest, the dearest plan.": (
            (a.sort().values - b.sort(descending=True).values).abs().mean()
        ),
        "How far each draw goes, without its sign, and then the mean.": up.mean().abs(),
        "A distance has no sign: take the absolute values before the mean.": up.mean(),
        "The distance, not its square.": up.square().mean(),
        "The mean distance, not the root of the mean square.": up.square().mean().sqrt(),
        "The mean over the draws, not the sum.": up.abs().sum(),
        "The mean of the distances, not the largest.": up.abs().max(),
        "Only a is sorted; b must be sorted, too.": (a.sort().values - b).abs().mean(),
        "Only b is sorted; a must be sorted, too.": (a - b.sort().values).abs().mean(),
        "That is the mean distance of all pairs. Each draw of a goes to one draw of b.": (
            (a[:, None] - b).abs().mean()
        ),
        "Two draws of a may not go to one draw of b: take the next in order, not the nearest.": (
            (a[:, None] - b).abs().amin(1).mean()
        ),
        "The middle distance is the median; asked for is the mean.": up.abs().median(),
    }
