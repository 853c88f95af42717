"""Exercises of notebook 06: what is right, and what each likely slip gives."""

import math

import torch
from torch import Tensor

from course_utils.exercises.checking import exercise
from course_utils.exercises.common import uniform


def codes_with(means: list, variances: list, B: int) -> tuple[Tensor]:
    """Codes (B, M) with these means and variances: as many images above the mean as below it."""
    signs = torch.stack([torch.randperm(B) % 2 for _ in means], dim=1) * 2.0 - 1
    return (torch.tensor(means) + torch.tensor(variances).sqrt() * signs,)


def line_of(N: int, M: int, mean: float, std: float) -> tuple[Tensor, Tensor]:
    """Codes (N, M) around a straight line in a number, and that number (N,)."""
    values = mean + std * torch.randn(N)
    return 1 + values[:, None] * torch.randn(M) + 0.5 * torch.randn(N, M), values


@exercise(
    6,
    "units that vary a little less and a little more than the limit, about any centre",
    lambda: [
        codes_with([0.0, 2.0, 1.0, 0.0, 3.0, 0.0], [4.0, 0.0, 0.0025, 0.04, 0.007, 0.014], 500),
        codes_with([2.0, 0.0, 1.0, 0.004], [0.0, 0.02, 0.3, 0.00005], 400),
        codes_with([0.0, 0.0, 0.0], [0.0025, 0.00005, 1.0], 200),
        codes_with([1.0, 0.5], [0.0081, 1.0], 300),
    ],
)
def active_units(mu):
    """Whether the mean squared distance from the mean code exceeds 0.01."""
    mean = mu.mean(0)
    var = ((mu - mean) ** 2).mean(0)
    return var > 0.01, {
        "Those are the variances. Which of them are large enough?": var,
        "That is how many are active; asked for is which.": (var > 0.01).sum(),
        "One truth value per image. Each unit varies over the images: the other axis.": (
            mu.var(1) > 0.01
        ),
        "One truth value for all units together; keep the units apart.": mu.var() > 0.01,
        "You marked the units that sleep.": var < 0.01,
        "The limit holds for the variance; you compared the standard deviation.": (
            var.sqrt() > 0.01
        ),
        "A unit that is far from 0 in every image alike says nothing: that is the mean square.": (
            var + mean**2 > 0.01
        ),
        "The mean of a unit says nothing. How much does it vary?": mean.abs() > 0.01,
        "The mean of |μ| says how far from 0, not how much a unit varies.": (
            mu.abs().mean(0) > 0.01
        ),
        "One image far from 0 is not enough: how much do all of them vary?": (
            (mu.abs() > 0.01).any(0)
        ),
        "The limit holds for the variance; you compared the range, largest less smallest.": (
            mu.amax(0) - mu.amin(0) > 0.01
        ),
        "Another limit: 0.01 for the variance is 0.1 for the standard deviation.": var > 0.1,
        "Those are the numbers of the active units; asked for is yes or no for each.": (
            (var > 0.01).nonzero().squeeze()
        ),
    }


@exercise(
    6,
    "for codes near 0, on the shell and far out, in 2 to 60 dimensions",
    lambda: [
        (torch.randn(6, 20),),
        (torch.tensor([[0.1, 0.3], [-1.0, 0.4], [2.5, -0.2]]),),
        (0.6 * torch.randn(5, 3),),
        (1.1 * torch.randn(4, 60),),
    ],
)
def share_closer(z):
    """The regularised incomplete gamma function of half the squared length."""
    M = z.shape[1]

    def chi2_cdf(value, df):
        return torch.special.gammainc(torch.full_like(value, df / 2), value.clamp(min=0) / 2)

    squared = z.square().sum(1)
    right = chi2_cdf(squared, M)
    box = torch.erf(z.abs() / math.sqrt(2))  # P(|z_m| is smaller), unit by unit
    return right, {
        "That share lies farther out. Asked for: the share that lies closer to 0.": 1 - right,
        "Chi-squared is the distribution of the square |z|²; you put in |z|.": chi2_cdf(
            squared.sqrt(), M
        ),
        "One degree of freedom too few: nothing was estimated, so there are M of them.": chi2_cdf(
            squared, M - 1
        ),
        "The squares are added up over the units, not averaged.": chi2_cdf(squared / M, M),
        "One number for each code: add up over the units, axis 1.": chi2_cdf(z.square().sum(0), M),
        "M counts the units, `z.shape[1]`; you took the number of codes.": chi2_cdf(
            squared, len(z)
        ),
        "One degree of freedom belongs to one unit; the sum has M of them.": chi2_cdf(squared, 1),
        "That is the share in a box, each unit closer to 0 by itself. Distance is a ball.": (
            box.prod(1)
        ),
        "One share for each unit; asked for is one for each code.": chi2_cdf(z.square(), 1),
        "The units are squared before they are added: (Σ z)² is not Σ z².": chi2_cdf(
            z.sum(1).square(), M
        ),
        "The degrees of freedom are M, and M does not come in twice.": chi2_cdf(squared, M * M),
        "That is the density there; the share is the area up to there, `cdf`.": (
            (M / 2 - 1) * squared.log() - squared / 2 - M / 2 * math.log(2) - math.lgamma(M / 2)
        ).exp(),
    }


