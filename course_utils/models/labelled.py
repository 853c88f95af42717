"""VAEs that know about labels: the conditional VAE, and M2, whose labels are sometimes seen.

Introduced in notebook 08. A label y is a whole number from 0 to C - 1 (int64). Leading axes of x,
y and z broadcast: images (B, D) with labels (C, 1) give one result for each label and image, and
what a first layer makes of the images is computed once for all labels.
"""

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_utils.arguments import count, counts, number
from course_utils.distributions import kl_to_standard_normal
from course_utils.models.layers import check_width, mlp
from course_utils.models.vae import LIKELIHOODS, VAE


class TwoInputs(nn.Module):
    r"""A network with one hidden layer of a row and a label, which stand side by side.

    $$h = \operatorname{relu}(W_x x + W_y\, \text{onehot}(y) + b)$$

    Args:
        row_dim: D. classes: C. hidden_dim: units of h. out_dim: numbers that come out.
    """

    def __init__(self, row_dim: int, classes: int, hidden_dim: int, out_dim: int):
        super().__init__()
        self.from_row = nn.Linear(row_dim, hidden_dim)
        self.from_label = nn.Linear(classes, hidden_dim, bias=False)
        self.out = nn.Linear(hidden_dim, out_dim)

    def forward(self, row: Tensor, y: Tensor) -> Tensor:
        """Outputs (..., out_dim) for rows (..., D) and labels (...)."""
        onehot = nn.functional.one_hot(y, self.from_label.in_features).to(row.dtype)
        return self.out(torch.relu(self.from_row(row) + self.from_label(onehot)))


