"""Variational autoencoders: with one hidden layer, linear, convolutional."""

import torch
from torch import Tensor, nn

from course_utils.arguments import count, counts
from course_utils.data import scaled
from course_utils.distributions import (
    bernoulli_log_prob,
    continuous_bernoulli_log_prob,
    kl_to_standard_normal,
    normal_log_prob,
)
from course_utils.models.layers import check_width, mlp

LIKELIHOODS = ("bernoulli", "continuous_bernoulli", "gaussian")


class VAE(nn.Module):
    r"""Variational autoencoder with a standard normal prior and one hidden layer on either side.

    $$p(x, z) = \mathcal N(z \mid 0, I)\, p(x \mid \text{decode}(z)), \qquad
      q(z \mid x) = \mathcal N\big(z \mid \mu(x), \operatorname{diag} \sigma^2(x)\big)$$

    Introduced in notebook 05. Source: Kingma and Welling (2014).

    Args:
        latent_dim: M.
        hidden_dim: units of the hidden layers.
        likelihood: what the decoder's output means: `"bernoulli"` and `"continuous_bernoulli"`
            logits; `"gaussian"` means, with one learned noise variance, exp(log_noise_var).
        data_dim: D.
    Raises:
        ValueError: for an unknown likelihood or a size below 1.
    """

    has_prior = True

    def __init__(
        self,
        latent_dim: int = 20,
        hidden_dim: int = 300,
        likelihood: str = "bernoulli",
        data_dim: int = 784,
    ):
        sizes = counts(latent_dim=latent_dim, hidden_dim=hidden_dim, data_dim=data_dim)
        latent_dim, hidden_dim, data_dim = sizes.values()
        self._begin(latent_dim, data_dim, likelihood, {**sizes, "likelihood": likelihood})
        self.encoder = mlp(data_dim, hidden_dim, 2 * latent_dim)
        self.decoder = mlp(latent_dim, hidden_dim, data_dim)

    def _begin(self, latent_dim: int, data_dim: int, likelihood: str, options: dict) -> None:
        """What every VAE of this family is made of besides its networks."""
        if likelihood not in LIKELIHOODS:
            raise ValueError(f"likelihood: expected one of {LIKELIHOODS}, got {likelihood!r}")
        nn.Module.__init__(self)
        self.options = options  # what a checkpoint rebuilds it from
        self.latent_dim, self.data_dim, self.likelihood = latent_dim, data_dim, likelihood
        if likelihood == "gaussian":
            self.log_noise_var = nn.Parameter(torch.zeros(1))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z|x), each (..., M), for x (..., D)."""
        check_width(x, self.data_dim, "x")
        mu, log_var = self.encoder(x).to(x.dtype).chunk(2, dim=-1)
        return mu, log_var

    def encode_mean(self, x: Tensor) -> Tensor:
        """The code (..., M) that stands for an image: the mean of q(z|x)."""
        mu, _ = self.encode(x)
        return mu

    def unit_kl(self, x: Tensor) -> Tensor:
        """KL(q(z_m|x) || N(0, 1)) of each unit m, averaged over the images (N, D): (M,), nats."""
        mu, log_var = self.encode(x)
        return kl_to_standard_normal(mu[..., None], log_var[..., None]).mean(0)

    def reparameterize(self, mu: Tensor, log_var: Tensor) -> Tensor:
        """A draw z = mu + std * eps with eps ~ N(0, I), differentiable in mu and log_var."""
        std = torch.exp(0.5 * log_var)
        eps = torch.randn_like(std)
        return mu + std * eps

    def posterior_draws(self, x: Tensor, num_samples: int) -> tuple[Tensor, Tensor]:
        """`num_samples` = K draws z (K, B, M) of q(z|x), and log q(z|x) (K, B), for x (B, D)."""
        mu, log_var = self.encode(x)
        shape = (num_samples, *mu.shape)
        z = self.reparameterize(mu.expand(shape), log_var.expand(shape))
        return z, normal_log_prob(z, mu, log_var)

    def log_posterior(self, z: Tensor, x: Tensor) -> Tensor:
        """log q(z|x), (...), of any codes (..., M), for x (B, D)."""
        return normal_log_prob(z, *self.encode(x))

    def log_prior(self, z: Tensor) -> Tensor:
        """log p(z), (...), of codes (..., M): here that of N(0, I)."""
        zero = torch.zeros_like(z)
        return normal_log_prob(z, zero, zero)

    def prior_draws(self, like: Tensor) -> Tensor:
        """Draws of p(z), as many as `like` (..., M) has room for, of its dtype and device."""
        return torch.randn_like(like)

    def decode(self, z: Tensor) -> Tensor:
        """Logits (Bernoulli) or means (Gaussian), (..., D), for z (..., M)."""
        check_width(z, self.latent_dim, "z")
        return self.decoder(z).to(z.dtype)

    @property
    def outputs_logits(self) -> bool:
        """Whether `decode` gives logits; else the image itself."""
        return self.likelihood != "gaussian"

    def decode_mean(self, z: Tensor) -> Tensor:
        """E[x|z], the image (..., D) that a code stands for.

        The continuous Bernoulli's mean differs from its parameter sigmoid(logits); this is the
        parameter, which is what the papers show.
        """
        output = self.decode(z)
        return torch.sigmoid(output) if self.outputs_logits else output

    def log_prob_of(self, x: Tensor, output: Tensor) -> Tensor:
        """log p(x|z), (...), from the decoder's output (..., D) at z."""
        if self.likelihood == "bernoulli":
            return bernoulli_log_prob(x, output)
        if self.likelihood == "continuous_bernoulli":
            return continuous_bernoulli_log_prob(x, output)
        return normal_log_prob(x, output, self.log_noise_var.expand(x.shape[-1]))

    def elbo_terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """One-sample estimate of E_q[log p(x|z)], and the exact KL(q || prior); each (B,)."""
        mu, log_var = self.encode(x)
        z = self.reparameterize(mu, log_var)
        return self.log_prob_of(x, self.decode(z)), kl_to_standard_normal(mu, log_var)

    def elbo(self, x: Tensor, beta: float = 1.0) -> Tensor:
        """One-sample estimate of E_q[log p(x|z)] - beta * KL, (B,), nats; the ELBO is beta = 1."""
        log_lik, kl = self.elbo_terms(x)
        return log_lik - beta * kl

    def loss(self, x: Tensor) -> Tensor:
        """What training minimises: minus the ELBO, (B,), nats."""
        return -self.elbo(x)

    @torch.no_grad()
    def start_at_mean(self, images: Tensor) -> None:
        r"""Set the decoder's last bias so that a new model decodes every code to the mean image.

        For Bernoulli pixels: to the log-odds of their means, which are kept within [0.001, 0.999].
        Training then need not learn first how much ink each pixel has. A convolution has one bias
        for all pixels: the mean grey's.
        Source: Burda et al. (2016), in their code.

        Args:
            images: (N, D) or (N, H, W), the training set: uint8, or shares of ink.
        Raises:
            ValueError: for images of another number of pixels.
        """
        rows = images.flatten(1)
        check_width(rows, self.data_dim, "images")
        mean = sum(scaled(part).sum(0, dtype=torch.float64) for part in rows.split(10_000))
        mean = mean / len(rows)
        bias = [m.bias for m in self.decoder.modules() if hasattr(m, "bias")][-1]
        mean = mean.mean(0, keepdim=True) if len(bias) == 1 else mean
        bias.copy_(torch.logit(mean, eps=1e-3) if self.outputs_logits else mean)

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """Decoded means (n, D) of n draws from the prior."""
        parameter = next(self.parameters())
        n = count("n", n, least=0)
        return self.decode_mean(self.prior_draws(parameter.new_empty(n, self.latent_dim)))