@exercise(
    6,
    "against least squares, for numbers of any mean and spread, and for yes or no",
    lambda: [
        line_of(11, 4, mean=5.0, std=2.0),
        line_of(6, 2, mean=-1.0, std=0.5),
        line_of(300, 10, mean=0.3, std=0.2),
        (torch.randn(7, 3), (torch.arange(7) % 3 == 0).float()),
    ],
)
def direction(codes, values):
    """The slope of a least squares fit of the codes to the values."""
    columns = torch.stack([torch.ones_like(values), values], dim=1)
    start, right = torch.linalg.lstsq(columns, codes).solution  # codes = start + values * right
    N, v, c = len(values), values - values.mean(), codes - codes.mean(0)
    above = values > values.mean()
    groups = codes[above].mean(0) - codes[~above].mean(0)
    cut = values.quantile(torch.tensor([0.25, 0.75]).to(values))
    quarters = codes[values >= cut[1]].mean(0) - codes[values <= cut[0]].mean(0)
    weights = torch.linalg.pinv(c) @ v  # values = start + codes @ weights
    return right, {
        "It points the other way: towards smaller values.": -right,
        "That is the covariance. How far does the code move when the value rises by 1?": v @ c / N,
        "That is the covariance (over N - 1). How far does the code move when the value rises "
        "by 1?": v @ c / (N - 1),
        "That is the sum of the products. By which sum of squares is it divided?": v @ c,
        "Divided by the standard deviation of the values: their variance belongs there.": (
            v @ c / N / v.square().mean().sqrt()
        ),
        "That is the correlation, a number without a unit.": (
            v @ c / (v.square().sum() * c.square().sum(0)).sqrt()
        ),
        "The other way round: how the value changes with the code, unit by unit.": (
            v @ c / c.square().sum(0)
        ),
        "Those weights predict the value from the code. Asked for: the code from the value.": (
            weights
        ),
        "That line goes through the origin. Subtract the mean of the values first.": (
            values @ codes / (values @ values)
        ),
        "In the denominator, too, the mean of the values is subtracted before squaring.": (
            v @ c / (values @ values)
        ),
        "In the numerator, too, a mean is subtracted: of the values, or of the codes.": (
            values @ codes / (v @ v)
        ),
        "Two groups only: that does not use how large the values are.": groups,
        "Two groups: it matters how far from the mean a value lies, not only on which side.": (
            groups / (values[above].mean() - values[~above].mean())
        ),
        "The outer quarters only: the images between them count as well.": quarters,
        "That is the code at the value 0, c. Asked for: d.": start,
        "That is the code at the value 1, c + d. Asked for: d.": start + right,
        "The text does not ask for length 1: d says how far the code moves.": right / right.norm(),
        "One number for all units; keep them apart.": right.mean(),
        "`cov` divides by N - 1 and `mean` by N: the sums must be divided alike.": (
            v @ c / (N - 1) / v.square().mean()
        ),
        "`var` divides by N - 1 and `mean` by N: divide both sums by the same number.": (
            v @ c / N / (v.square().sum() / (N - 1))
        ),
    }


@exercise(
    6,
    "for five places on the way, in 1 to 1,000 dimensions",
    lambda: [(0.0, 30), (1.0, 7), (0.5, 30), (0.3, 1), (uniform(0.6, 0.9), 1000)],
)
def expected_square(t, M):
    """The mean over ± 1, which have the moments of a standard normal."""
    signs = [(-1, -1), (-1, 1), (1, -1), (1, 1)]  # with mean and variance of a standard normal
    right = M * sum(((1 - t) * a + t * b) ** 2 for a, b in signs) / 4
    return right, {
        "M is right at both ends only. Between, did you square 1 - t and t? Or take z_0 and z_1 "
        "for the same draw?": M,
        "As if z_1 were -z_0: what is the average of z_0 · z_1?": M * (1 - 2 * t) ** 2,
        "That is one dimension; there are M.": right / M,
        "Both draws have M dimensions, not only one of them.": M * (1 - t) ** 2 + t**2,
        "Variances of independent parts add up, whatever the signs.": right - 2 * M * t**2,
        "Only z_0's part, without z_1's.": M * (1 - t) ** 2,
        "That is a length; asked for is its square.": math.sqrt(right),
        "No root of the sum of the squared shares: they are variances.": math.sqrt(right * M),
        "The number of dimensions comes in once, not squared.": M * right,
        "That is the least value, at t = ½; asked for is the formula for every t.": M / 2,
        "Two independent draws have no cross term.": right + M * t * (1 - t),
        "Brackets: M multiplies both squares.": (1 - t) ** 2 + M * t**2,
    }


