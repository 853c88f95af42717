"""VAEs with one part made stronger: deeper networks, a flow for q(z|x), a learned prior.

Introduced in notebook 07. Each class changes one part of `VAE` and leaves the others as they are,
so that a comparison tells what this part is worth.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, logsigmoid

from course_utils.arguments import counts
from course_utils.data import scaled
from course_utils.distributions import normal_log_prob
from course_utils.models.layers import check_width, mlp
from course_utils.models.vae import VAE

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}


class Skip(nn.Sequential):
    """Layers f that add to what goes in: h + f(h)."""

    def forward(self, h: Tensor) -> Tensor:
        """h + f(h), of the shape of h."""
        return h + super().forward(h)


class DeepVAE(VAE):
    """A VAE with any number of hidden layers on either side. Introduced in notebook 07.

    With one layer on either side it is `VAE`, weight for weight.

    Args:
        latent_dim, hidden_dim, likelihood, data_dim: as in `VAE`.
        encoder_layers, decoder_layers: hidden layers of either network, 1 or more.
        activation: between the layers, `"relu"` or `"tanh"`.
        skips: whether each hidden layer after the first adds to the one before, so that gradients
            reach the first one directly. Source: He et al. (2016).
    Raises:
        ValueError: for an unknown likelihood or activation, or a size below 1.
    """

    def __init__(
        self,
        latent_dim: int = 20,
        hidden_dim: int = 300,
        encoder_layers: int = 2,
        decoder_layers: int = 2,
        likelihood: str = "bernoulli",
        data_dim: int = 784,
        activation: str = "relu",
        skips: bool = False,
    ):
        layers = counts(encoder_layers=encoder_layers, decoder_layers=decoder_layers)
        sizes = counts(latent_dim=latent_dim, hidden_dim=hidden_dim, data_dim=data_dim)
        latent_dim, hidden_dim, data_dim = sizes.values()
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation: expected one of {[*ACTIVATIONS]}, got {activation!r}")
        options = {**sizes, **layers, "likelihood": likelihood}
        options |= {"activation": activation, "skips": bool(skips)}
        self._begin(latent_dim, data_dim, likelihood, options)

        def network(n_in: int, layers: int, n_out: int) -> nn.Sequential:
            kind = ACTIVATIONS[activation]
            if not skips:
                return mlp(n_in, *[hidden_dim] * layers, n_out, activation=kind)
            flat = mlp(n_in, hidden_dim, n_out, activation=kind)
            more = [Skip(nn.Linear(hidden_dim, hidden_dim), kind()) for _ in range(layers - 1)]
            return nn.Sequential(*flat[:2], *more, flat[2])

        self.encoder = network(data_dim, layers["encoder_layers"], 2 * latent_dim)
        self.decoder = network(latent_dim, layers["decoder_layers"], data_dim)


def one_draw_terms(model: VAE, x: Tensor) -> tuple[Tensor, Tensor]:
    """Both terms of the ELBO from one draw z of q(z|x), each (B,): for a KL without a formula.

    They are log p(x|z) and log q(z|x) - log p(z). One draw of the second may be negative.
    """
    z, log_q = model.posterior_draws(x, 1)
    return model.log_prob_of(x, model.decode(z[0])), log_q[0] - model.log_prior(z[0])


class AutoregressiveStep(nn.Module):
    r"""One step of an inverse autoregressive flow: each unit moves as the units before it say.

    $$z_m = s_m y_m + (1 - s_m)\, t_m, \qquad (t_m, s_m) = f_m(y_1, \dots, y_{m-1}, \text{image})$$

    with s between 0 and 1. So dz/dy is a triangular matrix, and log|det| is the sum of log s_m.
    One network computes all f_m: weights from later units are masked, that is, multiplied by 0.

    Args:
        latent_dim: M. hidden_dim: units of the network's one hidden layer.
        context_dim: numbers about the image that the network sees besides y.
    Source: Kingma et al. (2016), section 4; the masks: Germain et al. (2015).
    """

    def __init__(self, latent_dim: int, hidden_dim: int, context_dim: int):
        super().__init__()
        unit = torch.arange(latent_dim)
        seen = torch.arange(hidden_dim) % latent_dim  # by each hidden unit: so many, the first
        self.register_buffer("mask_in", unit < seen[:, None], persistent=False)  # (H, M)
        self.register_buffer("mask_out", unit[:, None] >= seen, persistent=False)  # (M, H)
        self.from_context = nn.Linear(context_dim, hidden_dim)
        self.from_y = nn.Linear(latent_dim, hidden_dim, bias=False)
        self.out = nn.Linear(hidden_dim, 2 * latent_dim)

    def shift_and_logit(self, y: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """t and the logit of s, each (..., M); entry m depends on entries before m of y alone."""
        hidden = linear(y, self.from_y.weight * self.mask_in) + self.from_context(context)
        out = linear(hidden.relu(), self.out.weight * self.mask_out.repeat(2, 1), self.out.bias)
        t, logit = out.to(y.dtype).chunk(2, dim=-1)
        return t, logit + 2  # s begins near sigmoid(2) = 0.88: a small move

    def forward(self, y: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """z (..., M) and log|det dz/dy| (...), for y (..., M): all units at once."""
        t, logit = self.shift_and_logit(y, context)
        s = torch.sigmoid(logit)
        return s * y + (1 - s) * t, logsigmoid(logit).sum(-1)

    def inverse(self, z: Tensor, context: Tensor) -> Tensor:
        """The y (..., M) that the step moves to z: unit by unit, so it takes M times as long."""
        y = torch.zeros_like(z)
        for here in torch.eye(z.shape[-1], dtype=torch.bool, device=z.device):
            t, logit = self.shift_and_logit(y, context)
            s = torch.sigmoid(logit)
            y = torch.where(here, (z - (1 - s) * t) / s, y)
        return y


class FlowVAE(VAE):
    r"""A VAE whose q(z|x) is a normal distribution bent by an inverse autoregressive flow.

    $$y = \mu(x) + \sigma(x)\, \epsilon, \qquad z = f(y, x), \qquad
      \log q(z \mid x) = \log \mathcal N(y \mid \mu, \sigma^2) - \log|\det \partial z/\partial y|$$

    The flow sees the image through the context, which are further outputs of the encoder. Without
    a context one f would bend the q's of all images alike: that changes the prior, not the family
    of q's. The KL has no formula; `elbo_terms` estimates it. Introduced in notebook 07.

    Args:
        latent_dim, hidden_dim, likelihood, data_dim: as in `VAE`, with its errors.
        steps: of the flow. Each takes the units in the other order than the one before.
        flow_dim: units of each step's hidden layer, and numbers of the context.
    Source: Kingma et al. (2016).
    """

    def __init__(
        self,
        latent_dim: int = 20,
        hidden_dim: int = 300,
        steps: int = 2,
        flow_dim: int = 100,
        likelihood: str = "bernoulli",
        data_dim: int = 784,
    ):
        super().__init__(latent_dim, hidden_dim, likelihood, data_dim)
        self.options |= counts(steps=steps, flow_dim=flow_dim)
        latent_dim, flow_dim = self.latent_dim, self.options["flow_dim"]
        self.sizes = [latent_dim, latent_dim, flow_dim]  # of what the encoder gives
        self.encoder = mlp(self.data_dim, self.options["hidden_dim"], sum(self.sizes))
        steps = range(self.options["steps"])
        self.flow = nn.ModuleList(AutoregressiveStep(latent_dim, *[flow_dim] * 2) for _ in steps)

    def encode_all(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and log variance of y (..., M), and the context (..., `flow_dim`)."""
        check_width(x, self.data_dim, "x")
        mu, log_var, context = self.encoder(x).to(x.dtype).split(self.sizes, dim=-1)
        return mu, log_var, context

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance, each (..., M), of the normal distribution that the flow bends."""
        mu, log_var, _ = self.encode_all(x)
        return mu, log_var

    def encode_mean(self, x: Tensor) -> Tensor:
        """The code (..., M) that stands for an image: where the flow takes the mean of y."""
        mu, _, context = self.encode_all(x)
        return self.bend(mu, context)[0]

    def bend(self, y: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """z = f(y) and log|det dz/dy|, (..., M) and (...)."""
        log_det = y.new_zeros(())
        for step in self.flow:
            y, more = step(y.flip(-1), context)
            log_det = log_det + more
        return y, log_det

    def unbend(self, z: Tensor, context: Tensor) -> Tensor:
        """The y (..., M) that the flow takes to z."""
        for step in reversed(self.flow):
            z = step.inverse(z, context).flip(-1)
        return z

    def posterior_draws(self, x: Tensor, num_samples: int) -> tuple[Tensor, Tensor]:
        """As `VAE.posterior_draws`: draws of the normal distribution, bent."""
        mu, log_var, context = self.encode_all(x)
        shape = (num_samples, *mu.shape)
        y = self.reparameterize(mu.expand(shape), log_var.expand(shape))
        z, log_det = self.bend(y, context)
        return z, normal_log_prob(y, mu, log_var) - log_det

    def log_posterior(self, z: Tensor, x: Tensor) -> Tensor:
        """log q(z|x), (...), of any codes (..., M): by the flow's inverse."""
        mu, log_var, context = self.encode_all(x)
        y = self.unbend(z, context)
        return normal_log_prob(y, mu, log_var) - self.bend(y, context)[1]

    elbo_terms = one_draw_terms


