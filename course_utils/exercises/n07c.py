"""The exercise of notebook 07c on two layers: what is right, and what each likely slip gives."""

import torch

from course_utils.exercises.checking import exercise


@exercise(
    "07c",
    "against one correction after the other, for two opinions and for many",
    lambda: [
        (torch.tensor([[20.0], [23.0]]), torch.tensor([[1.0], [2.0]])),
        (3 * torch.randn(2, 4), 0.2 + 2 * torch.rand(2, 4)),
        (torch.randn(5, 3) + 2, 0.1 + torch.rand(5, 3)),
        (4 * torch.randn(3, 2), torch.tensor([[0.3, 4.0], [1.5, 0.2], [6.0, 1.0]])),
    ],
    parts=("mean", "variance"),
)
def combine_opinions(means, variances):
    """Each opinion corrects what the ones before it said, by its share (Kalman's gain)."""
    mean, variance = means[0], variances[0]
    for m, v in zip(means[1:], variances[1:]):
        gain = variance / (variance + v)  # how far the newcomer moves the mean
        mean, variance = mean + gain * (m - mean), (1 - gain) * variance
    precision = 1 / variances
    turned = (variances * means).sum(0) / variances.sum(0)
    by_std = (means / variances.sqrt()).sum(0) / (1 / variances.sqrt()).sum(0)
    squared = (means / variances**2).sum(0) / (1 / variances**2).sum(0)
    return (mean, variance), {
        "mean: all opinions count alike there. A surer one must count more.": (
            means.mean(0),
            None,
        ),
        "mean: the unsure ones count most. The weight is 1 / variance.": (turned, None),
        "mean: the weight is 1 / variance, not 1 / standard deviation.": (by_std, None),
        "mean: the weight is 1 / variance, not its square.": (squared, None),
        "mean: the sum of the weights is still to be divided by.": (
            (precision * means).sum(0),
            None,
        ),
        "mean: the surest opinion alone; the others say something, too.": (
            means.gather(0, variances.argmin(0, keepdim=True))[0],
            None,
        ),
        "mean: multiplied by the number of opinions; a sum has slipped in.": (
            len(means) * mean,
            None,
        ),
        "variance: that is the precision. The variance is 1 over it.": (None, precision.sum(0)),
        "variance: precisions add up, not variances.": (None, variances.sum(0)),
        "variance: the average of the variances; but together one is surer.": (
            None,
            variances.mean(0),
        ),
        "variance: that is 1 over the *mean* precision; they add up.": (
            None,
            1 / precision.mean(0),
        ),
        "variance: that is the standard deviation.": (None, variance.sqrt()),
        "variance: that is its logarithm.": (None, variance.log()),
        "variance: that is the smallest one; together one is surer still.": (
            None,
            variances.amin(0),
        ),
    }
