"""What students might write for the exercises of notebook 01; `answers` says how it is used."""

import numpy as np
import torch

RIGHT, WRONG = {}, {}


def denoiser_by_inverse(S, sigma):
    S = np.asarray(S)
    G = S @ np.linalg.inv(S + sigma**2 * np.eye(len(S)))
    return G, sigma**2 * np.trace(G)


def denoiser_by_svd(S, sigma):
    U, values, _ = torch.linalg.svd(S)
    G = (U * (values / (values + sigma**2))) @ U.T
    error = 0.0
    for value in values.tolist():
        error += value * sigma**2 / (value + sigma**2)
    return G, error


def denoiser_by_lstsq(S, sigma):
    G = torch.linalg.lstsq(S + sigma**2 * torch.eye(len(S), dtype=S.dtype), S).solution.T
    rest = torch.eye(len(S), dtype=S.dtype) - G
    return [G, torch.trace(rest @ S @ rest.T) + sigma**2 * G.square().sum()]


def denoiser(S, sigma, G_of=None, error_of=None):
    inverse = torch.linalg.inv(S + sigma**2 * torch.eye(len(S), dtype=S.dtype))
    G = S @ inverse
    error = sigma**2 * G.trace()
    return (G_of(S, sigma, inverse) if G_of else G), (error_of(S, sigma, G) if error_of else error)


RIGHT["share_explained"] = [
    lambda eigenvalues, M: (eigenvalues.cumsum(0) / eigenvalues.sum())[M - 1],
    lambda eigenvalues, M: sum(eigenvalues.tolist()[:M]) / sum(eigenvalues.tolist()),
    lambda eigenvalues, M: 1 - np.sum(eigenvalues.numpy()[M:]) / np.sum(eigenvalues.numpy()),
]

WRONG["share_explained"] = {
    "too many": lambda eigenvalues, M: eigenvalues[: M + 1].sum() / eigenvalues.sum(),
    "too few": lambda eigenvalues, M: eigenvalues[: M - 1].sum() / eigenvalues.sum(),
    "*smallest*": lambda eigenvalues, M: eigenvalues[-M:].sum() / eigenvalues.sum(),
    "*lost*": lambda eigenvalues, M: 1 - eigenvalues[:M].sum() / eigenvalues.sum(),
    "variances already": (
        lambda eigenvalues, M: (eigenvalues[:M] ** 2).sum() / (eigenvalues**2).sum()
    ),
    "not their roots": (
        lambda eigenvalues, M: eigenvalues[:M].sqrt().sum() / eigenvalues.sqrt().sum()
    ),
    "M-th component alone": lambda eigenvalues, M: eigenvalues[M - 1] / eigenvalues.sum(),
    "not yet a share": lambda eigenvalues, M: eigenvalues[:M].sum(),
    "two means": lambda eigenvalues, M: eigenvalues[:M].mean() / eigenvalues.mean(),
    "against lost": lambda eigenvalues, M: eigenvalues[:M].sum() / eigenvalues[M:].sum(),
    "the *number* of": lambda eigenvalues, M: M / len(eigenvalues),
}

RIGHT["hole_loss"] = [
    lambda x, x_hat, mask: torch.where(mask == 0, (x - x_hat) ** 2, 0.0).sum(dim=1),
    lambda x, x_hat, mask: (
        (x - x_hat).double().square().sum(1) - (mask * (x - x_hat)).double().square().sum(1)
    ),
    lambda x, x_hat, mask: np.array(
        [float(((a - b)[m < 0.5] ** 2).sum()) for a, b, m in zip(x, x_hat, mask)]
    ),
    lambda x, x_hat, mask: torch.linalg.vector_norm((1 - mask) * (x - x_hat), dim=1) ** 2,
]

WRONG["hole_loss"] = {
    "*observed*": lambda x, x_hat, mask: (mask * (x - x_hat)).square().sum(-1),
    "for all pixels": lambda x, x_hat, mask: (x - x_hat).square().sum(-1),
    "A mean over": lambda x, x_hat, mask: ((1 - mask) * (x - x_hat)).square().mean(-1),
    "whole batch": lambda x, x_hat, mask: ((1 - mask) * (x - x_hat)).square().sum(),
    "without the square": lambda x, x_hat, mask: ((1 - mask) * (x - x_hat)).abs().sum(-1),
    "(axis 0)": lambda x, x_hat, mask: ((1 - mask) * (x - x_hat)).square().sum(0),
    "Only x is masked": lambda x, x_hat, mask: ((1 - mask) * x - x_hat).square().sum(1),
    "Only x_hat is masked": lambda x, x_hat, mask: (x - (1 - mask) * x_hat).square().sum(-1),
    "the masked image says 0": lambda x, x_hat, mask: (
        ((1 - mask) * (mask * x - x_hat)).square().sum(1)
    ),
    "then sum": lambda x, x_hat, mask: ((1 - mask) * (x - x_hat)).sum(1).square(),
    "opposite signs": lambda x, x_hat, mask: ((1 - mask) * (x - x_hat)).sum(1),
    "Not per missing pixel": lambda x, x_hat, mask: (
        ((1 - mask) * (x - x_hat)).square().sum(1) / (1 - mask).sum(1)
    ),
}

