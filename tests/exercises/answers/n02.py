"""What students might write for the exercises of notebook 02; `answers` says how it is used."""

import math

import numpy as np
import torch

RIGHT, WRONG = {}, {}


NOISY = {"draw_codes"}  # answers that are compared within their noise


def posterior(x, W, mu, var):
    A = W.T @ W + var * torch.eye(W.shape[1])
    return (x - mu) @ W @ torch.linalg.inv(A), var * torch.linalg.inv(A)


def draws_by_distribution(x, W, mu, var, n):
    mean, cov = posterior(x[None], W, mu, var)
    return torch.distributions.MultivariateNormal(mean[0], cov).sample((n,))


def draws_by_eigenvectors(x, W, mu, var, n):
    mean, cov = posterior(x[None], W, mu, var)
    values, vectors = torch.linalg.eigh(cov)
    return (mean.T + vectors @ (values.sqrt()[:, None] * torch.randn(len(cov), n))).T


def draws_by_numpy(x, W, mu, var, n):
    mean, cov = posterior(x[None], W, mu, var)
    return np.random.multivariate_normal(mean[0].numpy(), cov.numpy(), n)


def draws_by_loop(x, W, mu, var, n):
    mean, cov = posterior(x[None], W, mu, var)
    F, z = torch.linalg.cholesky(cov), torch.zeros(n, W.shape[1])
    for i in range(n):
        z[i] = mean[0] + F @ torch.randn(W.shape[1])
    return z


def draws(rule):
    """Draws by rule(mean, cov, F, n, M), where F is the Cholesky factor."""

    def draw_codes(x, W, mu, var, n):
        mean, cov = posterior(x[None], W, mu, var)
        return rule(mean, cov, torch.linalg.cholesky(cov), n, W.shape[1])

    return draw_codes


def information_by_entropies(W, var):
    D = len(W)
    C = W @ W.T + var * torch.eye(D)
    h_x = 0.5 * torch.linalg.slogdet(C)[1] + D / 2 * math.log(2 * math.pi * math.e)
    return h_x - D / 2 * math.log(2 * math.pi * math.e * var)


def log_A(W, var):
    return torch.logdet(W.T @ W + var * torch.eye(W.shape[1]))


def hidden(W_h, W_s, var):
    """W_h inv(A) W_h^T and the identity of its size."""
    A = W_s.T @ W_s + var * torch.eye(W_s.shape[1])
    return W_h @ torch.linalg.inv(A) @ W_h.T, torch.eye(len(W_h))


def hidden_by_block(W_h, W_s, var):
    """The inverse of the hidden block of the precision matrix (PRML 2.73)."""
    W = torch.cat([W_h, W_s])
    precision = torch.linalg.inv(W @ W.T + var * torch.eye(len(W)))
    return torch.linalg.inv(precision[: len(W_h), : len(W_h)])


def hidden_numpy(W_h, W_s, var):
    W_h, W_s = W_h.double().numpy(), W_s.double().numpy()
    A = W_s.T @ W_s + var * np.eye(W_s.shape[1])
    return W_h @ (var * np.linalg.solve(A, W_h.T)) + var * np.identity(W_h.shape[0])


def numbers(A_11=4.0, mean=0.75, variance=0.5, det=8.0):
    return A_11, mean, variance, det


RIGHT["pixel_std"] = [
    lambda W, var: torch.sqrt(torch.einsum("dm,dm->d", W, W) + var),
    lambda W, var: np.sqrt(np.sum(W.numpy() ** 2, axis=1) + var),
    lambda W, var: torch.tensor([math.sqrt(float(w @ w) + var) for w in W]),
    lambda W, var: torch.hypot(W.norm(dim=1), var.sqrt()),
    lambda W, var: (W @ W.T + var * torch.eye(len(W))).diagonal().sqrt(),
]