class ConditionalVAE(nn.Module):
    r"""A VAE whose encoder and decoder are told the label. Introduced in notebook 08.

    $$p(x, z \mid y) = \mathcal N(z \mid 0, I)\, p(x \mid y, z), \qquad
      q(z \mid x, y) = \mathcal N\big(z \mid \mu(x, y), \operatorname{diag} \sigma^2(x, y)\big)$$

    Args:
        latent_dim: M. hidden_dim: units of the hidden layers.
        likelihood: as in `VAE`; a Gaussian one has a noise variance for each of the D numbers.
        data_dim: D. classes: C, the number of labels.
    Raises:
        ValueError: for an unknown likelihood, a size below 1, or rows of another width than D.
    Source: Kingma et al. (2014), section 2.1, model M2 with its labels seen; Sohn et al. (2015).
    """

    def __init__(
        self,
        latent_dim: int = 10,
        hidden_dim: int = 300,
        likelihood: str = "bernoulli",
        data_dim: int = 784,
        classes: int = 10,
    ):
        super().__init__()
        sizes = counts(latent_dim=latent_dim, hidden_dim=hidden_dim)
        widths = counts(data_dim=data_dim, classes=classes)
        if likelihood not in LIKELIHOODS:
            raise ValueError(f"likelihood: expected one of {LIKELIHOODS}, got {likelihood!r}")
        self.options = {**sizes, "likelihood": likelihood, **widths}
        self.latent_dim, self.likelihood = sizes["latent_dim"], likelihood
        self.data_dim, self.classes = widths.values()
        M, H, D, C = self.latent_dim, sizes["hidden_dim"], self.data_dim, self.classes
        self.encoder = TwoInputs(D, C, H, 2 * M)
        self.decoder = TwoInputs(M, C, H, D)
        if likelihood == "gaussian":
            self.log_noise_var = nn.Parameter(torch.zeros(D))

    outputs_logits = VAE.outputs_logits
    reparameterize = VAE.reparameterize
    log_prob_of = VAE.log_prob_of
    log_prior = VAE.log_prior

    def encode(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z|x, y), each (..., M), for rows (..., D), labels (...)."""
        check_width(x, self.data_dim, "x")
        mu, log_var = self.encoder(x, y).to(x.dtype).chunk(2, dim=-1)
        return mu, log_var

    def decode(self, z: Tensor, y: Tensor) -> Tensor:
        """Logits (Bernoulli) or means (Gaussian), (..., D), for codes (..., M), labels (...)."""
        check_width(z, self.latent_dim, "z")
        return self.decoder(z, y).to(z.dtype)

    def decode_mean(self, z: Tensor, y: Tensor) -> Tensor:
        """E[x|y, z], the image (..., D) that a code stands for, drawn as the class y."""
        output = self.decode(z, y)
        return torch.sigmoid(output) if self.outputs_logits else output

    def elbo_terms(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """One-draw estimate of E_q[log p(x|y, z)], and the exact KL(q(z|x, y) || p(z)); (...)."""
        mu, log_var = self.encode(x, y)
        z = self.reparameterize(mu, log_var)
        return self.log_prob_of(x, self.decode(z, y)), kl_to_standard_normal(mu, log_var)

    def elbo(self, x: Tensor, y: Tensor) -> Tensor:
        """One-draw estimate of a lower bound of log p(x|y), (...), nats."""
        log_lik, kl = self.elbo_terms(x, y)
        return log_lik - kl

    def labelled_bound(self, x: Tensor, y: Tensor) -> Tensor:
        r"""One-draw estimate of a lower bound of log p(x, y), (...), nats; p(y) = 1/C.

        $$\log p(x, y) \ge \mathbb E_{q(z|x, y)}[\log p(x \mid y, z)]
          - \mathrm{KL}\big(q(z \mid x, y) \,\|\, p(z)\big) + \log p(y)$$

        Source: Kingma et al. (2014), eq. 6, where its negative is called L(x, y).
        """
        return self.elbo(x, y) - math.log(self.classes)

    def every_label(self, x: Tensor) -> Tensor:
        """`labelled_bound` of each label: (C, ...) for rows (..., D)."""
        labels = torch.arange(self.classes, device=x.device)
        return self.labelled_bound(x, labels.view(-1, *[1] * (x.dim() - 1)))


class M2(ConditionalVAE):
    r"""A conditional VAE with a classifier q(y|x), for labels that are seen or not.

    A seen label is data. An unseen one is a latent like z, but a discrete one: the average over it
    is a sum of C terms, and exact. Introduced in notebook 08.

    Args:
        latent_dim, hidden_dim, likelihood, data_dim, classes: as in `ConditionalVAE`. The
            classifier has one hidden layer of `hidden_dim` units as well.
    Source: Kingma, Mohamed, Rezende and Welling (2014), eq. 4 and 6 to 9. On draws of another
        VAE's codes it is the upper part of their M1+M2.
    """

    def __init__(
        self,
        latent_dim: int = 10,
        hidden_dim: int = 300,
        likelihood: str = "bernoulli",
        data_dim: int = 784,
        classes: int = 10,
    ):
        super().__init__(latent_dim, hidden_dim, likelihood, data_dim, classes)
        self.classifier = mlp(self.data_dim, self.options["hidden_dim"], self.classes)

    def log_q_label(self, x: Tensor) -> Tensor:
        """log q(y|x) of each label, (..., C), for rows (..., D)."""
        check_width(x, self.data_dim, "x")
        return self.classifier(x).to(x.dtype).log_softmax(-1)

    def unlabelled_bound(self, x: Tensor) -> Tensor:
        r"""One-draw estimate (one z for each label) of a lower bound of log p(x), (...), nats.

        $$\log p(x) \ge \sum_y q(y \mid x)\, \big(\text{labelled bound}(x, y)
          - \log q(y \mid x)\big)$$

        Source: Kingma et al. (2014), eq. 7, where its negative is called U(x).
        """
        log_q = self.log_q_label(x)
        return (log_q.exp() * (self.every_label(x).movedim(0, -1) - log_q)).sum(-1)

    def semi_supervised_loss(
        self, x: Tensor, y: Tensor, unseen: Tensor, share: float, alpha: float
    ) -> Tensor:
        r"""What training minimises, one number in nats per image of the whole set.

        $$-\tfrac{N_l}{N} \overline{\text{labelled bound}(x, y)}
          - \tfrac{N_u}{N} \overline{\text{unlabelled bound}(x)}
          - \alpha\, \overline{\log q(y \mid x)}$$

        with means over the batches, the last one over the labelled batch.

        Args:
            x, y: (B, D) and (B,), with labels. unseen: (B', D), without.
            share: N_l / N, the share of images with a label. alpha: weight of the classifier
                term; the paper's alpha is N times this one, and it takes 0.1.
        Source: Kingma et al. (2014), eq. 8 and 9, divided by N.
        """
        log_q = self.log_q_label(x).gather(-1, y[:, None])[:, 0]
        seen = self.labelled_bound(x, y).mean()
        return -(share * seen + (1 - share) * self.unlabelled_bound(unseen).mean()) - (
            alpha * log_q.mean()
        )


def train_m2(
    model: M2,
    labelled: Tensor,
    labels: Tensor,
    unlabelled: Tensor,
    epochs: int,
    batch_size: int = 100,
    learning_rate: float = 5e-3,
    alpha: float = 1.0,
    draw: Callable[[Tensor], Tensor] = torch.bernoulli,
    after_epoch: Callable[[M2, int], None] | None = None,
    state: dict | None = None,
) -> None:
    """Train M2 on labelled and unlabelled rows. The loop of notebook 08, where it is shown.

    Each step takes `batch_size` rows of either kind; a labelled set that is smaller comes whole.
    The learning rate of Adam stays for half of the steps, and then falls to 0 along a line.

    Args:
        labelled: (N_l, ...). labels: int64 (N_l,). unlabelled: (N_u, ...), whatever `draw` takes.
        epochs: passes over the unlabelled rows.
        alpha: see `M2.semi_supervised_loss`.
        draw: from rows to inputs (B, D), anew for every batch: binary pixels from grey ones, or
            draws of codes from their means and variances.
        after_epoch: called as `after_epoch(model, epoch)`; the first epoch is 1.
        state: an empty dict, kept up to date at the end of each epoch. With the model's weights of
            that moment it is all that another call needs to go on from there, on the CPU bit for
            bit; without one every call begins at the first epoch.
    Raises:
        ValueError: for numbers of epochs or rows below 1, or rates that are no numbers.
    """
    epochs, batch_size = count("epochs", epochs), count("batch_size", batch_size)
    rate = number("learning_rate", learning_rate, "0 or more", lambda v: 0 <= v < math.inf)
    alpha = number("alpha", alpha, "0 or more", lambda v: 0 <= v < math.inf)
    share = len(labelled) / (len(labelled) + len(unlabelled))
    optimizer = torch.optim.Adam(model.parameters(), rate)
    in_an_epoch = math.ceil(len(unlabelled) / batch_size)
    state = {} if state is None else state
    finished = state.get("epoch", 0)
    if finished:
        optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
        torch.set_rng_state(state["random"])
    steps, done = epochs * in_an_epoch, finished * in_an_epoch
    for epoch in range(finished + 1, epochs + 1):
        for rows in torch.randperm(len(unlabelled), device=unlabelled.device).split(batch_size):
            optimizer.param_groups[0]["lr"] = rate * min(1, 2 - 2 * done / steps)
            few = torch.randperm(len(labelled), device=labelled.device)[:batch_size]
            x, y = draw(labelled[few]), labels[few]
            loss = model.semi_supervised_loss(x, y, draw(unlabelled[rows]), share, alpha)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            done += 1
        state["epoch"], state["random"] = epoch, torch.get_rng_state()
        state["optimizer"] = copy.deepcopy(optimizer.state_dict())
        if after_epoch is not None:
            after_epoch(model, epoch)
