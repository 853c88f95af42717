"""What students might write for the exercises of notebook 06; `answers` says how it is used."""

import numpy as np
import scipy
import torch
from torch import nn

RIGHT, WRONG = {}, {}


RIGHT["active_units"] = [
    lambda mu: mu.std(dim=0) > 0.1,
    lambda mu: (mu**2).mean(0) - mu.mean(0) ** 2 > 0.01,
    lambda mu: [np.var(column) > 0.01 for column in mu.numpy().T],
    lambda mu: (mu - mu.mean(0)).pow(2).mean(0).gt(0.01),
    lambda mu: torch.cov(mu.T.double()).reshape(mu.shape[1], -1).diagonal() > 0.01,
    lambda mu: [bool(v > 0.01) for v in mu.T.var(1, unbiased=False)],
]

WRONG["active_units"] = {
    "Those are the variances": lambda mu: mu.var(0, unbiased=False),
    "asked for is which": lambda mu: int((mu.var(0) > 0.01).sum()),
    "the other axis": lambda mu: mu.var(-1) > 0.01,
    "keep the units apart": lambda mu: mu.var() > 0.01,
    "units that sleep": lambda mu: mu.var(0) < 0.01,
    "compared the standard deviation": lambda mu: mu.std(0) > 0.01,
    "mean square": lambda mu: (mu**2).mean(0) > 0.01,
    "mean of a unit": lambda mu: mu.mean(0).abs() > 0.01,
    "mean of |μ|": lambda mu: mu.abs().mean(0) > 0.01,
    "One image far from 0": lambda mu: (mu.abs() > 0.01).any(0),
    "compared the range": lambda mu: mu.max(0).values - mu.min(0).values > 0.01,
    "Another limit": lambda mu: mu.var(0) > 0.1,
    "yes or no": lambda mu: (mu.var(0) > 0.01).nonzero().squeeze(),
}


def by_gamma(z):
    return torch.special.gammainc(torch.tensor(z.shape[1] / 2), z.square().sum(-1) / 2)


def by_half_the_square(z):
    """Half the squared length is a gamma variable of shape M / 2."""
    return [scipy.stats.gamma.cdf(row @ row / 2, len(row) / 2) for row in z.double().numpy()]


RIGHT["share_closer"] = [
    by_gamma,
    by_half_the_square,
    lambda z: scipy.stats.chi.cdf(z.norm(dim=1), z.shape[1]),
    lambda z: 1 - scipy.stats.chi2.sf((z**2).sum(1), df=z.shape[1]),
    lambda z: torch.distributions.Gamma(z.shape[1] / 2, 0.5).cdf((z * z).sum(-1)),
]


def chi2_cdf(value, df):
    return scipy.stats.chi2.cdf(value, df)


WRONG["share_closer"] = {
    "lies farther out": lambda z: scipy.stats.chi2.sf(z.square().sum(1), z.shape[1]),
    "you put in |z|": lambda z: chi2_cdf(z.norm(dim=1), z.shape[1]),
    "One degree of freedom too few": lambda z: chi2_cdf(z.square().sum(1), z.shape[1] - 1),
    "not averaged": lambda z: chi2_cdf(z.square().mean(1), z.shape[1]),
    "add up over the units, axis 1": lambda z: chi2_cdf(z.square().sum(0), z.shape[1]),
    "you took the number of codes": lambda z: chi2_cdf(z.square().sum(1), len(z)),
    "belongs to one unit": lambda z: chi2_cdf(z.square().sum(1), 1),
    "share in a box": lambda z: (2 * scipy.stats.norm.cdf(z.abs()) - 1).prod(1),
    "One share for each unit": lambda z: chi2_cdf(z.square(), 1),
    "is not Σ z²": lambda z: chi2_cdf(z.sum(1) ** 2, z.shape[1]),
    "does not come in twice": lambda z: chi2_cdf(z.square().sum(1), z.shape[1] ** 2),
    "That is the density": lambda z: scipy.stats.chi2.pdf(z.square().sum(1), z.shape[1]),
}


def by_two_sums(codes, values):
    n = len(values)
    top = n * (values[:, None] * codes).sum(0) - values.sum() * codes.sum(0)
    return top / (n * values.square().sum() - values.sum() ** 2)


def by_covariance_matrix(codes, values):
    both = torch.cat([values[:, None], codes], dim=1).double()
    table = torch.cov(both.T)
    return table[0, 1:] / table[0, 0]


RIGHT["direction"] = [
    by_two_sums,
    by_covariance_matrix,
    lambda codes, values: np.polyfit(values.double(), codes.double(), 1)[0],
    lambda codes, values: (values - values.mean()) @ codes / (values - values.mean()).norm() ** 2,
    lambda codes, values: [scipy.stats.linregress(values, unit).slope for unit in codes.T],
    lambda codes, values: (
        ((values - values.mean())[:, None] * codes).mean(0) / values.var(unbiased=False)
    ),
]