WRONG["pixel_std"] = {
    "Those are variances": lambda W, var: W.square().sum(1) + var,
    "The noise has a share": lambda W, var: W.square().sum(1).sqrt(),
    "Variances add": lambda W, var: W.norm(dim=1) + math.sqrt(var),
    "sigma squared already": lambda W, var: (W.square().sum(1) + var**2).sqrt(),
    "for each *latent*": lambda W, var: (W.square().sum(0) + var).sqrt(),
    "whatever their sign": lambda W, var: (W.sum(1).square() + var).sqrt(),
    "no mean": lambda W, var: (W.square().mean(1) + var).sqrt(),
    "The noise comes once": lambda W, var: (W.square() + var).sum(1).sqrt(),
    "not only the noise": lambda W, var: np.full(len(W), var**0.5),
    "the numbers in W scatter": lambda W, var: W.std(dim=1),
}

RIGHT["two_pixels"] = [
    (4, 0.75, 0.5, 8),
    [torch.tensor(4.0), torch.tensor([0.75]), np.float64(1 / 2), torch.tensor([[8.0]])],
    torch.tensor([4.0, 0.75, 0.5, 8.0]),
    numbers(mean=3 / 4, variance=1 / 2),
    numbers(variance=np.float32(0.5)),
]

WRONG["two_pixels"] = {
    "what does the noise add": numbers(A_11=2.0),
    "is that an entry of C": numbers(A_11=3.0),
    "is not squared again": numbers(A_11=6.0),
    "where σ² belongs": numbers(A_11=3.414),
    "A is still missing": numbers(mean=3.0),
    "the prior pulls": numbers(mean=1.5),
    "makes *surer*": numbers(variance=2.0),
    "that is its root": numbers(variance=0.707),
    "before the inverse": numbers(variance=0.25),
    "before x was seen": numbers(variance=1.0),
    "singular": numbers(det=0.0),
    "the diagonal alone": numbers(det=9.0),
    "on the diagonal stands": numbers(det=24.0),
    "between the two diagonals": numbers(det=10.0),
}

RIGHT["draw_codes"] = [
    draws_by_distribution,
    draws_by_eigenvectors,
    draws_by_numpy,
    draws_by_loop,
]

WRONG["draw_codes"] = {
    "share one": draws(
        lambda mean, cov, F, n, M: mean + torch.randn(1, M) @ F.T * 1e-9 + torch.zeros(n, M)
    ),
    "its root F belongs": draws(lambda mean, cov, F, n, M: mean + torch.randn(n, M) @ cov),
    "F or its transpose": draws(lambda mean, cov, F, n, M: mean + torch.randn(n, M) @ F),
    "must vary together": draws(
        lambda mean, cov, F, n, M: mean + torch.randn(n, M) * cov.diagonal().sqrt()
    ),
    "the mean of the posterior is missing": draws(
        lambda mean, cov, F, n, M: torch.randn(n, M) @ F.T
    ),
    "draws from the prior": lambda x, W, mu, var, n: torch.randn(n, W.shape[1]),
    "the mean has the wrong sign": draws(
        lambda mean, cov, F, n, M: -mean + torch.randn(n, M) @ F.T
    ),
    "the mean lacks `mu`": lambda x, W, mu, var, n: draws_by_distribution(
        x, W, torch.zeros_like(mu), var, n
    ),
    "the precision": draws(
        lambda mean, cov, F, n, M: (
            mean + torch.randn(n, M) @ torch.linalg.cholesky(torch.linalg.inv(cov)).T
        )
    ),
    "uniform on [0, 1]": draws(lambda mean, cov, F, n, M: mean + torch.rand(n, M) @ F.T),
    "the noise is not normal": draws(
        lambda mean, cov, F, n, M: mean + (torch.rand(n, M) - 0.5) * 12**0.5 @ F.T
    ),
    "a seed inside": draws(
        lambda mean, cov, F, n, M: (
            mean + torch.randn(n, M, generator=torch.Generator().manual_seed(1)) @ F.T
        )
    ),
    "NaN among the draws": draws(lambda mean, cov, F, n, M: mean + torch.randn(n, M) @ cov.sqrt()),
}

RIGHT["information"] = [
    information_by_entropies,
    lambda W, var: torch.log1p(torch.linalg.svdvals(W) ** 2 / var).sum() / 2,
    lambda W, var: 0.5 * (log_A(W, var) - W.shape[1] * torch.log(var)),
    lambda W, var: -0.5 * np.linalg.slogdet(posterior(W[:, 0], W, 0.0, var)[1].numpy())[1],
]

