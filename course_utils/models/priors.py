"""A VAE whose prior is a flow: a density that learns where the codes are.

Introduced in notebook 07b. The mixture priors, which have no flow, are in `parts`.
"""

import torch
from torch import Tensor, nn

from course_utils.arguments import count, counts
from course_utils.distributions import normal_log_prob
from course_utils.models.layers import mlp
from course_utils.models.parts import one_draw_terms
from course_utils.models.vae import VAE

STEEPEST = 3.0  # log of the largest factor that one step stretches by


class CouplingStep(nn.Module):
    r"""An affine coupling: the first half a of the units stays, and moves the second half b.

    $$z_a = \epsilon_a, \qquad z_b = t(\epsilon_a) + e^{r(\epsilon_a)}\, \epsilon_b$$

    Its Jacobian is triangular, so log|det dz/dε| is the sum of r. Because z_a = ε_a, the inverse
    needs t and r only, no equation to solve: both ways cost the same. It begins as the identity.

    Args:
        latent_dim: M, 2 or more. hidden_dim: units of either hidden layer.
    Source: Dinh, Sohl-Dickstein and Bengio (2017), eq. 4 to 8.
    """

    def __init__(self, latent_dim: int, hidden_dim: int):
        super().__init__()
        self.sizes = [latent_dim // 2, latent_dim - latent_dim // 2]
        first, second = self.sizes
        self.network = mlp(first, hidden_dim, hidden_dim, 2 * second, activation=nn.SiLU)
        nn.init.zeros_(self.network[-1].weight)
        nn.init.zeros_(self.network[-1].bias)

    def shift_and_log_scale(self, a: Tensor) -> tuple[Tensor, Tensor]:
        """t and r, each of the shape of the second half; r stays within ±`STEEPEST`."""
        t, r = self.network(a).to(a.dtype).chunk(2, dim=-1)
        return t, STEEPEST * torch.tanh(r / STEEPEST)

    def forward(self, eps: Tensor) -> tuple[Tensor, Tensor]:
        """z (..., M) and log|det dz/dε| (...), for ε (..., M)."""
        a, b = eps.split(self.sizes, dim=-1)
        t, r = self.shift_and_log_scale(a)
        return torch.cat([a, t + r.exp() * b], -1), r.sum(-1)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The ε (..., M) that the step moves to z, and log|det dz/dε| (...) there."""
        a, b = z.split(self.sizes, dim=-1)
        t, r = self.shift_and_log_scale(a)
        return torch.cat([a, (b - t) * torch.exp(-r)], -1), r.sum(-1)


class FlowPriorVAE(VAE):
    r"""A VAE whose prior is N(0, I) moved by affine couplings, learned with the networks.

    $$z = f(\epsilon), \quad \epsilon \sim \mathcal N(0, I), \qquad
      \log p(z) = \log \mathcal N(\epsilon \mid 0, I) - \log|\det \partial z / \partial \epsilon|$$

    A density of z is asked for, so training runs the flow backwards, from z to ε; a dream runs it
    forwards. It begins as N(0, I). The KL has no formula; `elbo_terms` estimates it.
    Introduced in notebook 07b.

    Args:
        latent_dim: M, 2 or more. hidden_dim, likelihood, data_dim: as in `VAE`, with its errors.
        prior_steps: couplings. Each takes the units in the other order than the one before.
        prior_dim: units of each coupling's hidden layers.
        more: for a class that has another part made stronger, too.
    Source: Dinh, Sohl-Dickstein and Bengio (2017), the flow; Huang et al. (2017), as a prior.
    """

    has_prior = False  # none that the explorers could draw: they know N(0, I)

    def __init__(
        self,
        latent_dim: int = 20,
        hidden_dim: int = 300,
        prior_steps: int = 4,
        prior_dim: int = 64,
        likelihood: str = "bernoulli",
        data_dim: int = 784,
        **more,
    ):
        count("latent_dim", latent_dim, least=2)  # a coupling needs two halves
        sizes = counts(prior_steps=prior_steps, prior_dim=prior_dim)
        super().__init__(latent_dim, hidden_dim, likelihood=likelihood, data_dim=data_dim, **more)
        self.options |= sizes
        steps = [CouplingStep(self.latent_dim, sizes["prior_dim"]) for _ in range(prior_steps)]
        self.prior_flow = nn.ModuleList(steps)

    def to_noise(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The ε (..., M) that the flow takes to z, and log|det dz/dε| (...) there."""
        log_det = z.new_zeros(z.shape[:-1])
        for step in reversed(self.prior_flow):
            z, more = step.inverse(z)
            z, log_det = z.flip(-1), log_det + more
        return z, log_det

    def from_noise(self, eps: Tensor) -> tuple[Tensor, Tensor]:
        """z = f(ε) and log|det dz/dε|, (..., M) and (...)."""
        log_det = eps.new_zeros(eps.shape[:-1])
        for step in self.prior_flow:
            eps, more = step(eps.flip(-1))
            log_det = log_det + more
        return eps, log_det

    def log_prior(self, z: Tensor) -> Tensor:
        """log p(z), (...), of codes (..., M)."""
        eps, log_det = self.to_noise(z)
        zero = torch.zeros_like(eps)
        return normal_log_prob(eps, zero, zero) - log_det

    @torch.no_grad()
    def prior_draws(self, like: Tensor) -> Tensor:
        """As `VAE.prior_draws`: noise, taken through the flow."""
        return self.from_noise(torch.randn_like(like))[0]

    elbo_terms = one_draw_terms