def centred(x):
    return x - x.mean(0)


def halves(codes, values):
    above = values > values.mean()
    return codes[above].mean(0) - codes[~above].mean(0), above


def quarters(codes, values):
    low, high = values.quantile(torch.tensor([0.25, 0.75]))
    return codes[values >= high].mean(0) - codes[values <= low].mean(0)


def slope(codes, values):
    return centred(values) @ codes / centred(values).square().sum()


WRONG["direction"] = {
    "the other way: towards": lambda codes, values: -slope(codes, values),
    "That is the covariance. How": lambda codes, values: (
        centred(values)[:, None] * centred(codes)
    ).mean(0),
    "covariance (over N - 1)": lambda codes, values: centred(values) @ codes / (len(codes) - 1),
    "`cov` divides": lambda codes, values: (
        centred(values) @ codes / (len(codes) - 1) / values.var(unbiased=False)
    ),
    "sum of the products": lambda codes, values: centred(values) @ centred(codes),
    "their variance belongs there": lambda codes, values: (
        (centred(values)[:, None] * codes).mean(0) / values.std(unbiased=False)
    ),
    "That is the correlation": lambda codes, values: torch.corrcoef(
        torch.cat([values[:, None], codes], 1).T
    )[0, 1:],
    "how the value changes with the code": lambda codes, values: (
        centred(values) @ codes / centred(codes).square().sum(0)
    ),
    "Those weights predict the value": lambda codes, values: torch.linalg.lstsq(
        torch.cat([torch.ones(len(codes), 1), codes], 1), values[:, None]
    ).solution[1:, 0],
    "through the origin": lambda codes, values: values @ codes / values.square().sum(),
    "In the denominator, too": lambda codes, values: (
        centred(values) @ codes / values.square().sum()
    ),
    "In the numerator, too": lambda codes, values: values @ codes / centred(values).square().sum(),
    "Two groups only": lambda codes, values: halves(codes, values)[0],
    "not only on which side": lambda codes, values: (
        halves(codes, values)[0]
        / (values[halves(codes, values)[1]].mean() - values[~halves(codes, values)[1]].mean())
    ),
    "The outer quarters only": quarters,
    "at the value 0": lambda codes, values: codes.mean(0) - values.mean() * slope(codes, values),
    "at the value 1": lambda codes, values: (
        codes.mean(0) + (1 - values.mean()) * slope(codes, values)
    ),
    "does not ask for length 1": lambda codes, values: nn.functional.normalize(
        slope(codes, values), dim=0
    ),
    "One number for all units": lambda codes, values: slope(codes, values).mean(),
    "by the same number": lambda codes, values: (
        (centred(values)[:, None] * codes).mean(0) / values.var()
    ),
}

RIGHT["expected_square"] = [
    lambda t, M: M * (1 - 2 * t + 2 * t**2),
    lambda t, M: torch.tensor([1 - t, t]).square().sum() * M,
    lambda t, M: np.sum([(1 - t) ** 2 + t**2 for _ in range(M)]),
    lambda t, M: M * (2 * (t - 0.5) ** 2 + 0.5),
]

WRONG["expected_square"] = {
    "the same draw": lambda t, M: M * ((1 - t) + t) ** 2,
    "z_1 were -z_0": lambda t, M: M * ((1 - t) - t) ** 2,
    "No root": lambda t, M: M * ((1 - t) ** 2 + t**2) ** 0.5,
    "there are M": lambda t, M: (1 - t) ** 2 + t**2,
    "not only one of them": lambda t, M: M * (1 - t) ** 2 + t**2,
    "whatever the signs": lambda t, M: M * (1 - t) ** 2 - M * t**2,
    "Only z_0's part": lambda t, M: M * (1 - t) ** 2,
    "That is a length": lambda t, M: (M * ((1 - t) ** 2 + t**2)) ** 0.5,
    "once, not squared": lambda t, M: (M * (1 - t)) ** 2 + (M * t) ** 2,
    "That is the least value": lambda t, M: M / 2,
    "no cross term": lambda t, M: ((1 - t) ** 2 + t**2 + t * (1 - t)) * M,
    "multiplies both squares": lambda t, M: (1 - t) ** 2 + t**2 * M,
    "something else each time": lambda t, M: (
        ((1 - t) * torch.randn(1000, M) + t * torch.randn(1000, M)).square().sum(1).mean()
    ),
}


def without_by_gram_schmidt(u, w):
    Q, _ = torch.linalg.qr(torch.stack([w, u], dim=1))
    return Q[:, 1] * (Q[:, 1] @ u)


