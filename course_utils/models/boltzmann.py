"""Boltzmann machines: models whose probability is exp(-energy), up to a constant Z.

Introduced in notebook 09. All units are 0 or 1. Z is a sum over all states: exact where one side
of a machine is small, else estimated by annealing. Energies and log-probabilities are in nats.
A machine is a few tensors and what can be computed with them; gradients are written by hand.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus
from tqdm.auto import tqdm

from course_utils.arguments import count, counts, number
from course_utils.data import scaled
from course_utils.models.layers import check_width

MOST_SUMMED = 20  # units of a side whose states are all listed: a million


def all_states(n: int, like: Tensor | None = None) -> Tensor:
    """All states (2^n, n) of n units; unit 0 changes slowest. `like` gives dtype and device.

    >>> all_states(2).tolist()
    [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]

    Raises:
        ValueError: for more than 20 units.
    """
    n = count("n", n, least=0)
    if n > MOST_SUMMED:
        raise ValueError(f"n: expected at most {MOST_SUMMED} units to list all states, got {n}")
    like = torch.empty(0) if like is None else like
    powers = 2 ** torch.arange(n - 1, -1, -1, device=like.device)
    return (torch.arange(2**n, device=like.device)[:, None] // powers % 2).to(like)


def draw(logits: Tensor) -> Tensor:
    """Units that are 1 with probability sigmoid(logits)."""
    return torch.bernoulli(torch.sigmoid(logits))


@dataclass
class RBM:
    r"""A restricted Boltzmann machine: D visible and M hidden units, links between the sides only.

    $$E(x, h) = -b^\top x - c^\top h - x^\top W h, \qquad p(x, h) = \frac{e^{-E(x, h)}}{Z}$$

    Attributes:
        weight: W (D, M). visible_bias: b (D,). hidden_bias: c (M,).
    Raises:
        ValueError: if the shapes do not fit.
    Source: Smolensky (1986); Hinton (2002).
    """

    weight: Tensor
    visible_bias: Tensor
    hidden_bias: Tensor

    def __post_init__(self):
        shapes = tuple(tuple(t.shape) for t in self.parameters())
        if len(shapes[0]) != 2 or shapes[1:] != (shapes[0][:1], shapes[0][1:]):
            raise ValueError(f"expected shapes (D, M), (D,) and (M,), got {shapes}")

    def parameters(self) -> tuple[Tensor, Tensor, Tensor]:
        """W, b and c."""
        return self.weight, self.visible_bias, self.hidden_bias

    @property
    def data_dim(self) -> int:
        """D."""
        return len(self.visible_bias)

    @classmethod
    def start(cls, data_dim: int = 784, hidden_dim: int = 100, images: Tensor | None = None):
        """Small random weights; with images (N, D), the visible biases of their mean pixels."""
        data_dim, hidden_dim = counts(data_dim=data_dim, hidden_dim=hidden_dim).values()
        bias = torch.zeros(data_dim)
        if images is not None:
            images = scaled(images.flatten(1))
            check_width(images, data_dim, "images")
            bias = torch.logit(images.mean(0), eps=0.01)
        weight = 0.01 * torch.randn(data_dim, hidden_dim, device=bias.device)
        return cls(weight, bias, bias.new_zeros(hidden_dim))

    def energy(self, x: Tensor, h: Tensor) -> Tensor:
        """E(x, h), (...), for x (..., D) and h (..., M)."""
        linear = x @ self.visible_bias + h @ self.hidden_bias
        return -linear - ((x @ self.weight) * h).sum(-1)

    def hidden_logits(self, x: Tensor) -> Tensor:
        """Logits (..., M) of p(h|x): c + Wᵀx. Given x, the hidden units are independent."""
        return self.hidden_bias + x @ self.weight

    def visible_logits(self, h: Tensor) -> Tensor:
        """Logits (..., D) of p(x|h): b + Wh. Given h, the visible units are independent."""
        return self.visible_bias + h @ self.weight.T

    def free_energy(self, x: Tensor) -> Tensor:
        """F(x), (...), for which p(x) = exp(-F(x)) / Z: the hidden units are summed out."""
        check_width(x, len(self.visible_bias), "x")
        return -(x @ self.visible_bias) - softplus(self.hidden_logits(x)).sum(-1)

    def chains_from(self, x: Tensor) -> Tensor:
        """Where chains begin that start at the data x (B, D)."""
        return x

    def log_partition(self) -> Tensor:
        """log Z, exact: a sum over all states of the smaller side, in chunks.

        Raises:
            ValueError: if both sides have more than 20 units.
        """
        D, M = self.weight.shape
        machine = self if D <= M else self.turned()
        states = all_states(min(D, M), like=self.weight)
        return torch.cat([-machine.free_energy(s) for s in states.split(4096)]).logsumexp(0)

    def turned(self) -> "RBM":
        """The same machine with its sides exchanged."""
        return RBM(self.weight.T, self.hidden_bias, self.visible_bias)

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x), (...), exact, as `log_partition` is."""
        return -self.free_energy(x) - self.log_partition()

    def tempered(self, beta: float, base_logits: Tensor) -> "RBM":
        """The machine on the way from independent pixels (beta = 0) to this one (beta = 1)."""
        bias = torch.lerp(base_logits, self.visible_bias, beta)
        return RBM(beta * self.weight, bias, beta * self.hidden_bias)

    @torch.no_grad()
    def gibbs(self, x: Tensor, steps: int = 1, keep: Tensor | None = None) -> Tensor:
        """x (..., D) after some steps up and down the chain; all rows at once.

        Args:
            keep: a mask (D,) or (..., D), True for units that stay as they are.
        """
        for _ in range(count("steps", steps, least=0)):
            moved = draw(self.visible_logits(draw(self.hidden_logits(x))))
            x = moved if keep is None else torch.where(keep, x, moved)
        return x

    def data_minus_dream(self, x: Tensor, dream: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        r"""Estimated gradient of the mean log p(x): of W (D, M), b (D,) and c (M,).

        $$\frac{\partial \log p(x)}{\partial W} = x\, \mathbb E[h \mid x]^\top
          - \mathbb E_{p(x', h')}\big[x' h'^\top\big]$$

        Args:
            x: data (B, D). dream: draws of the model (B', D), which stand for the second average.
        """
        grads = []
        for rows in (x, dream):
            h = torch.sigmoid(self.hidden_logits(rows))
            grads.append((rows.T @ h / len(rows), rows.mean(0), h.mean(0)))
        return tuple(of_data - of_dream for of_data, of_dream in zip(*grads))


@torch.no_grad()
def train_rbm(
    model: RBM,
    images: Tensor,
    epochs: int,
    steps: int = 1,
    persistent: bool = False,
    batch_size: int = 100,
    learning_rate: float = 0.1,
    last_rate: float = 0.0,
    progress: bool = True,
    each_epoch: Callable[[RBM], None] | None = None,
) -> RBM:
    """Train a machine in place: contrastive divergence (CD-k), or persistent chains.

    The dreams of CD-k begin at the batch and take k = `steps` Gibbs steps. Persistent chains,
    `batch_size` of them, begin at the first batch and go on where they were. The learning rate
    goes linearly to `last_rate`. Grey pixels are binarised anew each time they are seen. Any
    machine with the methods `chains_from`, `gibbs` and `data_minus_dream` can be trained, as `DBM`.

    Args:
        images: (N, D) or (N, side, side), uint8, or floats in [0, 1].
        each_epoch: called with the machine after each epoch.
    Source: Hinton (2002); Tieleman (2008).
    """
    images, epochs = images.flatten(1), count("epochs", epochs)
    check_width(images, model.data_dim, "images")
    rate = number("learning_rate", learning_rate, "more than 0", lambda r: r > 0)
    batches = max(len(images) // count("batch_size", batch_size), 1)
    chains, total = None, epochs * batches
    for n in tqdm(range(total), "training", disable=not progress, leave=False):
        if n % batches == 0:
            order = torch.randperm(len(images), device=images.device)
        rows = order[n % batches * batch_size :][:batch_size]
        x = torch.bernoulli(scaled(images[rows], model.weight.dtype))
        chains = model.gibbs(chains if persistent and n else model.chains_from(x), steps)
        grads = model.data_minus_dream(x, chains)
        for parameter, grad in zip(model.parameters(), grads, strict=True):
            parameter += (rate + (last_rate - rate) * n / total) * grad
        if (n + 1) % batches == 0 and each_epoch is not None:
            each_epoch(model)
    return model