@exercise(
    6,
    "orthogonal to w, and nothing else taken off, for vectors of any length",
    lambda: [
        (torch.randn(10), 3 * torch.randn(10)),
        (torch.randn(2), 0.3 * torch.randn(2)),
        (torch.tensor([1.0, 2.0, 0.0]), torch.tensor([2.0, -1.0, 5.0])),
        (torch.tensor([-1.0, 0.5, 2.0]), torch.tensor([0.0, 4.0, 3.0])),
    ],
)
def without(u, w):
    """u less its least squares fit by w."""
    along = w * torch.linalg.lstsq(w[:, None], u[:, None]).solution[0]
    right = u - along
    return right, {
        "That is the part of u along w, the one to take off.": along,
        "The part along w was added once more, not taken off.": u + along,
        "As if w had length 1: its length matters.": u - along * (w @ w),
        "The length of w comes in twice: in u · w, and in w itself.": u - along * w.norm(),
        "u and w have changed places: the tilt loses its smile.": w - (u @ w) / (u @ u) * u,
        "You took off a part along u. Asked for is the part along w.": u - (u @ w) / (u @ u) * u,
        "Whose length? The part along w must not change when w is made longer.": (
            u - along * (w @ w) / (u @ u)
        ),
        "The direction is right, the length is not: no need to make it 1.": right / right.norm(),
        "All of w is taken off, whether u has it or not.": u - w,
        "u · w is one number: multiply entry by entry, then add up.": u - u * w,
        "Entry by entry nothing is left: u · w and w · w are one number each.": (
            u - u * w / (w * w) * w
        ),
        "Brackets: Python reads / w @ w from the left, and divides by w.": (
            u - (u @ w) / w @ w * w
        ),
        "Brackets: / w @ w divides by w and then multiplies.": u - w * (u @ w) / w @ w,
        "The same number is taken off every entry: where is the direction of w?": (
            u - (u @ w) / (w @ w)
        ),
        "The cosine does not know how long u and w are.": (
            u - torch.cosine_similarity(u, w, dim=0) * w
        ),
        "What is left may be shorter than u: no need to stretch it again.": (
            right / right.norm() * u.norm()
        ),
    }


@exercise(
    6,
    "each factor's gap, with ties and idle units, in four tables",
    lambda: [  # square tables, so that a wrong axis gets as far as wrong numbers
        (2 * torch.rand(3, 3), 1 + torch.rand(3)),
        (2 * torch.rand(6, 6), 1 + torch.rand(6)),
        (torch.tensor([[0.5, 0.2], [0.4, 0.9]]), torch.tensor([2.0, 1.5])),
        (
            torch.tensor([[0.9, 0.0, 0.3], [0.0, 1.5, 0.8], [0.7, 0.3, 0.8]]),
            torch.tensor([2.0, 3.0, 1.2]),
        ),
    ],
)
def gaps(information, entropy):
    """The two best of each sorted column, their difference over the factor's entropy."""
    ascending = information.sort(dim=0).values
    by_row = information.sort(descending=True).values
    second, best = ascending[-2:]
    top = information.flatten().sort().values
    *_, second_factor, best_factor = information.T.sort(dim=0).values
    return (best - second) / entropy, {
        "Not yet divided by the entropy of the factor.": best - second,
        "Divided by the best unit's information; more than the entropy nobody can have.": (
            (best - second) / best
        ),
        "The two best factors of each unit. Asked for: the two best units of each factor.": (
            (best_factor - second_factor) / entropy
        ),
        "The best minus the worst unit; the gap is to the second best.": (
            (best - information.amin(0)) / entropy
        ),
        "The two best numbers of the whole table; each factor has its own two best units.": (
            (top[-1] - top[-2]) / entropy
        ),
        "The best minus the mean of all units; the gap is to the second best.": (
            (best - information.mean(0)) / entropy
        ),
        "The others were averaged; the gap is to the second best of them.": (
            (best - (information.sum(0) - best) / (len(information) - 1)) / entropy
        ),
        "That is the best unit's share. By how much does it beat the second best?": best / entropy,
        "Second minus best: the other way round.": (second - best) / entropy,
        "The first two rows need not be the two best units.": (
            (information[0] - information[1]) / entropy
        ),
        "Best and second best were added.": (best + second) / entropy,
        "One number for all; asked for is one for each factor.": (
            ((best - second) / entropy).mean()
        ),
        "`sort` begins with the smallest: those are the two worst units.": (
            (ascending[0] - ascending[1]) / entropy
        ),
        "`kthvalue` counts from the smallest.": (best - ascending[1]) / entropy,
        "Sorted along the last axis, the factors; the units are on axis 0.": (
            (by_row[0] - by_row[1]) / entropy
        ),
        "Where two units share the best place, both were struck out; their gap is 0.": (
            (best - torch.where(information == best, 0.0, information).amax(0)) / entropy
        ),
        "The best minus all the others; the gap is to the second best alone.": (
            (2 * best - information.sum(0)) / entropy
        ),
        "You divided by the largest entropy; each factor has one of its own.": (
            (best - second) / entropy.max()
        ),
        "Each factor has its own entropy; you divided by their sum.": (
            (best - second) / entropy.sum()
        ),
    }