RIGHT["without"] = [
    without_by_gram_schmidt,
    lambda u, w: u - nn.functional.normalize(w, dim=0) * (u @ nn.functional.normalize(w, dim=0)),
    lambda u, w: (torch.eye(len(w)) - torch.outer(w, w) / w.square().sum()) @ u,
    lambda u, w: u.numpy() - np.dot(u, w) / np.dot(w, w) * w.numpy(),
    lambda u, w: u - (u * w).sum() / w.norm() ** 2 * w,
]

WRONG["without"] = {
    "the one to take off": lambda u, w: (u @ w) / (w @ w) * w,
    "added once more": lambda u, w: u + (u @ w) / (w @ w) * w,
    "As if w had length 1": lambda u, w: u - (u @ w) * w,
    "comes in twice": lambda u, w: u - (u @ w) * nn.functional.normalize(w, dim=0),
    "changed places": lambda u, w: w - (u @ w) / (u @ u) * u,
    "a part along u": lambda u, w: u - (u @ w) / (u @ u) * u,
    "Whose length": lambda u, w: u - (u @ w) / (u @ u) * w,
    "no need to make it 1": lambda u, w: nn.functional.normalize(u - (u @ w) / (w @ w) * w, dim=0),
    "All of w": lambda u, w: u - w,
    "u · w is one number": lambda u, w: u - u * w,
    "Entry by entry nothing": lambda u, w: u - u * w / (w * w) * w,
    "from the left": lambda u, w: u - (u @ w) / w @ w * w,
    "and then multiplies": lambda u, w: u - w * (u @ w) / w @ w,
    "taken off every entry": lambda u, w: u - (u @ w) / (w @ w),
    "The cosine does not know": lambda u, w: u - torch.cosine_similarity(u, w, dim=0) * w,
    "stretch it again": lambda u, w: (
        (right := u - (u @ w) / (w @ w) * w) * u.norm() / right.norm()
    ),
}


def gaps_by_loop(information, entropy):
    result = []
    for f in range(information.shape[1]):
        second, best = sorted(information[:, f].tolist())[-2:]
        result.append((best - second) / entropy[f].item())
    return result


def gaps_by_mask(information, entropy):
    best = information.argmax(0)
    rest = information.scatter(0, best[None], -torch.inf)
    return (information.max(0).values - rest.max(0).values) / entropy


RIGHT["gaps"] = [
    gaps_by_loop,
    gaps_by_mask,
    lambda information, entropy: (
        np.diff(np.sort(information, axis=0), axis=0)[-1] / entropy.numpy()
    ),
    lambda information, entropy: (
        (information.T / entropy[:, None]).topk(2).values @ torch.tensor([1.0, -1.0])
    ),
]


def best_two(information, dim=0):
    return information.topk(2, dim=dim).values.unbind(dim)


WRONG["gaps"] = {
    "Not yet divided": lambda i, h: best_two(i)[0] - best_two(i)[1],
    "Divided by the best": lambda i, h: (best_two(i)[0] - best_two(i)[1]) / best_two(i)[0],
    "two best factors of each unit": lambda i, h: (best_two(i, 1)[0] - best_two(i, 1)[1]) / h,
    "others were averaged": lambda i, h: (
        (i.sort(0).values[-1] - i.sort(0).values[:-1].mean(0)) / h
    ),
    "minus the worst": lambda i, h: (i.max(0).values - i.min(0).values) / h,
    "of the whole table": lambda i, h: -i.flatten().topk(2).values.diff() / h,
    "minus the mean": lambda i, h: (i.max(0).values - i.mean(0)) / h,
    "best unit's share": lambda i, h: i.max(0).values / h,
    "the other way round": lambda i, h: (best_two(i)[1] - best_two(i)[0]) / h,
    "first two rows": lambda i, h: (i[0] - i[1]) / h,
    "were added": lambda i, h: (best_two(i)[0] + best_two(i)[1]) / h,
    "One number for all": lambda i, h: ((best_two(i)[0] - best_two(i)[1]) / h).mean(),
    "two worst units": lambda i, h: (i.sort(0).values[0] - i.sort(0).values[1]) / h,
    "kthvalue": lambda i, h: (i.max(0).values - i.kthvalue(2, dim=0).values) / h,
    "Sorted along the last axis": lambda i, h: -i.sort(descending=True).values.diff(dim=0)[0] / h,
    "both were struck out": lambda i, h: (
        (i.amax(0) - torch.where(i == i.amax(0), 0.0, i).amax(0)) / h
    ),
    "minus all the others": lambda i, h: (i.amax(0) - (i.sum(0) - i.amax(0))) / h,
    "the largest entropy": lambda i, h: (best_two(i)[0] - best_two(i)[1]) / h.max(),
    "divided by their sum": lambda i, h: (best_two(i)[0] - best_two(i)[1]) / h.sum(),
}
