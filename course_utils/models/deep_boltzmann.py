"""Machines of two hidden layers: a deep belief network, and a deep Boltzmann machine.

The deep machine's energy and its bound are introduced in notebook 09, all else in 09b. Both are
made of restricted machines: the belief network is one above another, and the deep machine is one
whose visible side holds x and h_2. So what `RBM` can do is not written again here.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from course_utils.arguments import count
from course_utils.data import scaled
from course_utils.models.boltzmann import RBM, all_states, draw, train_rbm

FIELD_STEPS = 10  # updates of mean field for each batch of training


def _entropy(p: Tensor) -> Tensor:
    """Entropy (...) of independent units that are 1 with probabilities p (..., M)."""
    return -(torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p)).sum(-1)


def _log_bernoulli(x: Tensor, logits: Tensor) -> Tensor:
    """log-probability (...) of independent units x (..., D)."""
    return (x * logits - softplus(logits)).sum(-1)


# --- one machine above another -------------------------------------------------------------------


@dataclass
class DBN:
    r"""A deep belief network: a restricted machine draws h_1, and links lead down from there.

    $$p(x) = \sum_{h_1} p_{\text{top}}(h_1)\, p(x \mid h_1), \qquad
      q(h_1 \mid x) = \sigma(c_1 + W_1^\top x)$$

    Attributes:
        first: the machine of x and h_1, which gives p(x|h_1), and q(h_1|x).
        top: the machine of h_1, its visible side, and h_2.
    Raises:
        ValueError: if the top machine does not stand on the first one.
    Source: Hinton, Osindero and Teh (2006).
    """

    first: RBM
    top: RBM

    def __post_init__(self):
        below, above = len(self.first.hidden_bias), self.top.data_dim
        if below != above:
            raise ValueError(f"expected a top machine with {below} visible units, got {above}")

    @classmethod
    def on(cls, first: RBM) -> "DBN":
        """The stack that is the same model as `first`: on top its own copy, upside down."""
        return cls(first, RBM(*(t.clone() for t in first.turned().parameters())))

    def code(self, x: Tensor) -> Tensor:
        """A draw (B, M_1) of q(h_1|x), which the top machine learns from."""
        return draw(self.first.hidden_logits(x))

    def bound_draws(self, x: Tensor, log_z_top: Tensor) -> Tensor:
        r"""An estimate (B,) of the bound for each row, from one draw of h_1.

        $$\log p(x) \ge \mathbb E_q\big[\log p(x \mid h_1) - F_{\text{top}}(h_1)
          - \log q(h_1 \mid x)\big] - \log Z_{\text{top}}$$

        Args:
            log_z_top: of the top machine alone; p(x|h_1) needs no constant.
        """
        logits = self.first.hidden_logits(x)
        h = draw(logits)
        log_x = _log_bernoulli(x, self.first.visible_logits(h))
        return log_x - self.top.free_energy(h) - log_z_top - _log_bernoulli(h, logits)

    def _tables(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """log p(x, h_1) and log q(h_1|x) for all h_1: (B, 2^M_1) each."""
        h = all_states(len(self.first.hidden_bias), like=x)
        log_x = _log_bernoulli(x[:, None], self.first.visible_logits(h))
        log_q = _log_bernoulli(h, self.first.hidden_logits(x)[:, None])
        return log_x + self.top.log_prob(h), log_q

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) (B,) of x (B, D), exact: a sum over all h_1."""
        return self._tables(x)[0].logsumexp(1)

    def bound(self, x: Tensor) -> Tensor:
        """The bound (B,), exact: a sum over all h_1 with q as weights."""
        log_joint, log_q = self._tables(x)
        return (log_q.exp() * (log_joint - log_q)).sum(1)

    @torch.no_grad()
    def dream(self, h: Tensor, steps: int) -> Tensor:
        """Probabilities of pixels (B, D): Gibbs steps of the top from h (B, M_1), then down."""
        return torch.sigmoid(self.first.visible_logits(self.top.gibbs(h, steps)))


# --- one deep machine ----------------------------------------------------------------------------


