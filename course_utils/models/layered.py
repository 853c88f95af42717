"""VAEs with more structure: a decoder of convolutions, and two layers of latents.

Introduced in notebook 07c. `ConvDecoderVAE` changes the decoder alone. `TwoLayerVAE` and
`LadderVAE` put a second code z_2 above z_1; they differ in how they look for the two codes.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from course_utils.arguments import count, counts
from course_utils.distributions import (
    kl_between_normals,
    kl_to_standard_normal,
    normal_log_prob,
)
from course_utils.models.layers import check_width, mlp
from course_utils.models.vae import VAE, ConvVAE

Normals = tuple[Tensor, Tensor]  # means and log variances of normal distributions
Choice = Callable[[Tensor, Tensor], Tensor]  # a code z for a mean and a log variance


class PixelBias(nn.Module):
    """Adds a number of its own to each pixel: a convolution treats all places alike."""

    def __init__(self, data_dim: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(data_dim))

    def forward(self, image: Tensor) -> Tensor:
        """image (..., D) plus the bias."""
        return image + self.bias


class ConvDecoderVAE(VAE):
    """A VAE for 28 x 28 images whose decoder paints with small patches that all places share.

    The code becomes `channels` small pictures of 7 x 7; two transposed convolutions enlarge them
    to half as many of 14 x 14 and to the image. The encoder is that of `VAE`.
    Introduced in notebook 07c. Source: Radford et al. (2016), made much smaller.

    Args:
        latent_dim, hidden_dim, likelihood: as in `VAE`, with its errors; `hidden_dim` is the
            encoder's hidden layer and the decoder's first one.
        channels: small pictures of 7 x 7, 2 or more.
    """

    def __init__(
        self,
        latent_dim: int = 20,
        hidden_dim: int = 300,
        channels: int = 32,
        likelihood: str = "bernoulli",
    ):
        super().__init__(latent_dim, hidden_dim, likelihood)
        channels = counts(channels=channels)["channels"]
        if channels < 2:
            raise ValueError(f"channels: expected 2 or more, got {channels}")
        del self.options["data_dim"]  # always 784
        self.options["channels"] = channels
        self.decoder = nn.Sequential(
            nn.Linear(self.latent_dim, self.options["hidden_dim"]),
            nn.ReLU(),
            nn.Linear(self.options["hidden_dim"], channels * 49),
            nn.ReLU(),
            nn.Unflatten(-1, (channels, 7, 7)),
            nn.ConvTranspose2d(channels, channels // 2, 4, stride=2, padding=1),  # 14 x 14
            nn.ReLU(),
            nn.ConvTranspose2d(channels // 2, 1, 4, stride=2, padding=1),  # 28 x 28
            nn.Flatten(),
            PixelBias(self.data_dim),
        )

    decode = ConvVAE.decode


def combined(first: Normals, second: Normals) -> Normals:
    r"""The product of two normal densities, made a density again: precisions add.

    $$\frac1{\sigma^2} = \frac1{\sigma_a^2} + \frac1{\sigma_b^2}, \qquad
      \mu = \frac{\mu_a / \sigma_a^2 + \mu_b / \sigma_b^2}{1 / \sigma_a^2 + 1 / \sigma_b^2}$$

    Args:
        first, second: mean and log variance of each, (..., M).
    Returns:
        Mean and log variance, (..., M).
    Source: Sønderby et al. (2016), section 2.
    """
    (mu_a, log_var_a), (mu_b, log_var_b) = first, second
    weight = torch.sigmoid(log_var_b - log_var_a)  # of the first: its share of the precision
    mu = weight * mu_a + (1 - weight) * mu_b
    return mu, log_var_a + logsigmoid(log_var_b - log_var_a)  # σ² is that share of σ_a²


class TwoLayerVAE(VAE):
    r"""A VAE with a code above its code: z_2 says what z_1 may be, and z_1 paints the image.

    $$p(x, z_1, z_2) = p(z_2)\, p(z_1 \mid z_2)\, p(x \mid z_1), \qquad
      q(z_1, z_2 \mid x) = q(z_1 \mid x)\, q(z_2 \mid z_1)$$

    All are normal distributions with independent units, besides p(x|z_1). A code z is z_1 and z_2
    in one row, of M_1 + M_2 numbers. Introduced in notebook 07c.
    Source: Rezende et al. (2014); Burda et al. (2016), who train it so.

    Args:
        lower_dim, upper_dim: M_1 and M_2.
        hidden_dim: units of the hidden layer of each network.
        likelihood, data_dim: as in `VAE`, with its errors.
        warm_up: training steps in which the KL's weight in `loss` rises from 0 to 1; 0 for none.
    """

    has_prior = False  # none that the explorers could draw: they know N(0, I)

    def __init__(
        self,
        lower_dim: int = 20,
        upper_dim: int = 10,
        hidden_dim: int = 300,
        likelihood: str = "bernoulli",
        data_dim: int = 784,
        warm_up: int = 0,
    ):
        sizes = counts(lower_dim=lower_dim, upper_dim=upper_dim, hidden_dim=hidden_dim)
        sizes |= counts(data_dim=data_dim)
        lower, upper, hidden_dim, data_dim = sizes.values()
        self._begin(lower + upper, data_dim, likelihood, {**sizes, "likelihood": likelihood})
        self.options["warm_up"] = count("warm_up", warm_up, least=0)
        self.register_buffer("kl_weight", torch.tensor(0.0 if warm_up else 1.0))
        self.sizes = [lower, upper]
        self._begin_encoder(lower, upper, hidden_dim)
        self.prior = mlp(upper, hidden_dim, 2 * lower)  # p(z_1|z_2)
        self.decoder = mlp(lower, hidden_dim, data_dim)

    def _begin_encoder(self, lower: int, upper: int, hidden_dim: int) -> None:
        """The networks of q(z_1|x) and q(z_2|z_1)."""
        self.encoder = mlp(self.data_dim, hidden_dim, 2 * lower)
        self.upper_encoder = mlp(lower, hidden_dim, 2 * upper)

    def layers(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z_1 (..., M_1) and z_2 (..., M_2) of codes z (..., M)."""
        check_width(z, self.latent_dim, "z")
        z_1, z_2 = z.split(self.sizes, dim=-1)
        return z_1, z_2

    # --- p ---

    def lower_prior(self, z_2: Tensor) -> Normals:
        """Mean and log variance of p(z_1|z_2), each (..., M_1)."""
        return _halves(self.prior(z_2), z_2)

    def log_prior(self, z: Tensor) -> Tensor:
        """log p(z_1|z_2) + log p(z_2), (...), of codes (..., M)."""
        z_1, z_2 = self.layers(z)
        return normal_log_prob(z_1, *self.lower_prior(z_2)) + VAE.log_prior(self, z_2)

    def prior_draws(self, like: Tensor) -> Tensor:
        """As `VAE.prior_draws`: first z_2, then z_1 given z_2."""
        z_2 = torch.randn_like(self.layers(like)[1])
        return torch.cat([self.reparameterize(*self.lower_prior(z_2)), z_2], dim=-1)

    def decode(self, z: Tensor) -> Tensor:
        """As `VAE.decode`; the image depends on z_1 alone."""
        return self.decoder(self.layers(z)[0]).to(z.dtype)

    # --- q ---

    def chain(self, x: Tensor, lower: Choice, upper: Choice) -> tuple[Tensor, ...]:
        """z_1, mean and log variance of its q, then the same of z_2; `lower`, `upper` choose z."""
        check_width(x, self.data_dim, "x")
        q_1 = _halves(self.encoder(x), x)
        z_1 = lower(*q_1)
        q_2 = _halves(self.upper_encoder(z_1), x)
        return z_1, *q_1, upper(*q_2), *q_2

    def encode(self, x: Tensor) -> Normals:
        """Means and log variances (..., M), where the layer that comes first takes its mean."""
        _, mu_1, log_var_1, _, mu_2, log_var_2 = self.chain(x, _mean, _mean)
        return torch.cat([mu_1, mu_2], dim=-1), torch.cat([log_var_1, log_var_2], dim=-1)

    def posterior_draws(self, x: Tensor, num_samples: int) -> tuple[Tensor, Tensor]:
        """As `VAE.posterior_draws`: one layer, then the other given the first."""

        def draw(mu: Tensor, log_var: Tensor) -> Tensor:
            shape = (num_samples, *x.shape[:-1], mu.shape[-1])
            return self.reparameterize(mu.expand(shape), log_var.expand(shape))

        z_1, mu_1, log_var_1, z_2, mu_2, log_var_2 = self.chain(x, draw, draw)
        log_q = normal_log_prob(z_1, mu_1, log_var_1) + normal_log_prob(z_2, mu_2, log_var_2)
        return torch.cat([z_1, z_2], dim=-1), log_q

    def log_posterior(self, z: Tensor, x: Tensor) -> Tensor:
        """log q(z|x), (...), of any codes (..., M), for x (B, D)."""
        given_1, given_2 = self.layers(z)
        chain = self.chain(x, lambda *_: given_1, lambda *_: given_2)
        z_1, mu_1, log_var_1, z_2, mu_2, log_var_2 = chain
        return normal_log_prob(z_1, mu_1, log_var_1) + normal_log_prob(z_2, mu_2, log_var_2)

    # --- the ELBO ---

    def lower_kl(self, z_1: Tensor, q_1: Normals, p_1: Normals) -> Tensor:
        """log q(z_1|x) - log p(z_1|z_2) of each unit, (..., M_1): one draw, may be negative."""
        log_q, log_p = (
            normal_log_prob(z_1[..., None], *(t[..., None] for t in n)) for n in (q_1, p_1)
        )
        return log_q - log_p

    def _terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """log p(x|z) (...), and the KL of each unit (..., M), by one draw of z."""
        draw = self.reparameterize
        z_1, mu_1, log_var_1, z_2, mu_2, log_var_2 = self.chain(x, draw, draw)
        kl_1 = self.lower_kl(z_1, (mu_1, log_var_1), self.lower_prior(z_2))
        kl_2 = kl_to_standard_normal(mu_2[..., None], log_var_2[..., None])
        output = self.decoder(z_1).to(z_1.dtype)
        return self.log_prob_of(x, output), torch.cat([kl_1, kl_2], dim=-1)

    def elbo_terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """One-sample estimates of E_q[log p(x|z)] and of KL(q || prior); each (...)."""
        log_lik, kl = self._terms(x)
        return log_lik, kl.sum(-1)

    def loss(self, x: Tensor) -> Tensor:
        """Minus the ELBO, (B,), nats; in the `warm_up` steps of a training with less of the KL."""
        if not (self.options["warm_up"] and torch.is_grad_enabled()):
            return -self.elbo(x)  # a score
        weight = float(self.kl_weight)
        self.kl_weight.add_(1 / self.options["warm_up"]).clamp_(max=1)
        return -self.elbo(x, weight)

    def unit_kl(self, x: Tensor) -> Tensor:
        """The KL that each unit adds, averaged over the images (N, D): (M,), by one draw each."""
        return self._terms(x)[1].mean(0)