WRONG["information"] = {
    "The factor ½": lambda W, var: log_A(W, var) - W.shape[1] * math.log(var),
    "log sigma^2 is missing": lambda W, var: 0.5 * log_A(W, var),
    "M or D": lambda W, var: 0.5 * (log_A(W, var) - len(W) * math.log(var)),
    "One log sigma^2": lambda W, var: 0.5 * (log_A(W, var) - math.log(var)),
    "squared already": lambda W, var: 0.5 * (log_A(W, var) - 2 * W.shape[1] * math.log(var)),
    "C is D x D": lambda W, var: (
        0.5 * (log_A(W.T, var) - W.shape[1] * math.log(var))  # W.T: W W^T and its noise
    ),
    "the noise is missing": lambda W, var: 0.5 * (log_A(W, 0) - W.shape[1] * math.log(var)),
    "`slogdet`": lambda W, var: (
        0.5
        * (
            torch.linalg.slogdet(W.T @ W + var * torch.eye(W.shape[1]))[0]
            - W.shape[1] * math.log(var)
        )
    ),
    "|A| without": lambda W, var: 0.5 * (log_A(W, var).exp() - W.shape[1] * math.log(var)),
    "That is H(x) alone": lambda W, var: (
        0.5 * (log_A(W.T, var) + len(W) * math.log(2 * math.pi * math.e))
    ),
    "A sign": lambda W, var: 0.5 * (log_A(W, var) + W.shape[1] * math.log(var)),
    "log2 for |A|": lambda W, var: (
        0.5 * (log_A(W, var) / math.log(2) - W.shape[1] * math.log(var))
    ),
    "log2 for σ²": lambda W, var: 0.5 * (log_A(W, var) - W.shape[1] * math.log2(var)),
    "In bits": lambda W, var: 0.5 * (log_A(W, var) - W.shape[1] * math.log(var)) / math.log(2),
}

RIGHT["hidden_covariance"] = [
    hidden_by_block,
    lambda W_h, W_s, var: (
        W_h @ torch.linalg.solve(W_s.T @ W_s / var + torch.eye(W_s.shape[1]).double(), W_h.T)
        + var * torch.eye(len(W_h)).double()
    ),
    hidden_numpy,
    lambda W_h, W_s, var: var * (hidden(W_h, W_s, var)[0] + hidden(W_h, W_s, var)[1]),
]

WRONG["hidden_covariance"] = {
    "Two things are uncertain": lambda W_h, W_s, var: var * hidden(W_h, W_s, var)[0],
    "not A^-1 alone": lambda W_h, W_s, var: (
        hidden(W_h, W_s, var)[0] + var * hidden(W_h, W_s, var)[1]
    ),
    "entry by entry": lambda W_h, W_s, var: (
        W_h @ (var / (W_s.T @ W_s + var * torch.eye(W_s.shape[1]))) @ W_h.T
        + var * torch.eye(len(W_h))
    ),
    "The inverse of A belongs": lambda W_h, W_s, var: (
        var * W_h @ (W_s.T @ W_s + var * torch.eye(W_s.shape[1])) @ W_h.T
        + var * torch.eye(len(W_h))
    ),
    "before anything is seen": lambda W_h, W_s, var: W_h @ W_h.T + var * torch.eye(len(W_h)),
    "build it from W_s": lambda W_h, W_s, var: (
        var * hidden(W_h, W_h, var)[0] + var * torch.eye(len(W_h))
    ),
    "squared already": lambda W_h, W_s, var: (
        var * hidden(W_h, W_s, var)[0] + var**2 * torch.eye(len(W_h))
    ),
    "from all rows": lambda W_h, W_s, var: (
        var * hidden(W_h, torch.cat([W_h, W_s]), var)[0] + var * torch.eye(len(W_h))
    ),
    "`+ var` changes": lambda W_h, W_s, var: var * hidden(W_h, W_s, var)[0] + var,
    "what x_s explains": lambda W_h, W_s, var: W_h @ W_h.T - var * hidden(W_h, W_s, var)[0],
    "A sign": lambda W_h, W_s, var: (
        2 * W_h @ W_h.T - var * hidden(W_h, W_s, var)[0] + var * torch.eye(len(W_h))
    ),
}