@dataclass
class DBM:
    r"""A deep Boltzmann machine of two hidden layers.

    $$E(x, h_1, h_2) = -b^\top x - c_1^\top h_1 - c_2^\top h_2
      - x^\top W_1 h_1 - h_1^\top W_2 h_2$$

    Attributes:
        first: the machine of x and h_1: W_1 (D, M_1), b (D,), c_1 (M_1,).
        weight: W_2 (M_1, M_2). bias: c_2 (M_2,).
    Source: Salakhutdinov and Hinton (2009).
    """

    first: RBM
    weight: Tensor
    bias: Tensor

    def parameters(self) -> tuple[Tensor, ...]:
        """W_1, b, c_1, W_2 and c_2."""
        return *self.first.parameters(), self.weight, self.bias

    @property
    def data_dim(self) -> int:
        """D."""
        return self.first.data_dim

    def energy(self, x: Tensor, h_1: Tensor, h_2: Tensor) -> Tensor:
        """E(x, h_1, h_2), (...)."""
        second = h_2 @ self.bias + ((h_1 @ self.weight) * h_2).sum(-1)
        return self.first.energy(x, h_1) - second

    def folded(self) -> RBM:
        """The same machine as an RBM: x and h_2 on one side, h_1 on the other."""
        return RBM(
            torch.cat([self.first.weight, self.weight.T]),
            torch.cat([self.first.visible_bias, self.bias]),
            self.first.hidden_bias,
        )

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) (B,) of x (B, D), exact: sums over all h_2, and as `RBM.log_partition`."""
        h_2 = all_states(len(self.bias), like=x)
        pairs = torch.cat([x[:, None].expand(-1, len(h_2), -1), h_2.expand(len(x), -1, -1)], -1)
        folded = self.folded()
        return (-folded.free_energy(pairs)).logsumexp(1) - folded.log_partition()

    def mean_field(self, x: Tensor, steps: int = 30) -> tuple[Tensor, Tensor]:
        """q(h_1) q(h_2) that no update of one layer betters, from ½: shares (B, M_1), (B, M_2).

        A step finds the best q(h_1) for this q(h_2), then the other way round: the bound rises.
        """
        from_x = self.first.hidden_logits(x)
        q_2 = x.new_full((*x.shape[:-1], len(self.bias)), 0.5)
        q_1 = torch.sigmoid(from_x + q_2 @ self.weight.T)
        for _ in range(count("steps", steps, least=0)):
            q_2 = torch.sigmoid(self.bias + q_1 @ self.weight)
            q_1 = torch.sigmoid(from_x + q_2 @ self.weight.T)
        return q_1, q_2

    def bound(self, x: Tensor, q_1: Tensor, q_2: Tensor, log_z: Tensor) -> Tensor:
        """The ELBO (B,): E_q[-E(x, h_1, h_2)] + entropy of q - log Z, at most log p(x).

        The energy is linear in each unit, and q's units are independent: so the average energy is
        the energy of the averages.
        """
        return -self.energy(x, q_1, q_2) + _entropy(q_1) + _entropy(q_2) - log_z

    # What `train_rbm` asks of a machine; a chain's row is x and h_2, (B, D + M_2).

    def chains_from(self, x: Tensor) -> Tensor:
        """Rows (B, D + M_2): the data, and coin tosses for h_2."""
        tosses = torch.bernoulli(x.new_full((len(x), len(self.bias)), 0.5))
        return torch.cat([x, tosses], dim=1)

    def gibbs(self, rows: Tensor, steps: int = 1) -> Tensor:
        """Rows (B, D + M_2) after some steps: h_1 given both sides, then both given h_1."""
        return self.folded().gibbs(rows, steps)

    def data_minus_dream(self, x: Tensor, dream: Tensor) -> tuple[Tensor, ...]:
        """Estimated gradient of the mean bound, in the order of `parameters`.

        Args:
            x: data (B, D); what they miss, h_2, is mean field's. dream: rows (B', D + M_2).
        """
        _, q_2 = self.mean_field(x, FIELD_STEPS)
        rows = torch.cat([x, q_2], dim=1)
        of_weight, of_sides, of_h_1 = self.folded().data_minus_dream(rows, dream)
        W_1, W_2_turned = of_weight.tensor_split([self.data_dim])
        b, c_2 = of_sides.tensor_split([self.data_dim])
        return W_1, b, of_h_1, W_2_turned.T, c_2


@dataclass
class _TwoCopies(RBM):
    """A restricted machine of which one side stands there twice, with the same weights."""

    up: int = 1  # copies of the visible side, as the hidden units see it
    down: int = 1  # copies of the hidden side, as the visible units see it

    def hidden_logits(self, x: Tensor) -> Tensor:
        return self.hidden_bias + self.up * (x @ self.weight)

    def visible_logits(self, h: Tensor) -> Tensor:
        return self.visible_bias + self.down * (h @ self.weight.T)


@torch.no_grad()
def pretrained_dbm(
    images: Tensor, hidden_dims: tuple[int, int], epochs: int, progress: bool = True, **options
) -> DBM:
    """A deep machine to begin joint training with: two restricted ones, learned one by one.

    In the deep machine h_1 hears two sides. Where only one of them is there yet, it counts twice.
    The second machine learns from the codes of the grey images, for speed.

    Args:
        images: (N, D) or (N, side, side), uint8, or floats in [0, 1].
        hidden_dims: M_1 and M_2. epochs: for each machine. options: those of `train_rbm`.
    Source: Salakhutdinov and Hinton (2009), section 3.1.
    """
    D, options = images[0].numel(), {"progress": progress, **options}
    start = RBM.start(D, hidden_dims[0], images)
    first = _TwoCopies(*start.parameters(), up=2)
    train_rbm(first, images, epochs, **options)
    codes = torch.sigmoid(first.hidden_logits(scaled(images.flatten(1))))
    second = RBM.start(*hidden_dims)
    second = _TwoCopies(*(t.to(codes) for t in second.parameters()), down=2)
    second.visible_bias.copy_(first.hidden_bias)
    train_rbm(second, codes, epochs, **options)
    return DBM(RBM(*first.parameters()), second.weight, second.hidden_bias)