class MixturePriorVAE(VAE):
    r"""A VAE whose prior is a mixture of normal distributions, learned with the networks.

    $$p(z) = \sum_{c=1}^C w_c\, \mathcal N(z \mid m_c, \operatorname{diag} s_c^2)$$

    Each component is a density of all M units together; a mixture for each unit by itself would be
    another prior. The KL has no formula; `elbo_terms` estimates it. Introduced in notebook 07.

    Args:
        latent_dim, hidden_dim, likelihood, data_dim: as in `VAE`, with its errors.
        components: C.
    Source: Tomczak and Welling (2018), who compare it with their VampPrior.
    """

    has_prior = False  # none that the explorers could draw: they know N(0, I)

    def __init__(
        self,
        latent_dim: int = 20,
        hidden_dim: int = 300,
        components: int = 100,
        likelihood: str = "bernoulli",
        data_dim: int = 784,
    ):
        super().__init__(latent_dim, hidden_dim, likelihood, data_dim)
        self.options |= counts(components=components)
        self._begin_prior(self.options["components"])

    def _begin_prior(self, components: int) -> None:
        """Components whose mixture has about the mean and the variance of N(0, I)."""
        half = torch.full((components, self.latent_dim), 0.5)
        self.prior_logits = nn.Parameter(torch.zeros(components))
        self.prior_mu = nn.Parameter(half.sqrt() * torch.randn_like(half))
        self.prior_log_var = nn.Parameter(half.log())

    def components(self) -> tuple[Tensor, Tensor, Tensor]:
        """log w (C,), and means and log variances of the components, each (C, M)."""
        return self.prior_logits.log_softmax(-1), self.prior_mu, self.prior_log_var

    def log_prior(self, z: Tensor) -> Tensor:
        """log p(z), (...), of codes (..., M)."""
        log_w, mu, log_var = self.components()
        return torch.logsumexp(log_w + normal_log_prob(z[..., None, :], mu, log_var), dim=-1)

    @torch.no_grad()
    def prior_draws(self, like: Tensor) -> Tensor:
        """As `VAE.prior_draws`: for each code a component, then a draw of it."""
        log_w, mu, log_var = self.components()
        number = like.shape[:-1].numel()
        which = torch.multinomial(log_w.exp(), number, replacement=True) if number else []
        return self.reparameterize(mu[which], log_var[which]).view(like.shape)

    elbo_terms = one_draw_terms


