"""What students might write for the exercises of notebook 06; `answers` says how it is used."""

import numpy as np
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


def two_means(codes, has):
    with_it = [code for code, h in zip(codes.tolist(), has.tolist()) if h]
    without_it = [code for code, h in zip(codes.tolist(), has.tolist()) if not h]
    return np.mean(with_it, axis=0) - np.mean(without_it, axis=0)


def centred_codes(codes, has):
    h = has.to(codes) - has.to(codes).mean()
    return (h @ codes) / (h @ h)


RIGHT["direction"] = [
    two_means,
    centred_codes,
    lambda codes, has: has.to(codes) @ codes / has.sum() - (~has).to(codes) @ codes / (~has).sum(),
    lambda codes, has: codes[has == 1].mean(0) - codes[has == 0].mean(0),
    lambda codes, has: codes[has.nonzero()[:, 0]].mean(0) - codes[torch.where(~has)[0]].mean(0),
    lambda codes, has: torch.stack(
        [torch.where(has, c, torch.nan).nanmean() - c[~has].mean() for c in codes.T]
    ),
]

WRONG["direction"] = {
    "the other way": lambda codes, has: codes[~has].mean(0) - codes[has].mean(0),
    "Sums of codes": lambda codes, has: codes[has].sum(0) - codes[~has].sum(0),
    "number of all images": lambda codes, has: (
        (codes * has[:, None]).mean(0) - (codes * ~has[:, None]).mean(0)
    ),
    "not left out of the second mean": lambda codes, has: codes[has].mean(0) - codes.mean(0),
    "share with the others": lambda codes, has: codes[has].mean(0),
    "One number for all units": lambda codes, has: codes[has].mean() - codes[~has].mean(),
    "does not ask for length 1": lambda codes, has: nn.functional.normalize(
        codes[has].mean(0) - codes[~has].mean(0), dim=0
    ),
    "Medians": lambda codes, has: codes[has].median(0)[0] - codes[~has].median(0)[0],
    "Boolean value": lambda codes, has: codes[has].mean(0) - codes[not has].mean(0),
    "were added": lambda codes, has: codes[has].mean(0) + codes[~has].mean(0),
    "the rows 0 and 1": lambda codes, has: (
        codes[has.long()].mean(0) - codes[(~has).long()].mean(0)
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
    "minus the worst": lambda i, h: (i.max(0).values - i.min(0).values) / h,
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
    "divided by their sum": lambda i, h: (best_two(i)[0] - best_two(i)[1]) / h.sum(),
}
