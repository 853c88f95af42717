"""Independent answers that tests of several rooms compare with."""

import math

import numpy as np
import torch
from scipy import stats

from course_utils.models import VAE, LinearVAE


def z_score(draws: torch.Tensor, expected) -> torch.Tensor:
    """How many standard errors the mean over the first axis is away from `expected`."""
    return (draws.mean(0) - expected) / (draws.std(0) / len(draws) ** 0.5)


def correlated_rows(n: int = 200, dim: int = 6) -> torch.Tensor:
    return (torch.randn(n, dim) @ torch.randn(dim, dim) + torch.randn(dim)).double()


def marginal(model: LinearVAE):
    """The exact distribution of x under a linear VAE: N(b, W W^T + sigma^2 I)."""
    weight, noise = model.decoder.weight.detach().numpy(), model.log_noise_var.exp().item()
    covariance = weight @ weight.T + noise * np.eye(len(weight))
    return stats.multivariate_normal(model.decoder.bias.detach().numpy(), covariance)


@torch.no_grad()
def with_best_encoder(model: LinearVAE) -> LinearVAE:
    """Set q to the posterior's mean, and to the best diagonal variances there are, σ² / A_mm."""
    weight, noise = model.decoder.weight, model.log_noise_var.exp()
    a = weight.T @ weight + noise * torch.eye(model.latent_dim)
    model.encoder.weight.copy_(torch.linalg.solve(a, weight.T))
    model.encoder.bias.copy_(-model.encoder.weight @ model.decoder.bias)
    model.encoder_log_var.copy_(torch.log(noise / a.diagonal()))
    return model


@torch.no_grad()
def at_the_ppca_optimum(x: torch.Tensor, latent_dim: int) -> LinearVAE:
    """Tipping and Bishop's closed form, by NumPy's eigendecomposition."""
    values, vectors = np.linalg.eigh(np.cov(x.numpy().T, bias=True))
    noise = values[:-latent_dim].mean()
    weight = vectors[:, -latent_dim:] * np.sqrt(values[-latent_dim:] - noise)
    model = LinearVAE(latent_dim, x.shape[1]).double()
    model.decoder.weight.copy_(torch.from_numpy(weight))
    model.decoder.bias.copy_(x.mean(0))
    model.log_noise_var.fill_(math.log(noise))
    return with_best_encoder(model)


@torch.no_grad()
def expected_log_lik(model: VAE, x: torch.Tensor) -> torch.Tensor:
    """E_q[log p(x|z)] for one latent dimension, by Gauss-Hermite quadrature."""
    nodes, weights = (torch.from_numpy(a) for a in np.polynomial.hermite_e.hermegauss(80))
    mu, log_var = model.encode(x)
    z = mu + torch.exp(log_var / 2) * nodes[:, None, None]  # (nodes, B, 1)
    return weights @ model.log_prob_of(x, model.decode(z)) / math.sqrt(2 * math.pi)