class VampPriorVAE(MixturePriorVAE):
    r"""A VAE whose prior is the mean of the q's of C pseudo-inputs u, images that are learned.

    $$p(z) = \frac1C \sum_{c=1}^C q(z \mid u_c)$$

    The best prior for the ELBO is the mean of the q's of all images, the aggregate posterior; this
    one has the same form with few images. Arguments as in `MixturePriorVAE`.
    Introduced in notebook 07. Source: Tomczak and Welling (2018).
    """

    def _begin_prior(self, components: int) -> None:
        """Pseudo-inputs of noise; `start_at_mean` makes images of them."""
        self.pseudo_logits = nn.Parameter(torch.randn(components, self.data_dim))

    @torch.no_grad()
    def start_at_mean(self, images: Tensor) -> None:
        """As `VAE.start_at_mean`; and the pseudo-inputs begin as the first C images, softened."""
        super().start_at_mean(images)
        first = scaled(images[: len(self.pseudo_logits)].flatten(1))
        self.pseudo_logits[: len(first)] = torch.logit(first, eps=0.05).to(self.pseudo_logits)

    def components(self) -> tuple[Tensor, Tensor, Tensor]:
        """log w (C,), and means and log variances of the pseudo-inputs' q's, each (C, M)."""
        mu, log_var = self.encode(torch.sigmoid(self.pseudo_logits))
        return mu.new_full((len(mu),), -math.log(len(mu))), mu, log_var