class LadderVAE(TwoLayerVAE):
    r"""A two-layer VAE that looks for z_2 first, and for z_1 with what z_2 says about it.

    $$q(z_1, z_2 \mid x) = q(z_2 \mid x)\, q(z_1 \mid z_2, x), \quad q(z_1 \mid z_2, x)
      \propto \mathcal N\big(z_1 \mid \hat\mu(x), \hat\sigma^2(x)\big)\, p(z_1 \mid z_2)$$

    The evidence of the image, with hats, and the prior p(z_1|z_2) are `combined`. Give it a
    `warm_up`: where evidence is vague its weight is near 0, and so is the gradient that could make
    it surer. So a unit that the KL switched off early stays off. Arguments as in `TwoLayerVAE`.
    Introduced in notebook 07c. Source: Sønderby et al. (2016), with their warm-up.
    """

    def _begin_encoder(self, lower: int, upper: int, hidden_dim: int) -> None:
        """A way up of plain layers, h_1 and h_2; at each of them a layer that reads it."""
        self.encoder = nn.Sequential(nn.Linear(self.data_dim, hidden_dim), nn.ReLU())  # h_1
        self.evidence = nn.Linear(hidden_dim, 2 * lower)
        self.upper_encoder = mlp(hidden_dim, hidden_dim, 2 * upper)

    def chain(self, x: Tensor, lower: Choice, upper: Choice) -> tuple[Tensor, ...]:
        """As in `TwoLayerVAE`, but z_2 is chosen first."""
        check_width(x, self.data_dim, "x")
        h_1 = self.encoder(x)
        q_2 = _halves(self.upper_encoder(h_1), x)
        z_2 = upper(*q_2)
        q_1 = combined(_halves(self.evidence(h_1), x), self.lower_prior(z_2))
        return lower(*q_1), *q_1, z_2, *q_2

    def lower_kl(self, z_1: Tensor, q_1: Normals, p_1: Normals) -> Tensor:
        """KL(q(z_1|z_2, x) || p(z_1|z_2)) of each unit, (..., M_1): exact, for the z_2 drawn."""
        return kl_between_normals(*(t[..., None] for t in (*q_1, *p_1)))


def _halves(output: Tensor, like: Tensor) -> Normals:
    """A network's output (..., 2M) as means and log variances, of the dtype of `like`."""
    mu, log_var = output.to(like.dtype).chunk(2, dim=-1)
    return mu, log_var


def _mean(mu: Tensor, log_var: Tensor) -> Tensor:
    """The code that stands for all draws: their mean."""
    return mu
