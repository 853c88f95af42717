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
    "against least squares, for many and for few images that have the attribute",
    lambda: [
        (torch.randn(11, 4) + 1, torch.arange(11) % 3 == 0),
        (torch.randn(6, 2) - 1, torch.arange(6) == 4),
        (torch.randn(300, 10), torch.rand(300) < 0.3),
        (torch.randn(5, 1) + 2, torch.arange(5) != 0),
    ],
)
def direction(codes, has):
    """The slope of a least squares fit of the codes to `has`."""
    columns = torch.stack([torch.ones(len(has)), has], dim=1).double()
    neither, right = torch.linalg.lstsq(columns, codes).solution  # codes = neither + has * right
    share = has.double().mean()
    return right, {
        "It points the other way: from those that have it to those that do not.": -right,
        "Sums of codes, where means are asked for: the groups differ in size.": (
            codes[has].sum(0) - codes[~has].sum(0)
        ),
        "Divided by the number of all images; each mean has its own group.": (
            share * (neither + right) - (1 - share) * neither
        ),
        "Those that have it are not left out of the second mean.": (1 - share) * right,
        "That is the mean code of those that have it. What do they share with the others?": (
            neither + right
        ),
        "One number for all units: average over the images, keep the units apart.": right.mean(),
        "The text does not ask for length 1: the length says how far apart the groups are.": (
            right / right.norm()
        ),
        "Medians, where means are asked for.": (
            codes[has].median(0).values - codes[~has].median(0).values
        ),
        "The two means were added.": 2 * neither + right,
        "As whole numbers, `has` picks the rows 0 and 1; keep its truth values.": (
            codes[has.long()].mean(0) - codes[(~has).long()].mean(0)
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
        "As if z_0 and z_1 were the same draw; that is right at both ends, but not between.": M,
        "As if z_1 were -z_0: what is the average of z_0 · z_1?": M * (1 - 2 * t) ** 2,
        "That is one dimension; there are M.": right / M,
        "Both draws have M dimensions, not only one of them.": M * (1 - t) ** 2 + t**2,
        "Variances of independent parts add up, whatever the signs.": right - 2 * M * t**2,
        "Only z_0's part, without z_1's.": M * (1 - t) ** 2,
        "That is a length; asked for is its square.": math.sqrt(right),
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
        "The best minus the mean of all units; the gap is to the second best.": (
            (best - information.mean(0)) / entropy
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
        "Each factor has its own entropy; you divided by their sum.": (
            (best - second) / entropy.sum()
        ),
    }