RIGHT["best_bias"] = [
    lambda W, V, x_bar: x_bar - W @ V @ x_bar,
    lambda W, V, x_bar: (torch.eye(len(x_bar), dtype=W.dtype) - W @ V).mv(x_bar),
    lambda W, V, x_bar: x_bar.numpy() - W.numpy() @ (V.numpy() @ x_bar.numpy()),
    lambda W, V, x_bar: x_bar - torch.einsum("dm,me,e->d", W, V, x_bar),
]

WRONG["best_bias"] = {
    "WV, too, acts": lambda W, V, x_bar: x_bar,
    "put the mean back": lambda W, V, x_bar: -W @ (V @ x_bar),
    "not what it keeps": lambda W, V, x_bar: W @ (V @ x_bar),
    "A sign": lambda W, V, x_bar: x_bar + W @ (V @ x_bar),
    "Without a bias": lambda W, V, x_bar: torch.zeros_like(x_bar),
    "the transpose of WV": lambda W, V, x_bar: x_bar - x_bar @ W @ V,
    "the transpose of W.": lambda W, V, x_bar: x_bar - W @ W.T @ x_bar,
    "the best one for W": lambda W, V, x_bar: x_bar - W @ torch.linalg.pinv(W) @ x_bar,
}

RIGHT["best_encoder"] = [
    torch.linalg.pinv,
    lambda W: torch.linalg.inv(W.T @ W) @ W.T,
    lambda W: torch.linalg.lstsq(W, torch.eye(len(W), dtype=W.dtype)).solution,
    lambda W: np.linalg.pinv(W.numpy()),
]

WRONG["best_encoder"] = {
    "orthonormal": lambda W: W.T,
    "The inverse is missing": lambda W: W.T @ W @ W.T,
    "Scaled columns": lambda W: (W / W.square().sum(0)).T,
    "The wrong way round": lambda W: W @ torch.linalg.inv(W.T @ W),
    "the projection WV": lambda W: W @ torch.linalg.inv(W.T @ W) @ W.T,
    "entry by entry": lambda W: (W.T @ W) ** -1 @ W.T,
    "Dividing by one number": lambda W: W.T / W.square().sum(),
    "You add something": lambda W: torch.linalg.inv(W.T @ W + torch.eye(W.shape[1])) @ W.T,
}

RIGHT["linear_denoiser"] = [denoiser_by_inverse, denoiser_by_svd, denoiser_by_lstsq]

WRONG["linear_denoiser"] = {
    "the variance sigma squared": lambda S, sigma: denoiser(
        S,
        sigma,
        lambda S, s, inverse: torch.linalg.solve(S + s * torch.eye(len(S)).to(S), S),
    ),
    "what does it multiply": lambda S, sigma: denoiser(S, sigma, lambda S, s, inverse: inverse),
    "I - G": lambda S, sigma: denoiser(S, sigma, lambda S, s, inverse: s**2 * inverse),
    "the diagonal only": lambda S, sigma: denoiser(
        S, sigma, lambda S, s, inverse: S @ torch.linalg.inv(S + s**2)
    ),
    "divides entry by entry": lambda S, sigma: denoiser(
        S, sigma, lambda S, s, inverse: S / (S + s**2 * torch.eye(len(S)))
    ),
    "the other matrix": lambda S, sigma: denoiser(
        S,
        sigma,
        lambda S, s, inverse: torch.linalg.inv(S) @ (S + s**2 * torch.eye(len(S))),
    ),
    "not all entries": lambda S, sigma: denoiser(S, sigma, None, lambda S, s, G: s**2 * G.sum()),
    "what G blurs away of x is missing": lambda S, sigma: denoiser(
        S, sigma, None, lambda S, s, G: s**2 * (G @ G.T).trace()
    ),
    "the noise that passes G is missing": lambda S, sigma: denoiser(
        S, sigma, None, lambda S, s, G: (S - 2 * G @ S + G @ S @ G.T).trace()
    ),
    "the trace needs a factor": lambda S, sigma: denoiser(
        S, sigma, None, lambda S, s, G: G.trace()
    ),
    "sigma, where its square": lambda S, sigma: denoiser(
        S, sigma, None, lambda S, s, G: s * G.trace()
    ),
}