class LinearVAE(VAE):
    r"""A VAE without hidden layers: affine encoder mean and decoder, constant encoder variance.

    Its decoder is the model of probabilistic PCA,
    $p(x \mid z) = \mathcal N(Wz + \mu, \sigma^2 I)$, so its best possible ELBO is known exactly.
    Introduced in notebook 05.
    Source: Lucas et al. (2019), "Don't blame the ELBO!".
    """

    def __init__(self, latent_dim: int = 2, data_dim: int = 784):
        sizes = counts(latent_dim=latent_dim, data_dim=data_dim)
        latent_dim, data_dim = sizes.values()
        self._begin(latent_dim, data_dim, "gaussian", sizes)
        self.encoder = nn.Linear(data_dim, latent_dim)
        self.decoder = nn.Linear(latent_dim, data_dim)
        self.encoder_log_var = nn.Parameter(torch.zeros(latent_dim))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        check_width(x, self.data_dim, "x")
        mu = self.encoder(x).to(x.dtype)
        return mu, self.encoder_log_var.expand_as(mu)

    def elbo_terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        r"""Both terms of the ELBO exactly, with no sampling: (B,) and (B,).

        $$\mathbb E_q\|x - Wz - \mu\|^2 = \|x - W\mu_q - \mu\|^2 + \sum_m \sigma_m^2 \|w_m\|^2$$
        """
        mu, log_var = self.encode(x)
        log_lik = self.log_prob_of(x, self.decode(mu))
        ratio = torch.exp(log_var - self.log_noise_var)  # sigma_m^2 over the noise variance
        spread = (self.decoder.weight.square().sum(0) * ratio).sum(-1)
        return log_lik - 0.5 * spread, kl_to_standard_normal(mu, log_var)


class ConvVAE(VAE):
    """A VAE for 28 x 28 images with two strided convolutions on either side.

    Source: the convolutional network of Larson's slides on generative networks (Chollet's
    demonstration), made smaller.
    """

    def __init__(self, latent_dim: int = 2, hidden_dim: int = 32, likelihood: str = "bernoulli"):
        sizes = counts(latent_dim=latent_dim, hidden_dim=hidden_dim)
        latent_dim, hidden_dim = sizes.values()
        self._begin(latent_dim, 784, likelihood, {**sizes, "likelihood": likelihood})
        c = hidden_dim  # channels of the outer layers; 28 -> 14 -> 7 pixels a side
        self.encoder = nn.Sequential(
            nn.Unflatten(-1, (1, 28, 28)),
            nn.Conv2d(1, c, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(c, 2 * c, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(2 * c * 49, 2 * latent_dim),
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent_dim, 2 * c * 49),
            nn.ReLU(),
            nn.Unflatten(-1, (2 * c, 7, 7)),
            nn.ConvTranspose2d(2 * c, c, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(c, 1, 4, stride=2, padding=1),
            nn.Flatten(),
        )

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """As `VAE.encode`, for any leading axes: convolutions want exactly one."""
        check_width(x, self.data_dim, "x")
        output = self.encoder(x.reshape(-1, self.data_dim)).to(x.dtype)
        mu, log_var = output.view(*x.shape[:-1], 2 * self.latent_dim).chunk(2, dim=-1)
        return mu, log_var

    def decode(self, z: Tensor) -> Tensor:
        """As `VAE.decode`, for any leading axes."""
        check_width(z, self.latent_dim, "z")
        output = self.decoder(z.reshape(-1, self.latent_dim)).to(z.dtype)
        return output.view(*z.shape[:-1], self.data_dim)
